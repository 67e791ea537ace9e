"""Every goal that exists, in the order of the daily policy."""

from __future__ import annotations

from allocator.rule import Goal
from models.goals.travel import Travel

GOALS: tuple[type[Goal], ...] = (Travel,)
