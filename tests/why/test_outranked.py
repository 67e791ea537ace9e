"""Who holds the room that an entry needs, and who ranks higher: by hand, and by the rules' own checks."""

from __future__ import annotations

from allocator.allocation import Allocation, Placement
from allocator.why.case import Case
from allocator.why.outranked import Outranked, outranked, standings
from allocator.why.placed import placed
from tests.build import Row, make_facts
from tests.rules.placing import booked
from tests.rules.test_overrides import override
from tests.why.cases import cases, enumerated, planned


def case_of_rows(patients: list[Row], sessions: list[Row], **tables: list[Row]) -> Case:
    tiny = enumerated(make_facts(patients, sessions, **tables))
    assert tiny is not None
    return planned(tiny)


def outranked_of(case: Case, entry_id: str) -> Outranked:
    (found,) = outranked(standings(case), case.options_of(entry_id))
    return found


def test_longer_wait_ranks_higher_on_the_first_goal_that_differs() -> None:
    case = case_of_rows([{"clock_start": "2024-01-01"}, {"clock_start": "2025-12-01"}], [{"minutes": 75}])
    found = outranked_of(case, "e2")
    assert (found.options, found.free, found.limits) == (1, 0, {"session_minutes": 1})
    assert [(item.entry_id, item.session_id, item.goal, item.higher) for item in found.holders] == [
        ("e1", "s1", "longest_waits_104w", True)
    ]
    assert "1 ranks higher on “Longest waits given a place: over 104 weeks”, for example e1 in s1." in found.sentences()


def test_booking_may_rank_lower_and_holds_its_place() -> None:
    patients = [{"clock_start": "2025-12-01"}, {"clock_start": "2024-01-01"}]
    case = case_of_rows(patients, [{"minutes": 75}], commitments=[booked("e1", "s1")])
    found = outranked_of(case, "e2")
    (holder,) = found.holders
    assert (holder.entry_id, holder.higher, holder.fixed) == ("e1", False, True)
    assert "1 is offered or booked already, and stays." in found.sentences()
    assert not any("not rank higher" in sentence for sentence in found.sentences())


def test_who_holds_a_place_by_a_pin_is_said_to_and_ranks_no_lower_for_it() -> None:
    patients = [{"clock_start": "2025-12-01"}, {"clock_start": "2024-01-01"}]
    pin = override("must", entry_id="e1", session_id="s1")
    case = case_of_rows(patients, [{"minutes": 75}], overrides=[pin])
    found = outranked_of(case, "e2")
    (holder,) = found.holders
    assert (holder.entry_id, holder.higher, holder.pinned) == ("e1", False, True)
    assert "1 is there because a person asked for it by name." in found.sentences()
    assert not any("not rank higher" in sentence for sentence in found.sentences())
    assert "A person asked for this place by name (rule overrides)." in placed(case, "e1").sentences()


def test_who_is_ruled_out_everywhere_is_told_of_that_and_of_nobody_else() -> None:
    """e2 has waited longest and may go nowhere: that e1 is there has nothing to do with it."""
    patients = [{"clock_start": "2025-12-01"}, {"clock_start": "2024-01-01"}]
    case = case_of_rows(patients, [{"minutes": 75}], overrides=[override("never", entry_id="e2")])
    found = outranked_of(case, "e2")
    assert found.barred
    assert found.sentences()[1:] == [
        "In 1 a person ruled this place out, or pinned another (rule overrides).",
        "In 1 not enough minutes are left in the session (rule session_minutes).",
        "Nobody's leaving would give it a place: in each, a rule above bars it whoever is there.",
    ]


def test_entry_without_an_option_is_outranked_by_nobody() -> None:
    case = case_of_rows([{"transfer_consent": "no"}], [{"site_code": "RBB01"}])
    assert list(outranked(standings(case), case.options_of("e1"))) == []
    assert Outranked("e1", 0, 0, {}, {}, (), ()).sentences() == ["Nobody: the rules above left it no session."]


def test_counts_of_limits_are_those_of_the_checks() -> None:
    """Each option that is called free could be added by every rule's check; each other breaks a limit that is named."""
    blocked = 0
    for case in cases(0, 25):
        for entry_id in case.unplaced():
            for found in outranked(standings(case), case.options_of(entry_id)):
                broken: list[set[str]] = []
                for session_id in case.session_ids[case.formulation.session[case.options_of(entry_id)]]:
                    places = [*case.allocation.placements, Placement(entry_id, str(session_id))]
                    plan = Allocation.of(places, case.allocation.with_option, case.allocation.with_independent_option)
                    broken.append({limit.label for limit in case.policy.limits if limit.check(case.facts, plan)})
                assert found.free == sum(not labels for labels in broken)
                assert found.limits == {
                    label: sum(label in labels for labels in broken)
                    for label in sorted(set().union(*broken), key=lambda name: (-found.limits[name], name))
                }
                blocked += sum(map(bool, broken))
                assert len({item.entry_id for item in found.holders}) == len(found.holders)
    assert blocked > 10
