"""Pins and vetoes: what each costs, against the same plan if it were withdrawn.

at least   a plan without it was found that is so much better on the first goal on which it differs from the run's
at most    no plan without it, as good on the goals before, is better by more: the certificate with no price on its row
exact      small instances are solved with it and without it: the first goal whose best differs, goals before it at
           their best, whatever this plan reaches

A run that is not the best possible may be improved for other reasons too; "at least" then says what the change of
this one row made possible near the places that it is about.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import PricesTooLargeError, bound_of
from allocator.demand import Demand
from allocator.ending import Ending
from allocator.explain import loaded
from allocator.formulation import Formulation
from allocator.instance import Ints
from allocator.options import Facts
from allocator.policy import Policy
from allocator.solve.loader import complete, feasible, merit, merit_of
from allocator.why.case import Case, helpful
from allocator.why.room import Room, made_room
from allocator.words import goal_name, quantity

EXACT_OPTIONS = 1_500
SECONDS, SECONDS_A_GOAL = 5.0, 1.0
"""For exact prices of all pins together, and for one solve of one goal."""


@dataclass(frozen=True)
class PinPrice:
    """One pin or veto in force and its price. `goal` is "" where it costs nothing that could be found.

    least   by how much the goal could be better without it, as found; most, as proven, None where nothing is
    """

    words: str
    wanted: bool
    goal: str
    unit: str
    least: int
    most: int | None
    exact: bool

    def sentence(self) -> str:
        """The price for people."""
        if not self.goal:
            return "It costs nothing." if self.exact else "No price was found."
        if self.exact:
            return f"It costs {quantity(self.least, self.unit)} of “{goal_name(self.goal)}”."
        most = "" if self.most is None else f" and at most {quantity(self.most, self.unit)}"
        return f"It costs at least {quantity(self.least, self.unit)}{most} of “{goal_name(self.goal)}”."


def pin_prices(case: Case) -> list[PinPrice]:
    """Every pin and veto in force, with its price."""
    demands = [(limit.label, demand) for limit in case.policy.limits for demand in limit.demands(case.facts)]
    if not demands:
        return []
    bests: list[int | None] = []
    deadline = time.monotonic() + SECONDS
    with Worker() as worker:
        return [pin_price(case, label, demand, bests, worker, deadline) for label, demand in demands]


def unpriced(facts: Facts, policy: Policy) -> list[PinPrice]:
    """Every pin and veto in force of a run that is too large to price them."""
    demands = [demand for limit in policy.limits for demand in limit.demands(facts)]
    return [PinPrice(demand.words, demand.wanted, "", "", 0, None, exact=False) for demand in demands]


def pin_price(
    case: Case, label: str, demand: Demand, bests: list[int | None], worker: Worker, deadline: float
) -> PinPrice:
    """One pin or veto, against the plan."""
    keys = zip(case.labels, case.formulation.rows.keys, strict=True)
    row = list(keys).index((label, demand.words))
    nothing = PinPrice(demand.words, demand.wanted, "", "", 0, None, exact=True)
    if not binds(case, row):
        return nothing
    relaxed = without(case.formulation, row)
    if (
        relaxed.n_options <= EXACT_OPTIONS
        and (solved := solved_price(case, relaxed, bests, worker, deadline)) is not None
    ):
        k, price = solved
        if not price:
            return nothing
        goal = relaxed.goals[k]
        return PinPrice(demand.words, demand.wanted, goal.label, goal.unit, price, price, exact=True)
    ours = merit_of(relaxed, case.values)
    better = found_better(case, relaxed, row, wanted=demand.wanted)
    for k, (old, new) in enumerate(zip(ours, better, strict=True)):
        if new > old:
            goal, price = relaxed.goals[k], new - old
            bound = most(case, relaxed, k)
            return PinPrice(demand.words, demand.wanted, goal.label, goal.unit, price, bound, exact=False)
        if new < old:
            break
    return replace(nothing, exact=False)


def binds(case: Case, row: int) -> bool:
    """Could the row be broken at all: a pin that a booking keeps costs nothing, nor a veto of what is no option."""
    rows = case.formulation.rows
    span = rows.matrix[[row]]
    least, largest = span @ case.formulation.column_lower, span @ case.formulation.column_upper
    return bool(least[0] < rows.lower[row] or largest[0] > rows.upper[row])


def without(model: Formulation, row: int) -> Formulation:
    """The model with one row that demands nothing."""
    lower, upper = model.rows.lower.copy(), model.rows.upper.copy()
    lower[row], upper[row] = -np.inf, np.inf
    return replace(model, rows=replace(model.rows, lower=lower, upper=upper))


def solved_price(
    case: Case, relaxed: Formulation, bests: list[int | None], worker: Worker, deadline: float
) -> tuple[int, int] | None:
    """The first goal whose best differs without the row, and by how much; (n_goals, 0) where none does.

    None where a goal is not solved in time.
    `bests` are what the model with the row reaches, goal by goal, as far as they are known; more are added.
    """
    held: list[int] = []
    for k in range(len(relaxed.goals)):
        if len(bests) == k:
            bests.append(best_value(case.formulation, held, worker, deadline))
        free, bound = best_value(relaxed, held, worker, deadline), bests[k]
        if free is None or bound is None:
            return None
        if free != bound:
            return k, abs(free - bound)
        held.append(free)
    return len(held), 0


def best_value(model: Formulation, held: Sequence[int], worker: Worker, deadline: float) -> int | None:
    """The best of goal len(held), those before held; None where it is not solved in time."""
    # Here and not above: whoever verifies a run imports the report, and with it this, and needs no solver.
    from allocator.backends import highs
    from allocator.solve.exact import goal_problem

    seconds = min(SECONDS_A_GOAL, deadline - time.monotonic())
    if seconds <= 0:
        return None
    problem = goal_problem(model, len(held), held)
    result = worker.call(highs.solve, problem, Budget(seconds), seconds=seconds).result
    if result is None or result.ending is not Ending.OPTIMAL or result.values is None:
        return None
    return model.goals[len(held)].value(result.values)


def found_better(case: Case, model: Formulation, row: int, *, wanted: bool) -> tuple[int, ...]:
    """The merit of the best plan that was found without the row, places near it moved; ours where none is better."""
    room = Room(model, loaded(model, case.allocation))
    concerned = case.formulation.rows.matrix[[row]].indices.astype(np.int64)
    concerned = concerned[~model.fixed[concerned]]  # a row of pins is about options alone
    if wanted:
        return max(room.merit, filled_without(case, room, concerned[room.loader.chosen[concerned]]))
    plans = (made_room(room, int(option), room.merit) for option in concerned)
    return max([room.merit, *(merit(model, complete(model, chosen)) for chosen in plans if chosen is not None)])


def filled_without(case: Case, room: Room, pinned: Ints) -> tuple[int, ...]:
    """The merit once the pinned placements are out, and their room filled with whoever does most for the goals."""
    loader, model = room.loader, room.formulation
    for option in pinned:
        loader.remove(int(option))
    near = np.isin(model.session, model.session[pinned]) | np.isin(model.entry, model.entry[pinned])
    placed = set(model.entry[loader.chosen].tolist())
    for option in case.by_gain(np.flatnonzero(near & helpful(model))).tolist():
        if int(model.entry[option]) not in placed and loader.can_add(option):
            loader.add(option)
            placed.add(int(model.entry[option]))
    columns = complete(model, loader.chosen)
    stands = not loader.short_sessions() and feasible(model, columns)
    return merit(model, columns) if stands else room.merit


def most(case: Case, model: Formulation, k: int) -> int | None:
    """By how much goal k could be better at most, by the certificate's prices for the model without the row."""
    certificate = case.certificate
    if not certificate.proven[k]:
        return None
    held: list[int] = [int(value) for value in certificate.held[k, :k]]
    prices: Ints = certificate.prices[k, : model.n_rows + k]
    try:
        bound = bound_of(model, k, held, prices, certificate.scale, bool(certificate.by_session[k]))
    except PricesTooLargeError:
        return None
    return abs(bound - case.values[k])
