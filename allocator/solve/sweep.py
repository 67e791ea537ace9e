"""sweep: a plan improved part after part: entries that share sessions hang together, and each part is solved exactly.

Small parts with all goals at once; or one goal in every part, over those whom it concerns, everybody else placed again
around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from allocator.answer import silent
from allocator.backends.problem import Budget
from allocator.backends.process import Worker, awaited, side_by_side
from allocator.certificate import reduced_prices
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.construct import construct, option_gain, option_rank, own_gains
from allocator.solve.improve import move, move_budget, parts, prepare
from allocator.solve.loader import complete
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan

SMALL_PART, PART_SECONDS = 3000, 8.0
"""Options of a part that is solved for all goals at once, and seconds that any part may take."""
NEAR = 0.2
"""Of a typical gain: options that lose more than this at the prices of the goal are left out of its sweep."""
LARGEST_PART, LEAST_PART_SECONDS = 15_000, 0.3
"""Options of those in a part whom one goal concerns, up to which they are solved for it; seconds at least."""


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
) -> bool:
    """Solve goal len(held) anew in every part, exactly, over those whom it or an earlier goal concerns.

    Others in a part keep their places or give them up, and take what is left afterwards. Parts are solved side by side
    where there are several workers and the pace is one of seconds; `heard` is called a few times a second. False where
    a part was too large, or nobody can gain on the goal by a place. prices (n_rows + n_held,) of the goal.
    """
    model, k = plan.model, len(held)
    whole, fits = parts_concerned(plan, k, prices)
    if not whole:
        return False
    at_once = len(workers) if pace.steps is None else 1
    around = replace(prepare(model, held), objective=-own_gains(model, k))

    def solved(worker: Worker, free: Ints, budget: Budget) -> tuple[Ints, Ints | None]:
        return free, move(around, plan.columns, free, budget, worker)

    def taken(future: Future[tuple[Ints, Ints | None]]) -> None:
        free, found = awaited(future, heard)
        if found is not None:
            columns = plan.columns.copy()
            columns[free] = found[free]
            if not plan.offer(and_the_others(plan, columns), held):
                plan.offer(complete(model, columns[: model.n_options].astype(bool)), held)

    left = float(sum(map(len, whole)))
    futures: list[Future[tuple[Ints, Ints | None]]] = []
    with side_by_side(workers[:at_once]) as pool:
        for free in whole:
            if pace.over:
                break
            while len(futures) >= at_once:
                taken(futures.pop(0))
            seconds = min(PART_SECONDS, max(LEAST_PART_SECONDS, at_once * len(free) / left * pace.left))
            futures.append(pool.submit(solved, free, move_budget(pace, seconds, seed)))
            left -= len(free)
            pace.step()
        for future in futures:
            taken(future)
    return fits


def parts_concerned(plan: Plan, k: int, prices: Floats) -> tuple[list[Ints], bool]:
    """Of every part in which goal k has something to gain, options of those concerned; the largest part first.

    Options that lose much at the goal's row prices (n_rows + k,) against the best of their entry are left out. Parts
    that are still too large are left out too; the second is whether there was none.
    """
    model = plan.model
    gaining = np.max([option_gain(model, j) for j in range(k + 1)], axis=0) > 0
    concerned = np.isin(model.entry, model.entry[gaining]) & near_the_best(model, own_gains(model, k), prices, NEAR)
    concerned = (concerned | plan.chosen) & ~model.fixed
    part = parts(model)[model.entry]
    if concerned.sum() <= SMALL_PART:
        part = np.zeros_like(part)
    sizes = np.bincount(part[concerned])
    gains = np.bincount(part[concerned & (option_gain(model, k) > 0)], minlength=len(sizes))
    fits = sizes <= LARGEST_PART
    wanted = np.flatnonzero((gains > 0) & (sizes > 1) & fits)
    order = wanted[np.argsort(-sizes[wanted], kind="stable")]
    return [np.flatnonzero((part == number) & concerned) for number in order], bool(fits[gains > 0].all())


def near_the_best(model: Model, gains: Floats, prices: Floats, share: float) -> Bools:
    """(n_options,) options that lose at most such a share of a typical gain against their entry's best, or nothing.

    gains (n_columns,) larger is better; prices (n_rows + n_held,).
    """
    reduced = reduced_prices(model, gains, prices)[: model.n_options]
    best = np.zeros(model.n_entries)
    np.maximum.at(best, model.entry, reduced)
    usual = np.abs(gains[: model.n_options])
    within = share * float(np.median(usual[usual > 0])) if usual.any() else np.inf
    near: Bools = reduced >= best[model.entry] - within
    return near


def and_the_others(plan: Plan, columns: Ints) -> Ints:
    """Everybody as in these columns, and whom they leave out as in the plan where that fits, or anywhere.

    An exact solver that was asked for one goal leaves out whom it does not concern, and the goals after it with them.
    """
    model = plan.model
    rank, n_options = option_rank(model), model.n_options
    rank[plan.chosen] -= n_options
    return complete(model, construct(model, rank, columns[:n_options].astype(bool)))
