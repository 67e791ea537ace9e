"""England in small: the cut, rows shared out, workers of three kinds and workers that die, the border, the proof."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

from allocator.allocation import Allocation
from allocator.answer import Answer, Limits, Progress, silent
from allocator.audit import audit
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import certified_bound, certified_without_prices
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.solve import prove, regions, teller
from allocator.solve.crew import Crew, Key, crew_for, done_by, local_crew
from allocator.solve.exact import solve_goal
from allocator.solve.loader import complete, feasible
from allocator.solve.part_model import Shares, part_model, parts_of
from allocator.solve.partition import (
    LARGEST_UNIT,
    LOCAL,
    Regions,
    cut_into_regions,
    homes_of,
    kinds_of_rows,
    lending,
    losses,
    units_of,
)
from allocator.solve.regions import even_share, solve_by_region
from allocator.stopwatch import Stopwatch
from tests.models_of_arrays import RowList, model_of
from tests.solve.errands import Errand, run_deadly, run_errand
from tests.solve.towns import ENTRIES, SESSIONS, border_trust, city, four_towns, two_towns

MOST = 400
"""Options of a region of the small instance, which has about 1,000."""
THREADS = Crew(lambda: ThreadPoolExecutor(2), 2)
LIMITS = Limits(seconds=math.inf, work=16)


@cache
def by_threads() -> Answer:
    return solve_by_region(city()[2], LIMITS, Stopwatch(math.inf), THREADS, MOST)


def by_region(model: Model, crew: Crew = THREADS, report: Callable[[Progress], None] = silent) -> Answer:
    most = model.n_options * 2 // 3
    return solve_by_region(model, LIMITS, Stopwatch(math.inf, report), crew, most)


def assert_same(first: Answer, second: Answer) -> None:
    assert np.array_equal(first.chosen, second.chosen)
    assert [goal.value for goal in first.goals] == [goal.value for goal in second.goals]
    assert [goal.certified_bound for goal in first.goals] == [goal.certified_bound for goal in second.goals]
    assert np.array_equal(first.certificate.prices, second.certificate.prices)


def test_towns_are_cut_where_few_could_cross() -> None:
    found = cut_into_regions(two_towns(), two_towns().n_options * 2 // 3)
    town = found.of_session // 1
    assert found.number == 2
    assert len(set(town[:SESSIONS])) == len(set(town[SESSIONS:])) == 1
    assert found.of_entry[4:].tolist() == np.repeat([town[0], town[-1]], [ENTRIES - 4, ENTRIES]).tolist()


def test_a_budget_of_the_whole_country_ties_no_town_to_another() -> None:
    model = four_towns()
    found = cut_into_regions(model, model.n_options // 4)
    town = found.of_session.reshape(4, -1)
    assert found.number == 4
    assert len(set(map(tuple, town.tolist()))) == 4
    assert (town == town[:, :1]).all()


def test_the_last_region_has_as_much_time_as_the_first() -> None:
    """Of 440 seconds ten regions with 8 of their own each, which nobody could know before the first: 36 for each."""
    gone, given = 0.0, list[float]()
    for wave in range(10):
        gone += 8.0
        given.append(even_share(440.0, gone, sum(given), wave, 10))
        gone += given[-1]
    assert given == pytest.approx([35.2, *[36.0] * 9], abs=1.0)
    assert gone <= 440.0
    assert even_share(10.0, 12.0, 9.0, 2, 4) == 0.0


def test_people_stay_where_their_group_is() -> None:
    """The first four could go to as many sessions of the other town, which has the smaller number here."""
    model = two_towns()
    homes = homes_of(model, model.fixed, np.repeat([1, 0], SESSIONS), 2, LOCAL)
    assert homes.tolist() == np.repeat([1, 0], ENTRIES).tolist()


def test_a_session_goes_where_a_group_cannot_do_without_it() -> None:
    """Twelve of the second town and six of the trust could go there: half of all that the six could do."""
    model = border_trust()
    found = cut_into_regions(model, model.n_options * 2 // 3)
    town = found.of_session
    assert found.number == 2
    assert town.tolist() == [town[0]] * SESSIONS + [1 - town[0]] * SESSIONS + [town[0]]
    assert found.of_entry.tolist() == [town[0]] * ENTRIES + [1 - town[0]] * ENTRIES + [town[0]] * 6


def test_kinds_of_session_that_share_a_narrow_row_stay_together() -> None:
    """A row over two sessions, and a budget over all of them: too wide to keep anything together."""
    pairs = [(entry, entry % 4) for entry in range(40)]
    found = RowList()
    for entry in range(40):
        found.add([(entry, 1)], upper=1)
    found.add([(entry, 1) for entry in range(40)], upper=9)
    found.add([(entry, 1) for entry in range(40) if entry % 4 in (1, 3)], upper=9)
    model = model_of(pairs, 4, found.rows(40), [[1] * 40], n_one_place=40)
    size = np.full(4, 10)
    assert units_of(kinds_of_rows(model), size, int(20 / LARGEST_UNIT)).tolist() == [0, 1, 2, 1]
    assert units_of(kinds_of_rows(model), size, int(20 / LARGEST_UNIT) - 1).tolist() == [0, 1, 2, 3]


def test_a_group_that_loses_much_across_a_border_gets_sessions_there_by_its_share_of_the_options() -> None:
    """Ten of a group have 40 options at four lists of the other region, whose own twenty have 80: a third of four."""
    pairs = [(entry, 0) for entry in range(200)]
    pairs += [(entry, session) for entry in range(200, 210) for session in range(5)]
    pairs += [(entry, session) for entry in range(210, 230) for session in range(1, 5)]
    found = RowList()
    for entry in range(230):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    members = [(0 if entry < 210 else 2, option) for option, (entry, _) in enumerate(pairs)]
    members += [(1, option) for option, (entry, _) in enumerate(pairs) if 200 <= entry < 210]
    for group in range(3):
        found.add([], upper=20, weights=[(group, 1)])
    model = model_of(pairs, 5, found.rows(len(pairs), members), [[1] * len(pairs)], n_one_place=230)
    model = replace(model, alike=np.array([0, 1, 1, 1, 1]))
    regions = Regions(2, np.array([0, 1, 1, 1, 1]), np.repeat([0, 1], [210, 20]))
    assert losses(model, regions) == (0.8, 40)
    assert lending(model, regions).of_session.tolist() == [0, 1, 0, 1, 1]


def test_every_part_is_small_enough_and_every_option_is_in_one() -> None:
    model = city()[2]
    found = cut_into_regions(model, MOST)
    size = np.bincount(found.of_session[model.session])
    assert size.sum() == model.n_options
    assert size.max() <= MOST


def test_shares_of_every_row_add_up_to_its_sides() -> None:
    model = city()[2]
    found = cut_into_regions(model, MOST)
    shares = Shares(model, parts_of(model, found), found.number)
    lower, upper = (np.array(sides) for sides in zip(*shares.sides(), strict=True))
    moved = shares.sizes.sum(axis=0) > 0
    assert np.array_equal(upper.sum(axis=0)[moved], model.rows.upper[moved])
    assert np.array_equal(lower.sum(axis=0)[moved], model.rows.lower[moved])


def test_a_part_counts_its_own_columns_as_the_whole_does() -> None:
    model = city()[2]
    rng = np.random.default_rng(0)
    option = np.flatnonzero(model.session % 2 == 0)
    part, place = part_model(model, option, option[model.fixed[option]], (model.rows.lower, model.rows.upper))
    columns = rng.integers(0, 2, part.n_columns)
    spread = np.zeros(model.n_columns, dtype=np.int64)
    spread[place.column] = columns
    assert np.array_equal(part.rows.activity(columns), model.rows.activity(spread)[place.row])
    assert not model.rows.activity(spread)[np.setdiff1d(np.arange(model.n_rows), place.row)].any()
    assert part.goals[0].value(columns) + model.goals[0].constant == model.goals[0].value(spread)


def test_a_plan_by_region_keeps_every_row_and_passes_the_audit() -> None:
    facts, policy, model = city()
    answer = by_threads()
    assert feasible(model, complete(model, answer.chosen))
    allocation = Allocation.from_options(model.options, answer.chosen)
    assert audit(facts, policy, allocation, answer.goals, ()).passed
    assert answer.chosen.sum() > 20


@pytest.mark.parametrize("seed", range(3))
def test_the_joined_prices_prove_a_bound_that_the_best_plan_keeps(seed: int) -> None:
    model = two_towns(seed)
    answer = by_region(model)
    with Worker() as worker:
        best = solve_goal(model, 0, [], None, "highs", Budget(60), worker)
    assert best.ending is Ending.OPTIMAL
    assert best.columns is not None
    optimum = model.goals[0].value(best.columns)
    bound = answer.goals[0].certified_bound
    assert bound is not None
    assert answer.goals[0].value <= optimum <= bound
    assert bound == certified_bound(model, 0, answer.certificate)
    assert bound < model.goals[0].value(np.ones(model.n_columns, dtype=np.int64))


def test_whoever_has_no_place_at_home_crosses_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    model = two_towns()
    crosses = (model.entry < ENTRIES) & (model.session >= SESSIONS)
    joined = by_region(model)
    monkeypatch.setattr(regions, "improve_joined", lambda *arguments: None)
    apart = by_region(model)
    assert not apart.chosen[crosses].any()
    assert joined.chosen[crosses].any()
    assert joined.goals[0].value > apart.goals[0].value


def test_regions_are_not_joined_where_time_is_too_short_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = two_towns()
    crosses = (model.entry < ENTRIES) & (model.session >= SESSIONS)
    monkeypatch.setattr(regions, "EVALUATIONS_TO_JOIN", 1e9)
    limits = Limits(seconds=60.0, work=16)
    answer = solve_by_region(model, limits, Stopwatch(60.0), THREADS, model.n_options * 2 // 3)
    assert answer.chosen.any()
    assert not answer.chosen[crosses].any()


def proven_without(left_out: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """What the joined prices of a city cut through its middle prove, where half of all options cross."""
    monkeypatch.setattr(regions, "improve_joined", lambda *arguments: None)
    for name in left_out:
        monkeypatch.setattr(regions, name, lambda *arguments: None)
    limits = replace(LIMITS, work=100)
    goal = solve_by_region(city()[2], limits, Stopwatch(math.inf), THREADS, MOST).goals[0]
    assert goal.certified_bound is not None
    assert goal.value <= goal.certified_bound
    return goal.certified_bound


def test_corrections_prove_more_than_regions_that_never_saw_each_other_and_visitors_more_than_those(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_visitors = proven_without([], monkeypatch)
    corrected = proven_without(["price_with_visitors"], monkeypatch)
    apart = proven_without(["price_with_visitors", "correct_prices"], monkeypatch)
    assert with_visitors < corrected < apart


def test_this_process_gives_the_answer_of_threads() -> None:
    assert_same(solve_by_region(city()[2], LIMITS, Stopwatch(math.inf), None, MOST), by_threads())


def test_one_worker_is_this_process() -> None:
    assert [crew_for(threads) for threads in (1, 2, 3)] == [None, None, None]
    crew = crew_for(5)
    assert crew is not None
    assert crew.workers == 2


@pytest.mark.slow
def test_processes_give_the_answer_of_threads() -> None:
    assert_same(solve_by_region(city()[2], LIMITS, Stopwatch(math.inf), local_crew(2), MOST), by_threads())


@pytest.mark.slow
def test_dask_gives_the_answer_of_threads_though_a_worker_is_killed(dask: Cluster) -> None:
    assassin = threading.Thread(target=dask.kill_a_busy_worker)
    assassin.start()
    crew = Crew(lambda: dask.client.get_executor(pure=False), 2)
    answer = by_region(two_towns(), crew)
    assassin.join()
    assert dask.killed == 1
    assert_same(answer, by_region(two_towns()))


def test_nothing_is_lost_where_a_process_is_killed(tmp_path: Path) -> None:
    done: dict[Key, int] = {}
    tasks = [Errand(("run", number), tmp_path / "first") for number in range(5)]
    done_by(local_crew(2), run_errand, tasks, done, lambda: None)
    assert (tmp_path / "first").exists()
    assert sorted(done.items()) == [(("run", number), number) for number in range(5)]


@pytest.mark.slow
def test_a_task_that_kills_every_worker_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(BrokenExecutor):
        done_by(local_crew(1), run_deadly, [Errand(("run", 0), tmp_path)], {}, lambda: None)


def test_the_first_result_of_a_key_counts() -> None:
    done: dict[Key, float] = {("run", 0): -1.0}
    done_by(THREADS, lambda errand: 2.0, [Errand(("run", 0), Path()), Errand(("run", 1), Path())], done, lambda: None)
    assert done == {("run", 0): -1.0, ("run", 1): 2.0}


@pytest.mark.parametrize("crew", [None, Crew(lambda: ThreadPoolExecutor(1), 1)])
def test_interrupt_keeps_a_plan_that_keeps_every_row(crew: Crew | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first region: nothing is joined. This process keeps what it has by then, a crew what is done."""
    monkeypatch.setattr(teller, "TOLD_SECONDS", -1.0)
    begun, told, solve_part = threading.Event(), 0, regions.solve_part

    def begins(*arguments: Any) -> regions.Solved:
        begun.set()
        return solve_part(*arguments)

    def report(progress: Progress) -> None:
        nonlocal told
        if begun.is_set():
            told += 1
            raise KeyboardInterrupt

    monkeypatch.setattr(regions, "solve_part", begins)
    model = two_towns()
    answer = solve_by_region(model, LIMITS, Stopwatch(math.inf, report), crew, model.n_options * 2 // 3)
    assert told == 1
    assert answer.ending is Ending.CANCELLED
    assert feasible(model, complete(model, answer.chosen))
    town = model.entry[answer.chosen] >= ENTRIES
    assert len(set(town)) in ([1] if crew is None else [0, 1])


def test_interrupt_while_regions_are_cut_leaves_what_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "TOLD_SECONDS", -1.0)

    def report(progress: Progress) -> None:
        raise KeyboardInterrupt

    answer = by_region(two_towns(), report=report)
    assert answer.ending is Ending.CANCELLED
    assert answer.chosen.tolist() == two_towns().fixed.tolist()


