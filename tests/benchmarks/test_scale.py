"""`bench scale`: what a row says is what the engine and its peers did, and medians are over seeds."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from allocator.answer import GoalResult
from allocator.backends.problem import Budget
from allocator.ending import Ending
from allocator.formulation import Formulation, formulate
from allocator.instance import Instance
from allocator.options import Facts, build_options
from allocator.policy import Policy
from allocator.solve.exact import goal_problem, with_sums
from benchmarks.measure import commit, machine
from benchmarks.peers import solve_whole, started_worker
from benchmarks.scale import (
    COLUMNS,
    ENGINE,
    SECONDS,
    Job,
    Row,
    Scale,
    by_engine,
    by_peer,
    cells,
    empty_row,
    gap_of,
    in_own_process,
    jobs,
    median_of,
    medians,
    run_scale,
)
from benchmarks.sketch import sketch_instance, sketch_policy
from tests.backends.test_worker import gone_soon

JOB = Job("S", 11, "highs", 20.0, 1)
OPTIMUM = 62_427_246


@cache
def small() -> tuple[Instance, Policy, Formulation]:
    instance = sketch_instance("S", 11)
    policy = sketch_policy(instance)
    return instance, policy, formulate(build_options(Facts(instance), policy.screens), policy)


def tell_and_wait(job: Job) -> Row:
    print(os.getpid(), flush=True)
    time.sleep(600)
    return empty_row(job)


def die(job: Job) -> Row:
    os._exit(9)


def echo(job: Job) -> Row:
    return replace(empty_row(job), status=f"process {os.getpid()}")


def test_peer_gets_the_same_plans_with_a_column_for_each_sum_of_a_group() -> None:
    """Whatever is placed: the rows of the whole model hold exactly where those of the engine's do."""
    _, _, formulation = small()
    spelt_out = goal_problem(formulation, 0, [])
    problem = with_sums(formulation, spelt_out)
    n_columns = formulation.n_columns
    assert problem.n_columns == n_columns + formulation.rows.members.shape[0]
    assert problem.matrix.nnz < spelt_out.matrix.nnz
    rng = np.random.default_rng(0)
    for _ in range(20):
        z = (rng.random(n_columns) < rng.choice([0.0, 0.01, 0.5])).astype(np.int64)
        whole = np.concatenate([z, formulation.rows.members @ z])
        activity = problem.matrix @ whole
        assert np.array_equal(activity[: formulation.n_rows], spelt_out.matrix @ z)
        assert (activity[formulation.n_rows :] == 0).all()
        assert problem.value(whole) == spelt_out.value(z)
        assert problem.holds(whole) == spelt_out.holds(z)


@pytest.mark.parametrize("backend", ["highs", "scip"])
def test_row_of_a_peer_is_its_audited_optimum(backend: str) -> None:
    instance, policy, formulation = small()
    with started_worker(backend) as worker:
        found = by_peer(instance, policy, replace(JOB, solver=backend), worker)
    assert (found["value"], found["bound"], found["gap"]) == (OPTIMUM, OPTIMUM, 0.0)
    assert (found["status"], found["audit"], found["options"]) == ("optimal", "passed", formulation.n_options)
    assert found["seconds"] == pytest.approx(found["own_seconds"] + found["solver_seconds"])


def test_peer_that_overruns_is_killed_and_says_so() -> None:
    """Fewer seconds than none: even the grace is over before the solver has begun."""
    _, _, formulation = small()
    with started_worker("cbc") as worker:
        answer = solve_whole(formulation, "cbc", Budget(-1.0), worker)
    assert (answer.columns, answer.bound) == (None, None)
    assert answer.status.startswith("killed after")


def test_row_of_the_engine_adds_up() -> None:
    instance, policy, formulation = small()
    found = by_engine(instance, policy, replace(JOB, solver=ENGINE, seconds=3.0))
    assert found["value"] <= OPTIMUM <= found["bound"]
    assert found["gap"] == pytest.approx((found["bound"] - found["value"]) / found["value"])
    assert (found["audit"], found["options"]) == ("passed", formulation.n_options)
    assert found["seconds"] == pytest.approx(found["own_seconds"] + found["solver_seconds"])


