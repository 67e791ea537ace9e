"""Price tags against every plan there is: on tiny instances the bracket of each holds the true gain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from allocator.allocation import Allocation
from allocator.answer import Certificate, Limits
from allocator.certificate import SCALE, held_value
from allocator.formulation import Formulation
from allocator.lab.changes import AddedLists, Changes, changed_instance
from allocator.lab.ground import Ground, ground_of
from allocator.lab.price_tags import Priced, Relaxation, RowTag, row_tags, tag, widens
from allocator.lab.price_words import price_of
from allocator.lab.prices import dearest_nights, rescaled, sharpened
from allocator.lab.relaxations import LIST_MINUTES, of_beds, of_lists, of_night, of_rules, with_parameter
from allocator.options import Facts
from allocator.policy import read_policy
from allocator.solve.loader import goal_values, merit_of
from allocator.solve.prove import prove_all
from models import CATALOGUE
from models.daily import DAILY
from models.rules.max_travel import MaxTravel
from tests.build import make_facts
from tests.contract.harness import MAX_PAIRS
from tests.solve.tiny import Case, case_of, random_cases

CASES = [case for case in random_cases(0, 14) if len(case.plans) >= 4]


def priced(case: Case, *, seconds: float, random: np.random.Generator | None = None) -> Priced:
    """The best plan of a case with prices of the engine, of nothing, or any at all."""
    ground = ground_of(case.facts.instance, case.policy)
    model = ground.formulation
    best = case.plans[max(range(len(case.plans)), key=lambda row: case.merits[row])]
    values = goal_values(model, best)
    certificate, _ = prove_all(model, values, {}, seconds, Limits())
    if random is not None:
        prices = random.integers(-3 * SCALE, 3 * SCALE, certificate.prices.shape)
        certificate = Certificate(SCALE, prices, certificate.held, certificate.proven, certificate.by_session)
    options = ground.options
    chosen = best[: len(options)].astype(bool)
    return Priced(ground, Allocation.from_options(options, chosen), certificate)


def best_held(formulation: Formulation, merits: list[tuple[int, ...]], k: int, values: tuple[int, ...]) -> int:
    """The best of goal k (larger is better) over plans that keep what the run reached on the goals before."""
    floors = merit_of(formulation, [held_value(formulation, j, value) for j, value in enumerate(values[:k])])
    return max(m[k] for m in merits if all(a >= b for a, b in zip(m, floors, strict=False)))


def relaxations_of(case: Case) -> Iterator[Relaxation]:
    instance, policy = case.facts.instance, case.policy
    yield from of_rules(policy, case.facts)
    yield from of_lists(instance, policy)
    yield from islice(of_beds(instance, policy), 2)


@pytest.mark.parametrize(
    ("prices", "cases"),
    [
        ("engine", CASES[:1]),
        pytest.param("any", CASES[:1], marks=pytest.mark.slow),
        pytest.param("engine", CASES[2:8], marks=pytest.mark.slow),
        pytest.param("any", CASES[2:8], marks=pytest.mark.slow),
    ],
)
def test_bracket_holds_the_true_gain_of_every_relaxation(prices: str, cases: list[Case]) -> None:
    """Whatever the prices: engine's make it narrow, random ones only wide."""
    kinds: dict[str, int] = {}
    gains = 0
    for number, case in enumerate(cases):
        random = np.random.default_rng(number) if prices == "any" else None
        run = priced(case, seconds=60.0 if prices == "engine" else 0.0, random=random)
        labels = [goal.label for goal in case.formulation.goals]
        waiting, high_of = list(relaxations_of(case)), dict[str, dict[str, int]]()
        while waiting:
            relaxation = waiting.pop()
            found = tag(run, relaxation)
            if found is None:
                continue
            if relaxation.kind == "bed":
                for night in dearest_nights([found], labels, None):
                    waiting.append(night.relaxation)
                    high_of[night.relaxation.what] = {row.goal: row.high for row in night.rows}
            changed = Facts(changed_instance(case.facts.instance, relaxation.changes))
            relaxed = case_of(changed, relaxation.policy)
            if (~relaxed.formulation.options.fixed).sum() > MAX_PAIRS:
                continue
            columns = ground_of(relaxed.facts.instance, relaxation.policy)
            values = goal_values(columns.formulation, columns.columns(run.allocation))
            for k, goal in enumerate(found.goals):
                gain = best_held(relaxed.formulation, relaxed.merits, k, values) - best_held(
                    case.formulation, case.merits, k, run.values
                )
                assert goal.low <= gain <= goal.high, (relaxation.what, goal, gain)
                assert gain <= high_of.get(relaxation.what, {}).get(goal.label, gain), (relaxation.what, goal, gain)
                gains += gain > 0
            kinds[relaxation.kind] = kinds.get(relaxation.kind, 0) + 1
    assert set(kinds) >= {"parameter", "rule", "list", "bed"}
    print(f"{kinds}, {gains} true gains")
    assert gains >= 1


