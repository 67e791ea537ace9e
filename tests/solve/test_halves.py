"""Two searches side by side: what each may use, that together they keep every row, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache, partial

import numpy as np
import pytest

from allocator.backends.process import Worker
from allocator.certificate import goal_rows
from allocator.formulation import formulate
from allocator.instance import Floats
from allocator.options import build_options
from allocator.policy import Policy
from allocator.solve.arrays import Layout, Part
from allocator.solve.construct import option_rank, own_gains
from allocator.solve.dual import MANY, solve_dual
from allocator.solve.halves import first_half, share_out, shared, side_by_side
from allocator.solve.improve import parts
from allocator.solve.large import LargeSearch
from allocator.solve.loader import complete, feasible
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan
from allocator.solve.search import HOT, Search
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.solve.towns import city, two_towns


@cache
def prices_of_city() -> Floats:
    model = city()[2]
    return solve_dual(model, own_gains(model, 0), goal_rows(model, ()), seconds=60.0, work=200).prices


def halves_of_city(seed: int) -> tuple[Search, list[Search]]:
    """A search that has loaded a plan, and the searches of two halves that go on from it."""
    model = city()[2]
    layout = Layout.of(model)
    part = Part.of(layout, np.ones(model.n_options, dtype=bool))
    whole = Search(part, own_gains(model, 0), prices_of_city(), model.column_lower, seed)
    whole.load(np.argsort(option_rank(model)[part.option], kind="stable"))
    columns = complete(model, part.chosen(whole.state.place))
    first = first_half(parts(model), model.entry, np.random.default_rng(seed))
    assert first is not None
    halves = [whole.over(Part.of(layout, side), columns, seed) for side in (first, ~first)]
    share_out(halves)
    return whole, halves


def test_what_hangs_together_stays_in_one_half() -> None:
    part_of, entry = np.array([0, 0, 1, 2, 2]), np.array([0, 0, 1, 2, 2, 2, 3, 4])
    first = first_half(part_of, entry, np.random.default_rng(0))
    assert first is not None
    assert 3 <= first.sum() <= 5
    for number in range(3):
        assert len(set(first[part_of[entry] == number].tolist())) == 1


def test_there_are_no_halves_where_most_hangs_together() -> None:
    assert first_half(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3]), np.random.default_rng(0)) is None


@pytest.mark.parametrize("room", [[5.0, 4.0, 0.0, np.inf], [-3.0, -1.0, 7.0, -np.inf]])
def test_room_and_lack_of_it_are_given_away_once_in_whole_numbers(room: list[float]) -> None:
    whole = np.array(room)
    first, second = shared(whole, 0, 2), shared(whole, 1, 2)
    closed = np.isfinite(whole)
    assert (first + second)[closed].tolist() == whole[closed].tolist()
    assert first[closed].tolist() == np.floor(whole[closed] / 2).tolist()
    assert first[~closed].tolist() == second[~closed].tolist() == whole[~closed].tolist()


def test_halves_stand_on_the_plan_and_share_what_rows_have_left() -> None:
    whole, halves = halves_of_city(0)
    first, second = halves
    assert not set(first.part.option) & set(second.part.option)
    placed = [half.part.option[half.state.place[half.state.place >= 0]] for half in halves]
    assert sorted(np.concatenate(placed)) == sorted(whole.part.option[whole.state.place[whole.state.place >= 0]])
    base, own = whole.part.base, [half.state.activity for half in halves]
    assert (own[0] + own[1] - base).tolist() == whole.state.activity.tolist()
    sides = [half.part.arrays for half in halves]
    for given, all_of_it in (
        (sides[0].upper + sides[1].upper - base, whole.part.arrays.upper),
        (sides[0].lower + sides[1].lower - base, whole.part.arrays.lower),
    ):
        closed = np.isfinite(all_of_it)
        assert closed.any()
        assert given[closed].tolist() == all_of_it[closed].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_what_halves_find_together_keeps_every_row(seed: int) -> None:
    """A town each: what both may do with the budget and the share of the first town is shared out between them."""
    model = two_towns(seed, crossing=0)
    layout = Layout.of(model)
    part = Part.of(layout, np.ones(model.n_options, dtype=bool))
    whole = Search(part, own_gains(model, 0), np.zeros(model.n_rows), model.column_lower, seed)
    whole.load(np.arange(0, len(part.option), 3))
    columns = complete(model, part.chosen(whole.state.place))
    assert feasible(model, columns)
    first = first_half(parts(model), model.entry, np.random.default_rng(seed))
    assert first is not None
    halves = [whole.over(Part.of(layout, side), columns, seed) for side in (first, ~first)]
    share_out(halves)
    side_by_side([partial(half.cycle, Pace(60.0, 20), HOT) for half in halves], lambda: None)
    assert all(half.best is not None for half in halves)
    before = whole.worth()
    whole.join(halves)
    assert whole.feasible()
    assert whole.worth() == sum(half.best.worth for half in halves if half.best is not None)
    assert whole.worth() > before


def test_a_search_goes_on_from_where_halves_stand_that_found_nothing() -> None:
    whole, halves = halves_of_city(0)
    moved = [half.moves(0.0) for half in halves]
    assert len(moved) == 2
    assert all(half.best is None for half in halves)
    whole.join(halves)
    assert whole.worth() == pytest.approx(sum(half.worth() for half in halves))


def waiting(ended: list[bool]) -> Callable[[Callable[[], None]], None]:
    def work(heard: Callable[[], None]) -> None:
        try:
            while True:
                time.sleep(0.01)
                heard()
        finally:
            ended.append(True)

    return work


def test_an_interruption_of_the_first_ends_all() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    ended: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        side_by_side([waiting(ended), waiting(ended)], interrupted)
    assert ended == [True, True]


def test_an_error_of_another_is_raised() -> None:
    def fails(heard: Callable[[], None]) -> None:
        raise ValueError("no moves")

    with pytest.raises(ValueError, match="no moves"):
        side_by_side([lambda heard: heard(), fails], lambda: None)


def test_all_are_done_at_once() -> None:
    barrier = threading.Barrier(2, timeout=30.0)
    side_by_side([lambda heard: barrier.wait() and None] * 2, lambda: None)
    assert not barrier.broken


@pytest.mark.parametrize(("busy", "many"), [(False, False), (True, False), (False, True)])
def test_a_search_anneals_by_halves_while_the_second_thread_is_free(
    monkeypatch: pytest.MonkeyPatch, busy: bool, many: bool
) -> None:
    """Only the first annealing where it has prices to sharpen; all of them where that is done, or options are many."""
    model = city()[2]
    monkeypatch.setattr("allocator.solve.large.MANY", 10 if many else MANY)
    monkeypatch.setattr("allocator.solve.large.CORE", 1e9)
    cycles: list[int] = []
    cycle = Search.cycle

    def counted(self: Search, pace: Pace, hot: float, heard: Callable[[], None]) -> None:
        cycles.append(len(self.part.option))
        cycle(self, pace, hot, heard)

    monkeypatch.setattr(Search, "cycle", counted)
    plan = Plan(model, complete(model, model.fixed.copy()), [])

    @contextmanager
    def meanwhile(prices: Floats) -> Iterator[None]:
        large.busy = Future()
        if not busy:
            large.busy.set_result(prices)
        yield

    with Worker() as worker:
        large = LargeSearch(plan, 0, lambda: None, worker, threads=2)
        large.together(Pace(120.0, 400), None, meanwhile)
    assert feasible(model, plan.columns)
    values: Floats = own_gains(model, 0)
    assert values @ plan.columns > 0
    # Small parts have annealings of their own, in between.
    halves = [size for size in cycles if 0.3 * model.n_options < size < 0.7 * model.n_options]
    assert cycles.count(model.n_options) == (2 if busy else 0)
    assert len(halves) == (2 if busy else 6)


def test_first_plan_of_very_many_options_is_loaded_from_some_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    patients: list[Row] = [{}] * 60
    sessions: list[Row] = [{"minutes": 240}] * 20
    facts = make_facts(patients, sessions)
    weeks = tuple(goal for goal in DAILY.goals if goal.name == "weeks_of_waiting")
    policy = Policy("weeks of waiting alone", DAILY.rules, weeks)
    model = formulate(build_options(facts, policy.screens), policy)
    monkeypatch.setattr("allocator.solve.large.MANY", model.n_options // 4)
    plan = Plan(model, complete(model, model.fixed.copy()), [])
    with Worker() as worker:
        part = LargeSearch(plan, 0, lambda: None, worker)._loaded(own_gains(model, 0))
    assert 0.15 * model.n_options < len(part.option) < 0.35 * model.n_options
    assert feasible(model, plan.columns)
    assert len(np.unique(model.entry[plan.chosen])) > 30
