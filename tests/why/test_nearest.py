"""Nearest changes against enumeration: a verified one places the entry, and nothing smaller of its kind does."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import pytest

from allocator.allocation import Allocation, Placement
from allocator.audit import audit
from allocator.backends.process import Worker
from allocator.change import Change, Edit, changed
from allocator.options import Facts
from allocator.rule import find_conflicts
from allocator.solve.loader import merit_of
from allocator.why.candidates import kept_out, with_place
from allocator.why.case import Case
from allocator.why.nearest import nearest_changes
from allocator.why.quick import quick_changes
from allocator.why.verified import Nearest, changed_facts, verified
from tests.build import ORGANISATIONS, make_facts
from tests.contract.shapes import DAYS
from tests.why.cases import LONGER_STAYS, cases, cases_of, enumerated, planned

MOST_PARTS = 40
"""Smaller changes of one cell that are enumerated for one change of several."""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as child:
        yield child


def enumerated_plan(case: Case, change: Change, entry_id: str, session_id: str = "") -> bool | None:
    """Is there, of all plans under the change, one with the entry (in the session) that is no worse; None: too many."""
    tiny = enumerated(Facts(changed(case.facts.instance, change)))
    if tiny is None:
        return None
    model, instance = tiny.formulation, tiny.facts.instance
    there = model.entry == instance.entry_row[entry_id]
    if session_id:
        there &= model.session == instance.session_row[session_id]
    ours = {(place.entry_id, place.session_id) for place in case.allocation.placements}
    pairs = zip(model.options.of_entry("entry_id"), model.options.of_session("session_id"), strict=True)
    mine = np.array([pair in ours for pair in pairs], dtype=np.int64)
    (rescored,) = [
        merit for plan, merit in zip(tiny.plans, tiny.merits, strict=True) if (plan[: model.n_options] == mine).all()
    ]
    floor = max(rescored, merit_of(model, case.values))
    return any(
        plan[: model.n_options][there].any() and merit >= floor
        for plan, merit in zip(tiny.plans, tiny.merits, strict=True)
    )


def smaller(case: Case, nearest: Nearest) -> Iterator[Change]:
    """Every smaller change of the same kind, cell by cell: made here, and not by the rules."""
    size, entry_id = int(nearest.change.size), nearest.entry_id
    row = case.facts.instance.patient[entry_id]
    mine = {"entry_id": entry_id}
    for less in range(1, size):
        cells: list[tuple[str, dict[str, object], dict[str, object] | None]] = []
        if nearest.change.kind == "travel":
            limit = row["max_travel_minutes"]
            cells.append(("patients", mine, {"max_travel_minutes": (60 if np.isnan(limit) else limit) + less}))
        if nearest.change.kind == "date":
            notice, days = row["min_notice_days"], pd.Timedelta(days=less)
            usual = {"P2": 3, "P3": 7, "P4": 14}[row["clinical_priority"]]
            cells.append(("patients", mine, {"min_notice_days": (usual if np.isnan(notice) else notice) - less}))
            for name, sign in (("earliest_date", -1), ("poa_valid_until", 1)):
                if not np.isnat(row[name]):
                    cells.append(("patients", mine, {name: pd.Timestamp(row[name]) + sign * days}))
            for first, last in case.facts.instance.unavailable_of.get(entry_id, ()):
                where = {**mine, "from": pd.Timestamp(first), "to": pd.Timestamp(last)}
                cells.append(("unavailable", where, {"from": pd.Timestamp(first) + days}))
                cells.append(("unavailable", where, {"to": pd.Timestamp(last) - days}))
            for code in case.facts.instance.site_row:
                lead = case.facts.instance.site[code]["lead_days"]
                if not np.isnan(lead):
                    cells.append(("sites", {"site_code": code}, {"lead_days": lead - less}))
        for table, where, values in cells:
            yield Change(nearest.change.kind, less, "", (Edit(table, where, values),))
    for edits in itertools.islice(part_edits(case, nearest), MOST_PARTS):
        yield Change(nearest.change.kind, 1, "", (edits,))


def part_edits(case: Case, nearest: Nearest) -> Iterator[Edit]:
    """One cell where the change has several: one more bed on one night, one more person agreed, one need met."""
    instance, size = case.facts.instance, nearest.change.size
    if size < 2:
        return
    if nearest.change.kind == "bed":
        spare = {(row[0], str(row[1])[:10], row[2]): int(row[3]) for row in instance.frames["beds"].to_numpy()}
        for site, day, kind in itertools.product(instance.site_row, DAYS, ("ward", "hdu")):
            where = {"site_code": site, "night": pd.Timestamp(day), "bed_kind": kind}
            yield Edit("beds", where, {"spare_beds": spare.get((site, day, kind), 0) + 1})
    if nearest.change.kind == "flow":
        for row in instance.frames["organisations"].to_dict("records"):
            for name in ("max_outgoing", "max_incoming"):
                if not np.isnan(row[name]):
                    yield Edit("organisations", {"provider_code": row["provider_code"]}, {name: row[name] + 1})
    if nearest.change.kind == "acceptance":
        for session_id, tag in itertools.product(instance.session_row, ("ga", "xray")):
            provided = str(instance.session[session_id]["provides"])
            yield Edit("sessions", {"session_id": session_id}, {"provides": f"{provided};{tag}"})


def check_nearest(case: Case, nearest: Nearest) -> None:
    """Applied to the tables it places the entry: by an audit, and of all plans one is no worse."""
    facts = Facts(changed(case.facts.instance, nearest.change))
    assert Placement(nearest.entry_id, nearest.session_id) in nearest.placements
    conflicts = find_conflicts(case.policy.limits, facts)
    tiny = enumerated(facts)
    assert tiny is not None
    base = Allocation.from_options(tiny.formulation.options, tiny.formulation.options.fixed)
    plan = Allocation.of(nearest.placements, base.with_option, base.with_independent_option)
    assert audit(facts, case.policy, plan, (), conflicts).violations == ()
    assert enumerated_plan(case, nearest.change, nearest.entry_id, nearest.session_id)
    for less in smaller(case, nearest):
        assert enumerated_plan(case, less, nearest.entry_id) is not True, (nearest.change, less)


def checked_changes(found: Iterable[Case], worker: Worker) -> tuple[Counter[str], Counter[str], int]:
    """Check every nearest change of these cases: (all by kind and size, those called smallest, who displace somebody).

    Nothing smaller does, whether that is said or not; what the table says is checked too.
    """
    kinds, smallest, moved = Counter[str](), Counter[str](), 0
    for case in found:
        for nearest in quick_changes(case).values():
            assert nearest.verified
            check_nearest(case, nearest)
        for entry_id in case.unplaced():
            for nearest in nearest_changes(case, entry_id, worker):
                assert nearest.verified, "tiny instances are solved exactly"
                check_nearest(case, nearest)
                kinds[f"{nearest.change.kind} {nearest.change.size:g}"] += 1
                smallest[nearest.change.kind] += nearest.smallest
                moved += bool(nearest.displaced)
    return kinds, smallest, moved


@pytest.mark.slow
def test_verified_changes_of_tiny_instances_hold_and_smaller_ones_do_not(worker: Worker) -> None:
    _, smallest, _ = checked_changes(cases(0, 20), worker)
    assert sum(smallest.values()) >= 12


@pytest.mark.slow
def test_verified_changes_of_many_tiny_instances_hold_and_smaller_ones_do_not(worker: Worker) -> None:
    every, smallest, moved = checked_changes(cases(20, 120), worker)
    print(f"{dict(every)}, {smallest.total()} called smallest, {moved} displace somebody")
    assert set(smallest) >= {"agreement", "travel", "date", "acceptance", "bed", "list"}, smallest
    assert moved >= 5


@pytest.mark.slow
def test_verified_changes_of_several_cells_hold_and_one_of_the_cells_alone_does_not(worker: Worker) -> None:
    every, _, _ = checked_changes(cases_of(LONGER_STAYS, 0, 80), worker)
    print(dict(every))
    assert set(every) >= {"bed 2", "flow 2", "acceptance 2"}, every


def test_longer_journey_that_displaces_nobody(worker: Worker) -> None:
    """e1 accepts 25 minutes; Beta, 30 away, has a free list."""
    tiny = enumerated(make_facts([{"max_travel_minutes": 25}], [{"site_code": "RBB01"}]))
    assert tiny is not None
    (nearest,) = nearest_changes(planned(tiny), "e1", worker)
    assert nearest.sentence() == (
        "If the patient accepted a journey of 30 minutes (the limit is 25), it could go to s1; nobody would be "
        "displaced. Verified: an audited plan that is no worse has it. Nothing smaller of its kind would do."
    )


def test_who_ranks_higher_would_displace_who_ranks_lower(worker: Worker) -> None:
    """e1, who waits longer, would take e2's place in the one list that there is."""
    patients = [{"clock_start": "2024-01-01", "transfer_consent": "no"}, {"clock_start": "2025-12-01"}]
    tiny = enumerated(make_facts(patients, [{"site_code": "RBB01", "minutes": 75}]))
    assert tiny is not None
    case = planned(tiny)
    assert case.unplaced() == ["e1"]
    nearest = nearest_changes(case, "e1", worker)[0]
    assert nearest.change.kind == "agreement"
    assert [(item.entry_id, item.session_id, item.now) for item in nearest.displaced] == [("e2", "s1", "")]
    assert nearest.verified
    assert nearest.smallest


