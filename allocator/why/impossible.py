"""Impossible: why a pin has no option, and which bookings do not fit: the smallest set that contradicts, checked again.

A pin means some sessions; each is removed by a screen, by a veto, or because it takes nobody new. The smallest set of
these that together remove every session is found by trying sets in order of size, and checked with the rules' own
checks over tables and placements: each session breaks one of the set, and none of the set can be left out.

Bookings that do not fit are those that a limit's own `conflicts` reports. The smallest set of a conflict is the fewest
of its bookings that the limit still reports when no other booking is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.demand import Demand
from allocator.errors import ContradictionError
from allocator.explain import CLOSED, IN_CONFLICT
from allocator.instance import Instance
from allocator.options import Facts, Options
from allocator.policy import Policy
from allocator.rule import Conflict, Limit, closed_sessions, find_conflicts
from allocator.standing import FIXING, Fixed
from allocator.why.funnel import with_figure

MOST_SETS = 5_000
"""Sets of bookings that are tried; where that is too few, the whole conflict is shown and nothing is claimed."""


@dataclass(frozen=True)
class Impossible:
    """What contradicts: pins, vetoes, bookings and rules, in words. `checked`: found smallest, and looked at again."""

    parts: tuple[str, ...]
    checked: bool

    def lines(self) -> list[str]:
        """For people."""
        told = ["These contradict each other:", *(f"  {part}" for part in self.parts)]
        less = "  (the smallest such set, checked again: without any one of them the rest is no contradiction)"
        return [*told, less] if self.checked else told


def impossible_pins(facts: Facts, policy: Policy) -> list[Impossible]:
    """Every pin that no session can keep, with what removes its sessions."""
    demands = [demand for limit in policy.limits for demand in limit.demands(facts)]
    entry_ids = facts.instance.column("patients", "entry_id")
    fixed = {(str(entry_ids[place.entry]), place.session_id) for place in facts.standing.fixed}
    closed = closed_sessions(facts, find_conflicts(policy.limits, facts))
    found = []
    for demand in demands:
        if not demand.wanted or any((demand.entry_id, session_id) in fixed for session_id in demand.session_ids):
            continue
        if not demand.session_ids:
            found.append(Impossible((demand.words, "no session that it means is in the list of sessions"), True))
            continue
        removed = removed_by(facts, policy, demand, demands, closed)
        if all(removed.values()):
            names = fewest(removed, {screen.name for screen in policy.screens})
            words = [told(facts, policy, demand, name, removed) for name in names]
            found.append(Impossible((demand.words, *words), checked_again(facts, policy, demand, names, removed)))
    return found


def removed_by(
    facts: Facts, policy: Policy, demand: Demand, demands: Sequence[Demand], closed: frozenset[int]
) -> Mapping[str, frozenset[str]]:
    """session_id -> what removes it for the pin: names of screens, words of vetoes, bookings of the entry."""
    instance = facts.instance
    mine = [place for place in facts.standing.fixed if place.entry == instance.entry_row[demand.entry_id]]
    if mine:
        # Who has a place is given no other, whatever the rules say of it.
        return dict.fromkeys(demand.session_ids, frozenset(booking(demand.entry_id, place) for place in mine))
    rows = np.array([instance.session_row[session_id] for session_id in demand.session_ids], dtype=np.int64)
    entry = np.full(len(rows), instance.entry_row[demand.entry_id])
    pairs = Options(facts, entry, rows, np.zeros(len(rows), dtype=bool))
    kept = {screen.name: screen.keep(pairs) for screen in policy.screens}
    kept[IN_CONFLICT] = ~np.isin(rows, list(closed))
    found = {}
    for k, session_id in enumerate(demand.session_ids):
        vetoes = [
            veto.words
            for veto in demands
            if not veto.wanted and veto.entry_id == demand.entry_id and session_id in veto.session_ids
        ]
        found[session_id] = frozenset([*(name for name, keep in kept.items() if not keep[k]), *vetoes])
    return found


def fewest(removed: Mapping[str, frozenset[str]], rules: Set[str]) -> tuple[str, ...]:
    """The fewest things that together remove every session of a pin: sets are tried in order of size.

    Of as many rules come first: where a rule bars the pin, taking a veto back would not help.
    """
    names = sorted(frozenset().union(*removed.values()), key=lambda name: (name not in rules, name))
    sets = (chosen for size in range(1, len(names) + 1) for chosen in combinations(names, size))
    return next(chosen for chosen in sets if all(not gone.isdisjoint(chosen) for gone in removed.values()))


def checked_again(
    facts: Facts, policy: Policy, demand: Demand, names: Sequence[str], removed: Mapping[str, frozenset[str]]
) -> bool:
    """Do these remove every session of the pin, screens by their own checks, and none of them needlessly."""
    screens = {screen.name: screen for screen in policy.screens}

    def bars(name: str, session_id: str) -> bool:
        if name not in screens:
            return name in removed[session_id]
        return bool(screens[name].check(facts, Allocation.of([Placement(demand.entry_id, session_id)])))

    barred = {name: {session_id for session_id in removed if bars(name, session_id)} for name in names}
    every = set(removed)
    needed = (set[str]().union(*(barred[other] for other in names if other != name)) != every for name in names)
    return set[str]().union(*barred.values()) == every and all(needed)


def told(facts: Facts, policy: Policy, demand: Demand, name: str, removed: Mapping[str, frozenset[str]]) -> str:
    """One culprit for people: a rule with its sentence and the numbers of one session; a veto or booking as it is."""
    for screen in policy.screens:
        if screen.name == name:
            session_id = next(session_id for session_id, gone in removed.items() if name in gone)
            miss = screen.miss(facts, demand.entry_id, session_id)
            figure = "" if miss.figure is None else f"{miss.figure:g}"
            return f"rule {name}: {screen.sentence} ({session_id} is {with_figure(miss.words, figure)})"
    return f"its session is {CLOSED}" if name == IN_CONFLICT else name


def impossible_bookings(facts: Facts, policy: Policy) -> list[Impossible]:
    """For every problem that a limit reports of bookings, the smallest set of bookings that it reports alone."""
    instance = facts.instance
    known = instance.session_row
    entry_ids = instance.column("patients", "entry_id")
    found = [
        Impossible((booking(entry_ids[place.entry], place), f"{place.session_id} is not in the list of sessions"), True)
        for place in facts.standing.fixed
        if place.session_id not in known
    ]
    for limit in policy.limits:
        problems: dict[str, list[Conflict]] = {}
        for conflict in limit.conflicts(facts):
            problems.setdefault(conflict.problem, []).append(conflict)
        for problem, conflicts in problems.items():
            found.append(smallest_bookings(instance, limit, problem, conflicts))
    return found


def smallest_bookings(instance: Instance, limit: Limit, problem: str, conflicts: Sequence[Conflict]) -> Impossible:
    """The fewest of these bookings that do not fit by themselves."""
    pairs = sorted({(conflict.entry_id, conflict.session_id) for conflict in conflicts})
    sets = (chosen for size in range(1, len(pairs) + 1) for chosen in combinations(pairs, size))
    for chosen in islice(sets, MOST_SETS):
        problems = {conflict.problem for conflict in limit.conflicts(Facts(with_bookings(instance, chosen)))}
        if problems:
            words = f"rule {limit.name}: {limit.sentence} ({min(problems)})"
            return Impossible((*booking_words(chosen), words), checked=True)
    return Impossible((*booking_words(pairs), f"rule {limit.name}: {limit.sentence} ({problem})"), checked=False)


def booking(entry_id: str, place: Fixed) -> str:
    """One booking for people."""
    return f"{entry_id} is {place.state} in {place.session_id}"


def with_bookings(instance: Instance, pairs: Sequence[tuple[str, str]]) -> Instance:
    """The instance with no other booking than these; room taken by people on no list stays taken."""
    settled = instance.table("commitments")
    pair = list(zip(settled["entry_id"], settled["session_id"], strict=True))
    kept = settled["room_taken"] | ~settled["state"].isin(FIXING) | np.array([one in pairs for one in pair], dtype=bool)
    return instance.replacing(commitments=settled[kept].reset_index(drop=True))


def booking_words(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Bookings for people."""
    return (f"the booking of {entry_id} in {session_id}" for entry_id, session_id in pairs)


def explained(error: ContradictionError, instance: Instance, policy: Policy, *, strict: bool) -> ContradictionError:
    """The same error, with the smallest set that contradicts where the input itself shows it."""
    return ContradictionError("\n".join([str(error), *explained_lines(Facts(instance), policy, strict=strict)]))


def explained_lines(facts: Facts, policy: Policy, *, strict: bool) -> list[str]:
    """What contradicts in the input itself; nothing where it does not (then pins contradict in the model)."""
    found = [*(impossible_bookings(facts, policy) if strict else []), *impossible_pins(facts, policy)]
    return [line for item in found for line in item.lines()]
