"""A plan made by hand: every rule checked, every goal scored, how far from the best, and what would improve it.

The bound of a goal is the better of two, both with the goals before held at what the plan made by hand reaches: one
from the prices of a run of the engine, one from prices found for this plan. Prices of any origin prove a bound (see
`allocator.certificate`), so it holds for every plan that keeps the rules and is as good as this one on the goals
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from allocator.allocation import Placement
from allocator.answer import Limits, Memory, Reporter, Run, silent
from allocator.certificate import bound_of, held_value
from allocator.formulation import Formulation
from allocator.instance import Instance
from allocator.lab.ground import Ground, ground_of
from allocator.lab.improve import Improvement, improvements
from allocator.lab.legal_part import legal_part
from allocator.lab.plan_file import HandPlan
from allocator.policy import Policy
from allocator.rule import Violation
from allocator.run import allocate
from allocator.solve.prove import prove_all
from allocator.words import plural

MOST_IMPROVEMENTS = 10


@dataclass(frozen=True)
class GoalReview:
    """One goal: what the plan made by hand reaches, what no plan beats, and what the engine reached."""

    label: str
    unit: str
    sense: str
    value: int
    bound: int
    engine: int
    sentence: str

    @property
    def distance(self) -> int:
        """How far the value is from the bound, never below 0: a plan that breaks rules can be beyond it."""
        return max(0, self._short)

    @property
    def beyond(self) -> bool:
        """Is the value better than any plan that keeps every rule."""
        return self._short < 0

    @property
    def _short(self) -> int:
        return self.bound - self.value if self.sense == "max" else self.value - self.bound


@dataclass(frozen=True)
class Review:
    """What is to be said of a plan made by hand.

    notices       how the file was read, where that was not as wanted
    left_out      (entry_id, session_id) of places that were left out so that the rest keeps every rule
    pins_added    (entry_id, session_id) of places that pins ask for and the plan does not have
    improvements  of the plan without those, with these; empty where no such part was found
    """

    places: int
    added: int
    notices: tuple[str, ...]
    violations: tuple[Violation, ...]
    goals: tuple[GoalReview, ...]
    left_out: tuple[tuple[str, str], ...]
    pins_added: tuple[tuple[str, str], ...]
    improvable: bool
    improvements: tuple[Improvement, ...]

    @property
    def passed(self) -> bool:
        """Does the plan keep every rule."""
        return not self.violations


def review(instance: Instance, policy: Policy, plan: HandPlan, limits: Limits, report: Reporter = silent) -> Review:
    """Judge a plan made by hand; a run of the engine and a proof for this plan may take `limits` each.

    The engine begins from what of the plan keeps every rule, so that its own plan is never worse.
    """
    ground = ground_of(instance, policy)
    allocation = ground.allocation(plan.places)
    audited = ground.audited(allocation)
    once = counted_once(ground, plan.places)
    scores = (audited if len(once) == len(plan.places) else ground.audited(ground.allocation(once))).scores
    legal = allocation if audited.passed else legal_part(ground, plan.places, limits)
    kept = () if legal is None else tuple((place.entry_id, place.session_id) for place in legal.placements)
    run = allocate(instance, policy, limits, report, Memory(kept))
    listed = dict.fromkeys((place.entry_id, place.session_id) for place in plan.places)
    return Review(
        places=len(plan.places),
        added=plan.added,
        notices=(*plan.notices, *twice_words(len(plan.places) - len(once))),
        violations=(*plan.problems, *audited.violations),
        goals=goal_reviews(ground.formulation, policy, list(scores.values()), run, limits),
        left_out=() if legal is None else tuple(pair for pair in listed if pair not in kept),
        pins_added=tuple(pair for pair in kept if pair not in listed),
        improvable=legal is not None,
        improvements=() if legal is None else improvements(ground, legal, MOST_IMPROVEMENTS),
    )


def counted_once(ground: Ground, places: Sequence[Placement]) -> list[Placement]:
    """The places of a plan with one an entry beside its bookings: none where it has a booking, else the earliest.

    Goals gain from a place by what its entry no longer waits: from a second one they would gain it again.
    """
    session = ground.facts.instance.session
    having = {place.entry_id for place in places if place.is_fixed}
    once = [place for place in places if place.is_fixed]
    for place in sorted(places, key=lambda place: (session[place.session_id]["date"].item(), place.session_id)):
        if place.entry_id not in having:
            having.add(place.entry_id)
            once.append(place)
    return once


def twice_words(count: int) -> tuple[str, ...]:
    """Says that places were not counted in goals."""
    if not count:
        return ()
    return (f"Goals leave out {plural(count, 'place')} of people who have another: booked, or earlier.",)


def goal_reviews(
    model: Formulation, policy: Policy, values: Sequence[int], run: Run, limits: Limits
) -> tuple[GoalReview, ...]:
    """Every goal with the better of what the run's prices and new ones prove, goals before held at `values`."""
    sentences = {goal.label: goal.sentence for goal in policy.ordered_goals}
    own, _ = prove_all(model, values, {}, limits.seconds, limits)
    floors = [held_value(model, k, value) for k, value in enumerate(values)]
    reviews = []
    for k, goal in enumerate(model.goals):
        bounds = [
            bound_of(model, k, floors[:k], found.prices[k, : model.n_rows + k], found.scale, bool(found.by_session[k]))
            for found in (run.certificate, own)
        ]
        bound = min(bounds) if goal.sense == "max" else max(bounds)
        engine = run.goals[k].value
        reviews.append(GoalReview(goal.label, goal.unit, goal.sense, values[k], bound, engine, sentences[goal.label]))
    return tuple(reviews)


def review_figures(review: Review) -> dict[str, Any]:
    """The review as plain JSON values."""
    return {
        "passed": review.passed,
        "places": review.places,
        "bookings_added": review.added,
        "notices": list(review.notices),
        "violations": [asdict(violation) for violation in review.violations],
        "goals": [{**asdict(goal), "distance": goal.distance} for goal in review.goals],
        "left_out": [{"entry_id": entry, "session_id": session} for entry, session in review.left_out],
        "pins_added": [{"entry_id": entry, "session_id": session} for entry, session in review.pins_added],
        "improvable": review.improvable,
        "improvements": [improvement_figures(item) for item in review.improvements],
    }


def improvement_figures(item: Improvement) -> dict[str, Any]:
    """One improvement as plain JSON values."""
    return {
        "kind": item.kind,
        "people_disturbed": item.disturbed,
        "places": [{"entry_id": entry, "from": old, "to": new} for entry, old, new in item.places],
        "goals": [{"goal": goal, "before": before, "after": after} for goal, before, after in item.gains],
    }
