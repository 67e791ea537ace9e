"""The sketch's instances under its weighted policy: the engine, and solvers that get the whole model beside it.

A row a size, seed and solver, each measured in a process of its own that has solved a smaller instance first,
so that imports and compilation do not count. Time runs from tables in memory to audited plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from statistics import median
from typing import Any, TextIO

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import GoalResult, Limits
from allocator.audit import audit
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.ending import Ending
from allocator.errors import NoPlanError
from allocator.formulation import Formulation, formulate
from allocator.instance import Instance
from allocator.options import Facts, build_options
from allocator.peak_memory import PeakMemory
from allocator.policy import Policy
from allocator.run import allocate
from allocator.solve.crew import leave_with_parent
from benchmarks.measure import commit, machine
from benchmarks.peers import PeerAnswer, solve_whole, started_worker
from benchmarks.sketch import sketch_instance, sketch_policy
from benchmarks.table import printer
from benchmarks.warm import until_warm

SECONDS = {"S": 10.0, "M": 30.0, "L": 60.0, "XL": 900.0}
"""For one run of the engine, where nothing else is asked for."""
ENGINE = "allocator"
WARM_UP_SECONDS = 8.0
"""Of a warm-up in the process that measures; one before all rows takes as long as a row."""
BEFORE_AND_AFTER = ("options", "formulate", "audit")
"""Stages of a run that are nobody's solver."""


@dataclass(frozen=True)
class Scale:
    """What to measure. `seconds` is None for those of each size; `peers` are names of solvers."""

    sizes: tuple[str, ...]
    seeds: tuple[int, ...]
    seconds: float | None
    peers: tuple[str, ...]
    peer_seconds: float
    threads: int


@dataclass(frozen=True)
class Job:
    """One row to come."""

    size: str
    seed: int
    solver: str
    seconds: float
    threads: int


@dataclass(frozen=True)
class Row:
    """One row of the table. `gap` leaves bookings and constants out; the engine's is to its certified bound,
    a solver's to the bound that it claims.
    """

    commit: str
    seed: str
    machine: str
    size: str
    entries: int | None = None
    sessions: int | None = None
    options: int | None = None
    solver: str = ""
    threads: int | None = None
    allowed_seconds: float | None = None
    value: int | None = None
    bound: int | None = None
    gap: float | None = None
    seconds: float | None = None
    own_seconds: float | None = None
    solver_seconds: float | None = None
    peak_mb: float | None = None
    status: str = ""
    audit: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
MEASURED = ("gap", "seconds", "own_seconds", "solver_seconds", "peak_mb")
DECIMALS = {"gap": 6, "seconds": 2, "own_seconds": 2, "solver_seconds": 2, "peak_mb": 0}


def run_scale(scale: Scale, *, as_json: bool = False, out: TextIO | None = None) -> None:
    """Measure everything and print as it goes, medians over the seeds of each size at the end."""
    show = printer(COLUMNS, as_json=as_json, out=out)
    rows = []
    for size in dict.fromkeys("S" if size == "S" else "M" for size in scale.sizes):
        seconds = min(scale.seconds or SECONDS[size], SECONDS[size])
        in_own_process(Job(size, 0, ENGINE, seconds, scale.threads), compiled)
    for job in jobs(scale):
        rows.append(in_own_process(job, measured))
        show(cells(rows[-1]))
    for row in medians(rows):
        show(cells(row))


def jobs(scale: Scale) -> Iterator[Job]:
    """Size by size and seed by seed: the engine, then every peer."""
    for size in scale.sizes:
        for seed in scale.seeds:
            yield Job(size, seed, ENGINE, scale.seconds or SECONDS[size], scale.threads)
            for peer in scale.peers:
                yield Job(size, seed, peer, scale.peer_seconds, scale.threads)


