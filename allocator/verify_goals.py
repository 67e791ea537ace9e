"""Verify, the part about goals: what summary.json says of each, against the tables and the prices."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from allocator.answer import Certificate, GoalResult
from allocator.audit import beats
from allocator.certificate import PricesTooLargeError, certified_bound, stands
from allocator.ending import Ending
from allocator.errors import InputError
from allocator.formulation import Formulation
from allocator.gap import gap_split
from allocator.instance import Ints
from allocator.report.summary import split_figures
from allocator.run_folder import DAMAGED


def goal_result(row: Mapping[str, Any]) -> GoalResult:
    """One goal as summary.json reports it."""
    label = str(row["label"])
    return GoalResult(
        label=label,
        name=label,
        sense=row["sense"],
        unit=row["unit"],
        tolerance=row["tolerance"],
        value=row["value"],
        base=row["base"],
        solver_bound=row["solver_bound"],
        certified_bound=row["certified_bound"],
        ending=Ending(row["ending"]),
        seconds=0.0,
    )


def wrong_figures(
    rows: Sequence[Mapping[str, Any]], goals: Sequence[GoalResult], formulation: Formulation
) -> list[str]:
    """Goals whose sense, unit, tolerance, base or gaps are not those of the policy and the tables."""
    findings = []
    for row, goal, wanted in zip(rows, goals, formulation.goals, strict=False):
        for name, said, now in (
            ("sense", goal.sense, wanted.sense),
            ("unit", goal.unit, wanted.unit),
            ("tolerance", goal.tolerance, wanted.tolerance),
            ("base", goal.base, wanted.base),
            ("solver_gap", row["solver_gap"], goal.gap(goal.solver_bound)),
            ("certified_gap", row["certified_gap"], goal.gap(goal.certified_bound)),
        ):
            if said != now:
                findings.append(f"summary.json: {name} of {goal.label} is {said}; worked out again: {now}.")
    return findings


def wrong_endings(said: str, of_run: str, goals: Sequence[GoalResult], formulation: Formulation) -> Iterator[str]:
    """Goals called optimal that no bound shows to be, or not although one does; and the same of the run as a whole."""
    for k, (goal, _) in enumerate(zip(goals, formulation.goals, strict=False)):
        proven = goal.value == goal.certified_bound
        bounds = (
            f"the plan has {goal.value}, no plan beats {goal.certified_bound}, or {goal.solver_bound} by the solver"
        )
        if goal.ending is Ending.OPTIMAL and not (proven or stands(formulation, k, goal.value, goal.solver_bound)):
            yield f"summary.json: {goal.label} is said to be optimal; {bounds}."
        elif goal.ending is not Ending.OPTIMAL and proven:
            yield f"summary.json: {goal.label} is said to have ended as {goal.ending}; {bounds}."
        if goal.solver_bound is not None and beats(goal.sense, goal.value, goal.solver_bound):
            yield f"summary.json: {goal.label} is better than what a solver is said to have shown; {bounds}."
    unproven = [goal.ending for goal in goals if goal.ending is not Ending.OPTIMAL]
    wanted = unproven[0] if unproven else Ending.OPTIMAL
    if said != wanted and said != Ending.CANCELLED:
        yield f"summary.json: the run is said to have ended as {said}; its goals as {wanted}."
    if of_run != said:
        yield f"run.json: the run is said to have ended as {of_run}; summary.json says {said}."


def read_certificate(run_folder: Path) -> Certificate:
    """The prices of a run. Raises InputError where they cannot be read."""
    try:
        with np.load(io.BytesIO((run_folder / "certificate.npz").read_bytes()), allow_pickle=False) as stored:
            names = ("prices", "held", "proven", "by_session")
            found = Certificate(int(stored["scale"]), *(stored[name] for name in names))
    except DAMAGED as error:
        raise InputError([f"certificate.npz cannot be read: {error}"]) from error
    # A scale below zero would turn every bound round; fractions cannot be added up exactly.
    problems = [] if found.scale >= 1 else [f"certificate.npz proves nothing at scale {found.scale}; wanted 1 or more."]
    for name, dtype in zip(names, (np.int64, np.int64, np.bool_, np.bool_), strict=True):
        if (kind := getattr(found, name).dtype) != dtype:
            problems.append(f"certificate.npz cannot be read: {name} are {kind}; wanted {np.dtype(dtype)}.")
    if found.by_session.shape != found.proven.shape:
        shapes = f"{found.by_session.shape} units and {found.proven.shape} goals"
        problems.append(f"certificate.npz cannot be read: it has {shapes}; wanted a unit a goal.")
    if problems:
        raise InputError(problems)
    return found


def wrong_bounds(
    run_folder: Path,
    rows: Sequence[Mapping[str, Any]],
    goals: Sequence[GoalResult],
    formulation: Formulation,
    columns: Ints,
) -> list[str]:
    """Certified bounds that the prices do not prove, or that rest on values which the plan does not keep.

    And gaps split otherwise than the prices and the plan (n_columns,) split them.
    """
    certificate = read_certificate(run_folder)
    findings = []
    for k, goal in enumerate(goals[: len(formulation.goals)]):
        bound = split = None
        if certificate.proven[k]:
            try:
                bound = certified_bound(formulation, k, certificate)
                split = split_figures(gap_split(formulation, k, certificate, columns), certificate.scale)
            except (PricesTooLargeError, IndexError, ValueError) as error:
                findings.append(f"certificate.npz: the bound of {goal.label} cannot be worked out: {error}.")
                continue
            findings += [
                f"certificate.npz: {goal.label} rests on {held} for {before.label}; the plan has {before.value}."
                for before, held in zip(goals[:k], certificate.held[k].tolist(), strict=False)
                if beats(before.sense, held, before.value)
            ]
        if bound != goal.certified_bound:
            said = goal.certified_bound
            findings.append(f"The certified bound of {goal.label} is said to be {said}; the prices prove {bound}.")
        if rows[k].get("gap_split") != split:
            findings.append(f"summary.json: the gap of {goal.label} is not split as prices and plan split it.")
    return findings


def wrong_baseline(rows: Iterable[Mapping[str, Any]], scores: Mapping[str, int]) -> list[str]:
    """Baseline values that are not those of the baseline made again."""
    return [
        f"summary.json: the baseline of {row['label']} is {row['baseline']}; made again: {scores.get(row['label'])}."
        for row in rows
        if row["baseline"] != scores.get(row["label"])
    ]
