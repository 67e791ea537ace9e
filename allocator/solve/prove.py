"""Prices for the certificate: from the linear relaxation, or from an entropy-smoothed Lagrangian dual.

Both only propose prices; `allocator.certificate` says what they prove. The linear relaxation (HiGHS) is
exact and slow; the smoothed dual replaces every best-of-an-entry by a softened maximum at a falling
temperature and is minimised by L-BFGS-B, which reaches the neighbourhood of the relaxation in seconds
where the simplex takes minutes. Source: measured in docs/decisions/0001-how-to-solve.md.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import optimize, sparse

from allocator.answer import Certificate, Limits
from allocator.backends import highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import Worker
from allocator.certificate import (
    SCALE,
    PricesTooLargeError,
    bound_of,
    held_value,
    priced_rows,
    whole_prices,
)
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.exact import goal_problem

TEMPERATURES = (0.5, 0.2, 0.08, 0.03, 0.012, 0.005)
ITERATIONS = 60
LARGEST_RELAXATION = 30_000
"""Options up to which the linear relaxation itself is solved."""
RELAXATION_SHARE = 0.6
"""Of the seconds of a proof, for the relaxation; the smoothed dual has the rest where that was too little."""
SHORTEST_PROOF_SECONDS = 0.3


@dataclass(frozen=True, eq=False)
class DualProblem:
    """maximise gains @ z over rows and units, as plain arrays that travel to a child process.

    matrix (n_rows, n_columns); priced (n_rows,); unit (n_options,) entry of each option, sorted;
    fixed (n_options,); box_lower, box_upper (n_columns - n_options,).
    """

    matrix: sparse.csr_array
    lower: Floats
    upper: Floats
    priced: Bools
    gains: Floats
    unit: Ints
    fixed: Bools
    box_lower: Floats
    box_upper: Floats


class _SmoothedDual:
    """The dual function and its gradient at one temperature, over the priced rows only.

    A row with two sides is two variables, so that every variable is non-negative: upper sides first.
    """

    def __init__(self, problem: DualProblem) -> None:
        scale = np.ones(problem.matrix.shape[0])
        largest = abs(problem.matrix).max(axis=1).toarray().ravel()
        scale[largest > 0] = 1.0 / largest[largest > 0]
        self.above = np.flatnonzero(problem.priced & np.isfinite(problem.upper))
        self.below = np.flatnonzero(problem.priced & np.isfinite(problem.lower))
        rows = np.concatenate([self.above, self.below])
        sign = np.concatenate([np.ones(len(self.above)), -np.ones(len(self.below))])
        self.factor = sign * scale[rows]
        self.rows = rows
        sides = np.concatenate([problem.upper[self.above], problem.lower[self.below]])
        self.sides = sides * self.factor
        self.matrix = (sparse.diags_array(self.factor) @ problem.matrix[rows]).tocsr()
        self.transposed = self.matrix.T.tocsr()
        self.problem = problem
        n_options = len(problem.unit)
        self.n_options = n_options
        free = np.flatnonzero(~problem.fixed)
        self.free = free
        self.starts = np.flatnonzero(np.diff(problem.unit[free], prepend=-1) != 0)
        self.sizes = np.diff(np.append(self.starts, len(free)))

    def row_prices(self, variables: Floats) -> Floats:
        """Prices (n_rows,) in the rows' own units."""
        prices = np.zeros(self.problem.matrix.shape[0])
        np.add.at(prices, self.rows, variables * self.factor)
        return prices

    def value_and_gradient(self, variables: Floats, temperature: float) -> tuple[float, Floats]:
        """The smoothed dual value and its gradient over the variables."""
        reduced = self.problem.gains - self.transposed @ variables
        share = np.zeros(len(reduced))
        options = reduced[: self.n_options]
        total = float(options[self.problem.fixed].sum())
        share[: self.n_options][self.problem.fixed] = 1.0
        if len(self.starts):
            mine = options[self.free]
            peak = np.maximum(np.maximum.reduceat(mine, self.starts), 0.0)
            lifted = np.exp((mine - np.repeat(peak, self.sizes)) / temperature)
            sums = np.add.reduceat(lifted, self.starts) + np.exp(-peak / temperature)
            total += float((peak + temperature * np.log(sums)).sum())
            share[self.free] = lifted / np.repeat(sums, self.sizes)
        boxed = reduced[self.n_options :]
        width = self.problem.box_upper - self.problem.box_lower
        soft = np.logaddexp(0.0, boxed / temperature)
        total += float((self.problem.box_lower * boxed + width * temperature * soft).sum())
        share[self.n_options :] = self.problem.box_lower + width * np.exp(boxed / temperature - soft)
        total += float(self.sides @ variables)
        return total, self.sides - self.matrix @ share


def smoothed_prices(problem: DualProblem, seconds: float, emit: object = None) -> Floats:
    """Row prices (n_rows,) in the sense of a maximisation; best effort within `seconds`."""
    dual = _SmoothedDual(problem)
    deadline = time.monotonic() + seconds
    variables = np.zeros(len(dual.rows))

    def stop_in_time(found: object) -> None:
        if time.monotonic() > deadline:
            raise StopIteration

    usual = np.abs(problem.gains[problem.gains != 0])
    size = float(usual.mean()) if len(usual) else 1.0
    for temperature in TEMPERATURES:
        if time.monotonic() > deadline:
            break
        found: Any = optimize.minimize(  # type: ignore[call-overload]  # its stubs refuse a partial
            partial(dual.value_and_gradient, temperature=temperature * size),
            variables,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * len(variables),
            callback=stop_in_time,
            options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20},
        )
        variables = found.x
    return dual.row_prices(variables)


