"""What people hear while a solve goes on: value, bound and gap of the goal in hand, all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allocator.answer import Limits, Progress
from allocator.backends.process import Worker
from allocator.certificate import goal_rows, held_value
from allocator.run import allocate
from allocator.solve import prove
from allocator.solve.construct import own_gains
from allocator.solve.dual import solve_dual
from allocator.solve.loader import complete, goal_values
from allocator.solve.patterns import Sharpened
from allocator.solve.plan import Plan
from allocator.solve.teller import Teller, rounded_outwards
from allocator.stopwatch import Stopwatch
from api.progress import sentence
from api.solving import message_of
from instances import path as shipped
from instances.generate import generate
from models.daily import DAILY
from tests.backends import children
from tests.models_of_arrays import all_plans, random_model
from tests.solve.towns import two_towns


def teller_of(seen: list[Progress]) -> Teller:
    model = two_towns()
    plan = Plan(model, complete(model, model.fixed.copy()), [])
    return Teller(plan, Stopwatch(60, seen.append))


def test_a_goal_has_a_bound_from_the_first_word_and_only_better_ones_after() -> None:
    """The goal is to have more: at first everybody gets their best, then claims lower it."""
    seen: list[Progress] = []
    teller = teller_of(seen)
    loosest = teller.turn(0)
    for claim in (loosest + 5, loosest - 7, loosest - 2):
        teller.note()
        teller.claimed(claim)
    teller.bounded(float(loosest - 9 - teller.plan.model.goals[0].constant))
    teller.bounded(float("inf"))
    teller.note()
    assert [told.bound for told in seen] == [loosest, loosest, loosest - 7, loosest - 9]
    assert [told.gap for told in seen] == [(told.bound or 0) - (told.value or 0) for told in seen]
    assert [(point.value, point.bound, point.gap) for point in teller.plan.trace] == [
        (told.value, told.bound, told.gap) for told in seen
    ]


def test_words_are_not_too_many_and_come_from_the_thread_of_the_solve() -> None:
    seen: list[Progress] = []
    teller = teller_of(seen)
    teller.turn(0)
    teller.heard()
    assert seen == []
    time.sleep(0.8)
    other = threading.Thread(target=teller.heard)
    other.start()
    other.join()
    assert seen == []
    teller.heard()
    teller.heard()
    assert len(seen) == 1


def test_a_worker_ticks_while_its_child_is_awaited_and_what_a_tick_raises_ends_the_child() -> None:
    with Worker() as worker:
        worker.call(children.add, 1, 2, seconds=10)
        ticks: list[int] = []
        worker.tick = lambda: ticks.append(threading.get_ident())
        assert worker.call(children.emit_then_sleep, 1, 1.2, seconds=10).result == "slept"
        assert len(ticks) >= 3
        assert set(ticks) == {threading.get_ident()}

        def interrupted() -> None:
            raise KeyboardInterrupt

        worker.tick = interrupted
        with pytest.raises(KeyboardInterrupt):
            worker.call(children.emit_then_sleep, 0, 30, seconds=60)
        worker.tick = lambda: None
        assert worker.call(children.add, 2, 3, seconds=10).result == 5


def test_a_call_that_ticks_is_killed_at_its_limit_all_the_same() -> None:
    with Worker() as worker:
        worker.call(children.add, 1, 2, seconds=10)
        begun = time.monotonic()
        assert worker.call(children.emit_then_sleep, 0, 300, seconds=0.7).killed
        assert time.monotonic() - begun < 60


def test_no_plan_beats_what_a_dual_tells_on_the_way() -> None:
    """Rounded outwards, in goals to be made large and small, goals before it held."""
    told_of = 0
    for seed in range(40):
        model = random_model(np.random.default_rng(seed))
        plans = all_plans(model)
        if not len(plans):
            continue
        values = goal_values(model, plans[0])
        for k, goal in enumerate(model.goals):
            held = [held_value(model, j, value) for j, value in enumerate(values[:k])]
            matrix, lower, upper = goal_rows(model, held)
            keep = [((matrix @ z >= lower) & (matrix @ z <= upper)).all() for z in plans]
            reached = [goal.value(z) for z, kept in zip(plans, keep, strict=True) if kept]
            gains: list[float] = []
            solve_dual(model, own_gains(model, k), goal_rows(model, held), seconds=5, work=30, tell=gains.append)
            bounds = [rounded_outwards(model, k, bound) for bound in gains]
            assert bounds
            assert all(bound >= max(reached) if goal.sense == "max" else bound <= min(reached) for bound in bounds)
            told_of += bounds[-1] != bounds[0]
    assert told_of > 10


def test_a_proof_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sharpening that tells a bound, and then takes its time."""

    def slow(*arguments: Any, tell: Callable[[float], None], **more: Any) -> Sharpened:
        tell(99.5)
        time.sleep(0.8)
        return Sharpened(arguments[3], 0)

    monkeypatch.setattr(prove, "sharpen", slow)
    model = two_towns()
    heard: list[tuple[int, float]] = []
    prove.prove_all(
        model, [0], {0: prove.Proposed(np.zeros(model.n_rows))}, 5.0, Limits(), lambda *told: heard.append(told)
    )
    assert (0, 99.5) in heard


