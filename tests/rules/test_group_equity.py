from __future__ import annotations

import pytest

from allocator.errors import UsageError
from allocator.formulation import formulate
from allocator.options import Facts
from allocator.policy import Policy, read_policy
from models import CATALOGUE
from models.rules.group_equity import GroupEquity
from tests.build import make_facts
from tests.contract.harness import pairs_of
from tests.rules.placing import allows, booked, plan

EXACT = GroupEquity(equity_tolerance=0)


def fifths(*quintiles: int | None, **tables: list[dict[str, object]]) -> Facts:
    """One entry a quintile, one session for all."""
    return make_facts([{"imd_quintile": quintile} for quintile in quintiles], [{}], **tables)


def test_two_groups_of_equal_size_at_the_floor() -> None:
    # Two and two with an option: of 2 places each group gets floor(2 x 2/4) = 1, of 3 floor(1.5) = 1.
    facts = fifths(1, 1, 5, 5)
    assert allows(EXACT, facts, "e1-s1", "e3-s1")
    assert not allows(EXACT, facts, "e1-s1", "e2-s1")
    assert allows(EXACT, facts, "e1-s1", "e2-s1", "e3-s1")
    assert allows(EXACT, facts, "e1-s1")


@pytest.mark.parametrize(("tolerance", "allowed"), [(0.0, False), (0.02, True)])
def test_tolerance_is_taken_off_the_share_before_rounding_down(tolerance: float, allowed: bool) -> None:
    # Of 2 places floor(2 x 2/4) = 1 without tolerance, floor(0.98 x 1) = 0 with 2%.
    rule = GroupEquity(equity_tolerance=tolerance)
    assert allows(rule, fifths(1, 1, 5, 5), "e1-s1", "e2-s1") is allowed


def test_floor_is_exact_where_decimals_are_not() -> None:
    # (1 - 0.9) x 10 places x 10 of 10 entries = 1 exactly; in binary fractions it is 0.9999999999999998.
    rule = GroupEquity(equity_tolerance=0.9)
    facts = fifths(*[1] * 10)
    everybody = [f"e{number}-s1" for number in range(1, 11)]
    assert rule.usage(facts, plan(facts, *everybody))["limit"].tolist() == [1]
    assert allows(rule, facts, *everybody)


def test_not_known_is_a_group_of_its_own() -> None:
    facts = fifths(None, None, 5, 5)
    assert not allows(EXACT, facts, "e3-s1", "e4-s1")
    assert allows(EXACT, facts, "e1-s1", "e3-s1")


def test_group_without_an_option_has_no_floor() -> None:
    patients = [{"imd_quintile": 1, "service_code": "999"}, {"imd_quintile": 5}, {"imd_quintile": 5}]
    facts = make_facts(patients, [{}])
    assert allows(EXACT, facts, "e2-s1", "e3-s1")


def test_group_below_the_smallest_size_has_no_floor_but_counts_in_the_whole() -> None:
    # Two of six in group 1: of 3 places its floor is floor(3 x 2/6) = 1; for group 5 it is floor(3 x 4/6) = 2.
    facts = fifths(1, 1, 5, 5, 5, 5)
    last_three = ("e3-s1", "e4-s1", "e5-s1")
    assert not allows(EXACT, facts, *last_three)
    assert allows(GroupEquity(equity_tolerance=0, min_size=3), facts, *last_three)


def test_bookings_count_on_neither_side() -> None:
    # e1 of group 1 is booked. Two and two are left: of 2 new places group 1 gets floor(2 x 2/4) = 1.
    facts = fifths(1, 1, 1, 5, 5, commitments=[booked("e1", "s1")])
    assert allows(EXACT, facts)
    assert not allows(EXACT, facts, "e4-s1", "e5-s1")
    assert allows(EXACT, facts, "e2-s1", "e4-s1")


def test_any_column_can_name_the_group_and_a_wrong_one_is_answered() -> None:
    facts = make_facts([{"ethnicity": "A"}, {"ethnicity": "A"}, {"ethnicity": "B"}, {"ethnicity": "B"}], [{}])
    rule = GroupEquity(group_column="ethnicity", equity_tolerance=0)
    assert not allows(rule, facts, "e1-s1", "e2-s1")
    wrong = GroupEquity(group_column="ethnicty")
    with pytest.raises(UsageError, match=r'no column "ethnicty" to group by\. Maybe "ethnicity"'):
        formulate(pairs_of(facts, same_service=True), Policy("test", (wrong,), ()))


def test_message_and_usage_show_places_and_floor() -> None:
    facts = fifths(1, 1, 5, 5)
    allocation = plan(facts, "e1-s1", "e2-s1")
    (violation,) = EXACT.check(facts, allocation)
    assert violation.message == "imd_quintile 5: 0 new places; its floor is 1"
    assert EXACT.usage(facts, allocation).values.tolist() == [
        ["imd_quintile 1", 2, 1, "places"],
        ["imd_quintile 5", 0, 1, "places"],
    ]


def test_setting_the_goal_does_not_switch_on_the_limit_of_the_same_name() -> None:
    policy = read_policy(CATALOGUE, overrides=["group_equity.min_size=7"])
    assert "group_equity" not in [rule.name for rule in policy.rules]
    assert next(goal for goal in policy.goals if goal.name == "group_equity").model_dump()["min_size"] == 7


def test_limit_is_switched_on_by_name() -> None:
    policy = read_policy(CATALOGUE, overrides=["group_equity.enabled=true", "group_equity.min_size=7"])
    assert GroupEquity(min_size=7) in policy.rules


def test_a_parameter_of_the_goal_is_not_offered_for_the_rule_of_a_policy_without_the_goal() -> None:
    with pytest.raises(UsageError, match="has no such parameter") as said:
        read_policy(CATALOGUE, 'base = "weighted"', ("group_equity.tolerance=0",))
    assert "'tolerance'" not in str(said.value)
    assert str(said.value).count("'equity_tolerance'") == 1
