"""Room: a model around a plan in which a place for one more person can be looked for, whoever it displaces.

On a large instance it holds the plan, the pairs that are asked about, and what else the people in the way could have;
of everybody else only so much that shares of groups keep their base. Rows and goals are the policy's own, so a plan
found here keeps the limits; that it keeps every rule, the audit says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from allocator.allocation import Allocation
from allocator.explain import loaded
from allocator.formulation import Formulation, formulate
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options
from allocator.policy import Policy
from allocator.solve.construct import option_gain
from allocator.solve.loader import Loader, complete, feasible, merit
from allocator.why.case import Case

MOST_IN_THE_WAY = 24
"""People in the way who are tried one by one; of pairs of them the first half are tried."""
MOST_PEOPLE_MOVED = 2


@dataclass(frozen=True, eq=False)
class Room:
    """A model and a plan in it. Whoever tries something with the loader puts it back."""

    formulation: Formulation
    loader: Loader

    @cached_property
    def merit(self) -> tuple[int, ...]:
        """Of the plan, larger is better."""
        return merit(self.formulation, complete(self.formulation, self.loader.chosen))

    @cached_property
    def gains(self) -> Ints:
        """(n_goals, n_options) of the first goals, up to the first that is not a sum over placements."""
        model = self.formulation
        plain = [not goal.values[model.n_options :].any() for goal in model.goals]
        first = plain.index(False) if False in plain else len(plain)
        gains = [option_gain(model, k) for k in range(first)]
        return np.array(gains, dtype=np.int64).reshape(first, model.n_options)

    def option(self, entry: int, session: int) -> int | None:
        """The option of this pair of rows; None where it is none."""
        model = self.formulation
        low, high = model.option_start[entry : entry + 2].tolist()
        there = np.flatnonzero(model.session[low:high] == session)
        return int(low + there[0]) if len(there) else None


def room_of(facts: Facts, policy: Policy, options: Options, allocation: Allocation) -> Room:
    """The room of a plan among these options."""
    formulation = formulate(options, policy)
    return Room(formulation, loaded(formulation, allocation))


def room_for(case: Case, entry: int, sessions: Ints) -> Room:
    """Room for an entry in these sessions (rows of patients and sessions), screens or not."""
    model = case.formulation
    chosen = case.loader.chosen
    there = np.unique(model.entry[chosen & ~model.fixed & np.isin(model.session, sessions)])
    more = np.flatnonzero(np.isin(model.entry, [*there, entry]))
    pairs = (np.concatenate([model.entry[more], np.full(len(sessions), entry)]), [model.session[more], sessions])
    options = beside_plan(case, pairs[0], np.concatenate(pairs[1]))
    return room_of(case.facts, case.policy, options, case.allocation)


def beside_plan(case: Case, entry: Ints, session: Ints) -> Options:
    """The plan's placements, an option of everybody who has one, and these pairs of rows (n,)."""
    model, width = case.formulation, np.int64(len(case.session_ids))
    kept = case.loader.chosen | case.base_options
    found = np.unique(np.concatenate([model.entry[kept] * width + model.session[kept], entry * width + session]))
    fixed = np.isin(found, model.entry[model.fixed] * width + model.session[model.fixed])
    return Options(case.facts, (found // width).astype(np.int32), (found % width).astype(np.int32), fixed)


def made_room(room: Room, option: int, floor: tuple[int, ...]) -> Bools | None:
    """(n_options,) the best plan found that has the option and whose merit is not below `floor`; None without one.

    Looked for by moving or taking out one or two people who stand in its way; not every plan is looked at.
    """
    loader = room.loader
    if loader.can_add(option) and not loader.too_few_to_open(option, option + 1)[0]:
        return tried(room, option, (), floor)[1]
    for size in range(1, MOST_PEOPLE_MOVED + 1):
        found = [tried(room, option, moved, floor) for moved in in_the_way(room, option, size)]
        best = max((item for item in found if item[1] is not None), key=lambda item: item[0], default=None)
        if best is not None:
            return best[1]
    return None


def in_the_way(room: Room, option: int, size: int) -> Iterator[tuple[int, ...]]:
    """Sets of so many free placements in the rows that keep the option out, those worth least first."""
    loader, model = room.loader, room.formulation
    _, rows = loader.obstacles(option, option + 1)
    part = model.rows.matrix[rows][:, : model.n_options].tocoo()
    blocking = np.unique(part.col[(part.data > 0) & loader.chosen[part.col] & ~model.fixed[part.col]])
    order = np.lexsort([blocking, *room.gains[::-1, blocking]])
    most = MOST_IN_THE_WAY if size == 1 else MOST_IN_THE_WAY // 2
    yield from combinations(blocking[order][:most].tolist(), size)


def tried(
    room: Room, option: int, moved: Sequence[int], floor: tuple[int, ...]
) -> tuple[tuple[int, ...], Bools | None]:
    """Take these placements out, put the option in, place again whom that leaves without: (merit, plan or None)."""
    loader, model = room.loader, room.formulation
    done: list[tuple[int, bool]] = []

    def do(one: int, add: bool) -> None:
        (loader.add if add else loader.remove)(one)
        done.append((one, add))

    found: tuple[tuple[int, ...], Bools | None] = ((), None)
    for placement in moved:
        do(placement, False)
    if loader.can_add(option) and not loader.too_few_to_open(option, option + 1)[0]:
        do(option, True)
        for placement in moved:
            again = elsewhere(room, placement, {placement, option})
            if again is not None:
                do(again, True)
        change = np.sum([room.gains[:, one] if add else -room.gains[:, one] for one, add in done], axis=0)
        worth = tuple((np.array(room.merit[: len(change)]) + change).tolist())
        if worth >= floor[: len(worth)] and not loader.short_sessions():
            columns = complete(model, loader.chosen)
            after = merit(model, columns)
            if after >= floor and feasible(model, columns):
                found = (after, loader.chosen.copy())
    for one, add in reversed(done):
        (loader.remove if add else loader.add)(one)
    return found


def elsewhere(room: Room, placement: int, but: Collection[int]) -> int | None:
    """The best other option of a placement's entry that is free now."""
    loader, model = room.loader, room.formulation
    low, high = model.option_start[model.entry[placement] : model.entry[placement] + 2].tolist()
    free = low + np.flatnonzero(loader.addable(low, high) & ~loader.too_few_to_open(low, high))
    free = free[~np.isin(free, list(but))]
    return int(free[np.lexsort([free, *-room.gains[::-1, free]])[0]]) if len(free) else None
