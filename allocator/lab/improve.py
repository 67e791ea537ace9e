"""The cheapest improvements of a plan: one place given, moved, handed on, or two exchanged.

Every one keeps every rule and makes the goal vector better in its strict order; each is verified by an audit of
the changed plan. Cheapest first: as few people as possible who had a place and now have another, or none; among
those the largest gain. Steps are looked at in the order of what they promise by the goals' own prices, at most
`MOST_TRIED` a kind; on small plans that is all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.formulation import Model
from allocator.instance import Array, Bools, Ints
from allocator.lab.ground import Ground
from allocator.options import spans
from allocator.solve.loader import Loader, complete, feasible, merit

MOST_TRIED = 300
"""Steps of one kind that are worked out in full."""
MOST_EXCHANGES = 300_000
"""Exchanges that are ranked at most."""


@dataclass(frozen=True)
class Step:
    """Options that leave a plan and options that come instead. `disturbed` had a place and lose or change it."""

    kind: str
    leaving: tuple[int, ...]
    coming: tuple[int, ...]
    disturbed: int


@dataclass(frozen=True)
class Improvement:
    """One verified step in table terms.

    places  (entry_id, session before or "", session after or "")
    gains   (goal, value before, value after) of every goal that changes, in order
    """

    kind: str
    places: tuple[tuple[str, str, str], ...]
    disturbed: int
    gains: tuple[tuple[str, int, int], ...]


def improvements(ground: Ground, allocation: Allocation, number: int) -> tuple[Improvement, ...]:
    """Up to `number` verified improvements of a plan that keeps every rule, cheapest first."""
    before = ground.audited(allocation)
    found: list[Improvement] = []
    for step in promising(ground.formulation, ground.chosen(allocation)):
        if len(found) == number:
            break
        after = changed(ground, allocation, step)
        audited = ground.audited(after)
        gains = tuple(
            (label, value, audited.scores[label])
            for label, value in before.scores.items()
            if audited.scores[label] != value
        )
        senses = {goal.label: goal.sense for goal in ground.formulation.goals}
        if audited.passed and gains and (gains[0][2] > gains[0][1]) == (senses[gains[0][0]] == "max"):
            found.append(Improvement(step.kind, moved_places(ground, step), step.disturbed, gains))
    return tuple(found)


def promising(formulation: Model, chosen: Bools) -> Iterator[Step]:
    """Steps that keep every row and improve the goal vector, cheapest first, then by what they gain."""
    current = merit(formulation, complete(formulation, chosen))
    loader = Loader(formulation)
    loader.hold(chosen | formulation.fixed)
    by_cost: dict[int, list[tuple[tuple[int, ...], Step]]] = {}
    for steps in (places(loader), moves(loader), handed_on(loader), exchanges(loader)):
        for step in steps[:MOST_TRIED]:
            after = chosen.copy()
            after[list(step.leaving)] = False
            after[list(step.coming)] = True
            columns = complete(formulation, after)
            gain = merit(formulation, columns)
            if gain > current and feasible(formulation, columns):
                by_cost.setdefault(step.disturbed, []).append((gain, step))
    for cost in sorted(by_cost):
        ranked = sorted(by_cost[cost], key=lambda item: (item[0], item[1].kind, item[1].coming), reverse=True)
        yield from (step for _, step in ranked)


def places(loader: Loader) -> list[Step]:
    """Somebody without a place is given one."""
    coming = [
        option
        for first, stop in spans(loader.model.entry)
        if not loader.chosen[first:stop].any()
        for option in (first + np.flatnonzero(loader.addable(first, stop))).tolist()
    ]
    return ranked(loader.model, "place", np.zeros((len(coming), 0), np.int64), column_of(coming), 0)


def moves(loader: Loader) -> list[Step]:
    """Somebody goes to another session."""
    leaving, coming = [], []
    for first, stop in spans(loader.model.entry):
        movable = loader.chosen[first:stop] & ~loader.model.fixed[first:stop]
        for option in (first + np.flatnonzero(movable)).tolist():
            loader.remove(option)
            other = first + np.flatnonzero(loader.addable(first, stop))
            loader.add(option)
            coming += other[other != option].tolist()
            leaving += [option] * int((other != option).sum())
    return ranked(loader.model, "move", column_of(leaving), column_of(coming), 1)


def handed_on(loader: Loader) -> list[Step]:
    """Somebody's place goes to somebody who has none."""
    model = loader.model
    has_place = np.zeros(model.n_entries, dtype=bool)
    has_place[model.entry[loader.chosen]] = True
    waiting = np.flatnonzero(~has_place[model.entry])
    order = waiting[np.argsort(model.session[waiting], kind="stable")]
    starts = np.searchsorted(model.session[order], np.arange(model.n_sessions + 1))
    leaving, coming = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for option in np.flatnonzero(loader.chosen & ~model.fixed):
        session = model.session[option]
        rivals = order[starts[session] : starts[session + 1]]
        leaving.append(np.full(len(rivals), option))
        coming.append(rivals)
    return ranked(model, "hand_on", column_of(np.concatenate(leaving)), column_of(np.concatenate(coming)), 1)


