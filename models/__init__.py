"""The mathematics: one file a rule or goal, policies as short lists."""

from __future__ import annotations

from allocator.policy import Catalogue
from models.daily import DAILY
from models.goals import GOALS
from models.rules import RULES
from models.weighted import WEIGHTED

CATALOGUE = Catalogue(rules=RULES, goals=GOALS, policies={policy.name: policy for policy in (DAILY, WEIGHTED)})
