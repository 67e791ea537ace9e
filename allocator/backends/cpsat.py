"""CP-SAT through ortools. One unit of work is one tenth of its deterministic second."""

from __future__ import annotations

from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from allocator.backends.problem import Budget, Incumbent, Problem, Result, checked, whole_bound
from allocator.ending import Ending

WORK_PER_DETERMINISTIC_SECOND = 10
FAR = 2**62


def ending_of(status: Any, budget: Budget) -> Ending:
    """Our word for a native status; FEASIBLE and UNKNOWN both mean that a limit was reached."""
    if status == cp_model.OPTIMAL:
        return Ending.OPTIMAL
    if status == cp_model.INFEASIBLE:
        return Ending.INFEASIBLE
    if status in (cp_model.FEASIBLE, cp_model.UNKNOWN):
        return Ending.WORK_LIMIT if budget.work is not None else Ending.TIME_LIMIT
    return Ending.SOLVER_FAILED


def solve(problem: Problem, budget: Budget, incumbent: Incumbent) -> Result:
    """Solve to proven optimality, or until the budget is spent."""
    model, variables = built(problem)
    solver = cp_model.CpSolver()
    # One worker, or fixed work in turns: more threads must not change the answer.
    solver.parameters.num_workers = 1 if budget.work is not None else budget.threads
    solver.parameters.random_seed = budget.seed
    if np.isfinite(budget.seconds):
        solver.parameters.max_time_in_seconds = max(0.01, float(budget.seconds))
    if budget.work is not None:
        solver.parameters.max_deterministic_time = budget.work / WORK_PER_DETERMINISTIC_SECOND
    status = solver.solve(model, _Listener(problem, variables, incumbent))
    ending = ending_of(status, budget)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    values = checked(problem, np.array([solver.value(v) for v in variables], dtype=np.float64)) if found else None
    if ending is Ending.OPTIMAL and values is None:
        ending = Ending.SOLVER_FAILED
    claims = ending not in (Ending.SOLVER_FAILED, Ending.INFEASIBLE)
    bound = whole_bound(float(solver.best_objective_bound)) if claims else None
    if ending is Ending.OPTIMAL and values is not None:
        bound = problem.value(values)
    return Result(ending, values, bound, solver.status_name(status))


def built(problem: Problem) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    """The problem as a CP-SAT model, and its variables in column order."""
    model = cp_model.CpModel()
    boxes = zip(problem.column_lower.tolist(), problem.column_upper.tolist(), strict=True)
    variables = [model.new_int_var(low, high, "") for low, high in boxes]
    matrix = problem.matrix
    for row in range(len(problem.lower)):
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = [variables[column] for column in matrix.indices[span]]
        total = cp_model.LinearExpr.weighted_sum(terms, matrix.data[span].tolist())
        low = -FAR if np.isneginf(problem.lower[row]) else int(problem.lower[row])
        high = FAR if np.isposinf(problem.upper[row]) else int(problem.upper[row])
        model.add_linear_constraint(total, low, high)
    model.minimize(cp_model.LinearExpr.weighted_sum(variables, problem.costs.tolist()))
    if problem.start is not None:
        for variable, value in zip(variables, problem.start.tolist(), strict=True):
            model.add_hint(variable, value)
    return model, variables


class _Listener(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    def __init__(self, problem: Problem, variables: list[cp_model.IntVar], incumbent: Incumbent) -> None:
        super().__init__()
        self._problem, self._variables, self._incumbent = problem, variables, incumbent

    def on_solution_callback(self) -> None:
        """Pass a better plan on."""
        found = np.array([self.value(variable) for variable in self._variables], dtype=np.float64)
        values = checked(self._problem, found)
        if values is not None:
            self._incumbent(values, whole_bound(float(self.best_objective_bound)))
