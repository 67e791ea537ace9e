"""A plan made by hand: what is found in it, how far it is from the best, and that improvements are true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from allocator.allocation import Placement
from allocator.answer import Limits
from allocator.errors import InputError
from allocator.lab.ground import Ground, ground_of
from allocator.lab.handmade import GoalReview, review, review_figures
from allocator.lab.improve import improvements
from allocator.lab.plan_file import read_plan
from allocator.lab.words import goal_sentence, goal_sentences, review_lines
from allocator.options import Facts
from allocator.solve.loader import complete, goal_values, merit
from instances import path as shipped
from models.daily import DAILY
from models.rules.overrides import Overrides
from tests.build import make_facts
from tests.instances.tiny import FOLDERS, read_tiny
from tests.rules.test_overrides import override
from tests.solve.tiny import Case, random_cases

QUICK = Limits(work=50)
INSTANT = Limits(seconds=0.1)
"""For what needs no good bound: no solver is started."""
CASES = [case for case in random_cases(0, 24) if len(case.plans) >= 4]


def write(path: Path, *pairs: tuple[str, str], heads: str = "entry_id,session_id") -> Path:
    path.write_text("\n".join([heads, *(",".join(pair) for pair in pairs)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_best_plan_of_a_hand_worked_instance_passes_scores_as_on_paper_and_cannot_be_improved(
    folder: Path, tmp_path: Path
) -> None:
    tiny = read_tiny(folder)
    pairs = [(place[0], place[1]) for place in tiny.expected["placements"]]
    sessions = tiny.facts.instance.session_row
    plan = read_plan(write(tmp_path / "plan.csv", *(pair for pair in pairs if pair[1] in sessions)), tiny.facts)
    found = review(tiny.facts.instance, tiny.policy, plan, INSTANT)
    assert found.violations == ()
    assert {goal.label: goal.value for goal in found.goals} == tiny.expected["goals"]
    assert found.improvements == ()


def test_bound_is_not_beaten_by_any_plan_as_good_as_the_one_made_by_hand(tmp_path: Path) -> None:
    for case in CASES[:1]:
        hand = case.plans[len(case.plans) // 2]
        pairs = places_of(case, hand)
        plan = read_plan(write(tmp_path / "plan.csv", *pairs), case.facts)
        found = review(case.facts.instance, case.policy, plan, QUICK)
        assert found.passed
        mine = merit(case.formulation, hand)
        tolerant = [goal.tolerance for goal in case.formulation.goals]
        for k, goal in enumerate(found.goals):
            if any(tolerant[:k]):
                break
            as_good = [m for m in case.merits if m[:k] >= mine[:k] and all(np.array(m[:k]) >= np.array(mine[:k]))]
            best = max(m[k] for m in as_good)
            assert (goal.bound if goal.sense == "max" else -goal.bound) >= best


def places_of(case: Case, columns: np.ndarray) -> list[tuple[str, str]]:  # type: ignore[type-arg]
    instance, options = case.facts.instance, case.formulation.options
    entry_ids, session_ids = instance.column("patients", "entry_id"), instance.column("sessions", "session_id")
    rows = np.flatnonzero(columns[: len(options)])
    return [(entry_ids[options.entry[row]], session_ids[options.session[row]]) for row in rows]


def grounded(case: Case) -> Ground:
    return ground_of(case.facts.instance, case.policy)


def test_improvements_are_true_and_the_first_is_the_best_of_those_that_disturb_fewest() -> None:
    """Against every plan there is: one place more, one place changed, one handed on, two exchanged."""
    seen = set()
    for case in CASES:
        ground = grounded(case)
        everything = {
            frozenset(places_of(case, columns)): m for columns, m in zip(case.plans, case.merits, strict=True)
        }
        for columns in case.plans[:: max(1, len(case.plans) // 6)]:
            here = frozenset(places_of(case, columns))
            allocation = ground.allocation(
                [*ground.base.placements, *(Placement(*pair) for pair in here - fixed_pairs(ground))]
            )
            found = improvements(ground, allocation, 10)
            better: dict[int, list[tuple[int, ...]]] = {}
            for there, value in everything.items():
                cost = disturbance(here, there)
                if cost is not None and value > everything[here]:
                    better.setdefault(cost, []).append(value)
            assert bool(found) == bool(better)
            if found:
                seen.add(found[0].kind)
                assert found[0].disturbed == min(better)
                assert merit_after(case, here, found[0].places) == max(better[min(better)])
            for item in found:
                assert merit_after(case, here, item.places) > everything[here]
    assert seen >= {"place", "move", "hand_on"}


def fixed_pairs(ground: Ground) -> frozenset[tuple[str, str]]:
    return frozenset((place.entry_id, place.session_id) for place in ground.base.placements)


def disturbance(here: frozenset[tuple[str, str]], there: frozenset[tuple[str, str]]) -> int | None:
    """People with a place who lose or change it in one step from here to there; None where it is no single step."""
    out, new = sorted(here - there), sorted(there - here)
    if (len(out), len(new)) == (0, 1):
        return 0
    if (len(out), len(new)) == (1, 1):
        same_person, same_session = out[0][0] == new[0][0], out[0][1] == new[0][1]
        return 1 if same_person or same_session else None
    if (len(out), len(new)) == (2, 2) and sorted([(out[0][0], out[1][1]), (out[1][0], out[0][1])]) == new:
        return 2
    return None


def merit_after(
    case: Case, here: frozenset[tuple[str, str]], places: tuple[tuple[str, str, str], ...]
) -> tuple[int, ...]:
    gone = {(entry, old) for entry, old, _ in places if old}
    came = {(entry, new) for entry, _, new in places if new}
    wanted = (here - gone) | came
    for columns, value in zip(case.plans, case.merits, strict=True):
        if frozenset(places_of(case, columns)) == wanted:
            return value
    raise AssertionError(f"{sorted(wanted)} keeps not every rule")


def test_every_kind_of_broken_row_is_a_finding_with_its_number(tmp_path: Path) -> None:
    facts = make_facts([{}, {}, {}], [{}, {}])
    pairs = [("e1", "s1"), ("e1", "s1"), ("e11", "s1"), ("e2", ""), ("e3", "s11"), ("e2", "s2")]
    plan = read_plan(write(tmp_path / "plan.csv", *pairs), facts)
    assert [place.entry_id for place in plan.places] == ["e1", "e2"]
    told = [problem.message for problem in plan.problems]
    assert told[0].startswith('row 4: entry_id "e11" is not in the table patients. Maybe "e1"')
    assert told[1] == "row 5: session_id is empty; wanted: an id of the table sessions"
    assert told[2].startswith('row 6: session_id "s11" is not in the table sessions. Maybe "s1"')
    assert told[3] == "rows 2, 3: e1 in s1 is written 2 times"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"entry,session_id\ne1,s1\n", 'has no column entry_id; it has entry, session_id. Maybe "entry".'),
        (b"entry_id,session_id,session_id\ne1,s1,s2\n", 'column "session_id" stands 2 times in plan.csv; keep one'),
        (b"", "plan.csv is empty; wanted a header row and rows."),
        (b'entry_id,session_id\n"e1,s1\n', "Maybe a quotation mark is not closed."),
        (b"entry_id,session_id\n\x81,s1\n", "is neither UTF-8 nor Windows-1252. Save it as CSV UTF-8."),
    ],
)
def test_file_that_is_no_plan_says_what_was_wanted(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_plan(path, make_facts([{}], [{}]))
    assert message in str(raised.value)


def test_file_as_a_spreadsheet_saves_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(b"\xef\xbb\xbfEntry_ID,session_id,remark\r\n e1 ,s1,ask first\r\n")
    plan = read_plan(path, make_facts([{}], [{}]))
    assert (plan.problems, [place.session_id for place in plan.places]) == ((), ["s1"])


@pytest.mark.parametrize(("encoding", "notice"), [("utf-16", "is UTF-16"), ("cp1252", "read as Windows-1252")])
def test_file_that_a_spreadsheet_saves_in_its_own_letters_is_read_and_said(
    encoding: str, notice: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes("entry_id,session_id,remark\ne1,s1,Zoë\n".encode(encoding))
    facts = make_facts([{}], [{}])
    plan = read_plan(path, facts)
    assert (plan.problems, [place.session_id for place in plan.places]) == ((), ["s1"])
    assert notice in plan.notices[0]
    assert review_lines(review(facts.instance, DAILY, plan, INSTANT), facts.instance)[0] == plan.notices[0]


def test_rows_are_numbered_as_a_spreadsheet_does_and_a_comma_too_many_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(b"session_id,entry_id\n\ns1,e1\n,,\ns1,,e2\ns9,e2\n")
    plan = read_plan(path, make_facts([{}, {}], [{}]))
    assert [(place.entry_id, place.session_id) for place in plan.places] == [("e1", "s1")]
    told = [problem.message for problem in plan.problems]
    assert told[:2] == [f"row {row} has 3 cells; wanted: 2, as the header has" for row in (4, 5)]
    assert told[2].startswith('row 6: session_id "s9" is not in the table sessions')


def test_pairs_that_no_rule_allows_are_violations_and_the_rest_is_improved(tmp_path: Path) -> None:
    facts = make_facts(
        [{}, {"max_travel_minutes": 20}, {"service_code": "120"}, {}],
        [{"minutes": 300}, {"site_code": "RBB01"}],
        info={"reporting_dates": ("2026-03-31",)},
    )
    pairs = [("e1", "s1"), ("e2", "s2"), ("e3", "s1"), ("e1", "s2")]
    found = review(facts.instance, DAILY, read_plan(write(tmp_path / "plan.csv", *pairs), facts), INSTANT)
    assert {"nobody_twice", "max_travel", "same_service"} <= {item.rule for item in found.violations}
    assert found.left_out == (("e2", "s2"), ("e3", "s1"), ("e1", "s2"))
    placed = {place[0] for item in found.improvements if item.kind == "place" for place in item.places}
    assert placed == {"e2", "e4"}
    lines = review_lines(found, facts.instance)
    assert "  max_travel: the journey to s2 is 30 minutes; the limit is 20 minutes (e2)" in lines
    assert "Without 3 places the rest keeps every rule: e2 in s2, e3 in s1, e1 in s2." in lines
    assert json.loads(json.dumps(review_figures(found)))["passed"] is False


def test_bookings_are_kept_whether_listed_or_not(tmp_path: Path) -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-30T08:00:00"}]
    facts = make_facts([{}, {}], [{}, {}], commitments=booked)
    for pairs, added in (([("e2", "s1")], 1), ([("e2", "s1"), ("e1", "s1")], 0)):
        plan = read_plan(write(tmp_path / "plan.csv", *pairs), facts)
        assert plan.added == added
        found = review(facts.instance, DAILY, plan, INSTANT)
        assert found.passed
        assert found.places == 2


def test_booked_person_moved_by_hand_is_a_violation(tmp_path: Path) -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-30T08:00:00"}]
    facts = make_facts([{}, {}], [{}, {}], commitments=booked)
    found = review(facts.instance, DAILY, read_plan(write(tmp_path / "plan.csv", ("e1", "s2")), facts), INSTANT)
    assert "e1 is already settled elsewhere and was given a new place in s2" in [v.message for v in found.violations]
    assert found.left_out == (("e1", "s2"),)


def test_a_pin_that_the_plan_forgets_is_a_violation_and_what_is_improved_has_it(tmp_path: Path) -> None:
    """Two lists of two places: one of e1 and e2 makes room for the pinned e3, and is offered the other list."""
    pin = override("must", entry_id="e3", session_id="s1")
    facts = make_facts([{}, {}, {}], [{"max_cases": 2}, {"max_cases": 2}], overrides=[pin])
    pairs = [("e1", "s1"), ("e2", "s1")]
    found = review(facts.instance, DAILY, read_plan(write(tmp_path / "plan.csv", *pairs), facts), INSTANT)
    assert [item.rule for item in found.violations] == ["overrides"]
    assert found.pins_added == (("e3", "s1"),)
    ((left, session),) = found.left_out
    assert (left in ("e1", "e2"), session) == (True, "s1")
    assert [item.places for item in found.improvements][:1] == [((left, "", "s2"),)]
    lines = review_lines(found, facts.instance)
    assert "Added, since pins ask for it: 1 place: e3 in s1." in lines
    assert review_figures(found)["pins_added"] == [{"entry_id": "e3", "session_id": "s1"}]


@pytest.mark.parametrize(
    ("pairs", "left_out", "added"),
    [
        ([("e1", "s1"), ("e3", "s2")], (("e1", "s1"),), (("e1", "s2"), ("e2", "s1"))),
        ([("e3", "s2")], (), (("e1", "s2"), ("e2", "s1"))),
        ([("e1", "s1"), ("e2", "s1"), ("e3", "s2")], (("e1", "s1"),), (("e1", "s2"),)),
    ],
)
def test_a_pin_to_a_site_leaves_the_only_seat_to_a_pin_to_its_session(
    pairs: list[tuple[str, str]],
    left_out: tuple[tuple[str, str], ...],
    added: tuple[tuple[str, str], ...],
    tmp_path: Path,
) -> None:
    """e1 must go to the site, which has both lists, and e2 to s1, which has room for one: e1 to s2 is all there is."""
    pins = [override("must", entry_id="e1", site_code="RAA01"), override("must", entry_id="e2", session_id="s1")]
    facts = make_facts([{}, {}, {}], [{"max_cases": 1}, {"max_cases": 3}], overrides=pins)
    found = review(facts.instance, DAILY, read_plan(write(tmp_path / "plan.csv", *pairs), facts), INSTANT)
    assert (found.left_out, found.pins_added) == (left_out, added)


def test_only_the_place_that_breaks_a_rule_is_left_out_in_whatever_order_rows_stand(tmp_path: Path) -> None:
    """tiny-test-first: the best plan on paper, treatments above their tests, and one place that no rule allows."""
    tiny = read_tiny(shipped("tiny-test-first"))
    best = [(place[0], place[1]) for place in tiny.expected["placements"]]
    treatments = sorted(best, key=lambda pair: pair[0].startswith("t"))
    plan = read_plan(write(tmp_path / "plan.csv", *treatments, ("e4", "s3")), tiny.facts)
    found = review(tiny.facts.instance, tiny.policy, plan, INSTANT)
    assert found.left_out == (("e4", "s3"),)
    assert found.improvements == ()


def test_a_value_that_only_breaking_rules_reaches_is_not_called_proven() -> None:
    goal = GoalReview("weeks_of_waiting", "days", "max", value=1886, bound=1183, engine=1183, sentence="")
    assert goal.distance == 0
    assert goal_sentence(goal) == (
        "Weeks of waiting: 1,886 days; only since it breaks rules: no plan that keeps them gets above 1,183 days "
        "(this program's plan: 1,183 days)."
    )
    assert "proven" in goal_sentence(replace(goal, value=1183))
    after = GoalReview("travel", "minutes", "min", value=40, bound=40, engine=50, sentence="")
    assert goal_sentences([goal, after]) == [
        goal_sentence(goal),
        "Travel: 40 minutes; nothing is proven, since no plan that keeps the rules is as good on Weeks of waiting "
        "(this program's plan: 50 minutes).",
    ]
    assert goal_sentences([replace(goal, value=1183), after])[1] == goal_sentence(after)


def test_somebody_with_two_places_counts_once_in_the_goals(tmp_path: Path) -> None:
    """Urgent since 2025: late until long after the horizon without a place, and in each of two lists a gain."""
    urgent = {"clinical_priority": "P2", "first_prioritised_on": "2025-12-01"}
    facts = make_facts([urgent], [{"date": "2026-03-10"}, {"date": "2026-03-03"}])
    scores = {}
    for name, sessions in (("once", ("s2",)), ("twice", ("s1", "s2"))):
        plan = read_plan(write(tmp_path / "plan.csv", *(("e1", session) for session in sessions)), facts)
        found = review(facts.instance, DAILY, plan, INSTANT)
        assert found.passed == (name == "once")
        scores[name] = {goal.label: goal.value for goal in found.goals}
        said = "Goals leave out 1 place of people who have another: booked, or earlier."
        assert (said in review_lines(found, facts.instance)) == (name == "twice")
    assert scores["twice"] == scores["once"]


def test_a_pinned_treatment_brings_the_test_that_the_plan_forgets(tmp_path: Path) -> None:
    """No place of the plan keeps the rule that the test comes first: it is added, and nobody else."""
    tiny = read_tiny(shipped("tiny-test-first"))
    pin = override("must", entry_id="e2", session_id="s3")
    instance = tiny.facts.instance.replacing(
        overrides=make_facts([{}], [{}], overrides=[pin]).instance.table("overrides")
    )
    policy = replace(tiny.policy, rules=(*tiny.policy.rules, Overrides()))
    plan = read_plan(write(tmp_path / "plan.csv", ("e3", "s1")), Facts(instance))
    found = review(instance, policy, plan, INSTANT)
    assert {pair[0] for pair in found.pins_added} == {"e2", "t2"}
    assert found.left_out == ()


def test_values_are_those_of_the_model(tmp_path: Path) -> None:
    case = CASES[0]
    ground = grounded(case)
    for columns in case.plans:
        pairs = places_of(case, columns)
        plan = read_plan(write(tmp_path / "plan.csv", *pairs), case.facts)
        scores = ground.audited(ground.allocation(plan.places)).scores
        chosen = ground.chosen(ground.allocation(plan.places))
        assert tuple(scores.values()) == goal_values(case.formulation, complete(case.formulation, chosen))
