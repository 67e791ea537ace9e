"""ending: how work ended. By itself, for a child process that solves has little to import."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """Why the work on a goal, or a run, ended. There is no default."""

    OPTIMAL = "optimal"
    TIME_LIMIT = "time_limit"
    WORK_LIMIT = "work_limit"
    CANCELLED = "cancelled"
    INFEASIBLE = "infeasible"
    SOLVER_FAILED = "solver_failed"
