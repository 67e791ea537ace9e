from __future__ import annotations

from allocator.policy import policy_toml, read_policy
from models import CATALOGUE
from models.daily import DAILY
from models.rules import RULES
from models.weighted import WEIGHTED


def test_daily_goals_stand_in_the_order_of_the_model() -> None:
    assert [goal.label for goal in DAILY.ordered_goals] == [
        "urgent_delay",
        "longest_waits_104w",
        "longest_waits_78w",
        "longest_waits_65w",
        "longest_waits_52w",
        "routine_delay",
        "fair_between_trusts",
        "weeks_of_waiting",
        "group_equity",
        "independent_access",
        "keep_proposals",
        "travel",
        "spend",
    ]


def test_only_the_weeks_of_waiting_may_be_spent_by_later_goals() -> None:
    assert {goal.label: goal.tolerance for goal in DAILY.ordered_goals if goal.tolerance} == {"weeks_of_waiting": 0.005}


def test_equity_is_a_goal_of_the_daily_policy_and_a_floor_of_the_weighted_one() -> None:
    everything = [rule.name for rule in RULES]
    assert [rule.name for rule in WEIGHTED.rules] == [name for name in everything if name != "equal_rates"]
    missing = set(everything) - {rule.name for rule in DAILY.rules}
    assert missing == {"group_equity", "independent_access", "equal_rates"}
    assert [goal.label for goal in WEIGHTED.ordered_goals] == ["weighted"]


def test_shipped_policies_come_back_from_their_toml() -> None:
    for policy in CATALOGUE.policies.values():
        assert read_policy(CATALOGUE, policy_toml(policy)) == policy
