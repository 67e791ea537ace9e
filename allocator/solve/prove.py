"""prove: for every goal prices that prove a good bound, and the certificate that holds them.

Prices are proposed by the linear relaxation where it is small (HiGHS), by a smoothed dual where it is not
(`allocator.solve.dual`), or come from the search; in the time that is left they are sharpened with sessions as units
(`allocator.solve.patterns`). What they prove is for `allocator.certificate` to say, in whole numbers, with entries
and with sessions as units; the best bound is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from allocator.answer import Certificate, Limits, silent
from allocator.backends import highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import TICK_SECONDS, Worker, side_by_side
from allocator.certificate import (
    SCALE,
    UNPRICED,
    PricesTooLargeError,
    bound_of,
    goal_rows,
    held_value,
    priced_rows,
    reduced_prices,
    whole_prices,
)
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.construct import own_gains
from allocator.solve.dual import OutOfTimeError, solve_dual
from allocator.solve.exact import goal_problem
from allocator.solve.patterns import Sharpened, sharpen

LARGEST_RELAXATION = 30_000
"""Options up to which the linear relaxation itself is solved."""
RELAXATION_SHARE = 0.6
"""Of the seconds of a proof, for the relaxation; the smoothed dual has the rest where that was too little."""
SHORTEST_PROOF_SECONDS = 0.3
LARGEST_SHARPENED = 500_000
"""Options up to which sharpening pays: of three million it won nothing in a minute."""
EARLY = 2
"""How many times an even share of the seconds the first goals may take."""
PROPOSAL_SHARE = 0.5
"""Of the seconds of a proof without proposed prices, for finding some; the rest is for sharpening them."""


@dataclass(frozen=True, eq=False)
class Proposed:
    """Prices (n_rows + k,) of goal k with entries as units (None: to be found), and the same sharpened by sessions.

    rough: more time would have made the prices themselves better
    earlier: sharpened ones of an earlier run
    """

    prices: Floats | None
    sharpened: Sharpened | None = None
    rough: bool = False
    earlier: Floats | None = None


@dataclass(frozen=True, eq=False)
class Proof:
    """Whole prices (n_rows + k,) of goal k, the bound that they prove, and whether sessions are its units."""

    prices: Ints
    bound: int
    by_session: bool


def prove_all(
    model: Model,
    values: Sequence[int],
    proposed: Mapping[int, Proposed],
    seconds: float,
    limits: Limits,
    heard: Callable[[int, float], None] = silent,
    workers: Sequence[Worker] = (),
) -> tuple[Certificate, list[int]]:
    """A certificate for every goal of a plan with these goal values, and the bounds that it proves.

    `proposed` are prices that a search found for goal k; goals without any are priced now. All are sharpened until the
    plan is proven best or their share of the seconds is over, side by side on as many threads as there may be; earlier
    goals have larger shares. Prices of zero are always a certificate. `heard` is called a few times a second with the
    first goal whose proof is under way, and the bound on its gains so far. `workers` are used first; a new one takes a
    second to start.
    """
    n_goals, n_rows = len(model.goals), model.n_rows
    floors = [held_value(model, k, value) for k, value in enumerate(values)]
    deadline = time.monotonic() + seconds
    stopped, so_far = threading.Event(), [np.inf] * n_goals

    def go_on(k: int, bound: float) -> None:
        so_far[k] = bound
        if stopped.is_set():
            raise OutOfTimeError

    def proof(worker: Worker, k: int) -> Proof:
        share = max(0.0, deadline - time.monotonic()) * min(1.0, EARLY * limits.threads / (n_goals - k + EARLY - 1))
        tell = partial(go_on, k)
        return prove(model, k, floors[:k], share, limits, worker, proposed=proposed.get(k), value=values[k], tell=tell)

    prices = np.zeros((n_goals, n_rows + n_goals), dtype=np.int64)
    held = np.zeros((n_goals, n_goals), dtype=np.int64)
    with ExitStack() as stack:
        more = (stack.enter_context(Worker()) for _ in range(limits.threads - len(workers)))
        pool = stack.enter_context(side_by_side([*workers[: limits.threads], *more]))
        futures = [pool.submit(proof, k) for k in range(n_goals)]
        try:
            while wait(futures, TICK_SECONDS, FIRST_EXCEPTION).not_done:
                under_way = next((k for k, future in enumerate(futures) if not future.done()), n_goals - 1)
                heard(under_way, so_far[under_way])
                if any(future.done() and future.exception() for future in futures):
                    break
            proofs = [future.result() for future in futures]
        except KeyboardInterrupt:
            stopped.set()
            raise
    for k, found in enumerate(proofs):
        prices[k, : n_rows + k] = found.prices
        held[k, :k] = floors[:k]
    by_session = np.array([found.by_session for found in proofs], dtype=bool)
    certificate = Certificate(SCALE, prices, held, np.ones(n_goals, dtype=bool), by_session)
    return certificate, [found.bound for found in proofs]


def best_proof(
    model: Model, k: int, held: Sequence[int], candidates: Sequence[Floats], best: Proof | None = None
) -> Proof:
    """The best that these prices (n_rows + k,) prove of goal k, with either kind of unit; or `best`, or none at all."""
    if best is None:
        nothing = np.zeros(model.n_rows + k, dtype=np.int64)
        best = Proof(nothing, bound_of(model, k, held, nothing, SCALE), by_session=False)
    for candidate in candidates:
        best = better_proof(model, k, held, best, candidate, by_session=False)
        best = better_proof(model, k, held, best, entry_prices(model, own_gains(model, k), candidate), by_session=True)
    return best


def better_proof(
    model: Model, k: int, held: Sequence[int], best: Proof, candidate: Floats, *, by_session: bool
) -> Proof:
    """What these prices (n_rows + k,) prove of goal k with such units; the best so far where that is as good."""
    prices = whole_prices(candidate)
    try:
        bound = bound_of(model, k, held, prices, SCALE, by_session)
    except PricesTooLargeError:
        return best
    better = bound < best.bound if model.goals[k].sense == "max" else bound > best.bound
    return Proof(prices, bound, by_session) if better else best


def entry_prices(model: Model, gains: Floats, prices: Floats) -> Floats:
    """The same prices for a bound by sessions: every entry's row of one place carries its best reduced price.

    gains (n_columns,) what the prices are for, larger is better. Prices that were made for sessions stay as they are.
    """
    if any(prices[block.start : block.stop].any() for block in model.blocks if block.label == UNPRICED):
        return prices
    reduced = reduced_prices(model, gains, prices)
    best = np.full(model.n_entries, -np.inf)
    np.maximum.at(best, model.entry, reduced[: model.n_options])
    found = prices.copy()
    for block in model.blocks:
        if block.label == UNPRICED:
            part = model.rows.direct[block.start : block.stop]
            there = np.flatnonzero(np.diff(part.indptr))
            price = best[model.entry[part.indices[part.indptr[there]]]]
            demanded = model.rows.lower[block.start + there] > 0
            found[block.start + there] = np.where(demanded, price, np.maximum(price, 0.0))
    return found


def prove(
    model: Model,
    k: int,
    held: Sequence[int],
    seconds: float,
    limits: Limits,
    worker: Worker,
    *,
    proposed: Proposed | None = None,
    value: int | None = None,
    tell: Callable[[float], None] = silent,
) -> Proof:
    """The best proof of goal k that is found in these seconds, from `proposed` prices if there are any.

    A bound that is the `value` of the plan ends the search for a better one.
    """
    deadline = time.monotonic() + seconds
    found, proposed = best_proof(model, k, held, []), proposed or Proposed(None)
    earlier, prices = proposed.earlier, proposed.prices
    if prices is None and earlier is not None:
        found = better_proof(model, k, held, found, earlier, by_session=True)
    if found.bound == value:
        return found
    if prices is None:
        if seconds < SHORTEST_PROOF_SECONDS or not model.n_columns:
            return found
        prices = proposed_prices(model, k, held, PROPOSAL_SHARE * seconds, limits, worker)
    start, settled = entry_prices(model, own_gains(model, k), prices), 0
    found = best_proof(model, k, held, [prices], found)
    if proposed.sharpened is not None:
        (start, settled), earlier = proposed.sharpened, None
        found = better_proof(model, k, held, found, start, by_session=True)
    elif earlier is not None and proposed.prices is not None:
        found = better_proof(model, k, held, found, earlier, by_session=True)
    left = deadline - time.monotonic()
    if found.bound == value or left < SHORTEST_PROOF_SECONDS or model.n_options > LARGEST_SHARPENED:
        return found
    gains, rows = own_gains(model, k), goal_rows(model, held)
    if proposed.rough:
        prices = dual_prices(model, k, held, prices, PROPOSAL_SHARE * left, limits.work, tell)
        found = best_proof(model, k, held, [prices], found)
        start, settled, left = entry_prices(model, gains, prices), 0, deadline - time.monotonic()
    sharpened = sharpen(
        model, gains, rows, start, seconds=left, work=limits.work, tell=tell, settled=settled, earlier=earlier
    )
    return better_proof(model, k, held, found, sharpened.prices, by_session=True)


def proposed_prices(
    model: Model, k: int, held: Sequence[int], seconds: float, limits: Limits, worker: Worker
) -> Floats:
    """Row prices (n_rows + k,) for goal k in the sense of a maximisation."""
    problem = without_idle_rows(model, goal_problem(model, k, held), k)
    relevant = worth_pricing(problem, priced_rows(model, k), -problem.costs.astype(np.float64))
    if relevant[: model.n_options].sum() <= LARGEST_RELAXATION:
        upper = np.where(relevant, problem.column_upper, problem.column_lower)
        small = replace(problem, column_upper=upper)
        budget = Budget(RELAXATION_SHARE * seconds, limits.work, limits.seed)
        relaxed = worker.call(highs.relaxation_prices, small, budget, seconds=budget.seconds).result
        if relaxed is not None:
            return -np.asarray(relaxed)
        seconds *= 1 - RELAXATION_SHARE
    return dual_prices(model, k, held, None, seconds, limits.work)


def dual_prices(
    model: Model,
    k: int,
    held: Sequence[int],
    start: Floats | None,
    seconds: float,
    work: int | None,
    tell: Callable[[float], None] = silent,
    threads: int = 1,
) -> Floats:
    """Row prices (n_rows + k,) for goal k by the smoothed dual, from `start` if there is one."""
    gains, rows = own_gains(model, k), goal_rows(model, held)
    dual = solve_dual(model, gains, rows, start=start, seconds=seconds, work=work, tell=tell, threads=threads)
    return dual.prices


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
