"""The policy of the first sketch: every rule, equity as limits, and one weighted objective."""

from __future__ import annotations

from allocator.policy import Policy
from models.goals.weighted import Weighted
from models.rules import RULES

WEIGHTED = Policy("weighted", rules=tuple(rule() for rule in RULES), goals=(Weighted(),))
