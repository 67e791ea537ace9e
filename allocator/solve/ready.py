"""ready: compiled loops made machine code before the clock of the first run on a machine counts.

They are kept on disk, so that this happens once an installation. Until then a run of a large model would spend half a
minute or more of its seconds on it, and its plan would be the worse for it.
"""

from __future__ import annotations

from dataclasses import replace

from allocator.answer import Limits
from allocator.backends.process import Worker
from allocator.certificate import held_value
from allocator.compiled import is_cold
from allocator.formulation import Model
from allocator.solve.exact import is_small
from allocator.solve.large_goals import Found, search_large
from allocator.solve.lexicographic import first_plan
from allocator.solve.partition import CUT_FROM
from allocator.solve.plan import Plan
from allocator.solve.prove import prove
from allocator.solve.repack import repack_many
from allocator.solve.teller import Teller
from allocator.stopwatch import Stopwatch

ROUND_SECONDS, MOST_ROUNDS, PROOF_SECONDS = 3.0, 6, 10.0
LATE = 1.5
"""A round that takes this many times its seconds, and two more, was compiling."""


def needs_compiling(model: Model, limits: Limits) -> bool:
    """Would a solve of this model in this process compile, and does its plan depend on the clock."""
    searched = limits.backend == "auto" and not is_small(model) and model.n_options <= CUT_FROM
    return searched and limits.work is None and is_cold(repack_many)


def compile_for(model: Model, limits: Limits) -> None:
    """Search this model for a few seconds, again and again, until nothing is compiled any more; then prove the plan."""
    short = replace(limits, seconds=ROUND_SECONDS)
    with Worker() as worker:
        for _ in range(MOST_ROUNDS):
            watch = Stopwatch(ROUND_SECONDS)
            plan = Plan(model, first_plan(model, short, watch, worker, large=True), [])
            found = Found({}, {}, None)
            search_large(plan, found, None, short, Teller(plan, watch), worker)
            if watch.elapsed < LATE * ROUND_SECONDS + 2.0:
                break
        k = min(found.of_goals, default=0)
        held = [held_value(model, j, goal.value(plan.columns)) for j, goal in enumerate(model.goals[:k])]
        prove(model, k, held, PROOF_SECONDS, short, worker, proposed=found.proposed.get(k))
