"""Changes of the tables that a scenario asks for: lists, closings, room, demand, other people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from allocator.errors import UsageError
from allocator.instance import Instance
from allocator.lab.changes import Changes, changed_instance
from allocator.options import Facts
from tests.build import make_facts


def small() -> Instance:
    patients = [{"clock_start": f"2024-0{month}-01"} for month in range(1, 6)]
    sessions = [{"minutes": 100}, {"minutes": 200, "site_code": "RBB01"}]
    return make_facts(patients, sessions, info={"reporting_dates": ("2026-03-31",)}).instance


def changes(**given: Any) -> Changes:
    return Changes.model_validate(given)


def minutes(instance: Instance) -> dict[str, int]:
    return dict(zip(instance.frames["sessions"]["session_id"], instance.frames["sessions"]["minutes"], strict=True))


def test_lists_are_added_like_those_that_are_there() -> None:
    lists = {"site": "RBB01", "service": "110", "date": "2026-03-12", "number": 2}
    changed = changed_instance(small(), changes(add_lists=[lists]))
    added = [name for name in changed.session_row if name.startswith("added-")]
    assert added == ["added-RBB01-2026-03-12-110-1", "added-RBB01-2026-03-12-110-2"]
    row = changed.session[added[0]]
    assert (row["minutes"], row["turnaround_minutes"], row["site_code"]) == (240, 15, "RBB01")
    assert row["date"] == np.datetime64("2026-03-12")


def test_site_that_is_closed_for_a_week_takes_nobody_new_then() -> None:
    closing = {"site": "RBB01", "from": "2026-03-10", "to": "2026-03-10"}
    closed = changed_instance(small(), changes(close=[closing])).frames["sessions"]["closed"].tolist()
    assert closed == [False, True]
    closing["from"] = closing["to"] = "2026-03-11"
    assert not changed_instance(small(), changes(close=[closing])).frames["sessions"]["closed"].any()
    assert changed_instance(small(), changes(remove_lists=["s1"])).frames["sessions"]["closed"].tolist() == [
        True,
        False,
    ]


def test_capacity_and_what_is_held_back_are_shares_of_each_list() -> None:
    scaled = changes(capacity=[{"service": "110", "factor": 1.5}])
    assert minutes(changed_instance(small(), scaled)) == {"s1": 150, "s2": 300}
    # Both lists are on 10 March, in the sixth week of the horizon: the last share holds on.
    assert minutes(changed_instance(small(), changes(hold_back=[0.5, 0.1]))) == {"s1": 90, "s2": 180}
    weeks = changes(hold_back=[0, 0, 0, 0, 0, 0.25, 1])
    assert minutes(changed_instance(small(), weeks)) == {"s1": 75, "s2": 150}


def test_demand_is_scaled_by_lot_and_leaves_people_with_bookings_alone() -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-30T08:00:00"}]
    instance = make_facts([{} for _ in range(9)], [{}], commitments=booked).instance
    none = changed_instance(instance, changes(demand=[{"service": "110", "factor": 0}]))
    assert none.frames["patients"]["entry_id"].tolist() == ["e1"]
    double = changed_instance(instance, changes(demand=[{"service": "110", "factor": 2}]))
    assert len(double.frames["patients"]) == 9 + 8
    assert double.frames["patients"]["entry_id"].is_unique
    assert not double.frames["patients"]["entry_id"].str.startswith("e1-more").any()


def test_other_population_keeps_counts_by_trust_service_and_priority_and_bookings() -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-30T08:00:00"}]
    people = [
        {"home_provider": home, "clinical_priority": priority, "clock_start": f"2024-01-{day:02}"}
        for day, (home, priority) in enumerate([("RAA", "P2"), ("RBB", "P4")] * 10, 1)
    ]
    away = [{"entry_id": "e3", "from": "2026-03-10", "to": "2026-03-11"}]
    instance = make_facts(people, [{}], commitments=booked, unavailable=away).instance
    drawn = [changed_instance(instance, Changes(), population, seed=7) for population in (0, 1, 1, 2)]
    assert drawn[0] is instance
    assert drawn[1].fingerprint == drawn[2].fingerprint != drawn[3].fingerprint
    old, new = instance.frames["patients"], drawn[1].frames["patients"]
    for name in ("entry_id", "patient_id", "home_provider", "clinical_priority"):
        assert new[name].tolist() == old[name].tolist()
    assert new["clock_start"].tolist() != old["clock_start"].tolist()
    assert (
        new.loc[new["entry_id"] == "e1", "clock_start"].tolist()
        == old.loc[old["entry_id"] == "e1", "clock_start"].tolist()
    )
    days_of = dict(zip(new["entry_id"], new["clock_start"], strict=True))
    third = old.loc[old["entry_id"] == "e3", "clock_start"].iloc[0]
    assert set(drawn[1].unavailable_of) == {entry for entry, day in days_of.items() if day == third}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"close": [{"site": "RBB1", "from": "2026-03-01", "to": "2026-03-02"}]},
            'no site is called "RBB1". Maybe "RBB01"',
        ),
        (
            {"add_beds": [{"site": "Beta Gen", "from": "2026-03-01", "to": "2026-03-02"}]},
            'no site is called "Beta Gen". Maybe "RBB01".',
        ),
        (
            {"close": [{"site": "General Nowhere", "from": "2026-03-01", "to": "2026-03-02"}]},
            'no site is called "General Nowhere".',
        ),
        ({"remove_lists": ["s11"]}, 'no session is called "s11"'),
        (
            {"close": [{"site": "RBB01", "from": "2025-03-01", "to": "2025-03-07"}]},
            "no day from 2025-03-01 to 2025-03-07 is between 2026-02-03 and 2026-03-31",
        ),
        (
            {"add_beds": [{"site": "RBB01", "from": "2025-03-01", "to": "2025-03-07"}]},
            "no night from 2025-03-01 to 2025-03-07 is on 2026-02-03 or later",
        ),
        (
            {"capacity": [{"service": "111", "factor": 2}]},
            'no theatre service in sessions is called "111". Maybe "110"',
        ),
        (
            {"demand": [{"service": "110", "factor": 2, "care_kind": "diagnostic"}]},
            'no diagnostic service in patients is called "110". Maybe care_kind = "theatre".',
        ),
        (
            {"add_lists": [{"site": "RBB01", "service": "11", "date": "2026-03-10"}]},
            'no theatre service in patients or sessions is called "11". Maybe "110"',
        ),
        ({"hold_back": [1.5]}, "given 1.5, wanted a share from 0 to 1"),
        ({"add_lists": [{"site": "RBB01", "service": "110", "date": "2027-01-01"}]}, "2027-01-01 is not between"),
    ],
)
def test_names_that_the_tables_do_not_know_are_told_before_any_work(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        changed_instance(small(), changes(**given))
    assert message in str(raised.value)
    assert "Nowhere" not in message or "Maybe" not in str(raised.value)


def test_standing_of_facts_is_unchanged_by_a_change_of_sessions() -> None:
    instance = small()
    changed = changed_instance(instance, changes(hold_back=[0.1]))
    assert (Facts(changed).standing.waiting == Facts(instance).standing.waiting).all()
