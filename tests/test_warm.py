"""What a run leaves to the next: names of rows, prices that keep their meaning, for new lists those of their like."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from allocator.answer import Limits, Memory, Start, silent
from allocator.certificate import goal_rows
from allocator.errors import InputError
from allocator.formulation import Formulation, formulate
from allocator.options import Facts, build_options
from allocator.run import allocate
from allocator.run_folder import stored_memory
from allocator.solve.dual import Descent, Effort, solve_dual
from allocator.solve.large import gains_of
from allocator.solve.pricing import Pricing
from allocator.warm import as_like_sessions, memory_arrays, memory_from, memory_of, row_names, start_of
from benchmarks.rerun import cases
from instances.generate import generate
from models.daily import DAILY
from models.goals.travel import Travel


def two_mornings(seed: int) -> list[Formulation]:
    return [
        formulate(build_options(Facts(instance), policy.screens), policy)
        for instance, policy in cases("S", seed, "lists")
    ]


def test_a_run_of_the_same_lists_begins_from_the_whole_plan_and_from_what_was_proven() -> None:
    """Without a second to plan in: this plan cannot be taken up one placement at a time, for its shares."""
    first = allocate(generate("S", 7), DAILY, Limits(work=20))
    again = allocate(generate("S", 7), DAILY, Limits(seconds=0.0), memory=first.memory)
    assert again.audit.passed
    assert [goal.value for goal in again.goals] == [goal.value for goal in first.goals]
    by_session = np.flatnonzero(first.certificate.by_session)
    assert len(by_session) > 0
    for k in by_session:
        bounds = [run.goals[k].certified_bound or 0 for run in (first, again)]
        assert abs(bounds[1] - bounds[0]) <= 1, "prices are rounded on their way"


def bound_at(model: Formulation, prices: np.ndarray) -> float:
    pricing = Pricing(model, gains_of(model), goal_rows(model, ()))
    possible = pricing.possible(prices)
    return float(pricing.bound(possible, pricing.reduced(possible))[0])


def test_every_row_has_a_name_of_its_own_the_roundings_of_a_session_too() -> None:
    model = two_mornings(3)[0]
    names = row_names(model)
    assert len(names) == len(set(names)) == model.n_rows
    keys = [f"session_minutes: {key}" for key in model.rows.keys]
    assert len(set(names)) > len(set(keys))


def test_prices_of_the_same_lists_come_back_as_they_were() -> None:
    model = two_mornings(3)[0]
    prices = np.random.default_rng(0).random(model.n_rows) * 100.0
    memory = memory_of(model, np.zeros(model.n_options, dtype=bool), Start(None, prices, {}))
    found = start_of(memory, model).of_sum
    assert found is not None
    np.testing.assert_allclose(found, prices)


def test_sharpened_prices_of_every_goal_come_back_with_their_rates_beside_the_others() -> None:
    instance, policy = cases("S", 3, "lists")[0]
    policy = replace(policy, goals=(*policy.goals, Travel()))
    model = formulate(build_options(Facts(instance), policy.screens), policy)
    rng = np.random.default_rng(0)
    of_goals, sharpened = {0: rng.random(model.n_rows)}, {1: rng.random(model.n_rows + 1)}
    memory = memory_of(model, np.zeros(model.n_options, dtype=bool), Start(None, None, of_goals, sharpened))
    found = start_of(memory_from((), memory_arrays(memory)), model)
    assert found.of_sum is None
    assert set(found.of_goals) == {0}
    assert set(found.sharpened) == {1}
    np.testing.assert_allclose(found.of_goals[0], of_goals[0], rtol=1e-6)
    np.testing.assert_allclose(found.sharpened[1], sharpened[1], rtol=1e-6)


def test_yesterdays_prices_prove_most_of_what_the_best_prices_of_today_do() -> None:
    for seed in (3, 4, 5):
        before, after = two_mornings(seed)
        nobody = np.zeros(before.n_options, dtype=bool)
        dual = solve_dual(before, gains_of(before), goal_rows(before, ()), seconds=60, work=600)
        found = start_of(memory_of(before, nobody, Start(None, dual.prices, {})), after).of_sum
        assert found is not None
        best = solve_dual(after, gains_of(after), goal_rows(after, ()), seconds=60, work=600).bound
        at_nothing, at_found = bound_at(after, np.zeros(after.n_rows)), bound_at(after, found)
        assert best <= at_found < best + 0.35 * (at_nothing - best)


def test_a_temperature_ends_with_no_step_that_options_outside_the_window_undid() -> None:
    model = two_mornings(3)[0]
    gains, rows = gains_of(model), goal_rows(model, ())
    prices = solve_dual(model, gains, rows, seconds=60, work=600).prices
    descent = Descent(Pricing(model, gains, rows), prices, Effort(np.inf, None, silent))
    descent.wide = 1e-3
    descent.settle(None, 0.01)
    assert not descent.blind
    assert descent.wide == 1.0


def test_prices_that_are_no_numbers_are_not_gone_to() -> None:
    model = two_mornings(3)[0]
    descent = Descent(Pricing(model, gains_of(model), goal_rows(model, ())), None, Effort(np.inf, None, silent))
    before, bound = descent.prices, descent.bound
    for soft in (0.0, np.nan):
        descent.take(np.full(model.n_rows, np.nan), soft)
        assert descent.blind
        assert descent.prices is descent.best is before
        assert descent.bound == descent.best_bound == bound


def test_a_new_list_begins_at_the_mean_of_lists_like_it() -> None:
    model = two_mornings(3)[0]
    own = np.flatnonzero(model.sessions.inside & (np.diff(model.rows.direct.indptr) > 0))
    session = model.session[model.rows.direct.indices[model.rows.direct.indptr[own]]]
    start, stop = next((block.start, block.stop) for block in model.blocks if block.label == "session_minutes")
    minutes = (own >= start) & (own < stop)
    kinds = model.alike[session[minutes]]
    kind = int(np.bincount(kinds).argmax())
    alike = own[minutes][kinds == kind]
    prices, known = np.zeros(model.n_rows), np.ones(model.n_rows, dtype=bool)
    prices[alike] = np.arange(len(alike))
    known[alike[0]] = False
    found = as_like_sessions(model, prices, known)
    assert found[alike[0]] == np.arange(1, len(alike)).mean()
    assert np.array_equal(np.delete(found, alike[0]), np.delete(prices, alike[0]))


def small_memory() -> Memory:
    """Of two rows and one goal, with all prices known."""
    return Memory((), ("a: 1", "a: 2"), ("travel",), np.ones(3, dtype=bool), np.ones((3, 2)), np.zeros((2, 1)))


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("known", np.ones((3, 1), dtype=bool)),
        ("known", np.ones(2, dtype=bool)),
        ("prices", np.zeros((3, 1))),
        ("prices", np.full((3, 2), np.nan)),
        ("prices", np.full((3, 2), 1e300)),
        ("prices", np.ones((3, 2), dtype=complex)),
        ("rates", np.zeros((1, 1))),
    ],
)
def test_arrays_that_say_nothing_sensible_are_refused(name: str, damaged: np.ndarray) -> None:
    memory = small_memory()
    arrays = memory_arrays(memory)
    assert memory_from((), arrays).goals == ("travel",)
    with pytest.raises(ValueError, match=r"fit each other|no number"):
        memory_from((), {**arrays, name: damaged})


@pytest.mark.parametrize("damage", ["method", "encrypted", "header", "not_a_zip"])
def test_a_prices_file_that_cannot_be_unpacked_is_refused_with_its_name(tmp_path: Path, damage: str) -> None:
    (tmp_path / "allocation.csv").write_text("entry_id,session_id\ne1,s1\n", encoding="utf-8")
    memory = small_memory()
    np.savez_compressed(tmp_path / "prices.npz", **memory_arrays(memory))
    assert stored_memory(tmp_path).pairs == (("e1", "s1"),)
    whole = bytearray((tmp_path / "prices.npz").read_bytes())
    central = whole.index(b"PK\x01\x02")
    if damage == "method":
        whole[8:10] = whole[central + 10 : central + 12] = b"\x63\x00"
    elif damage == "encrypted":
        whole[6] |= 1
        whole[central + 8] |= 1
    elif damage == "not_a_zip":
        whole = whole[100:200]
    if damage == "header":
        header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 8), }"
        with zipfile.ZipFile(tmp_path / "prices.npz", "w") as archive:
            archive.writestr("rows.npy", header.ljust(127) + b"\n")
    else:
        (tmp_path / "prices.npz").write_bytes(whole)
    with pytest.raises(InputError, match=r"prices.npz cannot be read: .*Maybe run without --previous"):
        stored_memory(tmp_path)
