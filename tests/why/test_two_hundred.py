"""200 entries without a place over five instances: what is said of each, against loops over tables and rules' checks.

Screens are those of the specification, limits are asked through their own checks of tables and placements, verified
changes are made in the tables and their plans audited anew. Nothing here sees a model, a row or a loader.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import pytest

from allocator.allocation import Allocation, Placement
from allocator.audit import audit
from allocator.backends.process import Worker
from allocator.change import changed
from allocator.explain import IN_CONFLICT, SEVERAL_LIMITS, SEVERAL_RULES, WORSENS, explain_unplaced, obstacles_to
from allocator.instance import Instance
from allocator.intake import read_instance
from allocator.options import Facts, build_options
from allocator.rule import closed_sessions, find_conflicts
from allocator.solve.construct import construct
from allocator.why.case import Case, case_of
from allocator.why.explained import Explained, explained
from allocator.why.outranked import MOST_HOLDERS, standings
from allocator.why.verified import Nearest
from instances import path
from instances.generate import generate
from models.daily import DAILY
from tests.solve import tiny
from tests.specification.reading import Case as Read
from tests.specification.reading import read
from tests.specification.screens import SCREENS
from tests.why.cases import no_prices

EACH = 40
MOST_SESSIONS = 12
"""Sessions of one entry that are asked of every limit: a check looks at the whole plan."""
NAMES = ("S1", "S2", "S3", "cm-2026-01-52w", "cm-2024-03-65w")


Refused = Mapping[str, set[str]]
"""session_id -> screens that refuse an entry there."""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as child:
        yield child


def instance_of(name: str) -> Instance:
    return generate("S", int(name[1:])) if name.startswith("S") else read_instance(path(name)).instance


@cache
def case_named(name: str) -> Case:
    """A plan that fills every list it can, best placements first."""
    case = tiny.case_of(Facts(instance_of(name)), DAILY)
    model = case.formulation
    allocation = Allocation.from_options(model.options, construct(model))
    return case_of(case.facts, DAILY, allocation, no_prices(len(model.goals), model.n_rows))


def sessions_of(spec: Read, entry_id: str) -> dict[str, set[str]]:
    """session_id -> screens that refuse the entry there, for sessions of its service."""
    rules = {screen.name: screen for screen in DAILY.screens}
    return {
        s: {name for name, rule in rules.items() if not SCREENS[name](spec, rule, entry_id, s)}
        for s in spec.sessions
        if SCREENS["same_service"](spec, rules["same_service"], entry_id, s)
    }


def scores(case: Case, plan: Allocation) -> list[int]:
    """Every goal in order, larger is better, from the tables."""
    goals = DAILY.ordered_goals
    return [goal.score(case.facts, plan) * (1 if goal.sense == "max" else -1) for goal in goals]


def check_reason(case: Case, code: str, text: str, found: Explained, refused: Refused, closed: set[str]) -> None:
    """The code, its numbers, the funnel and the counts of outranked, against loops."""
    assert found.funnel is not None
    assert found.outranked is not None
    told = {step.rule: step.removed for step in found.funnel.steps if step.rule != IN_CONFLICT}
    assert told == dict(Counter(name for names in refused.values() for name in names))
    left = [s for s, names in refused.items() if not names and s not in closed]
    assert (found.funnel.sessions, found.funnel.left, found.outranked.options) == (len(refused), len(left), len(left))
    for step in found.funnel.steps:
        gone = [s for s, names in refused.items() if step.rule in names or (step.rule == IN_CONFLICT and s in closed)]
        others = [s for s in gone if refused[s] <= {step.rule} and (step.rule == IN_CONFLICT or s not in closed)]
        assert (step.removed, step.alone) == (len(gone), len(others))
    broken = {s: broken_limits(case, found.entry_id, s) for s in left[:MOST_SESSIONS]}
    names = {screen.name for screen in DAILY.screens}
    limits = {limit.label for limit in DAILY.limits}
    if code == "same_service":
        assert refused == {}
    elif code in names:
        assert all(code in gone for gone in refused.values())
    elif code == IN_CONFLICT:
        assert set(refused) <= closed
    elif code == SEVERAL_RULES:
        assert left == []
        assert not any(all(name in gone for gone in refused.values()) for name in names)
    else:
        assert left, (found.entry_id, code)
        assert code == WORSENS or f"Could go to {len(left)} suitable session" in text
    if code in limits:
        assert all(code in labels for labels in broken.values()), (found.entry_id, code)
    if code == SEVERAL_LIMITS:
        assert all(broken.values()), (found.entry_id, code)
        assert len(left) > MOST_SESSIONS or not set.intersection(*broken.values())
    if code == WORSENS:
        # The session that is named is free, and whoever takes the place makes the plan worse.
        named = text.removeprefix("A place in ").split(" is free")[0]
        assert broken_limits(case, found.entry_id, named) == set()
        assert scores(case, with_place(case, found.entry_id, named)) < scores(case, case.allocation)
    assert set().union(*broken.values()) <= set(found.outranked.limits)
    held = {(place.entry_id, place.session_id): place.is_fixed for place in case.allocation.placements}
    assert all(held[holder.entry_id, holder.session_id] == holder.fixed for holder in found.outranked.holders)
    if found.outranked.holders and len(found.outranked.holders) < MOST_HOLDERS:
        # Without those who hold the room nothing keeps the entry out that would not keep it out of an empty plan.
        them = {(holder.entry_id, holder.session_id) for holder in found.outranked.holders}
        rest = [place for place in case.allocation.placements if (place.entry_id, place.session_id) not in them]
        for s in list(broken)[:3]:
            still = broken[s] & broken_limits(case, found.entry_id, s, rest)
            assert still <= broken_limits(case, found.entry_id, s, []), (found.entry_id, s, still)


def with_place(case: Case, entry_id: str, session_id: str, places: Sequence[Placement] | None = None) -> Allocation:
    """The plan, or these places, and one more."""
    kept = case.allocation.placements if places is None else places
    bases = case.allocation.with_option, case.allocation.with_independent_option
    return Allocation.of([*kept, Placement(entry_id, session_id)], *bases)


def broken_limits(case: Case, entry_id: str, session_id: str, places: Sequence[Placement] | None = None) -> set[str]:
    """Limits that the plan, or these places, breaks with one place more: by their own checks of tables."""
    plan = with_place(case, entry_id, session_id, places)
    return {limit.label for limit in DAILY.limits if limit.check(case.facts, plan)}


def check_change(case: Case, nearest: Nearest) -> None:
    """Made in the tables, an audited plan has the entry, and its goals are in their order no worse than the run's."""
    facts = Facts(changed(case.facts.instance, nearest.change))
    conflicts = find_conflicts(DAILY.limits, facts)
    options = build_options(facts, DAILY.screens, closed_sessions(facts, conflicts))
    base = Allocation.from_options(options, options.fixed)
    plan = Allocation.of(nearest.placements, base.with_option, base.with_independent_option)
    assert Placement(nearest.entry_id, nearest.session_id) in plan.placements
    found = audit(facts, DAILY, plan, (), conflicts)
    assert found.violations == ()
    goals = DAILY.ordered_goals
    ours = [goal.score(case.facts, case.allocation) for goal in goals]
    turned = [1 if goal.sense == "max" else -1 for goal in goals]
    after = [sign * found.scores[goal.label] for sign, goal in zip(turned, goals, strict=True)]
    assert after >= [sign * value for sign, value in zip(turned, ours, strict=True)]
    # The plan is the run's, with what the sentence says and nothing else.
    moved = {item.entry_id for item in nearest.displaced}
    told = {(place.entry_id, place.session_id) for place in case.allocation.placements if place.entry_id not in moved}
    told |= {(item.entry_id, item.now) for item in (*nearest.displaced, *nearest.gaining) if item.now}
    now = {(place.entry_id, place.session_id) for place in nearest.placements}
    assert now == told | {(nearest.entry_id, nearest.session_id)}


