"""Whatever the prices, the bound is one that no plan beats; wrong prices make it weak, never wrong."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from allocator.answer import Certificate, Limits
from allocator.backends.process import Worker
from allocator.certificate import (
    SCALE,
    PricesTooLargeError,
    bound_of,
    certified_bound,
    certified_without_prices,
    held_value,
    priced_rows,
    whole_prices,
    with_held,
)
from allocator.formulation import Formulation
from allocator.instance import Floats, Ints
from allocator.report.write import certificate_bytes, file_hashes, json_text, write_run
from allocator.run import allocate
from allocator.solve.loader import complete, goal_values, merit_of
from allocator.solve.prove import prove, prove_all
from allocator.verify import verify
from models import CATALOGUE
from models.daily import DAILY
from tests.build import make_facts
from tests.solve.tiny import Case, random_cases

CASES = [case for case in random_cases(0, 20) if len(case.plans) >= 2]


def best_left(case: Case, k: int, held: list[int]) -> int | None:
    """The best value of goal k over every plan that keeps what is held; None where none does."""
    floors = merit_of(case.formulation, held)
    left = [merit for merit in case.merits if all(m >= f for m, f in zip(merit, floors, strict=False))]
    sign = 1 if case.formulation.goals[k].sense == "max" else -1
    return sign * max(merit[k] for merit in left) if left else None


def not_beaten(formulation: Formulation, k: int, bound: int, best: int) -> bool:
    return bound >= best if formulation.goals[k].sense == "max" else bound <= best


def by_hand(formulation: Formulation, k: int, held: list[int], prices: list[int], scale: int) -> int:
    """The formula of the certificate in Python's whole numbers, loop by loop."""
    matrix, lower, upper = with_held(formulation, held)
    dense = matrix.toarray().tolist()
    goal, options = formulation.goals[k], formulation.options
    sign = 1 if goal.sense == "max" else -1
    one_place = {row for b in formulation.blocks if b.label == "one_place" for row in range(b.start, b.stop)}
    total = 0
    reduced = [sign * scale * int(value) for value in goal.values]
    for row, price in enumerate(prices):
        side = upper[row] if price > 0 else lower[row]
        if row in one_place or not np.isfinite(side):
            continue
        total += price * int(side)
        for column, coefficient in enumerate(dense[row]):
            reduced[column] -= price * coefficient
    best_of: dict[int, int] = {}
    for option, entry in enumerate(options.entry.tolist()):
        if options.fixed[option]:
            total += reduced[option]
        else:
            best_of[entry] = max(best_of.get(entry, 0), reduced[option])
    total += sum(best_of.values())
    for column in range(len(options), formulation.columns.n):
        low, high = int(formulation.column_lower[column]), int(formulation.column_upper[column])
        total += max(reduced[column] * low, reduced[column] * high)
    return goal.constant + sign * (total // scale)


@st.composite
def priced(draw: st.DrawFn) -> tuple[Case, int, list[int], list[int], int]:
    """A case, a goal, values held of a plan that exists, any prices at all, and a scale."""
    case = draw(st.sampled_from(CASES))
    k = draw(st.integers(0, len(case.formulation.goals) - 1))
    plan = case.plans[draw(st.integers(0, len(case.plans) - 1))]
    values = goal_values(case.formulation, plan)
    held = [held_value(case.formulation, j, value) for j, value in enumerate(values[:k])]
    scale = draw(st.sampled_from((1, 7, SCALE)))
    n_rows = len(case.formulation.rows.keys) + k
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    size = 10 ** draw(st.integers(0, 3)) * scale
    prices = random.integers(-size, size + 1, n_rows) * (random.random(n_rows) < draw(st.sampled_from((0.1, 0.5, 1.0))))
    return case, k, held, prices.tolist(), scale


@settings(max_examples=150, deadline=None)
@given(priced())
def test_no_plan_beats_the_bound_of_any_prices(drawn: tuple[Case, int, list[int], list[int], int]) -> None:
    case, k, held, prices, scale = drawn
    best = best_left(case, k, held)
    assert best is not None
    bound = bound_of(case.formulation, k, held, np.array(prices), scale)
    assert not_beaten(case.formulation, k, bound, best)
    assert bound == by_hand(case.formulation, k, held, prices, scale)


@settings(max_examples=60, deadline=None)
@given(priced())
def test_prices_of_the_wrong_sign_weaken_a_bound_and_never_break_it(
    drawn: tuple[Case, int, list[int], list[int], int],
) -> None:
    case, k, held, prices, scale = drawn
    best = best_left(case, k, held)
    assert best is not None
    for wrong in (-np.array(prices), np.abs(prices)):
        assert not_beaten(case.formulation, k, bound_of(case.formulation, k, held, wrong, scale), best)


def test_prices_of_zero_give_everybody_their_best() -> None:
    for case in CASES:
        formulation = case.formulation
        for k in range(len(formulation.goals)):
            held = [formulation.goals[j].value(case.plans[0]) for j in range(k)]
            nothing = np.zeros(len(formulation.rows.keys) + k, dtype=np.int64)
            bound = bound_of(formulation, k, held, nothing, SCALE)
            assert bound == certified_without_prices(formulation, k)
            assert not_beaten(formulation, k, bound, best_left(case, k, held) or 0)


def relaxation(formulation: Formulation, k: int, held: list[int]) -> tuple[float, Floats]:
    """Value of the linear relaxation as a maximisation, and the prices of its rows; by another solver."""
    matrix, lower, upper = with_held(formulation, held)
    goal = formulation.goals[k]
    sign = 1 if goal.sense == "max" else -1
    dense = matrix.toarray().astype(float)
    above, below = np.isfinite(upper), np.isfinite(lower)
    found = optimize.linprog(
        -sign * goal.values.astype(float),
        A_ub=np.vstack([dense[above], -dense[below]]),
        b_ub=np.concatenate([upper[above], -lower[below]]),
        bounds=list(zip(formulation.column_lower.tolist(), formulation.column_upper.tolist(), strict=True)),
    )
    assert found.status == 0
    prices = np.zeros(len(lower))
    prices[above] -= found.ineqlin.marginals[: above.sum()]
    prices[below] += found.ineqlin.marginals[above.sum() :]
    return -float(found.fun), prices


def test_prices_of_the_relaxation_prove_its_value_rounded() -> None:
    tight = 0
    for case in CASES:
        formulation = case.formulation
        values = goal_values(formulation, case.plans[int(np.argmax([m[0] for m in case.merits]))])
        for k in range(3):
            held = list(values[:k])
            value, prices = relaxation(formulation, k, held)
            sign = 1 if formulation.goals[k].sense == "max" else -1
            bound = bound_of(formulation, k, held, whole_prices(prices), SCALE)
            assert sign * (bound - formulation.goals[k].constant) == np.floor(value + 1e-4)
            tight += bound != certified_without_prices(formulation, k)
    assert tight >= 3


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


def test_proof_is_as_tight_as_the_relaxation_and_never_worse_than_no_prices(worker: Worker) -> None:
    for case in CASES[:6]:
        formulation = case.formulation
        values = goal_values(formulation, case.plans[0])
        for k in range(3):
            held = list(values[:k])
            bound = prove(formulation, k, held, 10.0, Limits(), worker).bound
            value, _ = relaxation(formulation, k, held)
            sign = 1 if formulation.goals[k].sense == "max" else -1
            wanted = formulation.goals[k].constant + sign * int(np.floor(value + 1e-4))
            free = certified_without_prices(formulation, k)
            assert sign * bound <= sign * (min if sign > 0 else max)(wanted, free)
            assert not_beaten(formulation, k, bound, best_left(case, k, held) or 0)


@pytest.mark.parametrize("seconds", [0.0, 20.0])
def test_certificate_of_all_goals_gives_back_every_bound(seconds: float) -> None:
    for case in CASES[:2]:
        best = case.plans[max(range(len(case.plans)), key=lambda i: case.merits[i])]
        values = goal_values(case.formulation, best)
        certificate, bounds = prove_all(case.formulation, values, {}, seconds, Limits(threads=2))
        assert certificate.proven.all()
        for k, bound in enumerate(bounds):
            assert certified_bound(case.formulation, k, certificate) == bound
            held = [held_value(case.formulation, j, value) for j, value in enumerate(values[:k])]
            assert certificate.held[k, :k].tolist() == held
            assert not_beaten(case.formulation, k, bound, best_left(case, k, held) or 0)


def test_goal_without_certificate_has_no_bound() -> None:
    formulation = CASES[0].formulation
    n_goals, n_rows = len(formulation.goals), len(formulation.rows.keys)
    shape = (n_goals, n_rows + n_goals)
    nothing = np.zeros(shape, dtype=np.int64), np.zeros((n_goals, n_goals), dtype=np.int64)
    certificate = Certificate(SCALE, *nothing, *np.zeros((2, n_goals), dtype=bool))
    with pytest.raises(ValueError, match="goal 0 has no certificate"):
        certified_bound(formulation, 0, certificate)


def test_rows_of_one_place_carry_no_price() -> None:
    """They are used in the units already: whatever price they are given counts as none."""
    formulation = CASES[0].formulation
    priced = priced_rows(formulation, 2)
    blocks = {block.label: block for block in formulation.blocks}
    one_place = blocks["one_place"]
    assert not priced[one_place.start : one_place.stop].any()
    assert priced.sum() == len(priced) - (one_place.stop - one_place.start)
    prices = np.zeros(len(formulation.rows.keys), dtype=np.int64)
    prices[one_place.start : one_place.stop] = 10**9
    assert bound_of(formulation, 0, [], prices, SCALE) == certified_without_prices(formulation, 0)


@pytest.mark.parametrize("price", [2**62, 2**60, -(2**62), -(2**63) + 1, -(2**63)])
def test_prices_too_large_for_whole_numbers_are_refused(price: int) -> None:
    formulation = CASES[0].formulation
    side = formulation.rows.upper if price > 0 else formulation.rows.lower
    prices = np.where(priced_rows(formulation, 0) & np.isfinite(side), price, 0)
    assert prices.any()
    with pytest.raises(PricesTooLargeError):
        bound_of(formulation, 0, [], prices, SCALE)


def test_large_prices_that_just_fit_are_summed_exactly() -> None:
    """Row sides times prices go beyond 64 bits in the total, which is exact all the same."""
    formulation = CASES[0].formulation
    largest = int(abs(formulation.rows.matrix).sum(axis=0).max()) * int(formulation.column_upper.max())
    prices = np.full(len(formulation.rows.keys), 2**61 // largest, dtype=np.int64)
    assert bound_of(formulation, 0, [], prices, 1) == by_hand(formulation, 0, [], prices.tolist(), 1)


@pytest.mark.parametrize(
    ("price", "whole"),
    [(0.5, SCALE // 2), (-1.0, -SCALE), (np.nan, 0), (np.inf, 0), (-np.inf, 0), (1e300, 2**30 * SCALE)],
)
def test_proposed_prices_become_whole(price: float, whole: int) -> None:
    assert whole_prices(np.array([price])).tolist() == [whole]


@pytest.mark.parametrize(
    ("sense", "tolerance", "value", "base", "held"),
    [
        ("max", 0.0, 1000, 0, 1000),
        ("max", 0.005, 1000, 0, 995),
        ("max", 0.005, 1199, 0, 1194),
        ("max", 0.005, 1000, 1000, 1000),
        ("max", 0.1, 120, 20, 110),
        ("min", 0.1, 120, 20, 130),
        ("min", 0.1, 19, 0, 20),
        ("min", 0.3, 10, 0, 13),
        ("max", 1.0, 10, 0, 0),
    ],
)
def test_what_is_held_is_the_value_less_its_tolerance_rounded_down(
    sense: str, tolerance: float, value: int, base: int, held: int
) -> None:
    formulation = CASES[0].formulation
    goal = replace(formulation.goals[0], sense=sense, tolerance=tolerance, base=base)  # type: ignore[arg-type]
    changed = replace(formulation, goals=(goal,))
    assert held_value(changed, 0, value) == held
    share = Fraction(str(tolerance)) * abs(value - base)
    assert abs(held - value) == share.__floor__()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first goals are proven by prices: five people, minutes for three."""
    patients = [{"clock_start": f"2024-0{month}-01"} for month in range(1, 6)]
    facts = make_facts(patients, [{"minutes": 250}], info={"reporting_dates": ("2026-03-31",)})
    path = tmp_path_factory.mktemp("certificate") / "run"
    write_run(allocate(facts.instance, DAILY, Limits(seconds=60)), None, path)
    return path


def tampered(folder: Path, certificate: Certificate, bounds: dict[str, int]) -> str:
    """What verify says of a folder with another certificate and other bounds, signed anew."""
    (folder / "certificate.npz").write_bytes(certificate_bytes(certificate))
    summary = json.loads((folder / "summary.json").read_text())
    for row in summary["goals"]:
        row["certified_bound"] = bounds.get(row["label"], row["certified_bound"])
    (folder / "summary.json").write_text(json_text(summary))
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").unlink()
    (folder / "run.json").write_text(json_text({**record, "files": file_hashes(folder)}))
    return "\n".join(verify(folder, None, CATALOGUE).findings)


def stored(folder: Path) -> Certificate:
    with np.load(folder / "certificate.npz") as kept:
        return Certificate(int(kept["scale"]), kept["prices"], kept["held"], kept["proven"], kept["by_session"])


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "run"))


def test_tampered_prices_are_found(copied: Path) -> None:
    kept = stored(copied)
    assert kept.prices.any()
    found = tampered(copied, replace(kept, prices=kept.prices * 2), {})
    assert "the prices prove" in found


def test_bound_that_the_prices_do_not_prove_is_found(copied: Path) -> None:
    found = tampered(copied, stored(copied), {"longest_waits_104w": 1})
    assert "The certified bound of longest_waits_104w is said to be 1" in found


@pytest.mark.parametrize("scale", [0, -1, -SCALE])
def test_scale_that_is_not_above_zero_proves_nothing(copied: Path, scale: int) -> None:
    """A negative scale would turn every bound round."""
    kept = stored(copied)
    found = tampered(copied, replace(kept, scale=scale), {})
    assert "certificate.npz" in found
    assert f"scale {scale}" in found


def test_prices_that_are_not_whole_numbers_are_refused(copied: Path) -> None:
    kept = stored(copied)
    found = tampered(copied, replace(kept, prices=kept.prices.astype(np.float64) / 3), {})
    assert "certificate.npz cannot be read: prices are float64" in found


def test_certificate_of_fewer_goals_is_found(copied: Path) -> None:
    kept = stored(copied)
    found = tampered(
        copied, Certificate(kept.scale, kept.prices[:2], kept.held[:2], kept.proven[:2], kept.by_session[:2]), {}
    )
    assert found != ""


def test_equal_certificates_are_equal_bytes(folder: Path) -> None:
    content = (folder / "certificate.npz").read_bytes()
    assert certificate_bytes(stored(folder)) == content
    with zipfile.ZipFile(folder / "certificate.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_no_plan_of_an_interrupted_set_is_needed() -> None:
    """The bound needs prices and tables alone: nothing of the plan enters but what is held."""
    case = CASES[0]
    chosen = case.formulation.options.fixed.copy()
    values = goal_values(case.formulation, complete(case.formulation, chosen))
    prices: Ints = np.zeros(len(case.formulation.rows.keys), dtype=np.int64)
    assert not_beaten(case.formulation, 0, bound_of(case.formulation, 0, [], prices, SCALE), values[0])