def prove_all(model: Model, values: Sequence[int], seconds: float, limits: Limits) -> tuple[Certificate, list[int]]:
    """A certificate for every goal of a plan with these goal values, and the bounds that it proves.

    Goals are proven side by side on `limits.threads` children. Prices of zero are always a certificate.
    """
    n_goals, n_rows = len(model.goals), model.n_rows
    floors = [held_value(model, k, value) for k, value in enumerate(values)]
    deadline = time.monotonic() + seconds
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()

    def proof(k: int) -> tuple[Ints, int]:
        worker = idle.get()
        left = max(0.0, deadline - time.monotonic())
        share = left * min(1.0, limits.threads / (n_goals - k))
        try:
            return prove(model, k, floors[:k], share, limits, worker)
        finally:
            idle.put(worker)

    prices = np.zeros((n_goals, n_rows + n_goals), dtype=np.int64)
    held = np.zeros((n_goals, n_goals), dtype=np.int64)
    bounds = []
    with ExitStack() as stack:
        for _ in range(limits.threads):
            idle.put(stack.enter_context(Worker()))
        pool = stack.enter_context(ThreadPoolExecutor(limits.threads))
        for k, (found, bound) in enumerate(pool.map(proof, range(n_goals))):
            prices[k, : n_rows + k] = found
            held[k, :k] = floors[:k]
            bounds.append(bound)
    return Certificate(SCALE, prices, held, np.ones(n_goals, dtype=bool), np.zeros(n_goals, dtype=bool)), bounds


def prove(
    model: Model, k: int, held: Sequence[int], seconds: float, limits: Limits, worker: Worker
) -> tuple[Ints, int]:
    """The best of the proposed price vectors for goal k (n_rows + k,), and the bound that it proves."""
    larger = model.goals[k].sense == "max"
    nothing = np.zeros(model.n_rows + k, dtype=np.int64)
    best, bound = nothing, bound_of(model, k, held, nothing, SCALE)
    if seconds < SHORTEST_PROOF_SECONDS:
        return best, bound
    proposed = whole_prices(proposed_prices(model, k, held, seconds, limits, worker))
    try:
        found = bound_of(model, k, held, proposed, SCALE)
    except PricesTooLargeError:
        return best, bound
    return (proposed, found) if (found < bound) == larger else (best, bound)


def proposed_prices(
    model: Model, k: int, held: Sequence[int], seconds: float, limits: Limits, worker: Worker
) -> Floats:
    """Row prices (n_rows + k,) for goal k in the sense of a maximisation; zeros where time was too short."""
    problem = without_idle_rows(model, goal_problem(model, k, held), k)
    if not model.n_columns:  # nobody can be placed: the constant is the bound
        return np.zeros(len(problem.lower))
    gains = -problem.costs.astype(np.float64)
    relevant = worth_pricing(problem, priced_rows(model, k), gains)
    if relevant[: model.n_options].sum() <= LARGEST_RELAXATION:
        upper = np.where(relevant, problem.column_upper, problem.column_lower)
        small = replace(problem, column_upper=upper)
        budget = Budget(RELAXATION_SHARE * seconds, limits.work, limits.seed)
        relaxed = worker.call(highs.relaxation_prices, small, budget, seconds=budget.seconds).result
        if relaxed is not None:
            return -np.asarray(relaxed)
        seconds *= 1 - RELAXATION_SHARE
    return dual_prices(model, problem, gains, seconds, worker)


def dual_prices(model: Model, problem: Problem, gains: Floats, seconds: float, worker: Worker) -> Floats:
    """Row prices for any gains (n_columns,) over the rows of `problem`; zeros where the time was too short."""
    n_options, n_rows = model.n_options, len(problem.lower)
    priced = priced_rows(model, n_rows - model.n_rows)
    priced &= np.isfinite(problem.lower) | np.isfinite(problem.upper)
    kept = worth_pricing(problem, priced, gains)
    kept[:n_options] |= model.fixed
    kept[n_options:] = True
    dual = DualProblem(
        matrix=problem.matrix[:, kept].astype(np.float64),
        lower=problem.lower,
        upper=problem.upper,
        priced=priced,
        gains=gains[kept],
        unit=model.entry[kept[:n_options]],
        fixed=model.fixed[kept[:n_options]],
        box_lower=problem.column_lower[n_options:].astype(np.float64),
        box_upper=problem.column_upper[n_options:].astype(np.float64),
    )
    smoothed = worker.call(smoothed_prices, dual, seconds, seconds=seconds + 1.0).result
    return np.zeros(n_rows) if smoothed is None else np.asarray(smoothed)


def without_idle_rows(model: Model, problem: Problem, k: int) -> Problem:
    """The problem with rows opened that an auxiliary of a later goal satisfies for nothing."""
    first = model.n_options + len(model.opening_session)
    matters = np.any([goal.values[first:] != 0 for goal in model.goals[: k + 1]], axis=0)
    free = problem.matrix[:, first:][:, ~matters].tocsr()
    idle = np.diff(free.indptr) > 0
    return replace(
        problem,
        lower=np.where(idle, -np.inf, problem.lower),
        upper=np.where(idle, np.inf, problem.upper),
    )


def worth_pricing(problem: Problem, priced: Bools, gains: Floats) -> Bools:
    """(n_columns,) could the reduced price be above zero at any prices; the others bound nothing.

    A column without a gain that only uses rows up can never be worth more than nothing.
    """
    part = problem.matrix[priced].tocoo()
    upper, lower = problem.upper[priced], problem.lower[priced]
    helps = ((part.data < 0) & np.isfinite(upper[part.row])) | ((part.data > 0) & np.isfinite(lower[part.row]))
    worth: Bools = gains > 0
    worth[part.col[helps]] = True
    return worth
