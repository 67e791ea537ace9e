"""sweep: a plan improved part after part, each solved exactly.

Small parts that hang together with all goals at once; or one goal in every piece of the plan (`pieces`), with
everybody else placed again around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from allocator.answer import silent
from allocator.backends.problem import Budget
from allocator.backends.process import Worker, first_done, side_by_side
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.construct import construct, option_rank, own_gains
from allocator.solve.improve import move, move_budget, parts, prepare
from allocator.solve.loader import complete
from allocator.solve.pace import Pace
from allocator.solve.pieces import Pieces
from allocator.solve.plan import Plan

SMALL_PART, PART_SECONDS = 3000, 8.0
"""Options of a part that is solved for all goals at once, and seconds that it may take."""
PIECE_SECONDS, PATIENCE = 2.5, 30
"""Seconds that a piece may take, and how many by chance may bring nothing, one after the other."""
KEPT = 300
"""How many entries keep their places before a typical gain of the goal counts as little: whom a goal does not concern
stays where that costs the goal nothing."""
GOOD_ENOUGH = 0.5
"""Of a unit of the goal: a piece is done where plan and bound are so near."""


def sweep_small(plan: Plan, held: Sequence[int], pace: Pace, seed: int, worker: Worker) -> None:
    """Solve every part that hangs together and has few options anew, exactly, the smallest first."""
    model = plan.model
    part = parts(model)[model.entry]
    sizes = np.bincount(part[~model.fixed])
    small = np.flatnonzero((sizes > 1) & (sizes <= SMALL_PART))
    if not len(small):
        return
    around = prepare(model, held)
    for number in small[np.argsort(sizes[small], kind="stable")]:
        if pace.over:
            break
        free = np.flatnonzero((part == number) & ~model.fixed)
        budget = move_budget(pace, min(PART_SECONDS, pace.left), seed)
        plan.offer(move(around, plan.columns, free, budget, worker), held)
        pace.step()


def sweep_concerned(
    plan: Plan,
    held: Sequence[int],
    prices: Floats,
    pace: Pace,
    seed: int,
    workers: Sequence[Worker],
    heard: Callable[[], None] = silent,
) -> None:
    """Solve goal len(held) anew in piece after piece, over those whom it or an earlier goal concerns.

    Others in a piece keep their places or give them up, and in the end take what is left. Pieces are solved side by
    side where there are several workers and the pace is one of seconds; `heard` is called a few times a second.
    prices (n_rows + n_held,) of the goal.
    """
    model, k, before = plan.model, len(held), plan.chosen
    pieces = Pieces(plan, held, prices, seed)
    around = prepare(model, held)
    scale = scale_of(model, k)
    at_once = len(workers) + 1 if pace.steps is None else 1  # one more, so that nobody waits for the next
    fruitless = 0

    def solved(worker: Worker, free: Ints, budget: Budget) -> Ints | None:
        here = replace(around, objective=keeping(model, k, scale, plan.chosen))
        return move(here, plan.columns, free, budget, worker)

    def taken() -> None:
        nonlocal fruitless
        free, future = under_way.pop(first_done([future for _, future in under_way], heard))
        found = future.result()
        fruitless += 1
        if found is not None:
            columns = plan.columns.copy()
            columns[free] = found[free]
            if plan.offer(columns, held):
                fruitless = 0

    under_way: list[tuple[Ints, Future[Ints | None]]] = []
    whole = pieces.whole()
    with side_by_side(workers if pace.steps is None else workers[:1]) as pool:
        while not pace.over and fruitless < PATIENCE:
            while len(under_way) >= at_once:
                taken()
            free = next(whole, None)
            if free is None:
                free = pieces.drawn(np.concatenate([[], *(busy for busy, _ in under_way)]).astype(np.int64))
            if len(free):
                budget = replace(move_budget(pace, min(PIECE_SECONDS, pace.left), seed), gap=GOOD_ENOUGH * scale)
                under_way.append((free, pool.submit(solved, free, budget)))
                pace.step()
            elif under_way:
                taken()
            else:
                break
        while under_way:
            taken()
    plan.offer(and_the_others(model, plan.chosen, before), held)


def scale_of(model: Model, k: int) -> int:
    """How many placements kept weigh as much as one unit of goal k."""
    gains = np.abs(own_gains(model, k))
    return max(1, round(KEPT / float(gains[gains > 0].mean())))


def keeping(model: Model, k: int, scale: int, chosen: Bools) -> Floats:
    """(n_columns,) goal k to be made small, and with little weight that everybody with a place has one."""
    objective = -scale * own_gains(model, k)
    placed = np.zeros(model.n_entries, dtype=bool)
    placed[model.entry[chosen]] = True
    objective[: model.n_options] -= placed[model.entry]
    return objective


def and_the_others(model: Model, chosen: Bools, before: Bools) -> Ints:
    """Columns of these placements, and whom they leave out as they were before where that fits, or anywhere.

    Both (n_options,). A solver that was asked for one goal leaves out whom it does not concern, and the goals after
    it with them.
    """
    rank = option_rank(model)
    rank[before] -= model.n_options
    return complete(model, construct(model, rank, chosen))
