"""The part of a plan made by hand that keeps every rule: as many of its places as can be kept together.

A whole-number problem over the places of the plan and those that pins ask for. Where these alone cannot keep every
rule (a pinned treatment whose test the plan forgot), all options are allowed, at a price: nobody is added needlessly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.answer import Limits
from allocator.backends import highs
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.instance import Bools
from allocator.lab.ground import Ground
from allocator.solve.construct import asked_for
from allocator.solve.exact import best_of, goal_problem, with_sums, without_others

KEPT, ADDED = -3, 1
"""What keeping a place and adding another cost."""
LEAST_SECONDS = 20.0
"""Usually a second is enough: this is for plans of thousands of places."""


def legal_part(ground: Ground, places: Sequence[Placement], limits: Limits) -> Allocation | None:
    """The most of these places that together keep every rule, with what pins ask for; None where none was found."""
    model = ground.formulation
    pairs = ((place.entry_id, place.session_id) for place in places)
    listed = np.zeros(model.n_options, dtype=bool)
    listed[[ground.option_of[pair] for pair in pairs if pair in ground.option_of]] = True
    asked = asked_for(model)
    with Worker() as worker:
        for among in (listed | asked, np.ones(model.n_options, dtype=bool)):
            chosen = most_kept(ground, listed, among, limits, worker)
            if chosen is not None:
                legal = ground.allocation(Allocation.from_options(ground.options, chosen).placements)
                return legal if ground.audited(legal).passed else None
    return None


def most_kept(ground: Ground, listed: Bools, among: Bools, limits: Limits, worker: Worker) -> Bools | None:
    """(n_options,) the plan with the most of those listed, no option but those among these in it; None if not found."""
    model = ground.formulation
    costs = np.zeros(model.n_columns, dtype=np.int64)
    costs[: model.n_options] = np.where(listed, KEPT, ADDED)
    problem = replace(goal_problem(model, 0, []), costs=costs, column_upper=without_others(model, among, None))
    problem = with_sums(model, problem)
    budget = Budget(max(LEAST_SECONDS, limits.seconds), limits.work, limits.seed, limits.threads)
    best = best_of(problem, worker.call(highs.solve, problem, budget, seconds=budget.seconds))
    return None if best is None else best[: model.n_options] > 0