@cache
def tight(seconds: float = 60.0) -> tuple[Priced, Ground]:
    """Five people of an hour, two places of the list's minutes."""
    patients = [{"clock_start": f"2024-0{month}-01"} for month in range(1, 6)]
    facts = make_facts(patients, [{"minutes": 150}], info={"reporting_dates": ("2026-03-31",)})
    case = case_of(facts, DAILY)
    return priced(case, seconds=seconds), ground_of(facts.instance, DAILY)


def test_one_more_list_is_worth_the_people_that_it_takes() -> None:
    """85% of 240 and a turnaround are 219 minutes: two more of 75, and the fifth person stays out."""
    run, ground = tight()
    (relaxation,) = of_lists(ground.facts.instance, DAILY)
    assert relaxation.changes.add_lists[0].minutes == LIST_MINUTES
    found = tag(run, relaxation)
    assert found is not None
    waits = next(goal for goal in found.goals if goal.label == "longest_waits_52w")
    assert waits.low <= 2 <= waits.high <= 3
    assert waits.estimate >= 1


@pytest.mark.parametrize("cost", [{}, {"opening_cost_gbp": 100.0}])
def test_one_more_list_is_worth_no_more_people_than_fit_it_without_any_prices(cost: dict[str, float]) -> None:
    """Twenty people far from the one list. One nearby has 219 minutes: 17 for the first, 75 for each other."""
    patients = [{"clock_start": "2024-01-01", "max_travel_minutes": 20} for _ in range(20)]
    patients[0]["expected_minutes"] = 2
    facts = make_facts(patients, [{"site_code": "RBB01", **cost}], info={"reporting_dates": ("2026-03-31",)})
    ground = ground_of(facts.instance, DAILY)
    nobody = Allocation.from_options(ground.options, ground.options.fixed)
    values = goal_values(ground.formulation, ground.columns(nobody))
    certificate, _ = prove_all(ground.formulation, values, {}, 0.0, Limits())
    near = AddedLists.model_validate({"site": "RAA01", "service": "110", "date": "2026-03-10"})
    for by_session in (False, True):
        units = np.full(len(certificate.by_session), by_session)
        priced = Priced(ground, nobody, replace(certificate, by_session=units))
        found = tag(priced, Relaxation("list", "RAA01", "one more", DAILY, Changes(add_lists=(near,))))
        assert found is not None
        waits = next(goal for goal in found.goals if goal.label == "longest_waits_52w")
        assert waits.estimate == 3


def test_one_more_list_is_worth_nothing_to_people_who_have_a_place() -> None:
    """Two people fit the one list. Without any prices its value holds both, and theirs have no price of their own."""
    facts = make_facts([{"clock_start": "2024-01-01"}] * 2, [{}], info={"reporting_dates": ("2026-03-31",)})
    ground = ground_of(facts.instance, DAILY)
    everybody = Allocation.from_options(ground.options, np.ones(len(ground.options), dtype=bool))
    k = len(ground.formulation.goals)
    nothing = np.zeros((k, ground.formulation.n_rows + k), dtype=np.int64)
    values = goal_values(ground.formulation, ground.columns(everybody))
    held = np.tile(np.array(values, dtype=np.int64), (k, 1))
    run = Priced(ground, everybody, Certificate(SCALE, nothing, held, np.ones(k, dtype=bool), np.ones(k, dtype=bool)))
    (relaxation,) = of_lists(facts.instance, DAILY)
    found = tag(run, relaxation)
    assert found is not None
    waits = next(goal for goal in found.goals if goal.label == "longest_waits_52w")
    assert (waits.estimate, waits.low, waits.high) == (0, 0, 0)


def test_prices_of_the_engine_make_brackets_narrower_than_no_prices() -> None:
    widths = []
    for seconds in (60.0, 0.0):
        run, ground = tight(seconds)
        (relaxation,) = of_lists(ground.facts.instance, DAILY)
        found = tag(run, relaxation)
        assert found is not None
        widths.append(sum(goal.high - goal.low for goal in found.goals))
    assert widths[0] < widths[1]


def test_sharpening_only_makes_bounds_better() -> None:
    blunt, _ = tight(0.0)
    sharp = sharpened(blunt, Limits(seconds=20))
    turned = [
        (old, new) if goal.sense == "max" else (-old, -new)
        for goal, old, new in zip(blunt.model.goals, blunt.bounds, sharp.bounds, strict=True)
    ]
    assert all(new <= old for old, new in turned)
    assert any(new < old for old, new in turned)
    again = sharpened(sharp, Limits(seconds=0.0))
    assert again.bounds == sharp.bounds


