"""`allocator scenarios`: read the file, run its parts side by side, write the study."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import typer

from allocator.answer import Limits
from allocator.errors import CancelledError, UsageError
from allocator.intake import read_instance
from allocator.lab.changes import changed_instance
from allocator.lab.findings import figures_table, findings_of, goals_table, study_figures
from allocator.lab.page import html
from allocator.lab.parts import parts_of, run_parts
from allocator.lab.scenario_file import read_study
from allocator.lab.scenario_words import study_lines, study_page
from allocator.report.safe import write_csv
from allocator.report.write import json_text, write_text
from allocator.solve.crew import local_crew
from api.cluster import crew_at
from api.daily import say
from models import CATALOGUE

PARTS = "parts"


def run_scenarios(instance_path: Path, file: Path, out: Path, executor: str, workers: int, *, as_json: bool) -> None:
    """Plan every scenario that is not done yet, and write table, curves and page."""
    study = read_study(file, CATALOGUE)
    refuse_other_folder(out)
    instance = read_instance(instance_path).instance
    for scenario in study.scenarios:
        try:
            changed_instance(instance, scenario.changes, 0, study.file.seed)  # wrong names are told before any work
        except UsageError as error:
            raise UsageError(f'{file.name}: in "{scenario.name}": {error}') from error
    limits = Limits(seconds=study.file.seconds, seed=study.file.seed, threads=1)
    parts = parts_of(study, instance, limits)
    try:
        with executor_of(executor, workers) as pool:
            results = run_parts(parts, instance, limits, study.file.seed, out / PARTS, pool, tell)
    except KeyboardInterrupt as error:
        raise CancelledError(
            f"Cancelled. What is done is kept in {out}; the same command goes on from there."
        ) from error
    found = findings_of(study, parts, results)
    write_csv(goals_table(found), out / "scenarios.csv")
    write_csv(figures_table(found), out / "figures.csv")
    figures = study_figures(study, found)
    write_text(out / "scenarios.json", json_text(figures))
    write_text(out / "scenarios.html", html(study_page(study, found)))
    say(figures if as_json else [*study_lines(study, found), "", f"Page: {out / 'scenarios.html'}"])


def refuse_other_folder(out: Path) -> None:
    """UsageError where a folder holds something else than an earlier, perhaps unfinished, study."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / PARTS).is_dir())):
        raise UsageError(f'"{out}" is there already and holds no study. Maybe choose another --out.')


@contextmanager
def executor_of(address: str, workers: int) -> Iterator[Executor]:
    """`local`: as many processes as asked for; tcp://HOST:PORT: the workers of a Dask scheduler."""
    with crew_at(address) as crew, (crew or local_crew(workers or os.cpu_count() or 1)).hire() as executor:
        yield executor


def tell(text: str) -> None:
    """Progress, on standard error."""
    typer.echo(text, err=True)
