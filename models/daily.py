"""The hub's standard policy: every rule at its default, ten goals in strict order."""

from __future__ import annotations

from allocator.policy import Policy
from models.goals.travel import Travel
from models.rules import RULES

DAILY = Policy("daily", rules=tuple(rule() for rule in RULES), goals=(Travel(),))
