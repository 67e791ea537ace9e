"""Running scenarios: one part a scenario and population, side by side through any Executor, each kept once.

A part's result is kept in a file named by what it came from (tables, policy, changes, population, limits). It is
written whole or not at all, and the first writer wins: after a kill what is done is read back, and a part that two
scenarios share, or that a cluster runs twice, counts once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from allocator.answer import GoalResult, Limits, Memory, Run
from allocator.ending import Ending
from allocator.errors import (
    AllocatorError,
    AuditFailedError,
    CancelledError,
    ContradictionError,
    InputError,
    NoPlanError,
)
from allocator.instance import Instance
from allocator.lab.changes import changed_instance
from allocator.lab.scenario_file import BASE, Scenario, Study
from allocator.policy import policy_toml
from allocator.report.headline import headline
from allocator.report.write import json_text, npz_bytes
from allocator.run import allocate
from allocator.run_folder import DAMAGED, stored_json
from allocator.warm import memory_arrays, memory_from
from allocator.why.impossible import explained

FIGURES = (
    "people",
    "places",
    "over_52_weeks",
    "over_52_weeks_left",
    "away_from_home",
    "at_independent_providers",
    "median_travel_minutes",
    "sessions_used",
)
"""What is kept of each plan beside its goals."""
NO_PLAN = "no_plan"
"""The only key of a result of a part that has no plan: why."""
Result = Mapping[str, Any]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """One scenario on one population; `key` is made of everything that its result depends on."""

    scenario: Scenario
    population: int
    key: str


def parts_of(study: Study, instance: Instance, limits: Limits) -> tuple[Part, ...]:
    """Every part of a study: all populations of the base first."""
    seed = study.file.seed
    return tuple(
        part_of(scenario, population, instance, limits, seed)
        for scenario in study.scenarios
        for population in range(study.file.populations)
    )


def part_of(scenario: Scenario, population: int, instance: Instance, limits: Limits, seed: int) -> Part:
    """One part, with the key of all that its result depends on."""
    about = {
        "instance": instance.fingerprint,
        "policy": policy_toml(scenario.policy),
        "changes": scenario.changes.model_dump(mode="json"),
        "population": population,
        "seed": seed,
        "limits": asdict(limits),
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    return Part(scenario, population, key)


def run_part(
    instance: Instance, part: Part, limits: Limits, seed: int, memory: Memory | None = None
) -> tuple[Result, Memory]:
    """Plan one part, from what the base left: what is kept of it, and what it leaves itself. Runs in a worker.

    Raises AuditFailedError and CancelledError: of such a plan nothing is kept. Raises ContradictionError where pins
    cannot be kept, with the smallest set that contradicts.
    """
    changed, policy = changed_instance(instance, part.scenario.changes, part.population, seed), part.scenario.policy
    try:
        run = allocate(changed, policy, limits, memory=memory)
    except ContradictionError as error:
        raise explained(error, changed, policy, strict=limits.strict) from error
    if not run.audit.passed:
        raise AuditFailedError(f"{part.scenario.name}: the plan failed its audit.")
    if run.ending is Ending.CANCELLED:
        raise CancelledError(f"{part.scenario.name}: cancelled.")
    return part_figures(run), run.memory


def part_figures(run: Run) -> Result:
    """What is kept of a run, as plain JSON values."""
    figures = headline(run, run.allocation)
    return {
        "entries": len(run.facts.instance.patients),
        "figures": {name: figures[name] for name in FIGURES},
        "goals": [goal_row(goal) for goal in run.goals],
        "ending": str(run.ending),
        "seconds": round(sum(run.seconds.values()), 2),
    }


def goal_row(goal: GoalResult) -> dict[str, Any]:
    """What is kept of one goal."""
    return {
        "label": goal.label,
        "unit": goal.unit,
        "sense": goal.sense,
        "value": goal.value,
        "base": goal.base,
        "bound": goal.certified_bound,
    }


def run_parts(
    parts: Sequence[Part],
    instance: Instance,
    limits: Limits,
    seed: int,
    folder: Path,
    pool: Executor,
    tell: Told,
    memory: Memory | None = None,
) -> dict[str, Result]:
    """key -> result of every part, those in `folder` read back and not run again.

    The base of each population comes first, and all others of that population begin from what it left; with
    `memory` all begin from that. A part whose pins cannot be kept, or for which no plan stood in time, has NO_PLAN, and
    why, as its result; the base must have a plan. The first other error of a part stops what has not begun and is
    raised; what is done stays done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unique = {part.key: part for part in reversed(parts)}
    unique = dict(reversed(unique.items()))  # a shared part is told as the first scenario's
    results = {key: found for key in unique if (found := kept(folder, key)) is not None}
    if results:
        tell(f"{len(results)} of {len(unique)} runs were done before and are not repeated")
    bare = instance.replacing()  # without what was worked out about it: it travels to every worker
    bases = {part.population: part for part in unique.values() if part.scenario.name == BASE}
    waves = [[part for part in bases.values() if kept_memory(folder, part.key) is None], list(unique.values())]
    for wave in waves if memory is None else waves[1:]:
        running: dict[Future[tuple[Result, Memory]], Part] = {}
        for part in wave:
            if part.key not in results or wave is waves[0]:
                base = bases.get(part.population)
                begun = memory if base is None or base is part else kept_memory(folder, base.key)
                running[pool.submit(run_part, bare, part, limits, seed, begun)] = part
        try:
            for future in as_completed(running):
                part = running[future]
                is_base = part in bases.values()
                people = f", population {part.population + 1}" if part.population else ""
                try:
                    result, left = future.result()
                    if is_base:
                        keep_bytes(folder, f"{part.key}.npz", memory_bytes(left))
                except AllocatorError as error:
                    tell(f"No result: {part.scenario.name}{people}")
                    if is_base or not isinstance(error, (ContradictionError, NoPlanError)):
                        raise
                    result = {NO_PLAN: str(error)}
                results[part.key] = keep(folder, part.key, result)
                tell(f"{len(results)} of {len(unique)} runs done: {part.scenario.name}{people}")
        finally:
            for future in running:
                future.cancel()
    return results


def memory_bytes(memory: Memory) -> bytes:
    """What a base leaves, as a file."""
    pairs = np.array(memory.pairs, dtype=np.str_).reshape(-1, 2)
    return npz_bytes({"pairs": pairs, **memory_arrays(memory)})


def kept_memory(folder: Path, key: str) -> Memory | None:
    """What a base that was done before left; None where there is nothing. Raises InputError where it is damaged."""
    path = folder / f"{key}.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            pairs = tuple((str(entry), str(session)) for entry, session in stored["pairs"])
            return memory_from(pairs, stored)
    except DAMAGED as error:
        raise InputError(
            [f"{path} cannot be read: {error}. Maybe delete it: that run is then planned again."]
        ) from error


def kept(folder: Path, key: str) -> Result | None:
    """The result of a part that was done before. Raises InputError where its file is damaged."""
    name = f"{key}.json"
    if not (folder / name).is_file():
        return None
    return stored_json(folder, name, " Maybe delete it: that run is then planned again.")


def keep(folder: Path, key: str, result: Result) -> Result:
    """Write a result whole, unless there is one already; what is kept then."""
    keep_bytes(folder, f"{key}.json", json_text(result).encode("utf-8"))
    found = kept(folder, key)
    return result if found is None else found


def keep_bytes(folder: Path, name: str, content: bytes) -> None:
    """Write a file whole, unless there is one of that name already: the first writer wins."""
    handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, folder / name)
    finally:
        os.unlink(draft)
