"""Every rule, equity as floors, and the one weighted objective of the first sketch."""

from __future__ import annotations

from allocator.policy import Policy
from models.goals.weighted import Weighted
from models.rules import RULES
from models.rules.equal_rates import EqualRates

WEIGHTED = Policy("weighted", rules=tuple(rule() for rule in RULES if rule is not EqualRates), goals=(Weighted(),))
