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
from allocator.solve.construct import asked_for, only_pins_of_the_pinned
from allocator.solve.loader import Loader


def baseline(formulation: Formulation) -> Allocation:
    """Longest wait first, own provider first, then nearest; what is fixed stays, and pins come before all."""
    options = formulation.options
    loader = Loader(formulation)
    queue, rank = longest_waits_first(options), preference(options)
    asked, allowed = asked_for(formulation), only_pins_of_the_pinned(formulation)
    pinned = np.isin(queue, options.entry[asked])
    shut = sessions_to_fill(options)
    open_lists(loader, options, shut, np.unique(options.session[asked & shut[options.session]]), asked, allowed)
    place_in_turn(loader, queue[pinned], rank, allowed & ~shut[options.session])
    place_in_turn(loader, queue, rank, allowed & ~shut[options.session])
    open_lists(loader, options, shut, np.flatnonzero(shut), asked, allowed)
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
    entry = loader.model.entry
    starts = np.searchsorted(entry, queue)
    stops = np.searchsorted(entry, queue, side="right")
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


def open_lists(loader: Loader, options: Options, shut: Bools, sessions: Ints, asked: Bools, allowed: Bools) -> None:
    """Try to fill these sessions in date order; those that were are no longer `shut`."""
    dates = options.instance.column("sessions", "date")
    for session in sessions[np.lexsort((sessions, dates[sessions]))].tolist():
        shut[session] = not fill(loader, options, session, asked, allowed)


def fill(loader: Loader, options: Options, session: int, asked: Bools, allowed: Bools) -> bool:
    """Place who is pinned and then who waits longest in one session, if they are enough to open it; were they."""
    instance = options.instance
    mine = np.flatnonzero((options.session == session) & allowed)
    mine = mine[np.lexsort((days(instance.waits_from)[options.entry[mine]], ~asked[mine]))]
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
