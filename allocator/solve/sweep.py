"""sweep: a plan improved part after part: what hangs together and is small is solved exactly, with all its goals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allocator.backends.process import Worker
from allocator.solve.improve import move, move_budget, parts, prepare
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan

SMALL_PART, PART_SECONDS = 3000, 8.0
"""Options of a part that is solved for all goals at once, and seconds that it may take."""


def sweep_small(plan: Plan, held: Sequence[int], pace: Pace, seed: int, worker: Worker) -> None:
    """Solve every part that hangs together and has few options anew, exactly, the smallest first."""
    model = plan.model
    part = parts(model)[model.entry]
    sizes = np.bincount(part[~model.fixed])
    small = np.flatnonzero((sizes > 1) & (sizes <= SMALL_PART))
    if not len(small):
        return
    around = prepare(model, held)
    for number in small[np.argsort(sizes[small], kind="stable")]:
        if pace.over:
            break
        free = np.flatnonzero((part == number) & ~model.fixed)
        budget = move_budget(pace, min(PART_SECONDS, pace.left), seed)
        plan.offer(move(around, plan.columns, free, budget, worker), held)
        pace.step()