def exchanges(loader: Loader) -> list[Step]:
    """Two people with places take each other's."""
    model = loader.model
    pairs = zip(model.entry.tolist(), model.session.tolist(), strict=True)
    option_of = {pair: option for option, pair in enumerate(pairs)}
    movable = np.flatnonzero(loader.chosen & ~model.fixed).tolist()
    in_session: dict[int, list[int]] = {}
    for option in movable:
        in_session.setdefault(int(model.session[option]), []).append(option)
    leaving, coming = [], []
    for option in movable:
        entry, session = int(model.entry[option]), int(model.session[option])
        for there in range(*model.option_start[entry : entry + 2]):
            for other in in_session.get(int(model.session[there]), ()):
                back = option_of.get((int(model.entry[other]), session))
                if other > option and back is not None:
                    leaving.append((option, other))
                    coming.append((there, back))
        if len(leaving) > MOST_EXCHANGES:
            break
    out, new = (np.array(found, dtype=np.int64).reshape(-1, 2) for found in (leaving, coming))
    return ranked(model, "exchange", out, new, 2)


def ranked(model: Model, kind: str, leaving: Ints, coming: Ints, disturbed: int) -> list[Step]:
    """The steps by what they gain on the goals in order, best first; those that plainly lose are left out.

    leaving, coming  (n_steps, n) options. Auxiliaries are left out here: what a step really gains is worked
    out for those that are tried.
    """
    gains: list[Array] = []
    for goal in model.goals:
        value = (1 if goal.sense == "max" else -1) * goal.values
        gains.append(value[coming].sum(axis=1) - value[leaving].sum(axis=1))
    first = model.first_auxiliary
    told = [gain for goal, gain in zip(model.goals, gains, strict=True) if not goal.values[first:].any()]
    loses = np.zeros(len(coming), dtype=bool)
    undecided = np.ones(len(coming), dtype=bool)
    for goal, gain in zip(model.goals, gains, strict=True):
        if goal.values[first:].any():
            break  # from here on an auxiliary may decide
        loses |= undecided & (gain < 0)
        undecided &= gain == 0
    kept = np.flatnonzero(~loses)
    if told:
        kept = kept[np.lexsort([-gain[kept] for gain in reversed(told)])]
    rows = zip(leaving[kept[:MOST_TRIED]].tolist(), coming[kept[:MOST_TRIED]].tolist(), strict=True)
    return [Step(kind, tuple(out), tuple(new), disturbed) for out, new in rows]


def column_of(options: Sequence[int] | Ints) -> Ints:
    """Options as (n, 1)."""
    return np.asarray(options, dtype=np.int64).reshape(-1, 1)


def changed(ground: Ground, allocation: Allocation, step: Step) -> Allocation:
    """The plan after a step."""
    out = {ground.pairs[option] for option in step.leaving}
    kept = [place for place in allocation.placements if (place.entry_id, place.session_id) not in out]
    return replace(allocation, placements=tuple(sorted([*kept, *(Placement(*ground.pairs[o]) for o in step.coming)])))


def moved_places(ground: Ground, step: Step) -> tuple[tuple[str, str, str], ...]:
    """(entry_id, session before, session after) of everybody in a step."""
    before, after = (dict(ground.pairs[option] for option in group) for group in (step.leaving, step.coming))
    return tuple((entry, before.get(entry, ""), after.get(entry, "")) for entry in sorted({*before, *after}))
