"""Every rule that exists, in the order in which screens are shown to people."""

from __future__ import annotations

from allocator.rule import Limit, Screen
from models.rules.max_travel import MaxTravel
from models.rules.one_place import OnePlace
from models.rules.same_service import SameService
from models.rules.session_minutes import SessionMinutes

RULES: tuple[type[Screen] | type[Limit], ...] = (
    SameService,
    MaxTravel,
    OnePlace,
    SessionMinutes,
)
