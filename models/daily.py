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
from models.rules.equal_rates import EqualRates

NOT_AS_LIMITS = (GroupEquity.name, IndependentAccess.name, EqualRates.name)
"""Limits on shares can empty theatres and level down: equity is a goal here, in its elastic form."""

DAILY = Policy(
    "daily",
    rules=tuple(rule() for rule in RULES if rule.name not in NOT_AS_LIMITS),
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