def test_who_ranks_lower_is_told_of_one_more_list_only(worker: Worker) -> None:
    patients = [{"clock_start": "2024-01-01"}, {"clock_start": "2025-12-01", "transfer_consent": "no"}]
    tiny = enumerated(make_facts(patients, [{"site_code": "RBB01", "minutes": 75}]))
    assert tiny is not None
    assert nearest_changes(planned(tiny), "e2", worker) == [], "with a yes it would have to displace e1"
    same = [{"clock_start": "2024-01-01"}, {"clock_start": "2025-12-01"}]
    tiny = enumerated(make_facts(same, [{"site_code": "RBB01", "minutes": 75}]))
    assert tiny is not None
    (nearest,) = nearest_changes(planned(tiny), "e2", worker)
    assert (nearest.change.kind, nearest.session_id) == ("list", "s1+")


def test_one_more_list_is_offered_only_where_the_list_alone_is_in_the_way() -> None:
    """One list takes both, and one bed is spare that night: a second list would not help, another bed would."""
    one_bed = [{"site_code": "RAA01", "night": "2026-03-10", "bed_kind": "ward", "spare_beds": 1}]
    stays = [{"overnight_stays": 1}, {"overnight_stays": 1}]
    for minutes, kinds in ((240, {"bed"}), (75, set())):
        tiny = enumerated(make_facts(stays, [{"minutes": minutes}], beds=one_bed))
        assert tiny is not None
        case = planned(tiny)
        (left,) = case.unplaced()
        assert {candidate.change.kind for candidate in kept_out(case, [left])} == kinds


