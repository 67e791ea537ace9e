"""Every native status of every solver has one of our words: nothing is optimal by default."""

from __future__ import annotations

from typing import get_args

import highspy
import pulp
import pytest
from ortools.math_opt.python import mathopt
from ortools.sat.python import cp_model

from allocator import answer
from allocator.backends import cbc, cpsat, highs, scip
from allocator.backends.problem import Budget
from allocator.ending import Ending
from allocator.solve.exact import BACKENDS
from api import settings

TIMED, WORKED = Budget(1.0), Budget(1.0, work=5)
CLOCK_OR_WORK = "a limit"

HIGHS = {
    "kOptimal": Ending.OPTIMAL,
    "kModelEmpty": Ending.OPTIMAL,
    "kInfeasible": Ending.INFEASIBLE,
    "kUnboundedOrInfeasible": Ending.INFEASIBLE,
    "kUnbounded": Ending.SOLVER_FAILED,
    "kObjectiveBound": Ending.SOLVER_FAILED,
    "kObjectiveTarget": Ending.SOLVER_FAILED,
    "kTimeLimit": Ending.TIME_LIMIT,
    "kIterationLimit": Ending.WORK_LIMIT,
    "kSolutionLimit": Ending.WORK_LIMIT,
    "kInterrupt": Ending.CANCELLED,
    "kHighsInterrupt": Ending.CANCELLED,
    "kMemoryLimit": Ending.SOLVER_FAILED,
    "kNotset": Ending.SOLVER_FAILED,
    "kLoadError": Ending.SOLVER_FAILED,
    "kModelError": Ending.SOLVER_FAILED,
    "kPresolveError": Ending.SOLVER_FAILED,
    "kSolveError": Ending.SOLVER_FAILED,
    "kPostsolveError": Ending.SOLVER_FAILED,
    "kUnknown": Ending.SOLVER_FAILED,
}
CPSAT = {
    "OPTIMAL": Ending.OPTIMAL,
    "INFEASIBLE": Ending.INFEASIBLE,
    "FEASIBLE": CLOCK_OR_WORK,
    "UNKNOWN": CLOCK_OR_WORK,
    "MODEL_INVALID": Ending.SOLVER_FAILED,
}
SCIP = {
    "OPTIMAL": Ending.OPTIMAL,
    "INFEASIBLE": Ending.INFEASIBLE,
    "INFEASIBLE_OR_UNBOUNDED": Ending.INFEASIBLE,
    "UNBOUNDED": Ending.SOLVER_FAILED,
    "IMPRECISE": Ending.SOLVER_FAILED,
    "NUMERICAL_ERROR": Ending.SOLVER_FAILED,
    "OTHER_ERROR": Ending.SOLVER_FAILED,
}
LIMITS_OF_SCIP = {
    "TIME": Ending.TIME_LIMIT,
    "NODE": Ending.WORK_LIMIT,
    "ITERATION": Ending.WORK_LIMIT,
    "INTERRUPTED": Ending.CANCELLED,
    "SOLUTION": Ending.SOLVER_FAILED,
    "MEMORY": Ending.SOLVER_FAILED,
    "OBJECTIVE": Ending.SOLVER_FAILED,
    "NORM": Ending.SOLVER_FAILED,
    "SLOW_PROGRESS": Ending.SOLVER_FAILED,
    "UNDETERMINED": Ending.SOLVER_FAILED,
    "OTHER": Ending.SOLVER_FAILED,
}
WITH_A_LIMIT = ("FEASIBLE", "NO_SOLUTION_FOUND")
CBC = {
    (pulp.LpStatusOptimal, pulp.LpSolutionOptimal): Ending.OPTIMAL,
    (pulp.LpStatusOptimal, pulp.LpSolutionIntegerFeasible): CLOCK_OR_WORK,
    (pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound): CLOCK_OR_WORK,
    (pulp.LpStatusInfeasible, pulp.LpSolutionInfeasible): Ending.INFEASIBLE,
    (pulp.LpStatusInfeasible, pulp.LpSolutionNoSolutionFound): Ending.INFEASIBLE,
    (pulp.LpStatusUnbounded, pulp.LpSolutionUnbounded): Ending.SOLVER_FAILED,
    (pulp.LpStatusUndefined, pulp.LpSolutionNoSolutionFound): Ending.SOLVER_FAILED,
}
"""By what PuLP makes of CBC's first line; "Integer infeasible" is infeasible without a solution found."""


def test_every_status_of_highs_is_in_the_table() -> None:
    assert set(highspy.HighsModelStatus.__members__) == set(HIGHS)
    assert set(highs.ENDINGS) == set(highspy.HighsModelStatus.__members__.values())


@pytest.mark.parametrize(("native", "ending"), HIGHS.items())
def test_status_of_highs(native: str, ending: Ending) -> None:
    assert highs.ENDINGS[getattr(highspy.HighsModelStatus, native)] is ending


def test_every_status_of_cpsat_is_in_the_table() -> None:
    assert set(type(cp_model.OPTIMAL).__members__) == set(CPSAT)


@pytest.mark.parametrize(("native", "ending"), CPSAT.items())
def test_status_of_cpsat(native: str, ending: Ending | str) -> None:
    status = getattr(cp_model, native)
    limits = (Ending.TIME_LIMIT, Ending.WORK_LIMIT)
    wanted = limits if ending == CLOCK_OR_WORK else (ending, ending)
    assert (cpsat.ending_of(status, TIMED), cpsat.ending_of(status, WORKED)) == wanted


def test_every_status_of_scip_is_in_the_tables() -> None:
    assert set(mathopt.TerminationReason.__members__) == {*SCIP, *WITH_A_LIMIT}
    assert set(mathopt.Limit.__members__) == set(LIMITS_OF_SCIP)
    assert set(scip.ENDINGS) == {mathopt.TerminationReason[name] for name in SCIP}
    assert set(scip.LIMITS) == {None, *(mathopt.Limit[name] for name in LIMITS_OF_SCIP)}


@pytest.mark.parametrize(("native", "ending"), SCIP.items())
def test_reason_of_scip(native: str, ending: Ending) -> None:
    assert scip.ending_of(mathopt.TerminationReason[native], None) is ending


@pytest.mark.parametrize("reason", WITH_A_LIMIT)
@pytest.mark.parametrize(("native", "ending"), LIMITS_OF_SCIP.items())
def test_limit_of_scip(native: str, ending: Ending, reason: str) -> None:
    assert scip.ending_of(mathopt.TerminationReason[reason], mathopt.Limit[native]) is ending


def test_scip_that_stops_early_and_names_no_limit_has_failed() -> None:
    assert scip.ending_of(mathopt.TerminationReason.FEASIBLE, None) is Ending.SOLVER_FAILED


def test_every_status_of_pulp_is_in_the_table() -> None:
    assert set(pulp.LpStatus) == {status for status, _ in CBC}
    assert set(pulp.LpSolution) == {solution for _, solution in CBC}


@pytest.mark.parametrize(("native", "ending"), CBC.items())
def test_status_of_cbc(native: tuple[int, int], ending: Ending | str) -> None:
    limits = (Ending.TIME_LIMIT, Ending.WORK_LIMIT)
    wanted = limits if ending == CLOCK_OR_WORK else (ending, ending)
    assert (cbc.ending_of(*native, TIMED), cbc.ending_of(*native, WORKED)) == wanted


def test_every_backend_can_be_named_everywhere() -> None:
    assert set(get_args(answer.Backend)) == {"auto", *BACKENDS} == set(settings.Backend)
