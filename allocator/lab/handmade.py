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

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import Limits, Reporter, Run, silent
from allocator.certificate import bound_of, held_value
from allocator.formulation import Formulation
from allocator.instance import Instance
from allocator.lab.ground import Ground, ground_of
from allocator.lab.improve import Improvement, improvements
from allocator.lab.plan_file import HandPlan
from allocator.policy import Policy
from allocator.rule import Violation
from allocator.run import allocate
from allocator.solve.construct import asked_for, only_pins_of_the_pinned, option_rank
from allocator.solve.loader import Loader, complete, feasible
from allocator.solve.prove import prove_all

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
        return max(0, self.bound - self.value if self.sense == "max" else self.value - self.bound)


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
    """Judge a plan made by hand; a run of the engine and a proof for this plan may take `limits` each."""
    ground = ground_of(instance, policy)
    allocation = ground.allocation(plan.places)
    audited = ground.audited(allocation)
    run = allocate(instance, policy, limits, report)
    legal = allocation if audited.passed else legal_part(ground, plan)
    kept = () if legal is None else tuple((place.entry_id, place.session_id) for place in legal.placements)
    listed = dict.fromkeys((place.entry_id, place.session_id) for place in plan.places)
    return Review(
        places=len(plan.places),
        added=plan.added,
        notices=plan.notices,
        violations=(*plan.problems, *audited.violations),
        goals=goal_reviews(ground.formulation, policy, list(audited.scores.values()), run, limits),
        left_out=() if legal is None else tuple(pair for pair in listed if pair not in kept),
        pins_added=tuple(pair for pair in kept if pair not in listed),
        improvable=legal is not None,
        improvements=() if legal is None else improvements(ground, legal, MOST_IMPROVEMENTS),
    )


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


def legal_part(ground: Ground, plan: HandPlan) -> Allocation | None:
    """The places, taken in the order of the file, that together keep every rule; None where none was found.

    What pins ask for comes first, as the file has it or, where it does not, in the order of the goals.
    """
    model = ground.formulation
    pairs = ((place.entry_id, place.session_id) for place in plan.places)
    listed = [ground.option_of[pair] for pair in pairs if pair in ground.option_of]
    asked, allowed, rank = asked_for(model), only_pins_of_the_pinned(model), option_rank(model)
    others = np.flatnonzero(asked)
    pins = [option for option in listed if asked[option]] + others[np.argsort(rank[others])].tolist()
    loader = Loader(model)
    for option in (*pins, *(option for option in listed if allowed[option])):
        if not loader.chosen[option] and loader.can_add(option):
            loader.add(option)
    while short := loader.short_sessions():
        leaving = np.flatnonzero(np.isin(model.session, list(short)) & loader.chosen & ~model.fixed)
        if not len(leaving):
            return None
        for row in leaving.tolist():
            loader.remove(row)
    if not feasible(model, complete(model, loader.chosen)):
        return None
    legal = ground.allocation(Allocation.from_options(ground.options, loader.chosen).placements)
    return legal if ground.audited(legal).passed else None


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
