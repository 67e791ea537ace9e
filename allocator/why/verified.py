"""Verified: a plan under changed tables that contains the entry, passes the whole audit and is no worse than the run's.

No worse: its goals, compared in their order, are not below the values that the run reports, nor below the run's own
plan scored under the changed tables (a change may move the base of a share).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from allocator.allocation import Allocation, Placement
from allocator.audit import audit
from allocator.change import Change, changed
from allocator.options import Facts, build_options
from allocator.policy import Policy
from allocator.rule import closed_sessions, find_conflicts
from allocator.solve.loader import merit_of
from allocator.why.candidates import Candidate
from allocator.why.case import Case

MOST_NAMED = 5
"""People who are named in one sentence; JSON has all."""


@dataclass(frozen=True)
class Displaced:
    """Somebody whose place in the run is another, or none (""), in the plan with the entry."""

    entry_id: str
    session_id: str
    now: str


@dataclass(frozen=True)
class Nearest:
    """A change that would place an entry in a session.

    verified    by an audited plan; else an estimate
    smallest    nothing smaller of its kind would do: there is none, or each was solved exactly
    displaced   whom that plan places elsewhere or nowhere
    gaining     who else has a place in that plan and none in the run (`session_id` is "")
    placements  that plan
    """

    entry_id: str
    change: Change
    session_id: str
    verified: bool
    smallest: bool
    displaced: tuple[Displaced, ...]
    gaining: tuple[Displaced, ...]
    placements: tuple[Placement, ...]

    def sentence(self) -> str:
        """The change for people."""
        told = f"If {self.change.words}, it could go to {self.session_id}; {displaced_words(self.displaced)}"
        told += f", and {gaining_words(self.gaining)}." if self.gaining else "."
        if not self.verified:
            return f"{told} Estimate: no plan was audited."
        less = " Nothing smaller of its kind would do." if self.smallest else ""
        return f"{told} Verified: an audited plan that is no worse has it.{less}"


def displaced_words(displaced: Sequence[Displaced]) -> str:
    """Whom a change would displace."""
    if not displaced:
        return "nobody would be displaced"
    told = [
        f"{item.entry_id} would move from {item.session_id} to {item.now}"
        if item.now
        else f"{item.entry_id} would lose {item.session_id}"
        for item in displaced
    ]
    rest = len(told) - MOST_NAMED
    more = [f"{rest} more would move or lose a place (perhaps fewer would do)"] if rest > 0 else []
    return ", ".join([*told[:MOST_NAMED], *more])


def gaining_words(gaining: Sequence[Displaced]) -> str:
    """Who else would gain a place."""
    named = ", ".join(f"{item.entry_id} in {item.now}" for item in gaining[:MOST_NAMED])
    more = f" and {len(gaining) - MOST_NAMED} more" if len(gaining) > MOST_NAMED else ""
    return f"{named}{more} would gain a place"


def changed_facts(case: Case, change: Change) -> Facts:
    """The tables after a change. Nobody moves house, so journeys stay as they are."""
    return Facts(changed(case.facts.instance, change), case.facts.travel)


def verified(case: Case, candidate: Candidate, facts: Facts, placements: Sequence[Placement]) -> Nearest | None:
    """The nearest change that this plan verifies under the changed tables `facts`; None where it does not."""
    policy, model = case.policy, case.formulation
    conflicts = find_conflicts(policy.limits, facts)
    plan = with_base(case, candidate, facts, placements)
    found = audit(facts, policy, plan, (), conflicts)
    if not found.passed:
        # Somebody else has an option now who had none: the bases of shares are others, and made anew.
        options = build_options(facts, policy.screens, closed_sessions(facts, conflicts))
        base = Allocation.from_options(options, options.fixed)
        plan = replace(base, placements=plan.placements)
        found = audit(facts, policy, plan, (), conflicts)
    if not found.passed or Placement(candidate.entry_id, candidate.session_id) not in plan.placements:
        return None
    reached = merit_of(model, list(found.scores.values()))
    before = replace(plan, placements=case.allocation.placements)
    if reached < merit_of(model, case.values) or not no_worse(policy, facts, reached, before):
        return None
    return nearest_of(case, candidate, placements, is_verified=True)


def no_worse(policy: Policy, facts: Facts, reached: Sequence[int], before: Allocation) -> bool:
    """Is what a plan reached, larger is better, not below the plan `before`, scored goal by goal until they differ."""
    for goal, value in zip(policy.ordered_goals, reached, strict=True):
        score = goal.score(facts, before)
        old = score if goal.sense == "max" else -score
        if value != old:
            return value > old
    return True


def with_base(case: Case, candidate: Candidate, facts: Facts, placements: Sequence[Placement]) -> Allocation:
    """The plan, with the bases of shares as they are if the change concerns the entry alone: the audit will say."""
    instance, entry_id = facts.instance, candidate.entry_id
    session = instance.session_row[candidate.session_id]
    away = instance.session_provider[session] != instance.patient[entry_id]["home_provider"]
    independent = {entry_id} if instance.session_independent[session] and away else set()
    return Allocation.of(
        placements,
        case.allocation.with_option | {entry_id},
        case.allocation.with_independent_option | independent,
    )


def nearest_of(case: Case, candidate: Candidate, placements: Sequence[Placement], *, is_verified: bool) -> Nearest:
    """The nearest change, with whom this plan displaces."""
    now = {place.entry_id: place.session_id for place in placements if not place.is_fixed}
    others = now.keys() - case.allocation.of_entry.keys() - {candidate.entry_id}
    gaining = tuple(Displaced(entry_id, "", now[entry_id]) for entry_id in sorted(others))
    displaced = tuple(
        Displaced(place.entry_id, place.session_id, now.get(place.entry_id, ""))
        for place in case.allocation.placements
        if not place.is_fixed and now.get(place.entry_id) != place.session_id
    )
    return Nearest(
        candidate.entry_id,
        candidate.change,
        candidate.session_id,
        is_verified,
        False,
        displaced,
        gaining,
        tuple(placements),
    )
