"""Every screen, with several parameters: what it keeps is what its check allows; screens commute."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocator.options import Facts, build_options
from allocator.rule import Screen
from models.rules import RULES
from models.rules.consent import Consent
from models.rules.dates import Dates
from models.rules.in_pool import InPool
from models.rules.max_travel import MaxTravel
from models.rules.needs_met import NeedsMet
from models.rules.not_declined import NotDeclined
from models.rules.same_service import SameService
from models.rules.session_accepts import SessionAccepts
from models.rules.site_accepts import SiteAccepts
from tests.build import Row, make_facts
from tests.rules.agreement import all_pairs, kept, through
from tests.rules.boundary import tiny_facts

SCREENS: tuple[Screen, ...] = (
    InPool(),
    InPool(admit_cancer=True, deferred_priorities=()),
    SameService(),
    SameService(pooled_codes=("110",)),
    Consent(),
    Consent(offer_to_not_asked=False),
    NotDeclined(),
    SiteAccepts(),
    SiteAccepts(unknown_fits_independent=True),
    SessionAccepts(),
    SessionAccepts(unknown_fits_independent=True),
    NeedsMet(),
    MaxTravel(),
    MaxTravel(car_minutes=30, public_transport_minutes=31, hard_cap_minutes=30),
    Dates(),
    Dates(notice_days_p2=1, notice_days_p3=2, notice_days_p4=3, notice_days_d2=4, unknown_assessment_fits=False),
)
EXAMPLES = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def test_every_screen_that_exists_is_compared() -> None:
    exist = {rule.name for rule in RULES if issubclass(rule, Screen)}
    assert {screen.name for screen in SCREENS} == exist


def test_screens_keep_what_their_checks_allow() -> None:
    n_kept, n_pairs = Counter[str](), Counter[str]()

    @EXAMPLES
    @given(tiny_facts())
    def compare(facts: Facts) -> None:
        for screen in SCREENS:
            only_waiting = not isinstance(screen, InPool)
            n_kept[repr(screen)] += len(kept(screen, facts, only_waiting=only_waiting))
            n_pairs[repr(screen)] += len(all_pairs(facts, only_waiting=only_waiting))

    compare()
    for screen in map(repr, SCREENS):
        assert 0 < n_kept[screen] < n_pairs[screen], f"{screen} must keep some pairs and remove some"


@pytest.mark.parametrize(("patients", "sessions"), [([{}], []), ([], [{}]), ([], [])])
def test_nothing_to_screen_leaves_no_options(patients: list[Row], sessions: list[Row]) -> None:
    facts = make_facts(patients, sessions)
    assert len(build_options(facts, SCREENS)) == 0
    reasons = {screen.reason(facts, "e1") for screen in SCREENS for _ in patients}
    assert reasons <= {"There is no session of this service.", "No spare session is for theatre service 110."}


@settings(EXAMPLES, max_examples=8)
@given(tiny_facts(), st.permutations(SCREENS))
def test_screens_leave_the_same_pairs_in_any_order(facts: Facts, screens: list[Screen]) -> None:
    pairs = all_pairs(facts, only_waiting=False)
    for first, second in itertools.pairwise(screens):
        alone = first.keep(pairs) & second.keep(pairs)
        assert through((first, second), pairs) == through((second, first), pairs) == through((), pairs.take(alone))


def test_screens_of_sites_say_the_same_of_all_sessions_of_a_site() -> None:
    compared = Counter[str]()

    @EXAMPLES
    @given(tiny_facts())
    def compare(facts: Facts) -> None:
        pairs = all_pairs(facts)
        for screen in SCREENS:
            said: dict[tuple[int, int], set[bool]] = {}
            for entry, site, keep in zip(pairs.entry, pairs.site, screen.keep(pairs), strict=True):
                said.setdefault((int(entry), int(site)), set()).add(bool(keep))
            if screen.by_site:
                assert all(len(answers) == 1 for answers in said.values()), screen.name
            compared[screen.name] += any(len(answers) > 1 for answers in said.values())

    compare()
    assert compared[Dates.name] > 0, "two sessions of a site must differ, or nothing is compared"


def test_options_are_the_pairs_that_all_screens_keep_sorted() -> None:
    @EXAMPLES
    @given(tiny_facts())
    def compare(facts: Facts) -> None:
        pairs = all_pairs(facts)
        found = build_options(facts, SCREENS)
        assert found.entry.dtype == found.session.dtype == np.int32
        places = list(zip(found.entry.tolist(), found.session.tolist(), strict=True))
        assert places == sorted(places)
        assert through(SCREENS, pairs) == through((), found.take(~found.fixed))

    compare()