@pytest.mark.slow
def test_every_list_that_is_offered_gives_a_place_and_displaces_nobody() -> None:
    """What unplaced.csv of a large instance says unverified, verified here by an audit."""
    offered = 0
    for case in (*cases(0, 40), *cases_of(LONGER_STAYS, 0, 40)):
        for candidate in kept_out(case, case.unplaced()):
            if candidate.change.kind == "list":
                assert verified(case, candidate, changed_facts(case, candidate.change), with_place(case, candidate))
                offered += 1
    assert offered >= 5


def test_one_more_bed(worker: Worker) -> None:
    tiny = enumerated(make_facts([{"overnight_stays": 1}], [{}]))
    assert tiny is not None
    (nearest,) = nearest_changes(planned(tiny), "e1", worker)
    assert nearest.change.words == "Alpha General had one more ward bed on the night of 2026-03-10"
    assert nearest.smallest


def test_one_more_person_sent_is_enough_where_another_makes_room_to_be_received(worker: Worker) -> None:
    """RBB receives one and RAA sends none: e1 of RAA waits longer than e2 of NCC, who has the place."""
    patients = [{"clock_start": "2024-01-01"}, {"clock_start": "2025-06-01", "home_provider": "NCC"}]
    figures = {"RAA": {"max_outgoing": 0}, "RBB": {"max_incoming": 1}}
    organisations = [{**row, **figures.get(str(row["provider_code"]), {})} for row in ORGANISATIONS]
    tiny = enumerated(make_facts(patients, [{"site_code": "RBB01"}], organisations=organisations))
    assert tiny is not None
    (nearest, *_) = nearest_changes(planned(tiny), "e1", worker)
    assert nearest.sentence() == (
        "If one more person could be sent by RAA, it could go to s1; e2 would lose s1. Verified: an audited plan that "
        "is no worse has it. Nothing smaller of its kind would do."
    )


