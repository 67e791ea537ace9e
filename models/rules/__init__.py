"""Every rule that exists, in the order in which screens are shown to people."""

from __future__ import annotations

from allocator.rule import Limit, Screen
from models.rules.consent import Consent
from models.rules.dates import Dates
from models.rules.in_pool import InPool
from models.rules.max_travel import MaxTravel
from models.rules.needs_met import NeedsMet
from models.rules.not_declined import NotDeclined
from models.rules.one_place import OnePlace
from models.rules.same_service import SameService
from models.rules.session_accepts import SessionAccepts
from models.rules.session_minutes import SessionMinutes
from models.rules.site_accepts import SiteAccepts

RULES: tuple[type[Screen] | type[Limit], ...] = (
    InPool,
    SameService,
    Consent,
    NotDeclined,
    SiteAccepts,
    SessionAccepts,
    NeedsMet,
    MaxTravel,
    Dates,
    OnePlace,
    SessionMinutes,
)
