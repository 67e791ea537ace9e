"""What a second thread does beside a search: it ends with it, and what it found is used."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from allocator.answer import Limits
from allocator.backends.process import Worker
from allocator.certificate import SCALE, bound_of, whole_prices
from allocator.instance import Floats
from allocator.solve.construct import own_gains
from allocator.solve.dual import OutOfTimeError
from allocator.solve.large import ONE_CYCLE, LargeSearch
from allocator.solve.large_goals import Found, beside, search_large
from allocator.solve.loader import complete, feasible
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan
from allocator.solve.prove import entry_prices
from allocator.solve.teller import Teller
from allocator.stopwatch import Stopwatch
from tests.solve.towns import city, two_towns

SECONDS = 6.0


def until_told(tell: Callable[[float], None]) -> Floats:
    """Goes on until what it tells ends it, then gives what it has."""
    try:
        while True:
            time.sleep(0.01)
            tell(0.0)
    except OutOfTimeError:
        return np.ones(1)


def test_what_goes_on_beside_a_block_ends_with_it_and_hands_over_what_it_has() -> None:
    with beside(until_told) as future:
        time.sleep(0.1)
        assert not future.done()
    assert future.result().tolist() == [1.0]


def test_a_block_that_is_interrupted_ends_what_goes_on_beside_it() -> None:
    found = []

    def interrupted() -> None:
        with beside(until_told) as future:
            found.append(future)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert found[0].done()


def test_an_error_beside_a_block_is_raised() -> None:
    def fail(tell: Callable[[float], None]) -> Floats:
        raise ValueError("no prices")

    with beside(fail) as future:
        pass
    with pytest.raises(ValueError, match="no prices"):
        future.result()


@pytest.mark.parametrize(("threads", "work", "sharpened"), [(2, None, [0]), (1, None, []), (2, 8, [])])
def test_one_goal_is_sharpened_beside_its_search_where_a_thread_has_nothing_else_to_do(
    threads: int, work: int | None, sharpened: list[int]
) -> None:
    model, watch = city()[2], Stopwatch(SECONDS)
    plan, found = Plan(model, complete(model, model.fixed.copy()), []), Found({}, {}, None)
    with Worker() as worker:
        limits = Limits(seconds=SECONDS, threads=threads, work=work)
        search_large(plan, found, None, limits, Teller(plan, watch), worker)
    assert list(found.sharpened) == sharpened
    assert [proposed.sharpened is not None for proposed in found.proposed.values()] == [bool(sharpened)]
    if sharpened:
        once, sharp = entry_prices(model, own_gains(model, 0), found.of_goals[0]), found.sharpened[0].prices
        proven = [bound_of(model, 0, [], whole_prices(prices), SCALE, True) for prices in (once, sharp)]
        assert proven[1] < proven[0]


def test_two_first_annealings_side_by_side_stop_where_one_is_interrupted() -> None:
    model = city()[2]
    plan = Plan(model, complete(model, model.fixed.copy()), [])
    begun = time.monotonic()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with Worker() as worker, pytest.raises(KeyboardInterrupt):
        LargeSearch(plan, 0, interrupt, worker, threads=2, bounded=lambda bound: None).together(Pace(60.0), None)
    assert time.monotonic() - begun < 40.0


@pytest.mark.parametrize("threads", [1, 2])
def test_what_an_annealing_has_found_until_it_is_stopped_is_kept(threads: int) -> None:
    """The only annealing of 90 steps, stopped before its end."""
    model = two_towns()
    plan = Plan(model, complete(model, model.fixed.copy()), [])
    heard = 0

    def interrupt() -> None:
        nonlocal heard
        heard += 1
        if heard > 40:
            raise KeyboardInterrupt

    with Worker() as worker, pytest.raises(KeyboardInterrupt):
        LargeSearch(plan, 0, interrupt, worker, threads=threads).one([], Pace(600.0, 100), 0.0, ONE_CYCLE)
    assert feasible(model, plan.columns)
    assert plan.chosen.sum() > 20