def explained_entries(name: str, each: int, worker: Worker) -> tuple[int, Counter[str]]:
    """Check so many entries of one instance: (verified changes, reason codes)."""
    case = case_named(name)
    spec = read(case.facts.instance)
    session_ids = case.session_ids
    closed = {str(session_ids[row]) for row in case.closed}
    obstacles = obstacles_to(case.formulation, case.allocation)
    reasons = {item.entry_id: item for item in explain_unplaced(obstacles, DAILY, case.conflicts)}
    chosen = random.Random(name).sample(case.unplaced(), min(each, len(case.unplaced())))
    once, n_verified, seen = standings(case), 0, Counter[str]()
    before = case.loader.chosen.copy()
    for entry_id in chosen:
        found = explained(case, once, entry_id, worker)
        reason = reasons[entry_id]
        check_reason(case, reason.reason_code, reason.reason, found, sessions_of(spec, entry_id), closed)
        for nearest in found.nearest:
            if nearest.verified:
                check_change(case, nearest)
                n_verified += 1
        seen[reason.reason_code] += 1
    assert np.array_equal(case.loader.chosen, before)
    return n_verified, seen


def test_a_few_entries_of_a_generated_instance_are_explained_truly(worker: Worker) -> None:
    n_verified, seen = explained_entries("S1", 6, worker)
    assert n_verified >= 3
    assert sum(seen.values()) == 6


@pytest.mark.slow
def test_two_hundred_entries_over_five_instances_are_explained_truly(worker: Worker) -> None:
    n_verified, codes, entries = 0, Counter[str](), 0
    for name in NAMES:
        verified, seen = explained_entries(name, EACH, worker)
        n_verified += verified
        codes += seen
        entries += sum(seen.values())
    print(f"{entries} entries, {n_verified} verified changes, {dict(codes)}")
    assert entries == EACH * len(NAMES)
    assert n_verified >= entries // 2
    assert len(codes) >= 5