def test_process_that_dies_leaves_a_row() -> None:
    row = in_own_process(JOB, die)
    assert (row.status, row.size, row.seed, row.solver, row.value) == ("process died", "S", "11", "highs", None)


def test_row_is_measured_in_another_process() -> None:
    row = in_own_process(JOB, echo)
    assert row.status.startswith("process ")
    assert row.status != f"process {os.getpid()}"


@pytest.mark.slow
def test_process_that_measures_ends_with_who_started_it() -> None:
    """Killed, a benchmark left a run of a quarter of an hour behind, beside which the next ones were measured."""
    program = (
        "from benchmarks.scale import in_own_process\n"
        "from tests.benchmarks.test_scale import JOB, tell_and_wait\n"
        "in_own_process(JOB, tell_and_wait)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        measuring = int(started.stdout.readline())
        started.kill()
    assert gone_soon(measuring)


def test_engine_comes_before_its_peers_on_every_seed() -> None:
    found = list(jobs(Scale(("S", "L"), (11, 12), None, ("highs", "scip"), 300.0, 2)))
    assert [(job.size, job.seed, job.solver) for job in found] == [
        (size, seed, solver) for size in ("S", "L") for seed in (11, 12) for solver in (ENGINE, "highs", "scip")
    ]
    assert {job.seconds for job in found if job.solver == ENGINE} == {SECONDS["S"], SECONDS["L"]}
    assert {job.seconds for job in found if job.solver != ENGINE} == {300.0}


def measured(seed: int, gap: float | None, solver: str = ENGINE) -> Row:
    row = empty_row(replace(JOB, seed=seed, solver=solver))
    return replace(row, gap=gap, seconds=float(seed), value=seed, audit="failed" if seed == 1 else "passed")


def test_median_is_over_the_seeds_of_a_size_and_solver() -> None:
    rows = [measured(1, 0.3), measured(2, 0.1), measured(9, 0.2), measured(4, 0.7, "scip")]
    ours, peer = medians(rows)
    assert (ours.seed, ours.solver, ours.gap, ours.seconds, ours.value) == ("median of 3", ENGINE, 0.2, 2.0, None)
    assert ours.audit == "2 of 3 passed"
    assert (peer.solver, peer.gap) == ("scip", 0.7)


def test_run_without_a_gap_counts_as_one_of_infinity() -> None:
    assert median_of([0.1, None, 0.3]) == 0.3
    assert median_of([0.1, None, None]) is None


def test_plan_that_does_nothing_has_no_gap_unless_it_is_proven() -> None:
    goal = GoalResult("weighted", "weighted", "max", "points", 0.0, 5, 5, None, None, Ending.TIME_LIMIT, 1.0)
    assert [gap_of(goal, bound) for bound in (None, 900, 5)] == [None, None, 0.0]
    assert gap_of(replace(goal, value=105), 115) == 0.1


def test_row_is_printed_with_blanks_where_nothing_is_known() -> None:
    printed = dict(zip(COLUMNS, cells(replace(measured(2, 0.00123456), peak_mb=512.4)), strict=True))
    assert (printed["gap"], printed["seconds"], printed["peak_mb"]) == ("0.001235", "2.00", "512")
    assert (printed["bound"], printed["own_seconds"]) == (None, None)


def test_figures_name_their_commit_and_machine() -> None:
    assert commit()
    assert machine().startswith(f"{os.cpu_count()} x ")


@pytest.mark.slow
def test_table_has_a_row_a_run_and_a_median_a_solver() -> None:
    out = io.StringIO()
    run_scale(Scale(("S",), (11, 12), 3.0, ("highs",), 20.0, 1), out=out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["seed"], row["solver"]) for row in rows] == [
        *((seed, solver) for seed in ("11", "12") for solver in (ENGINE, "highs")),
        ("median of 2", ENGINE),
        ("median of 2", "highs"),
    ]
    assert [row["audit"] for row in rows] == ["passed"] * 4 + ["2 of 2 passed"] * 2
    assert all(float(row["peak_mb"]) > 50 for row in rows)