def test_interrupt_of_the_proof_keeps_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "TOLD_SECONDS", -1.0)
    best_proof = prove.best_proof

    def slow(*arguments: Any) -> prove.Proof:
        time.sleep(0.3)  # long enough for a word
        return best_proof(*arguments)

    def report(progress: Progress) -> None:
        if progress.stage == "prove":
            raise KeyboardInterrupt

    monkeypatch.setattr(prove, "best_proof", slow)
    answer = by_region(two_towns(), report=report)
    assert answer.ending is Ending.CANCELLED
    assert answer.chosen.tolist() == by_region(two_towns()).chosen.tolist()
    assert answer.goals[0].certified_bound == certified_without_prices(two_towns(), 0)


@pytest.mark.parametrize("crew", [None, Crew(lambda: ThreadPoolExecutor(1), 1)])
def test_value_and_gap_are_told_while_regions_are_solved_and_priced(
    crew: Crew | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is better here: values rise as regions are done, bounds fall to what is proven as they are priced."""
    monkeypatch.setattr(teller, "TOLD_SECONDS", -1.0)
    seen: list[Progress] = []
    model = two_towns()
    answer = solve_by_region(model, LIMITS, Stopwatch(math.inf, seen.append), crew, model.n_options * 2 // 3)
    values, bounds = [told.value or 0 for told in seen], [told.bound or 0 for told in seen]
    assert all(None not in (told.value, told.bound, told.gap) for told in seen)
    assert bounds[0] == certified_without_prices(model, 0)
    assert values == sorted(values)
    assert bounds == sorted(bounds, reverse=True)
    assert values[0] < values[-1] <= answer.goals[0].value
    assert bounds[-1] < bounds[0]
    assert bounds[-1] == pytest.approx(answer.goals[0].certified_bound, abs=1)


def test_last_moves_that_are_stopped_keep_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    model, moves = two_towns(), regions.move_together

    def stopped(*arguments: Any) -> None:
        moves(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(regions, "move_together", stopped)
    answer = by_region(model)
    assert answer.chosen[(model.entry < ENTRIES) & (model.session >= SESSIONS)].any()


@dataclass(eq=False)
class Cluster:
    """A scheduler with two workers, each a process of its own."""

    client: Client
    workers: dict[str, subprocess.Popen[bytes]]
    killed: int = 0

    def kill_a_busy_worker(self) -> None:
        """Wait until a worker has a task, and kill it."""
        while not self.killed:
            busy = [name for name, keys in self.client.run_on_scheduler(busy_workers).items() if keys]
            if busy:
                self.workers[busy[0]].send_signal(signal.SIGKILL)
                self.killed = 1
            time.sleep(0.02)


def busy_workers(dask_scheduler: object) -> dict[str, int]:
    """Tasks that each worker, by its name, has in hand."""
    return {worker.name: len(worker.processing) for worker in dask_scheduler.workers.values()}  # type: ignore[attr-defined]


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    """A real scheduler and two real workers."""
    found = tmp_path / "scheduler.json"
    here = ["--scheduler-file", str(found), "--no-dashboard"]
    begin = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen([*begin, "scheduler", "--host", "127.0.0.1", "--port", "0", *here])
    workers = {
        name: subprocess.Popen([*begin, "worker", *here, "--no-nanny", "--nthreads", "1", "--name", name])
        for name in ("one", "two")
    }
    try:
        while not found.exists():
            time.sleep(0.1)
        with Client(scheduler_file=str(found), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            yield Cluster(client, workers)
    finally:
        for process in (*workers.values(), scheduler):
            process.kill()
            process.wait()
