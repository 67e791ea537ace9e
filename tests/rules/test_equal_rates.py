from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from allocator.errors import UsageError
from allocator.formulation import formulate
from allocator.options import Facts
from allocator.policy import Policy, policy_toml, read_policy
from models import CATALOGUE
from models.rules.equal_rates import EqualRates
from tests.build import make_facts
from tests.contract.harness import pairs_of
from tests.rules.placing import allows, booked, plan


def by_fifth(tolerance: float, **settings: Any) -> EqualRates:
    """The rule over fifths of deprivation alone; no group counts as larger than it is."""
    return EqualRates(group_columns=("imd_quintile",), tolerances=(tolerance,), **{"smallest": 1, **settings})


def fifths(*quintiles: int | None, **tables: list[dict[str, object]]) -> Facts:
    """One entry a quintile, one session for all."""
    return make_facts([{"imd_quintile": quintile} for quintile in quintiles], [{}], **tables)


@pytest.mark.parametrize(("tolerance", "allowed"), [(0.25, True), (0.2499999, False)])
def test_one_place_of_two_groups_of_two(tolerance: float, allowed: bool) -> None:
    # Of 1 place each group of 2 of 4 has a share of 1 x 2/4 = 0.5; it may be off by 2 x 0.25 = 0.5.
    assert allows(by_fifth(tolerance), fifths(1, 1, 5, 5), "e1-s1") is allowed


def test_too_many_in_one_group_is_as_wrong_as_too_few() -> None:
    # Three groups of 2 of 6: of 2 places each has a share of 2/3. Both in group 1: 4/3 too many; the
    # others are 2/3 too few each. 2 x 0.4 = 0.8 allows the lack and not the excess.
    facts = fifths(1, 1, 2, 2, 3, 3)
    excess = by_fifth(0.4).check(facts, plan(facts, "e1-s1", "e2-s1"))
    assert [violation.message for violation in excess] == [
        "imd_quintile 1: 2 new places; its share is 0.67, give or take 0.80"
    ]
    assert not allows(by_fifth(0.4), facts, "e1-s1", "e2-s1")
    # Nobody of group 3 among 4 places: 4/3 too few; groups 1 and 2 have 2/3 too many each.
    lack = by_fifth(0.4).check(facts, plan(facts, "e1-s1", "e2-s1", "e3-s1", "e4-s1"))
    assert [violation.message for violation in lack] == [
        "imd_quintile 3: 0 new places; its share is 1.33, give or take 0.80"
    ]
    assert not allows(by_fifth(0.4), facts, "e1-s1", "e2-s1", "e3-s1", "e4-s1")
    assert allows(by_fifth(0.4), facts, "e1-s1", "e3-s1")


def test_nobody_and_everybody_are_always_equal() -> None:
    facts = fifths(1, 1, 1, 5)
    assert allows(by_fifth(0), facts)
    assert allows(by_fifth(0), facts, "e1-s1", "e2-s1", "e3-s1", "e4-s1")
    # Three of four to group 1: of 2 places its share is 1.5, which no whole number meets.
    assert not allows(by_fifth(0), facts, "e1-s1", "e4-s1")


def test_decimal_tolerance_is_exact() -> None:
    # Of 1 place group 5 (1 of 10) has a share of 0.1, group 1 (9 of 10) one of 0.9: both are 0.1 off where
    # group 1 gets it. 10 x 0.01 = 0.1 exactly allows that.
    facts = fifths(*[1] * 9, 5)
    assert allows(by_fifth(0.01, smallest=10), facts, "e1-s1")
    assert not allows(by_fifth(0.0099999, smallest=10), facts, "e1-s1")


@pytest.mark.parametrize(("smallest", "allowed"), [(20, True), (19, False)])
def test_small_group_may_be_as_many_places_off_as_the_smallest_that_counts(smallest: int, allowed: bool) -> None:
    # Each group of 2 is 0.5 off: 0.025 x 20 = 0.5 is enough, 0.025 x 19 = 0.475 is not.
    assert allows(by_fifth(0.025, smallest=smallest), fifths(1, 1, 5, 5), "e1-s1") is allowed


def test_size_of_a_larger_group_counts_itself() -> None:
    # 4 and 4: one place is 0.5 off; 4 x 0.125 = 0.5, where the smallest is 2.
    assert allows(by_fifth(0.125, smallest=2), fifths(1, 1, 1, 1, 5, 5, 5, 5), "e1-s1")
    assert not allows(by_fifth(0.124, smallest=2), fifths(1, 1, 1, 1, 5, 5, 5, 5), "e1-s1")


def test_each_column_has_its_own_tolerance() -> None:
    # e1 and e2 are of fifth 1, e1 and e3 of RAA. One place to each fifth; both of RAA: 1 too many of 2.
    facts = make_facts(
        [
            {"imd_quintile": 1, "home_provider": "RAA"},
            {"imd_quintile": 1, "home_provider": "RBB"},
            {"imd_quintile": 5, "home_provider": "RAA"},
            {"imd_quintile": 5, "home_provider": "RBB"},
        ],
        [{}],
    )
    assert allows(EqualRates(tolerances=(0, 0.5), smallest=1), facts, "e1-s1", "e3-s1")
    assert not allows(EqualRates(tolerances=(0.5, 0), smallest=1), facts, "e1-s1", "e3-s1")
    assert allows(EqualRates(tolerances=(0, 0), smallest=1), facts, "e1-s1", "e4-s1")


