"""contradiction: why pins cannot all be kept, in the words of the rows: which pins, and which rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocator.backends import highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import Worker
from allocator.errors import ContradictionError
from allocator.formulation import Model
from allocator.solve.construct import asking_rows


def contradiction(model: Model, problem: Problem, budget: Budget, worker: Worker) -> ContradictionError:
    """The error for a `problem` (any plan at all) that has none: its pins, and each rule that alone is in the way."""
    rows = model.rows
    asking = asking_rows(model)
    pins = [rows.keys[row] for row in np.flatnonzero(asking)]
    others = [block for block in model.blocks if not asking[block.start : block.stop].any()]
    each = replace(budget, seconds=budget.seconds / max(1, len(others)))
    rules = []
    for block in others:
        lower, upper = problem.lower.copy(), problem.upper.copy()
        lower[block.start : block.stop], upper[block.start : block.stop] = -np.inf, np.inf
        without = replace(problem, lower=lower, upper=upper)
        result = worker.call(highs.solve, without, each, seconds=each.seconds).result
        if result is not None and result.values is not None:
            rules.append(block.label)
    why = f"They could without {' or without '.join(rules)}." if rules else "No single rule is in the way: several are."
    return ContradictionError("\n".join(["No plan keeps all of these:", *pins, why, "Maybe withdraw one."]))