@pytest.mark.parametrize("scale", [1, 7, SCALE, 3 * SCALE])
def test_prices_of_another_scale_prove_a_bound_that_holds(scale: int) -> None:
    run, _ = tight()
    other = replace(run.certificate, scale=scale, prices=rescaled(run.certificate.prices, SCALE, scale))
    bounds = Priced(run.ground, run.allocation, other).bounds
    for goal, value, bound in zip(run.model.goals, run.values, bounds, strict=True):
        assert bound >= value if goal.sense == "max" else bound <= value


def test_rule_that_binds_nobody_is_worth_nothing() -> None:
    run, _ = tight()
    changed = with_parameter(MaxTravel(), "car_minutes", 65)
    assert changed is not None
    looser = replace(DAILY, rules=tuple(changed if rule.name == "max_travel" else rule for rule in DAILY.rules))
    found = tag(run, Relaxation("parameter", "max_travel", "further", looser))
    assert found is not None
    assert [goal.estimate for goal in found.goals] == [0] * len(found.goals)
    assert all(goal.low == 0 for goal in found.goals)


def test_tightening_that_the_plan_breaks_is_no_relaxation() -> None:
    run, _ = tight()
    nearer = read_policy(CATALOGUE, overrides=("max_travel.car_minutes=5",))
    assert tag(run, Relaxation("parameter", "max_travel", "nearer", nearer)) is None


def test_widening_is_shown_for_more_room_and_not_for_less() -> None:
    _, ground = tight()
    instance = ground.facts.instance
    lists = Changes(add_lists=(AddedLists(site="RBB01", service="110", date="2026-03-11"),))  # type: ignore[arg-type]
    more = ground_of(changed_instance(instance, lists), DAILY)
    assert widens(ground, more)
    assert not widens(more, ground)
    less = ground_of(instance, read_policy(CATALOGUE, overrides=("session_minutes.theatre_utilisation=0.5",)))
    assert not widens(ground, less)


def test_dearest_night_is_the_night_that_is_short() -> None:
    """Three people of one night each, one bed on the first night and five on the second."""
    beds = [
        {"site_code": "RAA01", "night": "2026-03-10", "bed_kind": "ward", "spare_beds": 1},
        {"site_code": "RAA01", "night": "2026-03-11", "bed_kind": "ward", "spare_beds": 5},
    ]
    patients = [{"clock_start": "2024-01-01", "overnight_stays": 1} for _ in range(3)]
    facts = make_facts(patients, [{"date": "2026-03-10"}], beds=beds, info={"reporting_dates": ("2026-03-31",)})
    run = priced(case_of(facts, DAILY), seconds=60.0)
    every = next(item for item in of_beds(facts.instance, DAILY) if item.of == "RAA01")
    found = tag(run, every)
    assert found is not None
    (waits,) = [row for row in found.rows if row.goal == "longest_waits_52w"]
    assert (waits.rule, waits.row) == ("overnight_beds", "RAA01 2026-03-10 ward")
    assert waits.price == 1
    assert waits.high >= 1
    labels = [goal.label for goal in found.goals]
    nights = dearest_nights([found], labels, None)
    assert [night.relaxation.what for night in nights] == [
        "one more ward bed at Alpha General on the night of 2026-03-10"
    ]
    assert [row.goal for row in nights[0].rows] == [row.goal for row in found.rows]
    first = dearest_nights([found], labels, "longest_waits_52w")[0].rows[0]
    assert first == waits
    alone = tag(run, nights[0].relaxation)
    assert alone is not None
    gain = next(goal for goal in alone.goals if goal.label == "longest_waits_52w")
    assert gain.low <= 1 <= gain.high
    assert gain.estimate == 1
    rows = list(row_tags(run, np.arange(run.model.n_rows)))
    assert all(0 < row.price <= row.high for row in rows)
    assert {row.goal for row in rows} >= {"longest_waits_52w"}


def test_row_that_is_about_no_night_is_none() -> None:
    _, ground = tight()
    every = next(of_beds(ground.facts.instance, DAILY))
    assert of_night(every, "RAA01 2027-01-01 ward") is None


@pytest.mark.parametrize(
    ("unit", "price", "told"),
    [
        ("days", 6.0, "6 days"),
        ("people", 1.0, "1 person"),
        ("people", 0.5, "0.50 people"),
        ("pence", 1e5, "£1,000"),
        ("pence", 20281.25, "£203"),
        ("hundredths of a percent", 250.4, "2.50%"),
    ],
)
def test_price_of_a_whole_number_has_no_decimals(unit: str, price: float, told: str) -> None:
    assert price_of(RowTag("overnight_beds", "RBL20", "urgent_delay", unit, "min", price, 9)) == told