def test_not_known_is_a_group_of_its_own() -> None:
    facts = fifths(None, None, 5, 5)
    assert not allows(by_fifth(0.1), facts, "e3-s1", "e4-s1")
    assert allows(by_fifth(0.1), facts, "e1-s1", "e3-s1")


def test_entries_without_an_option_do_not_count() -> None:
    # Of group 1 only e1 has an option: of 2 places its share is 2 x 1/3; with e2 counted it would be 1.
    patients = [{"imd_quintile": 1}, {"imd_quintile": 1, "service_code": "999"}, *[{"imd_quintile": 5}] * 2]
    facts = make_facts(patients, [{}])
    assert by_fifth(0).usage(facts, plan(facts, "e1-s1", "e3-s1"))["used"].tolist() == [
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
    ]


def test_bookings_count_on_neither_side() -> None:
    # e1 of group 1 is booked. Two and two are left: one place each is equal, two to group 5 is not.
    facts = fifths(1, 1, 1, 5, 5, commitments=[booked("e1", "s1")])
    assert allows(by_fifth(0), facts)
    assert allows(by_fifth(0), facts, "e2-s1", "e4-s1")
    assert not allows(by_fifth(0.4), facts, "e4-s1", "e5-s1")


def test_within_a_region_groups_are_compared_with_their_region_alone() -> None:
    # RAA: e1 (fifth 1), e2 (fifth 5). RBB: e3 (fifth 1), e4 (fifth 5). All of RAA, none of RBB.
    people = [{"home_provider": home, "imd_quintile": fifth} for home in ("RAA", "RBB") for fifth in (1, 5)]
    facts = make_facts(people, [{}])
    assert allows(by_fifth(0, within="home_provider"), facts, "e1-s1", "e2-s1")
    # Fifth 1 of RAA and fifth 5 of RBB: equal over all, not within a region.
    assert allows(by_fifth(0), facts, "e1-s1", "e4-s1")
    assert not allows(by_fifth(0.4, within="home_provider"), facts, "e1-s1", "e4-s1")
    assert allows(by_fifth(0.5, within="home_provider"), facts, "e1-s1", "e4-s1")
    (first, *_) = by_fifth(0.4, within="home_provider").check(facts, plan(facts, "e1-s1", "e4-s1"))
    assert first.message == ("home_provider RAA, imd_quintile 1: 1 new places; its share is 0.50, give or take 0.40")


def test_group_that_is_everybody_has_no_row() -> None:
    facts = fifths(3, 3, 3)
    formulation = formulate(pairs_of(facts, same_service=True), Policy("test", (by_fifth(0),), ()))
    assert formulation.n_rows == 0
    assert allows(by_fifth(0), facts, "e1-s1")


def test_rows_keep_weights_of_groups_and_no_coefficient_an_option() -> None:
    facts = fifths(1, 1, 1, 5)
    rows = formulate(pairs_of(facts, same_service=True), Policy("test", (by_fifth(0.5),), ())).rows
    assert rows.direct.nnz == 0
    # 3 of 4: abs(4 p - 3 P) <= 0.5 x 3 x 4; 1 of 4: abs(4 p - 1 P) <= 0.5 x 1 x 4.
    assert rows.matrix.toarray().tolist() == [[1, 1, 1, -3], [-1, -1, -1, 3]]
    assert (rows.lower.tolist(), rows.upper.tolist()) == ([-6, -2], [6, 2])
    assert rows.keys == ("imd_quintile 1", "imd_quintile 5")


def test_usage_shows_how_far_each_group_is_off_its_share() -> None:
    facts = fifths(1, 1, 5, 5)
    assert by_fifth(0.1).usage(facts, plan(facts, "e1-s1", "e2-s1", "e3-s1")).values.tolist() == [
        ["imd_quintile 1, off its share", 0.5, 0.2, "places"],
        ["imd_quintile 5, off its share", 0.5, 0.2, "places"],
    ]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"tolerances": (0.1,)}, "same length"),
        ({"tolerances": (0.1, 1.1)}, "between 0 and 1"),
        ({"tolerances": (-0.1, 1)}, "between 0 and 1"),
        ({"group_columns": (), "tolerances": ()}, "at least 1 item"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EqualRates(**settings)


def test_wrong_column_is_answered() -> None:
    wrong = EqualRates(within="home_provder")
    with pytest.raises(UsageError, match=r'no column "home_provder" to group by\. Maybe "home_provider"'):
        formulate(pairs_of(fifths(1), same_service=True), Policy("test", (wrong,), ()))


def test_limit_is_switched_on_by_name_and_comes_back_from_its_toml() -> None:
    overrides = ["equal_rates.enabled=true", "equal_rates.tolerances=[0.1, 0.2]"]
    policy = read_policy(CATALOGUE, 'base = "weighted"', overrides)
    assert EqualRates(tolerances=(0.1, 0.2)) in policy.rules
    assert read_policy(CATALOGUE, policy_toml(policy)) == policy
