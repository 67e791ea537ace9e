"""The daily policy, a row a goal: on shipped instances, on folders, and on generated ones with their budget.

`seconds` runs from options to audited plan, `read_to_report` from files to the report's; both are the same on
every row of an instance. A gap is the certified one, as a share, bookings and constants left out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from allocator.answer import Limits
from allocator.ending import Ending
from allocator.errors import CancelledError, UsageError
from allocator.intake import read_instance
from allocator.peak_memory import PeakMemory
from allocator.policy import read_policy
from allocator.report import write_run
from allocator.run import allocate
from benchmarks.measure import commit, machine
from benchmarks.table import printer
from benchmarks.warm import until_warm
from instances import names, path
from instances.generate import generate, generate_counts, write
from instances.generate_parameters import SIZES
from models import CATALOGUE

COLUMNS = (
    "commit",
    "machine",
    "instance",
    "seed",
    "goal",
    "value",
    "solver_bound",
    "certified_bound",
    "gap",
    "seconds",
    "read_to_report",
    "peak_mb",
    "status",
)
WARM_UP = "cm-2026-01-52w"
WARM_UP_SECONDS = 15.0


@dataclass(frozen=True)
class Case:
    """One run to come: a folder, or a size to generate, and the seed."""

    folder: Path | None
    size: str
    seed: int


def run_daily(
    given: Sequence[str],
    sizes: Sequence[str],
    seeds: Sequence[int],
    seconds: float,
    threads: int,
    *,
    as_json: bool = False,
    out: TextIO | None = None,
) -> None:
    """Run every instance with every seed and print as it goes."""
    folders = [folder_of(name) for name in given]
    for size in sizes:
        counts_of(size)
    if not folders and not sizes:
        raise UsageError("Nothing to run: name an instance, for example cm-2026-01-40w, or --sizes 1000x150.")
    cases = [Case(folder, "", seed) for folder in folders for seed in seeds]
    cases += [Case(None, size, seed) for size in sizes for seed in seeds]
    warm_up(seconds, threads)
    show = printer(COLUMNS, as_json=as_json, out=out)
    for case in cases:
        ending = None
        for row in rows(case, Limits(seconds=seconds, seed=case.seed, threads=threads)):
            show(row)
            ending = row[-1]
        if ending == Ending.CANCELLED:
            raise CancelledError("Cancelled; what is printed was audited.")


def folder_of(name: str) -> Path:
    """A shipped instance by its name, else a folder; UsageError where there is neither."""
    if name not in names() and Path(name).exists():
        return Path(name)
    return path(name)


def counts_of(size: str) -> tuple[int, int]:
    """(entries, sessions) of S, M, L, XL or ENTRIESxSESSIONS; UsageError for anything else."""
    if size in SIZES:
        entries, sessions, _ = SIZES[size]
        return entries, sessions
    entries_given, _, sessions_given = size.partition("x")
    if not (entries_given.isdecimal() and sessions_given.isdecimal()):
        raise UsageError(f'No size is called "{size}"; wanted S, M, L, XL or ENTRIESxSESSIONS, for example 1000x150.')
    return int(entries_given), int(sessions_given)


def warm_up(seconds: float, threads: int) -> None:
    """Run a large instance for a little while, so that no row counts imports and compilation."""
    instance, policy = read_instance(path(WARM_UP)).instance, read_policy(CATALOGUE)

    def run(limit: float) -> float:
        took = allocate(instance, policy, Limits(seconds=limit, threads=threads)).seconds
        return sum(took.values()) - took["explain"]

    until_warm(run, min(WARM_UP_SECONDS, seconds))


def rows(case: Case, limits: Limits) -> Iterator[tuple[object, ...]]:
    """One run, a row a goal; the status is `audit failed` where it did."""
    with tempfile.TemporaryDirectory() as made:
        folder = case.folder or generated(case, Path(made) / "instance")
        toml = "" if case.folder else (folder / "policy.toml").read_text(encoding="utf-8")
        begun = time.monotonic()
        with PeakMemory() as memory:
            intake = read_instance(folder)
            run = allocate(intake.instance, read_policy(CATALOGUE, toml), limits)
            write_run(run, intake, Path(made) / "run")
        read_to_report = f"{time.monotonic() - begun:.1f}"
    used = f"{memory.megabytes:.0f}"
    seconds = f"{sum(run.seconds.values()):.1f}"
    head = (commit(), machine(), intake.instance.info.name, case.seed)
    for goal in run.goals:
        gap = goal.gap(goal.certified_bound)
        shown = "" if gap is None else f"{gap:.5f}"
        status = str(goal.ending) if run.audit.passed else "audit failed"
        bounds = (goal.solver_bound, goal.certified_bound)
        yield (*head, goal.label, goal.value, *bounds, shown, seconds, read_to_report, used, status)


def generated(case: Case, folder: Path) -> Path:
    """A generated instance, written as a folder with a policy that has its budget."""
    if case.size in SIZES:
        instance = generate(case.size, case.seed)
    else:
        instance = generate_counts(case.size, *counts_of(case.size), 1, case.seed)
    write(instance, folder)
    return folder
