"""Compare two runs, or two policies on one instance: who gains a place, who loses one, who moves, and each goal.

A run proves that the best value of a goal under its policy lies between what its plan reaches and its bound (goals
before it held at what the plan reaches). So the best under B less the best under A lies between

    larger is better:   value of B - bound of A   and   bound of B - value of A
    smaller is better:  bound of B - value of A   and   value of B - bound of A

Where 0 lies inside, the two policies cannot be told apart at this gap, however much the two plans differ. Where
tables and rules are the same, and so are the goals before and what the two plans reach on them, it is one question: its
best is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any, Literal

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import GoalResult, Run
from allocator.errors import UsageError
from allocator.options import Facts
from allocator.policy import Policy
from allocator.report.people import wait_band
from allocator.rule import Goal

Verdict = Literal["better", "worse", "same", "undecided", "not_in_both"]
VERDICT_WORDS: Mapping[Verdict, str] = {
    "better": "B is better, proven",
    "worse": "B is worse, proven",
    "same": "the same, proven",
    "undecided": "cannot be told apart at this gap",
    "not_in_both": "not a goal of both policies, so that only the plans are compared",
}
GROUPS = ("home", "service", "deprivation", "band")


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two: the tables, the policy, the plan, and what is proven of it."""

    name: str
    facts: Facts
    policy: Policy
    allocation: Allocation
    goals: tuple[GoalResult, ...]


@dataclass(frozen=True)
class GoalChange:
    """One goal on both sides. `low` and `high` enclose the best under B less the best under A; None if unproven."""

    label: str
    unit: str
    sense: str
    a: int
    b: int
    bound_a: int | None
    bound_b: int | None
    low: int | None
    high: int | None
    verdict: Verdict


@dataclass(frozen=True)
class PersonChange:
    """An entry with another place, or none, on the other side. `change` is gains, loses or moves."""

    entry_id: str
    change: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class GroupChange:
    """One group of entries: how many there are, how many have a place on each side, and what changes."""

    group: str
    entries: int
    placed_a: int
    placed_b: int
    gains: int
    loses: int
    moves: int


@dataclass(frozen=True)
class Comparison:
    """Everything that differs between A and B."""

    a: str
    b: str
    notices: tuple[str, ...]
    goals: tuple[GoalChange, ...]
    people: tuple[PersonChange, ...]
    same: int
    groups: Mapping[str, tuple[GroupChange, ...]]

    def count(self, change: str) -> int:
        """How many entries gain, lose or move."""
        return sum(person.change == change for person in self.people)


def side_of(name: str, run: Run) -> Side:
    """A run as one side of a comparison."""
    return Side(name, run.facts, run.policy, run.allocation, run.goals)


def compared(a: Side, b: Side) -> Comparison:
    """B against A. Raises UsageError where they have no entry in common."""
    entries = sorted(a.facts.instance.entry_row.keys() & b.facts.instance.entry_row.keys())
    if not entries:
        raise UsageError(f'"{a.name}" and "{b.name}" have no entry in common: they are about other people.')
    before, after = places_of(a.allocation), places_of(b.allocation)
    people = []
    for entry in entries:
        old, new = before.get(entry, ()), after.get(entry, ())
        if old != new:
            change = "gains" if not old else "loses" if not new else "moves"
            people.append(PersonChange(entry, change, old, new))
    changes = {person.entry_id: person.change for person in people}
    placed = [{entry for entry in entries if entry in places} for places in (before, after)]
    groups = {name: grouped(entries, group_of(a.facts, name), (placed[0], placed[1]), changes) for name in GROUPS}
    same = sum(entry in before for entry in entries) - sum(person.change != "gains" for person in people)
    return Comparison(a.name, b.name, notices(a, b), goal_changes(a, b), tuple(people), same, groups)


def notices(a: Side, b: Side) -> tuple[str, ...]:
    """What to know before reading on."""
    found = []
    if not same_tables(a, b):
        left, right = a.facts.instance.entry_row.keys(), b.facts.instance.entry_row.keys()
        found.append(
            f"The two stand on different tables: {len(left - right):,} entries are only in A, "
            f"{len(right - left):,} only in B, {len(left & right):,} in both. People are compared where they are in "
            "both; goals are over everybody."
        )
    changed = [label for label, (one, other) in shared(a.policy, b.policy).items() if one != other]
    if changed:
        found.append(
            f"Both sides are measured as A measures them, where B sets other parameters: {', '.join(changed)}."
        )
    return tuple(found)


def same_tables(a: Side, b: Side) -> bool:
    """Are both about the same accepted tables?"""
    return a.facts.instance.fingerprint == b.facts.instance.fingerprint


def shared(a: Policy, b: Policy) -> Mapping[str, tuple[Goal, Goal]]:
    """label -> the goal as each policy has it, of goals that both have; tolerances set aside."""
    left, right = ({goal.label: goal for goal in policy.ordered_goals} for policy in (a, b))
    bare = {"tolerance": 0.0}
    return {
        label: (left[label].model_copy(update=bare), right[label].model_copy(update=bare))
        for label in left
        if label in right
    }


