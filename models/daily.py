"""The hub's standard policy: every rule at its default, equity as goals, ten goals in strict order."""

from __future__ import annotations

from allocator.policy import Policy
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
from models.rules import RULES

GOALS_INSTEAD = (GroupEquity.name, IndependentAccess.name)
"""Limits whose elastic forms are goals here: as limits they can empty theatres and level down."""

DAILY = Policy(
    "daily",
    rules=tuple(rule() for rule in RULES if rule.name not in GOALS_INSTEAD),
    goals=(
        UrgentDelay(),
        LongestWaits(),
        RoutineDelay(),
        FairBetweenTrusts(),
        WeeksOfWaiting(),
        GroupEquity(),
        IndependentAccess(),
        KeepProposals(),
        Travel(),
        Spend(),
    ),
)
