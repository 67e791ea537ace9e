"""Every goal that exists, in the order of the daily policy; `weighted` stands by itself."""

from __future__ import annotations

from allocator.rule import Goal
from models.goals.fair_between_trusts import FairBetweenTrusts
from models.goals.group_equity import GroupEquity
from models.goals.independent_access import IndependentAccess
from models.goals.keep_proposals import KeepProposals
from models.goals.longest_waits import LongestWaits
from models.goals.routine_delay import RoutineDelay
from models.goals.spend import Spend
from models.goals.travel import Travel
from models.goals.urgent_delay import UrgentDelay
from models.goals.weeks_of_waiting import WeeksOfWaiting
from models.goals.weighted import Weighted

GOALS: tuple[type[Goal], ...] = (
    UrgentDelay,
    LongestWaits,
    RoutineDelay,
    FairBetweenTrusts,
    WeeksOfWaiting,
    GroupEquity,
    IndependentAccess,
    KeepProposals,
    Travel,
    Spend,
    Weighted,
)
