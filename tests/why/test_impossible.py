"""Pins without an option and bookings that do not fit: the smallest set that contradicts, against all smaller sets."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from allocator.change import Change, Edit, changed
from allocator.errors import ContradictionError
from allocator.options import Facts, build_options
from allocator.policy import Policy
from allocator.rule import find_conflicts
from allocator.why.impossible import explained_lines, impossible_bookings, impossible_pins, with_bookings
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.contract.shapes import draw_facts
from tests.rules.placing import booked
from tests.rules.test_overrides import override
from tests.why.cases import SHAPE

FAR = {"site_code": "RBB01"}


def test_pin_that_one_rule_forbids_names_the_rule_and_its_numbers() -> None:
    facts = make_facts([{"max_travel_minutes": 25}], [FAR], overrides=[override("must", session_id="s1")])
    (found,) = impossible_pins(facts, DAILY)
    assert found.parts == (
        "e1 must go to session s1 (Ann: surgeon asked)",
        "rule max_travel: Nobody travels longer than their own limit or, where they gave none, the policy's. "
        "(s1 is 30 minutes away; the limit is 25)",
    )
    assert found.checked


def test_pin_to_a_site_that_two_rules_close_together_names_both() -> None:
    """s1 is too early, s2 takes nobody of this age: neither rule alone removes both."""
    sessions = [{**FAR, "date": "2026-02-05"}, {**FAR, "max_age_years": 40}]
    facts = make_facts([{}], sessions, overrides=[override("must", site_code="RBB01")])
    (found,) = impossible_pins(facts, DAILY)
    assert [part.split(":")[0] for part in found.parts[1:]] == ["rule dates", "rule session_accepts"]
    assert found.checked


def test_pin_against_a_veto_or_a_booking_names_it() -> None:
    pin, veto = override("must", session_id="s1"), override("never", site_code="RBB01")
    (found,) = impossible_pins(make_facts([{}], [FAR], overrides=[pin, veto]), DAILY)
    assert found.parts[1:] == ("e1 must never go to site RBB01 (Ann: surgeon asked)",)
    facts = make_facts([{}], [FAR, {}], overrides=[pin], commitments=[booked("e1", "s2")])
    (found,) = impossible_pins(facts, DAILY)
    assert found.parts[1:] == ("e1 is booked in s2",)
    (found,) = impossible_pins(make_facts([{}], [FAR], overrides=[override("must", session_id="s9")]), DAILY)
    assert found.parts[1:] == ("no session that it means is in the list of sessions",)


def test_pin_that_a_rule_forbids_too_names_the_rule_for_without_the_veto_it_could_not_be_kept() -> None:
    pin, veto = override("must", session_id="s1"), override("never", session_id="s1")
    facts = make_facts([{"max_travel_minutes": 25}], [FAR], overrides=[pin, veto])
    (found,) = impossible_pins(facts, DAILY)
    assert [part.split(":")[0] for part in found.parts[1:]] == ["rule max_travel"]


def test_pin_that_can_be_kept_is_no_contradiction() -> None:
    facts = make_facts([{}], [{}], overrides=[override("must", session_id="s1")])
    assert impossible_pins(facts, DAILY) == []
    assert explained_lines(facts, DAILY, strict=True) == []


def leaves_an_option(facts: Facts, names: tuple[str, ...], entry_id: str, session_ids: tuple[str, ...]) -> bool:
    """With these screens alone, made into options, is one of these pairs left."""
    policy = Policy("some", tuple(screen for screen in DAILY.screens if screen.name in names), ())
    options = build_options(facts, policy.screens)
    pairs = zip(options.of_entry("entry_id"), options.of_session("session_id"), strict=True)
    return any(entry == entry_id and session in session_ids for entry, session in pairs)


def test_rules_that_are_named_remove_every_session_and_no_smaller_set_does() -> None:
    sizes = set()
    for seed in range(60):
        drawn = draw_facts(SHAPE, np.random.default_rng(seed))
        sites = drawn.instance.column("sessions", "site_code").tolist()
        if len(set(sites)) > 1:
            continue  # with one session a site, one rule is always enough
        session_ids = tuple(drawn.instance.session_row)
        for entry_id in drawn.instance.entry_row:
            facts = with_pin(drawn, override("must", entry_id=entry_id, site_code=sites[0]))
            for found in impossible_pins(facts, DAILY):
                names = tuple(part.split(":")[0].removeprefix("rule ") for part in found.parts[1:])
                if set(names) <= {screen.name for screen in DAILY.screens}:
                    assert found.checked
                    assert not leaves_an_option(facts, names, entry_id, session_ids)
                    every = [screen.name for screen in DAILY.screens]
                    for smaller in itertools.combinations(every, len(names) - 1):
                        assert leaves_an_option(facts, smaller, entry_id, session_ids), (names, smaller)
                    sizes.add(len(names))
    assert sizes >= {1, 2}


def with_pin(facts: Facts, pin: Row) -> Facts:
    keys = ("entry_id", "site_code", "session_id", "action")
    where = {name: pin[name] for name in keys}
    cells = {"who": "Ann", "reason": "asked", "recorded_on": pd.Timestamp("2026-01-05")}
    return Facts(changed(facts.instance, Change("list", 1, "", (Edit("overrides", where, cells),))))


def test_fewest_bookings_that_do_not_fit_are_named() -> None:
    """300 minutes are there: 60 fits beside either of the others, and 200 and 220 do not fit together."""
    patients = [{"expected_minutes": minutes} for minutes in (60, 200, 220)]
    facts = make_facts(patients, [{"minutes": 300}], commitments=[booked(f"e{n}", "s1") for n in (1, 2, 3)])
    (found,) = impossible_bookings(facts, DAILY)
    assert found.checked
    assert found.parts[:2] == ("the booking of e2 in s1", "the booking of e3 in s1")
    assert found.parts[2].startswith("rule session_minutes: ")
    assert "its bookings take 435 minutes; the session has 300" in found.parts[2]
    limits = {limit.name: limit for limit in DAILY.limits}
    for one in ("e2", "e3"):
        assert limits["session_minutes"].conflicts(Facts(with_bookings(facts.instance, [(one, "s1")]))) == []


def test_booking_in_a_session_that_is_gone_contradicts_the_list_of_sessions() -> None:
    facts = make_facts([{}], [{}], commitments=[booked("e1", "s9")])
    (found,) = impossible_bookings(facts, DAILY)
    assert found.parts == ("e1 is booked in s9", "s9 is not in the list of sessions")


def test_strict_says_the_smallest_set_and_without_it_bookings_are_no_error() -> None:
    patients = [{"expected_minutes": 200}, {"expected_minutes": 220}]
    facts = make_facts(patients, [{"minutes": 300}], commitments=[booked("e1", "s1"), booked("e2", "s1")])
    with pytest.raises(ContradictionError):
        find_conflicts(DAILY.limits, facts, strict=True)
    told = explained_lines(facts, DAILY, strict=True)
    assert told[:3] == ["These contradict each other:", "  the booking of e1 in s1", "  the booking of e2 in s1"]
    assert "the smallest such set" in told[-1]
    assert explained_lines(facts, DAILY, strict=False) == []
