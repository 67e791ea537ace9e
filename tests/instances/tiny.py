"""The hand-worked instances, and every plan of one of them: shared by the tests of this folder."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocator import schema
from allocator.formulation import Formulation, formulate
from allocator.instance import Bools, Instance, InstanceInfo, Ints
from allocator.options import Facts, build_options
from allocator.policy import Policy, read_policy
from allocator.rule import closed_sessions, find_conflicts
from models import CATALOGUE

FOLDERS = sorted(Path(__file__).parents[2].glob("instances/tiny-*/"))
MOST_PLANS = 2**16


@dataclass(frozen=True, eq=False)
class Tiny:
    """One hand-worked instance: its facts, policy, formulation and expected answer."""

    folder: Path
    facts: Facts
    policy: Policy
    formulation: Formulation
    expected: dict[str, Any]


def read_tiny(folder: Path) -> Tiny:
    facts = Facts(read_folder(folder))
    policy = read_policy(CATALOGUE, (folder / "policy.toml").read_text(encoding="utf-8"))
    closed = closed_sessions(facts, find_conflicts(policy.limits, facts))
    formulation = formulate(build_options(facts, policy.screens, closed), policy)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return Tiny(folder, facts, policy, formulation, expected)


def read_folder(folder: Path) -> Instance:
    """The tables as they stand, straight through pandas: intake is compared with this."""
    info = InstanceInfo(**json.loads((folder / "instance.json").read_text(encoding="utf-8")))
    frames = {}
    for table in schema.TABLES:
        file = folder / f"{table.name}.csv"
        if file.is_file():
            text = {column.name: str for column in table.columns if column.kind in schema.TEXT_KINDS}
            frames[table.name] = pd.read_csv(file, dtype=text)
    return Instance.from_frames(info, frames)


def feasible_plans(formulation: Formulation) -> Ints:
    """Every feasible assignment of all columns, shape (n_plans, n_columns)."""
    plans = every_completion(formulation, every_set(formulation))
    activity = plans @ formulation.rows.matrix.toarray().T
    fits: Bools = ((activity >= formulation.rows.lower) & (activity <= formulation.rows.upper)).all(axis=1)
    return plans[fits]


def every_set(formulation: Formulation) -> Ints:
    """Every set of options that holds the fixed ones, two of one entry included, shape (n_sets, n_options)."""
    free = np.flatnonzero(~formulation.options.fixed)
    assert 2 ** len(free) <= MOST_PLANS
    chosen = np.ones((2 ** len(free), len(formulation.options)), dtype=np.int64)
    chosen[:, free] = (np.arange(2 ** len(free))[:, None] >> np.arange(len(free))) & 1
    return chosen


def every_completion(formulation: Formulation, choices: Ints) -> Ints:
    """Every choice with every value of openings and auxiliaries, shape (n_plans, n_columns)."""
    n_options = choices.shape[1]
    low, high = formulation.column_lower[n_options:], formulation.column_upper[n_options:]
    boxes = [range(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    values = list(itertools.product(*boxes))
    rest = np.array(values, dtype=np.int64).reshape(len(values), len(boxes))
    assert len(choices) * len(rest) <= 4 * MOST_PLANS
    return np.hstack([np.repeat(choices, len(rest), axis=0), np.tile(rest, (len(choices), 1))])


def best_plans(formulation: Formulation) -> tuple[dict[str, int], Ints]:
    """The lexicographic optimum by enumeration: value of each goal, and the distinct best choices of options."""
    plans = feasible_plans(formulation)
    best = {}
    for goal in formulation.goals:
        values = goal.constant + plans @ goal.values
        best[goal.label] = int(values.max() if goal.sense == "max" else values.min())
        plans = plans[values == best[goal.label]]
    return best, np.unique(plans[:, : len(formulation.options)], axis=0)
