from __future__ import annotations

import pytest

from models.rules.overnight_beds import OvernightBeds
from tests.build import Row, make_facts
from tests.rules.placing import allows, booked, plan


def beds(*days: int, spare: int = 1, kind: str = "ward", site: str = "RAA01") -> list[Row]:
    """Spare beds at a site on some nights of March 2026."""
    return [{"site_code": site, "night": f"2026-03-{day:02d}", "bed_kind": kind, "spare_beds": spare} for day in days]


@pytest.mark.parametrize(
    ("nights", "allowed"), [((10, 11, 12), True), ((10, 11), False), ((11, 12), False), ((10, 12), False)]
)
def test_stay_of_three_nights_needs_each_of_its_nights(nights: tuple[int, ...], allowed: bool) -> None:
    facts = make_facts([{"overnight_stays": 3}], [{"date": "2026-03-10"}], beds=beds(*nights))
    assert allows(OvernightBeds(), facts, "e1-s1") is allowed


@pytest.mark.parametrize(("day", "allowed"), [(11, False), (12, True)])
def test_two_stays_share_one_bed_only_if_they_do_not_share_a_night(day: int, allowed: bool) -> None:
    # e1 sleeps on 10 and 11 March and leaves on the 12th.
    sessions = [{"date": "2026-03-10"}, {"date": f"2026-03-{day}"}]
    facts = make_facts([{"overnight_stays": 2}] * 2, sessions, beds=beds(10, 11, 12, 13))
    assert allows(OvernightBeds(), facts, "e1-s1", "e2-s2") is allowed


def test_day_case_needs_no_bed() -> None:
    assert allows(OvernightBeds(), make_facts([{"overnight_stays": 0}], [{}]), "e1-s1")


def test_nights_after_the_horizon_need_beds_too() -> None:
    info = {"horizon_end": "2026-03-10"}
    patient = {"overnight_stays": 2}
    assert not allows(OvernightBeds(), make_facts([patient], [{}], info=info, beds=beds(10)), "e1-s1")
    assert allows(OvernightBeds(), make_facts([patient], [{}], info=info, beds=beds(10, 11)), "e1-s1")


@pytest.mark.parametrize(("needs_hdu", "kind"), [(True, "hdu"), (False, "ward"), (None, "ward")])
def test_kind_of_bed_follows_the_need(needs_hdu: bool | None, kind: str) -> None:
    patient = {"overnight_stays": 2, "needs_hdu": needs_hdu}
    other = {"hdu": "ward", "ward": "hdu"}[kind]
    assert allows(OvernightBeds(), make_facts([patient], [{}], beds=beds(10, 11, kind=kind)), "e1-s1")
    assert not allows(OvernightBeds(), make_facts([patient], [{}], beds=beds(10, 11, kind=other)), "e1-s1")


def test_beds_of_another_site_do_not_help() -> None:
    facts = make_facts([{"overnight_stays": 1}], [{}], beds=beds(10, site="RBB01"))
    assert not allows(OvernightBeds(), facts, "e1-s1")


def test_unknown_stay_counts_one_night_for_an_operation_and_none_for_a_test() -> None:
    operation = {"overnight_stays": None}
    assert not allows(OvernightBeds(), make_facts([operation], [{}]), "e1-s1")
    assert allows(OvernightBeds(), make_facts([operation], [{}], beds=beds(10)), "e1-s1")
    assert allows(OvernightBeds(unknown_stays_theatre=0), make_facts([operation], [{}]), "e1-s1")
    test = {"care_kind": "diagnostic"}
    assert allows(OvernightBeds(), make_facts([{**operation, **test}], [test]), "e1-s1")


def test_booking_takes_its_bed() -> None:
    one_night = {"overnight_stays": 1}
    for spare, allowed in ((1, False), (2, True)):
        tables = {"beds": beds(10, spare=spare), "commitments": [booked("e1", "s1")]}
        assert allows(OvernightBeds(), make_facts([one_night] * 2, [{}], **tables), "e2-s1") is allowed


def test_bookings_without_a_bed_stay_are_conflicts_and_nobody_is_added() -> None:
    commitments = [booked("e1", "s1"), booked("e2", "s1")]
    facts = make_facts([{"overnight_stays": 1}] * 3, [{}], beds=beds(10), commitments=commitments)
    assert allows(OvernightBeds(), facts)
    assert not allows(OvernightBeds(), facts, "e3-s1")
    conflicts = OvernightBeds().conflicts(facts)
    assert [conflict.entry_id for conflict in conflicts] == ["e1", "e2"]
    assert conflicts[0].problem == "its bookings need 2 ward beds at RAA01 on the night of 2026-03-10; 1 are spare"


def test_usage_shows_every_night_in_use() -> None:
    facts = make_facts([{"overnight_stays": 2}], [{}], beds=beds(10, 11, spare=3))
    assert OvernightBeds().usage(facts, plan(facts, "e1-s1")).values.tolist() == [
        ["RAA01 2026-03-10 ward", 1, 3, "beds"],
        ["RAA01 2026-03-11 ward", 1, 3, "beds"],
    ]
