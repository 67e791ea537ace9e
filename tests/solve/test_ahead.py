"""Prices of goals in order, looked for beside a search: all of them come, at once where they are wanted."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from allocator.answer import silent
from allocator.certificate import SCALE, bound_of, whole_prices
from allocator.formulation import Model
from allocator.instance import Floats
from allocator.solve import ahead as ahead_module
from allocator.solve.ahead import Ahead
from allocator.solve.dual import OutOfTimeError
from tests.models_of_arrays import RowList, model_of

N_ENTRIES, N_SESSIONS = 12, 3


def lists_in_order() -> Model:
    """Three lists of 100 minutes for cases of 35 to 59; goals: the first half of the people, then weights of all."""
    rng = np.random.default_rng(5)
    pairs = [(entry, session) for entry in range(N_ENTRIES) for session in range(N_SESSIONS)]
    minutes, weight = rng.integers(35, 60, N_ENTRIES), rng.integers(50, 100, N_ENTRIES)
    found = RowList()
    for entry in range(N_ENTRIES):
        found.add([(entry * N_SESSIONS + session, 1) for session in range(N_SESSIONS)], upper=1)
    for session in range(N_SESSIONS):
        found.add([(entry * N_SESSIONS + session, int(minutes[entry])) for entry in range(N_ENTRIES)], upper=100)
    first = [int(entry < N_ENTRIES / 2) for entry, _ in pairs]
    goals = [first, [int(weight[entry]) for entry, _ in pairs], [0] * len(pairs)]
    return model_of(pairs, N_SESSIONS, found.rows(len(pairs)), goals, senses=("max",) * 3, n_one_place=N_ENTRIES)


def ahead_of(model: Model, seconds: dict[int, float]) -> Ahead:
    return Ahead(model, {}, {}, lambda k: [6, 400][:k], seconds.get, silent)


def never_done(model: Model, k: int, *rest: object) -> Floats:
    """A dual that goes on until what it tells ends it."""
    tell: Callable[[float], None] = rest[-1]  # type: ignore[assignment]
    try:
        while True:
            time.sleep(0.005)
            tell(0.0)
    except OutOfTimeError:
        return np.full(model.n_rows + k, float(k))


def test_every_goal_gets_prices_and_sharpened_ones_prove_no_less() -> None:
    model = lists_in_order()
    found = ahead_of(model, {0: 20.0, 1: 20.0})
    with found.working():
        while len(found.sharpened) < 2:
            time.sleep(0.01)
    assert sorted(found.prices) == [0, 1]
    assert not found.rough
    for k in (0, 1):
        held = [6][:k]
        entries = bound_of(model, k, held, whole_prices(found.prices[k]), SCALE)
        sessions = bound_of(model, k, held, whole_prices(found.sharpened[k].prices), SCALE, True)
        nothing = bound_of(model, k, held, np.zeros(model.n_rows + k, dtype=np.int64), SCALE)
        assert sessions <= entries <= nothing
    assert sessions < nothing


def test_who_needs_prices_waits_for_what_there_is_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "dual_prices", never_done)
    heard: list[int] = []
    found = ahead_of(lists_in_order(), {0: 3600.0, 1: 3600.0})
    with found.working():
        prices = found.take(1, lambda: heard.append(1))
    assert prices is not None
    assert set(prices.tolist()) == {1.0}
    assert found.rough == {0, 1}
    assert heard


def test_prices_of_a_goal_that_needs_none_are_not_waited_for() -> None:
    found = ahead_of(lists_in_order(), {0: 5.0, 1: 5.0})
    with found.working():
        assert found.take(2, lambda: None) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_it_ends_with_its_block_and_an_error_of_the_block_goes_on(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_module, "dual_prices", never_done)
    found = ahead_of(lists_in_order(), {0: 3600.0, 1: 3600.0})
    with pytest.raises(error), found.working():
        raise error
    assert found.under_way.done()
    assert sorted(found.prices) == [0]


def test_an_error_of_its_own_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Floats:
        raise ValueError("no prices")

    monkeypatch.setattr(ahead_module, "dual_prices", fail)
    found = ahead_of(lists_in_order(), {0: 1.0})
    with pytest.raises(ValueError, match="no prices"), found.working():
        found.take(0, lambda: None)
