from __future__ import annotations

from allocator.rule import Goal
from models.goals.fair_between_trusts import FairBetweenTrusts
from tests.build import make_facts
from tests.goals.agreement import all_pairs, columns_of, value_of

LONG = {"clock_start": "2025-03-31"}  # 365 days, one more than 52 weeks, at 2026-03-31
SHORT = {"clock_start": "2025-04-01"}
EVERY_TRUST = FairBetweenTrusts(smallest_list=1)
A, B = {"home_provider": "RAA"}, {"home_provider": "RBB"}


def test_the_worst_trust_counts_rounded_up() -> None:
    facts = make_facts([{**LONG, **A}] * 3 + [{**LONG, **B}] * 2, [{}])
    assert value_of(EVERY_TRUST, facts) == 10_000
    assert value_of(EVERY_TRUST, facts, ("e1", "s1")) == 10_000  # B has nobody placed
    assert value_of(EVERY_TRUST, facts, ("e1", "s1"), ("e4", "s1")) == 6_667  # A: 2 of 3; B: 1 of 2
    assert value_of(EVERY_TRUST, facts, ("e1", "s1"), ("e2", "s1"), ("e4", "s1")) == 5_000
    assert value_of(EVERY_TRUST, facts, *((f"e{number}", "s1") for number in range(1, 6))) == 0


def test_exactly_52_weeks_at_the_last_reporting_date_is_not_long() -> None:
    facts = make_facts([{**LONG, **A}, {**SHORT, **B}], [{}])
    assert value_of(EVERY_TRUST, facts, ("e1", "s1")) == 0
    assert value_of(EVERY_TRUST, facts, ("e2", "s1")) == 10_000


def test_the_last_reporting_date_counts() -> None:
    facts = make_facts([SHORT], [{}], info={"reporting_dates": ("2026-02-28", "2026-04-01", "2026-03-01")})
    assert value_of(EVERY_TRUST, facts) == 10_000


def test_long_weeks_can_be_set() -> None:
    facts = make_facts([{"clock_start": "2026-02-16"}], [{}])  # 43 days at 2026-03-31
    assert value_of(FairBetweenTrusts(long_weeks=6, smallest_list=1), facts) == 10_000
    assert value_of(FairBetweenTrusts(long_weeks=7, smallest_list=1), facts) == 0


def test_without_long_waiters_the_value_is_0_and_no_column_is_needed() -> None:
    goal: Goal = EVERY_TRUST
    facts = make_facts([SHORT], [{}])
    assert goal.auxiliaries(all_pairs(facts)) == ()
    assert goal.rows(columns_of(goal, all_pairs(facts))).matrix.shape[0] == 0
    assert value_of(goal, facts) == 0


def test_bookings_held_entries_and_planned_care_not_yet_due_stay_outside() -> None:
    facts = make_facts(
        [LONG, {**LONG, "held": True}, {**LONG, "pathway": "planned"}, LONG, LONG],
        [{}],
        commitments=[{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}],
    )
    assert value_of(EVERY_TRUST, facts) == 10_000
    assert value_of(EVERY_TRUST, facts, ("e4", "s1")) == 5_000


def test_only_long_waiters_with_an_option_count() -> None:
    facts = make_facts([LONG, LONG], [{}])
    options = all_pairs(facts)
    goal = EVERY_TRUST
    one = options.take(options.entry == 0)
    rows = goal.rows(columns_of(goal, one))
    assert rows.matrix.toarray().tolist() == [[10_000, 1]]
    assert rows.lower.tolist() == [10_000]


def test_usage_shows_each_trust() -> None:
    from allocator.allocation import Allocation, Placement

    facts = make_facts([{**LONG, **A}, {**LONG, **A}, {**LONG, **B}], [{}])
    allocation = Allocation.of([Placement("e1", "s1")], frozenset({"e1", "e2", "e3"}))
    usage = EVERY_TRUST.usage(facts, allocation)
    assert usage[["what", "used", "limit"]].to_numpy().tolist() == [["RAA", 1, 2], ["RBB", 0, 1]]


def test_a_trust_with_fewer_long_waiters_than_the_smallest_list_is_left_out() -> None:
    facts = make_facts([{**LONG, **A}] * 3 + [{**LONG, **B}] * 2, [{}])
    assert value_of(FairBetweenTrusts(smallest_list=3), facts) == 10_000
    assert value_of(FairBetweenTrusts(smallest_list=3), facts, ("e1", "s1"), ("e2", "s1")) == 3_334  # B has two
    assert value_of(FairBetweenTrusts(smallest_list=2), facts, ("e1", "s1"), ("e2", "s1")) == 10_000
    assert value_of(FairBetweenTrusts(smallest_list=4), facts) == 0
