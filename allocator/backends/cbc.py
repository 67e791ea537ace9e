"""CBC through PuLP: the baseline that users know. One unit of work is one branch-and-bound node.

A run that was stopped on time calls itself Optimal: only `sol_status` says what was found. It does not
know "Integer infeasible", which only `status` does. CBC hands its bound back only with a proof of optimality.

Its preprocessing is off: it loses plans, and calls the best of the others optimal. Without it CBC breaks down on some
problems that have no plan, and is asked again with it, for that one word (docs/decisions/0043-cbc-preprocessing.md).
"""

from __future__ import annotations

import tempfile

import numpy as np
import pulp

from allocator.backends.problem import Budget, Incumbent, Problem, Result, checked
from allocator.ending import Ending


def ending_of(status: int, solution_status: int, budget: Budget) -> Ending:
    """Our word for PuLP's two: the status of the solve, and of the solution."""
    if status == pulp.LpStatusInfeasible:
        return Ending.INFEASIBLE
    if status == pulp.LpStatusUndefined:
        return Ending.SOLVER_FAILED
    limit = Ending.WORK_LIMIT if budget.work is not None else Ending.TIME_LIMIT
    return {
        pulp.LpSolutionOptimal: Ending.OPTIMAL,
        pulp.LpSolutionIntegerFeasible: limit,
        pulp.LpSolutionNoSolutionFound: limit,
        pulp.LpSolutionInfeasible: Ending.INFEASIBLE,
        # Every column is boxed, so an unbounded answer is an error.
        pulp.LpSolutionUnbounded: Ending.SOLVER_FAILED,
    }[solution_status]


def solve(problem: Problem, budget: Budget, incumbent: Incumbent) -> Result:
    """Solve to proven optimality, or until the budget is spent."""
    try:
        return solved(problem, budget, "off")
    except pulp.PulpSolverError as error:
        broken = Result(Ending.SOLVER_FAILED, None, None, str(error))
    try:
        again = solved(problem, budget, "sos")
    except pulp.PulpSolverError:
        return broken
    return again if again.ending is Ending.INFEASIBLE else broken


def solved(problem: Problem, budget: Budget, preprocess: str) -> Result:
    """The answer of CBC's program. Raises PulpSolverError where it breaks down."""
    model, variables = built(problem)
    options = [f"preprocess {preprocess}", f"randomSeed {budget.seed + 1}"]
    if budget.work is not None:
        options.append(f"maxNodes {budget.work}")
    with tempfile.TemporaryDirectory() as folder:
        solver = pulp.COIN_CMD(
            path=pulp.PULP_CBC_CMD.pulp_cbc_path,
            msg=False,
            timeLimit=float(budget.seconds) if np.isfinite(budget.seconds) else None,
            threads=1 if budget.work is not None else budget.threads,
            gapRel=0.0,
            gapAbs=0.999,
            options=options,
        )
        solver.tmpDir = folder
        model.solve(solver)
    ending = ending_of(model.status, model.sol_status, budget)
    found = model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    # CBC never hears of a column without a cost or a row: it stands at its lower end.
    given = np.array(
        [variable.lowBound if variable.varValue is None else variable.varValue for variable in variables],
        dtype=np.float64,
    )
    values = checked(problem, given) if found else None
    if ending is Ending.OPTIMAL and values is None:
        ending = Ending.SOLVER_FAILED
    bound = problem.value(values) if ending is Ending.OPTIMAL and values is not None else None
    return Result(ending, values, bound, pulp.LpSolution[model.sol_status])


def built(problem: Problem) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """The problem as a PuLP model, and its variables in column order."""
    model = pulp.LpProblem("allocation", pulp.LpMinimize)
    boxes = zip(problem.column_lower.tolist(), problem.column_upper.tolist(), strict=True)
    variables = [model.add_variable(f"z{n}", low, high, cat=pulp.LpInteger) for n, (low, high) in enumerate(boxes)]
    model += pulp.LpAffineExpression(
        [(variables[column], int(problem.costs[column])) for column in np.flatnonzero(problem.costs)]
    )
    matrix = problem.matrix
    for row in range(len(problem.lower)):
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True)
        total = pulp.LpAffineExpression([(variables[column], value) for column, value in terms])
        if not len(total) and problem.lower[row] <= 0 <= problem.upper[row]:
            continue
        if np.isfinite(problem.upper[row]):
            model += total <= float(problem.upper[row])
        if np.isfinite(problem.lower[row]):
            model += total >= float(problem.lower[row])
    return model, variables
