"""Baseline: what a careful clerk would do, so that people see what the plan is worth.

Longest wait first; own provider first, then the nearest, then the earliest day. Every rule is kept. Lists
that are only worth opening for enough people are filled last, in date order, from those still waiting.
"""

from __future__ import annotations

import numpy as np

from allocator.allocation import Allocation
from allocator.formulation import Formulation, Model
from allocator.instance import Array, Bools, Ints
from allocator.memory import give_back
from allocator.options import Options
from allocator.solve.construct import asked_for, only_pins_of_the_pinned
from allocator.solve.loader import Loader
from allocator.solve.part_model import parts_in_turn
from allocator.solve.partition import CUT_FROM, cut_into_regions

MOST_OF_A_CLERK = 2_000_000
"""Options of a region with a clerk of its own, about; the tables of the whole stand beside it."""


def baseline(formulation: Formulation) -> Allocation:
    """Longest wait first, own provider first, then nearest; what is fixed stays, and pins come before all.

    Where the model is cut into regions there is a clerk in each, with a share of what several have in common.
    """
    options = formulation.options
    if formulation.n_options <= CUT_FROM:
        return Allocation.from_options(options, placed_by_clerk(formulation, options))
    chosen = formulation.fixed.copy()
    for part, place in parts_in_turn(formulation, cut_into_regions(formulation, MOST_OF_A_CLERK)):
        give_back()
        chosen[place.option[placed_by_clerk(part, options.take(place.option))]] = True
    return Allocation.from_options(options, chosen)


def placed_by_clerk(model: Model, options: Options) -> Bools:
    """(n_options,) the places of a plan by hand, of a model with these options."""
    loader = Loader(model)
    queue, rank = longest_waits_first(options), preference(options)
    asked, allowed = asked_for(model), only_pins_of_the_pinned(model)
    pinned = np.isin(queue, options.entry[asked])
    shut = sessions_to_fill(options)
    open_lists(loader, options, shut, np.unique(options.session[asked & shut[options.session]]), asked, allowed)
    place_in_turn(loader, options, queue[pinned], rank, allowed & ~shut[options.session])
    place_in_turn(loader, options, queue, rank, allowed & ~shut[options.session])
    open_lists(loader, options, shut, np.flatnonzero(shut), asked, allowed)
    place_in_turn(loader, options, queue, rank, allowed & ~shut[options.session])
    return loader.chosen


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


def place_in_turn(loader: Loader, options: Options, queue: Ints, rank: Ints, allowed: Bools) -> None:
    """Give everybody in the queue the best option that fits, again until nobody more fits.

    Again, because one place may make room for another: a test for the treatment that waits for it.
    """
    queue = queue.astype(options.entry.dtype)
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


def open_lists(loader: Loader, options: Options, shut: Bools, sessions: Ints, asked: Bools, allowed: Bools) -> None:
    """Try to fill these sessions in date order; those that were are no longer `shut`."""
    dates = options.instance.column("sessions", "date")
    waits, order = days(options.instance.waits_from), np.argsort(options.session, kind="stable")
    start = np.searchsorted(options.session[order], np.arange(len(dates) + 1))
    for session in sessions[np.lexsort((sessions, dates[sessions]))].tolist():
        mine = order[start[session] : start[session + 1]]
        mine = mine[allowed[mine]]
        mine = mine[np.lexsort((waits[options.entry[mine]], ~asked[mine]))]
        column = options.instance.column
        enough = column("sessions", "min_cases")[session] - column("sessions", "host_cases")[session]
        shut[session] = not fill(loader, mine, int(enough))


def fill(loader: Loader, queue: Ints, enough: int) -> bool:
    """Place whoever fits of these options of one session, in turn, if they are enough to open it; were they."""
    added: list[int] = []
    for option in queue.tolist():
        if loader.can_add(option):
            loader.add(option)
            added.append(option)
    if len(added) >= enough:
        return True
    for option in reversed(added):
        loader.remove(option)
    return False
