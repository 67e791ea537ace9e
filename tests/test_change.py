"""Edits of tables: one cell, one row more, one row less; types and order stay."""

from __future__ import annotations

import pandas as pd

from allocator.change import Change, Edit, changed
from allocator.instance import Instance
from tests.build import make_facts
from tests.rules.placing import booked

NIGHT = pd.Timestamp("2026-03-10")


def edited(instance: Instance, *edits: Edit) -> Instance:
    return changed(instance, Change("bed", 1, "", edits))


def instance() -> Instance:
    beds = [{"site_code": "RBB01", "night": "2026-03-10", "bed_kind": "ward", "spare_beds": 2}]
    away = [{"entry_id": "e1", "from": "2026-03-01", "to": "2026-03-05"}]
    return make_facts([{}, {}], [{}, {}], beds=beds, unavailable=away, commitments=[booked("e2", "s1")]).instance


def test_cells_of_the_row_that_is_meant_change_and_no_others() -> None:
    before = instance()
    after = edited(before, Edit("patients", {"entry_id": "e1"}, {"transfer_consent": "no", "bmi": 41.0}))
    assert after.patient["e1"]["transfer_consent"] == "no"
    assert after.patient["e1"]["bmi"] == 41
    assert str(dict(after.patient["e2"])) == str(dict(before.patient["e2"]))
    assert before.patient["e1"]["bmi"] == 25, "the instance that was given stays as it was"
    back = edited(after, Edit("patients", {"entry_id": "e1"}, {"transfer_consent": "yes", "bmi": 25.0}))
    assert back.fingerprint == before.fingerprint


def test_row_that_is_not_there_is_added_in_its_place_with_the_types_of_the_table() -> None:
    before = instance()
    where = {"site_code": "RAA01", "night": NIGHT, "bed_kind": "ward"}
    after = edited(before, Edit("beds", where, {"spare_beds": 1}))
    assert after.column("beds", "site_code").tolist() == ["RAA01", "RBB01"], "by the key of the table"
    assert after.column("beds", "spare_beds").tolist() == [1, 2]
    assert after.frames["beds"].dtypes.tolist() == before.frames["beds"].dtypes.tolist()
    again = edited(after, Edit("beds", where, {"spare_beds": 3}))
    assert again.column("beds", "spare_beds").tolist() == [3, 2]


def test_row_of_a_session_that_is_added_takes_nothing_from_others() -> None:
    before = instance()
    cells = {name: value for name, value in before.frames["sessions"].iloc[0].items() if name != "session_id"}
    after = edited(before, Edit("sessions", {"session_id": "s1+"}, {str(name): value for name, value in cells.items()}))
    assert list(after.session_row) == ["s1", "s1+", "s2"]
    one, other = dict(after.session["s1"]), dict(after.session["s1+"])
    differ = [name for name in one if str(one[name]) != str(other[name])]
    assert differ == ["session_id"]
    assert not after.column("sessions", "closed").any()


def test_commitment_that_is_added_is_the_latest_and_takes_no_room() -> None:
    before = instance()
    where = {"entry_id": "e2", "session_id": "s1", "site_code": "", "recorded_on": pd.Timestamp("2026-03-01")}
    after = edited(before, Edit("commitments", where, {"state": "cancelled"}))
    assert len(after.commitments) == len(before.commitments) + 1
    assert after.column("commitments", "state").tolist()[-1] == "cancelled"
    assert not after.column("commitments", "room_taken").any()


def test_rows_without_cells_are_taken_out() -> None:
    where = {"entry_id": "e1", "from": pd.Timestamp("2026-03-01"), "to": pd.Timestamp("2026-03-05")}
    after = edited(instance(), Edit("unavailable", where, None))
    assert len(after.frames["unavailable"]) == 0
    assert after.unavailable_of == {}