def test_a_bed_on_one_night_is_enough_where_another_makes_room_on_the_other(worker: Worker) -> None:
    """e1 stays two nights; the one bed of the first is e2's, who has waited less, and there is none on the second."""
    patients = [
        {"clock_start": "2024-01-01", "overnight_stays": 2},
        {"clock_start": "2025-12-01", "overnight_stays": 1},
    ]
    beds = [{"site_code": "RAA01", "night": "2026-03-10", "bed_kind": "ward", "spare_beds": 1}]
    tiny = enumerated(make_facts(patients, [{}], beds=beds))
    assert tiny is not None
    nearest = nearest_changes(planned(tiny), "e1", worker)[0]
    assert nearest.change.words == "Alpha General had one more ward bed on the night of 2026-03-11"
    assert [(item.entry_id, item.now) for item in nearest.displaced] == [("e2", "")]


def test_three_people_in_the_way_are_more_than_search_moves_and_are_solved_exactly(worker: Worker) -> None:
    """An urgent entry of 200 minutes takes the whole list, in which three others fit."""
    urgent = {"clinical_priority": "P2", "expected_minutes": 200, "max_travel_minutes": 25}
    tiny = enumerated(make_facts([urgent, {}, {}, {}], [{"site_code": "RBB01", "minutes": 300}]))
    assert tiny is not None
    case = planned(tiny)
    assert case.unplaced() == ["e1"]
    nearest = nearest_changes(case, "e1", worker)[0]
    assert (nearest.change.kind, nearest.verified, nearest.smallest) == ("travel", True, True)
    assert [item.entry_id for item in nearest.displaced] == ["e2", "e3", "e4"]
    assert "e2 would lose s1, e3 would lose s1, e4 would lose s1." in nearest.sentence()


def test_exact_plan_moves_nobody_who_need_not_move(worker: Worker) -> None:
    """The same beside a second list, whose two people the goals would let change places with nobody."""
    urgent = {"clinical_priority": "P2", "expected_minutes": 200, "max_travel_minutes": 25}
    beside = {"service_code": "130"}
    patients = [urgent, {}, {}, {}, beside, beside]
    sessions = [{"site_code": "RBB01", "minutes": 300}, {"service_code": "130", "minutes": 200}]
    tiny = enumerated(make_facts(patients, sessions))
    assert tiny is not None
    nearest = nearest_changes(planned(tiny), "e1", worker)[0]
    assert [item.entry_id for item in nearest.displaced] == ["e2", "e3", "e4"]
