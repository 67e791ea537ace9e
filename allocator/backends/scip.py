"""SCIP through the MathOpt interface of ortools. One unit of work is one branch-and-bound node.

MathOpt, for it tells which limit ended the solve and hands back a bound without a plan; the older interfaces
do neither. It has no callback for SCIP, so that a plan comes at the end or, from a killed child, never. This
SCIP is built without threads: one is used whatever the budget says.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from ortools.math_opt import model_pb2, sparse_containers_pb2
from ortools.math_opt.python import mathopt

from allocator.backends.problem import Budget, Incumbent, Problem, Result, checked, whole_bound
from allocator.ending import Ending

Reason, Limit = mathopt.TerminationReason, mathopt.Limit

ENDINGS: dict[Any, Ending] = {
    Reason.OPTIMAL: Ending.OPTIMAL,
    Reason.INFEASIBLE: Ending.INFEASIBLE,
    # Every column is boxed, so nothing is unbounded.
    Reason.INFEASIBLE_OR_UNBOUNDED: Ending.INFEASIBLE,
    Reason.UNBOUNDED: Ending.SOLVER_FAILED,
    Reason.IMPRECISE: Ending.SOLVER_FAILED,
    Reason.NUMERICAL_ERROR: Ending.SOLVER_FAILED,
    Reason.OTHER_ERROR: Ending.SOLVER_FAILED,
}
"""Of a solve that no limit ended."""

LIMITS: dict[Any, Ending] = {
    Limit.TIME: Ending.TIME_LIMIT,
    Limit.NODE: Ending.WORK_LIMIT,
    Limit.ITERATION: Ending.WORK_LIMIT,
    Limit.INTERRUPTED: Ending.CANCELLED,
    Limit.SOLUTION: Ending.SOLVER_FAILED,
    Limit.MEMORY: Ending.SOLVER_FAILED,
    Limit.OBJECTIVE: Ending.SOLVER_FAILED,
    Limit.NORM: Ending.SOLVER_FAILED,
    Limit.SLOW_PROGRESS: Ending.SOLVER_FAILED,
    Limit.UNDETERMINED: Ending.SOLVER_FAILED,
    Limit.OTHER: Ending.SOLVER_FAILED,
    None: Ending.SOLVER_FAILED,
}
"""Of a solve that a limit ended, with a plan (FEASIBLE) or without (NO_SOLUTION_FOUND); None where it names none."""


def ending_of(reason: Any, limit: Any) -> Ending:
    """Our word for why SCIP stopped, and for the limit it reached, None where it reached none."""
    if reason in (Reason.FEASIBLE, Reason.NO_SOLUTION_FOUND):
        return LIMITS[limit]
    return ENDINGS[reason]


def solve(problem: Problem, budget: Budget, incumbent: Incumbent) -> Result:
    """Solve to proven optimality, or until the budget is spent."""
    model = built(problem)
    parameters = mathopt.SolveParameters(
        random_seed=budget.seed,
        # Values are whole, so a gap below one proves optimality.
        absolute_gap_tolerance=0.999,
        relative_gap_tolerance=0.0,
        node_limit=budget.work,
        time_limit=dt.timedelta(seconds=max(0.01, budget.seconds)) if np.isfinite(budget.seconds) else None,
    )
    hints = mathopt.ModelSolveParameters()
    if problem.start is not None:
        hints.solution_hints.append(
            mathopt.SolutionHint(dict(zip(model.variables(), problem.start.tolist(), strict=True)))
        )
    found = mathopt.solve(model, mathopt.SolverType.GSCIP, params=parameters, model_params=hints)
    stopped = found.termination
    ending = ending_of(stopped.reason, stopped.limit)
    values = None
    if found.has_primal_feasible_solution():
        values = checked(problem, np.array(found.variable_values(list(model.variables())), dtype=np.float64))
    if ending is Ending.OPTIMAL and values is None:
        ending = Ending.SOLVER_FAILED
    claims = ending not in (Ending.SOLVER_FAILED, Ending.INFEASIBLE)
    bound = whole_bound(float(stopped.objective_bounds.dual_bound)) if claims else None
    if ending is Ending.OPTIMAL and values is not None:
        bound = problem.value(values)
    return Result(ending, values, bound, f"{stopped.reason.name} {stopped.limit.name if stopped.limit else ''}".strip())


def built(problem: Problem) -> mathopt.Model:
    """The problem as a MathOpt model, whole arrays at a time; its variables are in column order."""
    ids = np.arange(problem.n_columns)
    costly = np.flatnonzero(problem.costs)
    matrix = problem.matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    rows = np.arange(len(problem.lower))
    return mathopt.Model.from_model_proto(
        model_pb2.ModelProto(
            variables=model_pb2.VariablesProto(
                ids=ids,
                lower_bounds=problem.column_lower.astype(np.float64),
                upper_bounds=problem.column_upper.astype(np.float64),
                integers=np.ones(len(ids), dtype=bool),
            ),
            objective=model_pb2.ObjectiveProto(
                linear_coefficients=sparse_containers_pb2.SparseDoubleVectorProto(
                    ids=costly, values=problem.costs[costly].astype(np.float64)
                )
            ),
            linear_constraints=model_pb2.LinearConstraintsProto(
                ids=rows, lower_bounds=problem.lower, upper_bounds=problem.upper
            ),
            linear_constraint_matrix=sparse_containers_pb2.SparseDoubleMatrixProto(
                row_ids=np.repeat(rows, np.diff(matrix.indptr)),
                column_ids=matrix.indices,
                coefficients=matrix.data.astype(np.float64),
            ),
        )
    )
