"""Every rule that exists, in the order in which screens are shown to people."""

from __future__ import annotations

from allocator.rule import Limit, Screen
from models.rules.commitments import Commitments
from models.rules.consent import Consent
from models.rules.dates import Dates
from models.rules.equal_rates import EqualRates
from models.rules.group_equity import GroupEquity
from models.rules.in_pool import InPool
from models.rules.independent_access import IndependentAccess
from models.rules.independent_spend import IndependentSpend
from models.rules.max_travel import MaxTravel
from models.rules.needs_met import NeedsMet
from models.rules.not_declined import NotDeclined
from models.rules.one_place import OnePlace
from models.rules.one_place_at_a_time import OnePlaceAtATime
from models.rules.overnight_beds import OvernightBeds
from models.rules.overrides import Overrides
from models.rules.provider_flow import ProviderFlow
from models.rules.same_service import SameService
from models.rules.session_accepts import SessionAccepts
from models.rules.session_cases import SessionCases
from models.rules.session_minutes import SessionMinutes
from models.rules.session_opening import SessionOpening
from models.rules.site_accepts import SiteAccepts
from models.rules.test_before_treatment import TestBeforeTreatment

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
    OnePlaceAtATime,
    SessionMinutes,
    SessionCases,
    SessionOpening,
    OvernightBeds,
    ProviderFlow,
    IndependentSpend,
    TestBeforeTreatment,
    Commitments,
    Overrides,
    GroupEquity,
    IndependentAccess,
    EqualRates,
)