def in_own_process(job: Job, work: Callable[[Job], Row]) -> Row:
    """Measure one row in a new process; where that dies, for want of memory mostly, the row says so."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=leave_with_parent) as pool:
        try:
            return pool.submit(work, job).result()
        except BrokenProcessPool:
            return replace(empty_row(job), status="process died")


def empty_row(job: Job) -> Row:
    """The row of a job before anything is measured."""
    of_job: dict[str, Any] = {"solver": job.solver, "threads": job.threads, "allowed_seconds": job.seconds}
    return Row(commit(), str(job.seed), machine(), job.size, **of_job)


def measured(job: Job) -> Row:
    """One row, after a warm-up."""
    instance = sketch_instance(job.size, job.seed)
    policy = sketch_policy(instance)
    row = replace(empty_row(job), entries=len(instance.patients), sessions=len(instance.sessions))
    if job.solver == ENGINE:
        warm_up(job, WARM_UP_SECONDS)
        with PeakMemory() as memory:
            found = by_engine(instance, policy, job)
    else:
        with started_worker(job.solver) as worker, PeakMemory() as memory:
            found = by_peer(instance, policy, job, worker)
    return replace(row, peak_mb=memory.megabytes, **found)


def compiled(job: Job) -> Row:
    """Nothing measured: runs of the engine, long enough for all of its parts, until one compiles nothing.

    What is compiled stays on disk, for the processes that measure.
    """
    warm_up(job, job.seconds)
    return empty_row(job)


def warm_up(job: Job, seconds: float) -> None:
    """Solve another instance, small or large as the one to come, so that all is loaded."""
    instance = sketch_instance("S" if job.size == "S" else "M", 0)
    policy = sketch_policy(instance)

    def run(limit: float) -> float:
        took = allocate(instance, policy, Limits(seconds=limit, threads=job.threads)).seconds
        return sum(took[stage] for stage in (*BEFORE_AND_AFTER, "solve"))

    until_warm(run, min(seconds, job.seconds))


def by_engine(instance: Instance, policy: Policy, job: Job) -> dict[str, Any]:
    """The columns that the engine fills."""
    begun = time.monotonic()
    try:
        run = allocate(instance, policy, Limits(seconds=job.seconds, threads=job.threads))
    except NoPlanError:
        return {"seconds": time.monotonic() - begun, "status": Ending.TIME_LIMIT.value}
    goal = run.goals[0]
    own = sum(run.seconds[stage] for stage in BEFORE_AND_AFTER)
    return {
        "options": run.n_options,
        "value": goal.value,
        "bound": goal.certified_bound,
        "gap": gap_of(goal, goal.certified_bound),
        "seconds": own + run.seconds["solve"],
        "own_seconds": own,
        "solver_seconds": run.seconds["solve"],
        "status": goal.ending.value,
        "audit": "passed" if run.audit.passed else "failed",
    }


def by_peer(instance: Instance, policy: Policy, job: Job, worker: Worker) -> dict[str, Any]:
    """The columns that a solver with the whole model fills, its plan audited like ours."""
    begun = time.monotonic()
    facts = Facts(instance)
    formulation = formulate(build_options(facts, policy.screens), policy)
    answer = solve_whole(formulation, job.solver, Budget(job.seconds, threads=job.threads), worker)
    found: dict[str, Any] = {"options": formulation.n_options, "bound": answer.bound, "status": answer.status}
    if answer.columns is not None:
        found |= judged(formulation, policy, facts, answer)
    seconds = time.monotonic() - begun
    own = seconds - answer.seconds
    return {**found, "seconds": seconds, "own_seconds": own, "solver_seconds": answer.seconds}


def judged(formulation: Formulation, policy: Policy, facts: Facts, answer: PeerAnswer) -> dict[str, Any]:
    """Value, gap and audit of a solver's plan."""
    assert answer.columns is not None
    goal = formulation.goals[0]
    result = GoalResult(
        label=goal.label,
        name=goal.name,
        sense=goal.sense,
        unit=goal.unit,
        tolerance=goal.tolerance,
        value=goal.value(answer.columns),
        base=goal.base,
        solver_bound=answer.bound,
        certified_bound=None,
        ending=Ending.TIME_LIMIT,
        seconds=answer.seconds,
    )
    chosen = answer.columns[: formulation.n_options].astype(np.bool_)
    allocation = Allocation.from_options(formulation.options, chosen)
    passed = audit(facts, policy, allocation, [result], ()).passed
    return {"value": result.value, "gap": gap_of(result, answer.bound), "audit": "passed" if passed else "failed"}


def gap_of(goal: GoalResult, bound: int | None) -> float | None:
    """The gap as a share of the value; None where it is a share of nothing: a plan that does nothing for the goal."""
    return None if goal.value == goal.base != bound else goal.gap(bound)


def medians(rows: Sequence[Row]) -> list[Row]:
    """A row a size and solver: medians over its seeds. A run without a gap counts as one of infinity."""
    found = []
    for size, solver in dict.fromkeys((row.size, row.solver) for row in rows):
        group = [row for row in rows if (row.size, row.solver) == (size, solver)]
        middle: dict[str, Any] = {name: median_of([getattr(row, name) for row in group]) for name in MEASURED}
        passed = sum(row.audit == "passed" for row in group)
        of_one_seed: dict[str, Any] = dict.fromkeys(("entries", "sessions", "options", "value", "bound"))
        texts: dict[str, Any] = {
            "seed": f"median of {len(group)}",
            "status": "",
            "audit": f"{passed} of {len(group)} passed",
        }
        found.append(replace(group[0], **of_one_seed, **texts, **middle))
    return found


def median_of(values: Sequence[float | None]) -> float | None:
    """The median, None where it is infinite; what is missing counts as infinite."""
    middle = median(np.inf if value is None else value for value in values)
    return None if np.isinf(middle) else middle


def cells(row: Row) -> list[object]:
    """The row as it is printed."""
    values = {name: getattr(row, name) for name in COLUMNS}
    rounded = {name: f"{values[name]:.{decimals}f}" for name, decimals in DECIMALS.items() if values[name] is not None}
    return list({**values, **rounded}.values())