def test_a_goal_that_is_proven_without_prices_takes_no_time() -> None:
    model = two_towns()
    best = [teller_of([]).turn(0)]
    begun = time.monotonic()
    _, bounds = prove.prove_all(model, best, {}, 60.0, Limits())
    assert bounds == best
    assert time.monotonic() - begun < 30


def test_bound_and_gap_reach_the_command_line_and_the_service() -> None:
    progress = Progress("solve", 12.4, "urgent_delay", 11276, 11194, 0.0073, "days")
    assert sentence(progress) == "  12.4 s  Planning: urgent_delay = 11,276 days (bound so far 11,194 days, gap 0.7%)"
    assert message_of(progress)["gap"] == 0.0073
    assert sentence(Progress("solve", 1.0, "spend", 512_345, 0, 3.0, "pence")).endswith(
        ": spend = £5,123 (bound so far £0, gap loose)"
    )


def longest_silence(seen: list[Progress]) -> float:
    """Seconds between words from planning to the audit."""
    of_goals = [told for told in seen if told.goal]
    audit = next(told.seconds for told in seen if told.stage == "audit")
    begun = next(told.seconds for told in seen if told.stage == "solve")
    times = [begun, *(told.seconds for told in of_goals), audit]
    return max(np.diff(times))


def words_of_a_small_run() -> list[Progress]:
    seen: list[Progress] = []
    allocate(generate("S", 1), DAILY, Limits(seconds=16, threads=2), seen.append)
    return seen


def test_every_word_of_a_goal_says_value_bound_and_gap() -> None:
    of_goals = [told for told in words_of_a_small_run() if told.goal]
    assert all(None not in (told.value, told.bound, told.gap) for told in of_goals)
    assert any(told.goal == "longest_waits_78w" for told in of_goals)


@pytest.mark.slow
def test_value_bound_and_gap_are_told_every_second_of_a_small_run() -> None:
    """A second is promised on a quiet machine; the suite's workers share theirs, and a child starts slowly there."""
    assert longest_silence(words_of_a_small_run()) < 4.0


@pytest.mark.slow
def test_value_bound_and_gap_are_told_every_second_of_a_large_run() -> None:
    from allocator.intake import read_instance

    instance = read_instance(Path(shipped("cm-2026-01-52w"))).instance
    allocate(instance, DAILY, Limits(seconds=20))  # compiled from here on
    seen: list[Progress] = []
    run = allocate(instance, DAILY, Limits(seconds=40), seen.append)
    assert longest_silence(seen) < 3.0
    first = [told for told in seen if told.goal == run.goals[0].label]
    assert abs((first[-1].bound or 0) - run.goals[0].value) < abs((first[0].bound or 0) - run.goals[0].value) / 4