def goal_changes(a: Side, b: Side) -> tuple[GoalChange, ...]:
    """Every goal of A in its order, then those that only B has; both plans scored by the same goal, from the tables."""
    own = {goal.label: goal for goal in a.policy.ordered_goals}
    others = {goal.label: goal for goal in b.policy.ordered_goals if goal.label not in own}
    both = shared(a.policy, b.policy)
    results = [{goal.label: goal for goal in side.goals} for side in (a, b)]
    changes: list[GoalChange] = []
    one_question = same_tables(a, b) and a.policy.rules == b.policy.rules
    for (label, goal), theirs in zip_longest({**own, **others}.items(), b.policy.ordered_goals):
        values = (goal.score(a.facts, a.allocation), goal.score(b.facts, b.allocation))
        alike = label in both and both[label][0] == both[label][1]
        one_question = one_question and alike and theirs.label == label
        bounds = [result[label].certified_bound if alike and label in result else None for result in results]
        change = goal_change(label, goal.unit, goal.sense, values, (bounds[0], bounds[1]), alike=alike)
        changes.append(replace(change, low=0, high=0, verdict="same") if one_question else change)
        one_question = one_question and goal == theirs and values[0] == values[1]
    return tuple(changes)


def goal_change(
    label: str,
    unit: str,
    sense: str,
    values: tuple[int, int],
    bounds: tuple[int | None, int | None],
    *,
    alike: bool = True,
) -> GoalChange:
    """One goal: values of the plans of A and B, and bounds that no plan beats."""
    low = high = None
    verdict: Verdict = "undecided" if alike else "not_in_both"
    (a, b), (bound_a, bound_b) = values, bounds
    if bound_a is not None and bound_b is not None:
        low, high = (b - bound_a, bound_b - a) if sense == "max" else (bound_b - a, b - bound_a)
        verdict = verdict_of(sense, low, high)
    return GoalChange(label, unit, sense, a, b, bound_a, bound_b, low, high, verdict)


def verdict_of(sense: str, low: int, high: int) -> Verdict:
    """What an interval of changes says; a goal to make small is better below 0."""
    if low == high == 0:
        return "same"
    if low > 0 or high < 0:
        return "better" if (low > 0) == (sense == "max") else "worse"
    return "undecided"


def places_of(allocation: Allocation) -> dict[str, tuple[str, ...]]:
    """entry_id -> its sessions; the room that held entries keep is no place."""
    return {
        entry_id: tuple(sorted(place.session_id for place in places))
        for entry_id, places in allocation.of_entry.items()
        if any(place.state != "reserved" for place in places)
    }


def group_of(facts: Facts, name: str) -> Callable[[str], str]:
    """entry_id -> its group: home trust, service, fifth of deprivation or wait band on the plan date."""
    instance = facts.instance

    def home(entry_id: str) -> str:
        return str(instance.patient[entry_id]["home_provider"])

    def service(entry_id: str) -> str:
        patient = instance.patient[entry_id]
        return f"{patient['care_kind']} {patient['service_code']}"

    def deprivation(entry_id: str) -> str:
        fifth = instance.patient[entry_id]["imd_quintile"]
        return "not known" if np.isnan(fifth) else f"fifth {int(fifth)}" + (" (most deprived)" if fifth == 1 else "")

    def band(entry_id: str) -> str:
        since = instance.waits_from[instance.entry_row[entry_id]]
        waited = np.datetime64(instance.info.plan_date) - since
        days = np.nan if np.isnat(since) or waited < np.timedelta64(0, "D") else float(waited.astype(int))
        kind = str(instance.patient[entry_id]["care_kind"])
        return f"{kind} {wait_band(kind, days)}"

    return {"home": home, "service": service, "deprivation": deprivation, "band": band}[name]


def grouped(
    entries: Iterable[str],
    group: Callable[[str], str],
    placed: tuple[set[str], set[str]],
    changes: Mapping[str, str],
) -> tuple[GroupChange, ...]:
    """Counts by group, sorted by its name."""
    members: dict[str, list[str]] = {}
    for entry in entries:
        members.setdefault(group(entry), []).append(entry)
    found = []
    for name in sorted(members):
        here = members[name]
        kinds = [changes.get(entry) for entry in here]
        found.append(
            GroupChange(
                name,
                len(here),
                sum(entry in placed[0] for entry in here),
                sum(entry in placed[1] for entry in here),
                *(kinds.count(kind) for kind in ("gains", "loses", "moves")),
            )
        )
    return tuple(found)


def comparison_figures(found: Comparison) -> dict[str, Any]:
    """The comparison as plain JSON values."""
    return {
        "a": found.a,
        "b": found.b,
        "notices": list(found.notices),
        "goals": [{**asdict(goal), "words": VERDICT_WORDS[goal.verdict]} for goal in found.goals],
        "totals": {"same": found.same, **{change: found.count(change) for change in ("gains", "loses", "moves")}},
        "groups": {name: [asdict(row) for row in rows] for name, rows in found.groups.items()},
        "people": [asdict(person) for person in found.people],
    }
