"""HiGHS through highspy's array interface: the mixed-integer solve, and prices of the relaxation.

One unit of work is one branch-and-bound node.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
from scipy import sparse

from allocator.backends.problem import Budget, Incumbent, Problem, Result, checked, whole_bound
from allocator.ending import Ending

if TYPE_CHECKING:
    from allocator.instance import Array, Floats

Status = highspy.HighsModelStatus
BOUND_SECONDS = 1.0

ENDINGS: dict[Any, Ending] = {
    Status.kOptimal: Ending.OPTIMAL,
    Status.kModelEmpty: Ending.OPTIMAL,
    Status.kInfeasible: Ending.INFEASIBLE,
    # Every column is boxed, so nothing is unbounded.
    Status.kUnboundedOrInfeasible: Ending.INFEASIBLE,
    Status.kUnbounded: Ending.SOLVER_FAILED,
    Status.kObjectiveBound: Ending.SOLVER_FAILED,
    Status.kObjectiveTarget: Ending.SOLVER_FAILED,
    Status.kTimeLimit: Ending.TIME_LIMIT,
    Status.kIterationLimit: Ending.WORK_LIMIT,
    Status.kSolutionLimit: Ending.WORK_LIMIT,
    Status.kInterrupt: Ending.CANCELLED,
    Status.kHighsInterrupt: Ending.CANCELLED,
    Status.kMemoryLimit: Ending.SOLVER_FAILED,
    Status.kNotset: Ending.SOLVER_FAILED,
    Status.kLoadError: Ending.SOLVER_FAILED,
    Status.kModelError: Ending.SOLVER_FAILED,
    Status.kPresolveError: Ending.SOLVER_FAILED,
    Status.kSolveError: Ending.SOLVER_FAILED,
    Status.kPostsolveError: Ending.SOLVER_FAILED,
    Status.kUnknown: Ending.SOLVER_FAILED,
}


def solve(problem: Problem, budget: Budget, incumbent: Incumbent) -> Result:
    """Solve to proven optimality in whole numbers, or until the budget is spent."""
    highs = loaded(problem, budget, integer=True)
    # Values are whole, so a gap below one proves optimality.
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("mip_abs_gap", 0.999)
    if budget.work is not None:
        highs.setOptionValue("mip_max_nodes", budget.work)
    if problem.start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = problem.start.astype(np.float64).tolist()
        highs.setSolution(solution)

    def improved(event: Any) -> None:
        values = checked(problem, np.array(event.data_out.mip_solution, dtype=np.float64))
        if values is not None:
            incumbent(values, whole_bound(float(event.data_out.mip_dual_bound)))

    told = time.monotonic()

    def interrupted(event: Any) -> None:
        # Often called; the bound is passed on now and then, so that it outlives a killed solver.
        nonlocal told
        if time.monotonic() - told > BOUND_SECONDS:
            told = time.monotonic()
            incumbent(None, whole_bound(float(event.data_out.mip_dual_bound)))

    highs.cbMipImprovingSolution.subscribe(improved)
    highs.cbMipInterrupt.subscribe(interrupted)
    highs.run()
    status = highs.getModelStatus()
    info = highs.getInfo()
    values = checked(problem, np.array(highs.getSolution().col_value, dtype=np.float64))
    ending = ENDINGS[status]
    if ending is Ending.OPTIMAL and values is None:
        ending = Ending.SOLVER_FAILED
    bound = whole_bound(float(info.mip_dual_bound)) if ending is not Ending.SOLVER_FAILED else None
    if ending is Ending.OPTIMAL and values is not None:
        bound = problem.value(values)
    return Result(ending, values, bound, str(status))


def relaxation_prices(problem: Problem, budget: Budget, incumbent: Incumbent) -> Floats | None:
    """Row prices (n_rows,) of the linear relaxation, in the sign of a minimisation; None if not solved."""
    highs = loaded(problem, budget, integer=False)
    highs.run()
    if highs.getModelStatus() != Status.kOptimal:
        return None
    prices = np.array(highs.getSolution().row_dual, dtype=np.float64)
    return prices if len(prices) == len(problem.lower) else None


def loaded(problem: Problem, budget: Budget, *, integer: bool) -> highspy.Highs:
    """A silent HiGHS with the problem in it."""
    box = problem.column_lower, problem.column_upper
    model = linear(problem.matrix.tocsc(), problem.costs, box, problem.lower, problem.upper)
    if integer:
        model.integrality_ = [highspy.HighsVarType.kInteger] * problem.n_columns
    highs = quiet()
    highs.setOptionValue("random_seed", budget.seed)
    if np.isfinite(budget.seconds):
        highs.setOptionValue("time_limit", float(budget.seconds))
    highs.passModel(model)
    return highs


def linear(
    matrix: sparse.csc_array, costs: Array, box: tuple[Array, Array], lower: Floats, upper: Floats
) -> highspy.HighsLp:
    """minimise costs @ x with lower <= matrix @ x <= upper and x in the box; infinite where a side is open."""
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_ = costs.astype(np.float64)
    model.col_lower_, model.col_upper_ = (side.astype(np.float64) for side in box)
    model.row_lower_ = np.where(np.isneginf(lower), -highspy.kHighsInf, lower)
    model.row_upper_ = np.where(np.isposinf(upper), highspy.kHighsInf, upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    model.a_matrix_.index_ = matrix.indices.astype(np.int32)
    model.a_matrix_.value_ = matrix.data.astype(np.float64)
    return model


def quiet() -> highspy.Highs:
    """A HiGHS that prints nothing."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    # Its thread count is global to a process and a change makes later solves fail; one is also reproducible.
    highs.setOptionValue("threads", 1)
    return highs


class Relaxation:
    """A linear minimisation that columns are added to, solved again from where it stood.

    lower <= matrix @ x <= upper; the first columns have boxes, those that are added go from 0 up.
    """

    def __init__(
        self, matrix: sparse.csc_array, costs: Floats, box: tuple[Array, Array], lower: Floats, upper: Floats
    ) -> None:
        self._highs = quiet()
        # Every solve begins from the basis of the one before, which presolve would throw away.
        self._highs.setOptionValue("presolve", "off")
        self._highs.passModel(linear(matrix, costs, box, lower, upper))
        self._n_first = matrix.shape[1]

    def add(self, matrix: sparse.csc_array, costs: Floats) -> None:
        """Add columns: (n_rows, n_new) and (n_new,)."""
        n_new = matrix.shape[1]
        start, index = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        nothing, open_end = np.zeros(n_new), np.full(n_new, np.inf)
        self._highs.addCols(n_new, costs, nothing, open_end, matrix.nnz, start, index, matrix.data.astype(np.float64))

    def fix(self, column: int, at_one: bool) -> None:
        """Fix an added column at one, or set it free again."""
        sides = (1.0, 1.0) if at_one else (0.0, np.inf)
        self._highs.changeColBounds(self._n_first + column, *sides)

    def solve(self) -> tuple[float, Floats, Floats]:
        """Value, the added columns (n_added,), and row prices (n_rows,) in the sign of a minimisation."""
        self._highs.run()
        solution = self._highs.getSolution()
        columns = np.array(solution.col_value, dtype=np.float64)[self._n_first :]
        return float(self._highs.getObjectiveValue()), columns, np.array(solution.row_dual, dtype=np.float64)
