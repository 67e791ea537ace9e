"""Baseline: what a careful clerk would do, so that people see what the plan is worth.

Longest wait first; own provider first, then the nearest, then the earliest day. Every rule is kept. Lists
that are only worth opening for enough people are filled last, in date order, from those still waiting.
"""

from __future__ import annotations

import numpy as np

from allocator.allocation import Allocation
from allocator.formulation import Formulation
from allocator.instance import Array, Bools, Ints
from allocator.options import Options
from allocator.solve.loader import Loader


def baseline(formulation: Formulation) -> Allocation:
    """Longest wait first, own provider first, then nearest; what is fixed stays."""
    options = formulation.options
    loader = Loader(formulation)
    queue = longest_waits_first(options)
    rank = preference(options)
    allowed = only_pins_of_the_pinned(formulation)
    shut = sessions_to_fill(options)
    place_in_turn(loader, queue, rank, allowed & ~shut[options.session])
    dates = options.instance.column("sessions", "date")
    for session in sorted(np.flatnonzero(shut), key=lambda row: (dates[row], row)):
        shut[session] = not fill(loader, int(session), allowed)
    place_in_turn(loader, queue, rank, allowed & ~shut[options.session])
    return Allocation.from_options(options, loader.chosen)


def longest_waits_first(options: Options) -> Ints:
    """Rows of patients with an option, by the day they began to wait (unknown last), then by entry_id."""
    entries = np.unique(options.entry)
    since: Ints = days(options.instance.waits_from)[entries]
    ordered: Ints = entries[np.argsort(since, kind="stable")]
    return ordered


def preference(options: Options) -> Ints:
    """(n_options,) smaller is better: at home, then nearest, then earliest, then by session_id."""
    order = np.lexsort((options.session, days(options.of_session("date")), options.travel_minutes, ~options.at_home))
    rank = np.empty(len(options), dtype=np.int64)
    rank[order] = np.arange(len(options))
    return rank


def days(dates: Array) -> Ints:
    """Dates as whole days; an unknown one comes after all others."""
    numbers: Ints = dates.astype("datetime64[D]").astype(np.int64)
    return np.where(np.isnat(dates), np.iinfo(np.int64).max, numbers)


def only_pins_of_the_pinned(formulation: Formulation) -> Bools:
    """(n_options,) may be used: everything, but of an entry that a row demands only what the row asks for.

    Such a row (a pin) is not satisfied by the fixed placements and has no column but placements.
    """
    options, matrix = formulation.options, formulation.rows.matrix
    n_options = len(options)
    only_placements = np.diff(matrix[:, n_options:].tocsr().indptr) == 0
    unmet = only_placements & (formulation.rows.lower > matrix @ formulation.column_lower)
    asked = np.asarray(matrix[unmet][:, :n_options].maximum(0).sum(axis=0)).ravel() > 0
    pinned = np.zeros(len(options.facts.standing.waiting), dtype=bool)
    pinned[options.entry[asked]] = True
    allowed: Bools = asked | ~pinned[options.entry]
    return allowed


def sessions_to_fill(options: Options) -> Bools:
    """(n_sessions,) nobody is placed there yet and one new case alone would not make it worth opening."""
    column = options.instance.column
    used = np.zeros(len(column("sessions", "session_id")), dtype=bool)
    used[options.session[options.fixed]] = True
    shut: Bools = ~used & (column("sessions", "min_cases") - column("sessions", "host_cases") > 1)
    return shut


def place_in_turn(loader: Loader, queue: Ints, rank: Ints, allowed: Bools) -> None:
    """Give everybody in the queue the best option that fits, again until nobody more fits.

    Again, because one place may make room for another: a test for the treatment that waits for it.
    """
    options = loader.formulation.options
    starts = np.searchsorted(options.entry, queue)
    stops = np.searchsorted(options.entry, queue, side="right")
    spans = [(int(first), int(stop)) for first, stop in zip(starts, stops, strict=True)]
    while True:
        left = [span for span in spans if not loader.chosen[slice(*span)].any()]
        spans = [span for span in left if not place_one(loader, *span, rank, allowed)]
        if len(spans) == len(left):
            return


def place_one(loader: Loader, first: int, stop: int, rank: Ints, allowed: Bools) -> bool:
    """Place the entry of options first..stop in the best that fits; was there one."""
    free = np.flatnonzero(loader.addable(first, stop) & allowed[first:stop])
    if not len(free):
        return False
    loader.add(first + int(free[np.argmin(rank[first:stop][free])]))
    return True


def fill(loader: Loader, session: int, allowed: Bools) -> bool:
    """Place those who wait longest in one session, if they are enough to open it; were they."""
    options = loader.formulation.options
    instance = options.instance
    mine = np.flatnonzero((options.session == session) & allowed)
    mine = mine[np.argsort(days(instance.waits_from)[options.entry[mine]], kind="stable")]
    added: list[int] = []
    for option in mine.tolist():
        if loader.can_add(option):
            loader.add(option)
            added.append(option)
    enough = instance.column("sessions", "min_cases")[session] - instance.column("sessions", "host_cases")[session]
    if len(added) >= enough:
        return True
    for option in reversed(added):
        loader.remove(option)
    return False
