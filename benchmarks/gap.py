"""Classic generalised assignment through the engine: a row an instance, every answer checked again.

An item is an entry, an agent is a session; every entry must be placed, and a session has a capacity.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np

from allocator.answer import Answer, Limits
from allocator.certificate import UNPRICED
from allocator.ending import Ending
from allocator.errors import AuditFailedError, CancelledError, ContradictionError, NoPlanError
from allocator.formulation import Block, GoalVector, Model
from allocator.instance import Ints, read_only
from allocator.rows import Rows
from allocator.solve.lexicographic import solve
from allocator.stopwatch import Stopwatch
from benchmarks.gap_files import GapInstance, read_gap_files
from benchmarks.table import printer
from benchmarks.warm import until_warm

COLUMNS = ("instance", "value", "bound", "seconds", "status", "seed", "backend", "threads")
WARM_UP_SECONDS = 6.0
SAVING = 3
"""What placing an item saves on paper, in highest costs: more than the prices of a full agent."""


def run_gap(paths: Sequence[Path], limits: Limits, *, as_json: bool = False, out: TextIO | None = None) -> None:
    """Solve every instance of every file and print as it goes. All files are read before anything is solved."""
    instances = read_gap_files(list(paths))
    warm_up(limits)
    show = printer(COLUMNS, as_json=as_json, out=out)
    for instance in instances:
        found = row(instance, limits)
        show(found)
        if Ending.CANCELLED in found:
            raise CancelledError(f"Cancelled at {instance.name}; what is printed holds.")


def warm_up(limits: Limits) -> None:
    """Solve an instance that takes some time, so that no row counts the seconds of imports and compilation."""
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 101, (8, 120))
    costs = 111 - weights + rng.integers(-10, 11, weights.shape)
    instance = GapInstance("warm-up", costs, weights, 8 * weights.sum(axis=1) // 80)

    def run(seconds: float) -> float:
        begun = time.monotonic()
        row(instance, replace(limits, seconds=seconds))
        return time.monotonic() - begun

    until_warm(run, min(WARM_UP_SECONDS, limits.seconds))


def row(instance: GapInstance, limits: Limits) -> tuple[object, ...]:
    """One row of the table; AuditFailedError where the answer does not hold.

    The bound is the better of the certified one and the one that the solver claims.
    """
    watch = Stopwatch(limits.seconds)
    value: int | None = None
    bound: int | None = None
    if fits_nowhere(instance):
        status = Ending.INFEASIBLE
    else:
        try:
            answer = solve(gap_model(instance), limits, watch)
        except ContradictionError:
            status = Ending.INFEASIBLE
        except NoPlanError:
            status = Ending.TIME_LIMIT
        except KeyboardInterrupt:  # before any plan stood; later the engine hands back what it has
            status = Ending.CANCELLED
        else:
            value, bound, status = judged(instance, answer)
    seconds = f"{watch.elapsed:.2f}"
    return instance.name, value, bound, seconds, status, limits.seed, limits.backend, limits.threads


def fits_nowhere(instance: GapInstance) -> bool:
    """Is there an item that is too heavy for every agent."""
    return bool((instance.weights > instance.capacities[:, None]).all(axis=0).any())


def gap_model(instance: GapInstance) -> Model:
    """The instance as numbers for the engine; agents that an item is too heavy for are no option."""
    fits = (instance.weights <= instance.capacities[:, None]).T
    entry, session = np.nonzero(fits)
    number = np.arange(len(entry))
    weight = instance.weights[session, entry]
    ones = np.ones(len(entry), dtype=np.int64)
    items = [f"item {item}" for item in range(instance.n_items)]
    agents = [f"agent {agent}" for agent in range(instance.n_agents)]
    rows = Rows.stacked(
        [
            Rows.of(len(entry), items, entry, number, ones, lower=1, upper=1),
            Rows.of(len(entry), agents, session, number, weight, upper=instance.capacities.astype(np.float64)),
        ]
    )
    costs = instance.costs[session, entry]
    # Every plan places every item, so that a saving for each item changes no plan; it tells bounds and searches,
    # which let an entry wait at no cost, that placing is worth it.
    saving = 1 + int(costs.max(initial=0)) * SAVING
    blocks = (Block(UNPRICED, 0, len(items)), Block("capacity", len(items), len(items) + len(agents)))
    return Model(
        n_entries=instance.n_items,
        n_sessions=instance.n_agents,
        entry=read_only(entry),
        session=read_only(session),
        fixed=read_only(np.zeros(len(entry), dtype=bool)),
        alike=read_only(np.arange(instance.n_agents)),
        opening_session=read_only(np.zeros(0, dtype=np.int64)),
        rows=rows,
        blocks=blocks,
        column_lower=read_only(np.zeros(len(entry), dtype=np.int64)),
        column_upper=read_only(ones),
        goals=(cost_goal(costs - saving, saving * instance.n_items),),
    )


def cost_goal(values: Ints, constant: int) -> GoalVector:
    """The one goal: the cost of all items, as low as possible."""
    return GoalVector("cost", "cost", "min", "units", 0.0, read_only(values), constant, constant)


def judged(instance: GapInstance, answer: Answer) -> tuple[int, int | None, Ending]:
    """(value, bound, ending) of an answer that holds; AuditFailedError where it does not."""
    goal = answer.goals[0]
    entry, session = np.nonzero((instance.weights <= instance.capacities[:, None]).T)
    value = checked_cost(instance, entry[answer.chosen], session[answer.chosen])
    bounds = [bound for bound in (goal.solver_bound, goal.certified_bound) if bound is not None]
    bound = max(bounds, default=None)
    if value != goal.value or (bound is not None and bound > value):
        raise AuditFailedError(
            f"{instance.name}: the plan costs {value}; {goal.value} was reported, and a bound of {bound}."
        )
    return value, bound, Ending.OPTIMAL if bound == value else goal.ending


def checked_cost(instance: GapInstance, items: Ints, agents: Ints) -> int:
    """The cost of an assignment, from the file alone; AuditFailedError where it is none."""
    times = np.bincount(items, minlength=instance.n_items)
    if (times != 1).any():
        worst = int(np.flatnonzero(times != 1)[0])
        raise AuditFailedError(f"{instance.name}: item {worst} goes to {times[worst]} agents; wanted one.")
    used = [0] * instance.n_agents
    cost = 0
    for item, agent in zip(items.tolist(), agents.tolist(), strict=True):
        used[agent] += int(instance.weights[agent, item])
        cost += int(instance.costs[agent, item])
    for agent, room in enumerate(instance.capacities.tolist()):
        if used[agent] > room:
            raise AuditFailedError(f"{instance.name}: agent {agent} carries {used[agent]}; {room} is allowed.")
    return cost
