"""Price tags: what loosening a rule, one more list or one more bed is worth on each goal, from a run's prices alone.

A run leaves prices u that prove a bound on every goal (`allocator.certificate`). A relaxed model has its own rows,
sides, coefficients and options. Any prices prove a bound on any model, so the same u, laid on the rows of the same
name, prove one there too. That covers the three kinds alike:

    a right-hand side   the bound moves by price times change: with b' the new side, u b' - u b
    a screen            the options that it would admit are priced by the rows that they would use
    a coefficient       the bound is worked out anew with it

Rows that are new (the minutes of a list that is added) are priced where the bound is least: with one option an entry
in the row, that is the fractional knapsack of what each option is worth above the entry's next best.

Which way it errs. Write v for the run's value and b for its bound, v' for the value of the run's own plan in the
relaxed model and b' for the bound there, all turned so that larger is better, goals before held at what that plan
reaches. The run's plan is there in both models, so the best possible lies in [v, b] and in [v', b'], and the gain in

    v' - b  <=  gain  <=  b' - v

The upper end never understates the gain; it is too large by at most the two gaps together. The estimate b' - b is
what the bound moves by: too small by at most the gap b - v, too large by at most the gap of b'. Where every plan of
the run's model is a plan of the relaxed one with the same values (`widens`), the gain is not below 0 either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import Certificate
from allocator.audit import beats
from allocator.certificate import UNPRICED, bound_of, held_value, priced_rows, terms_of
from allocator.errors import ContradictionError
from allocator.formulation import Formulation
from allocator.instance import Ints
from allocator.lab.changes import Changes, changed_instance
from allocator.lab.ground import Ground, ground_of
from allocator.policy import Policy
from allocator.solve.loader import feasible, goal_values

NO_CHANGES = Changes()


@dataclass(frozen=True)
class Relaxation:
    """Something that could be loosened. `kind` is parameter, rule, list or bed; `of` the rule or the site."""

    kind: str
    of: str
    what: str
    policy: Policy
    changes: Changes = NO_CHANGES


@dataclass(frozen=True)
class GoalTag:
    """What a relaxation is worth on one goal: the gain, positive where better, lies in [low, high]."""

    label: str
    unit: str
    sense: str
    estimate: int
    low: int
    high: int


@dataclass(frozen=True)
class RowTag:
    """One unit more on one row of a limit: the gain on a goal is at most `high`, and about `price`, no more."""

    rule: str
    row: str
    goal: str
    unit: str
    sense: str
    price: float
    high: int


@dataclass(frozen=True)
class Tag:
    """A relaxation with what it is worth on every goal, in order.

    rows  of the rows that it widens by their side alone, the one worth most on each goal (a bed: its dearest night)
    """

    relaxation: Relaxation
    goals: tuple[GoalTag, ...]
    rows: tuple[RowTag, ...] = ()

    @property
    def worth(self) -> tuple[int, ...]:
        """Estimates in the order of the goals: the larger, the earlier a goal gains."""
        return tuple(goal.estimate for goal in self.goals)


@dataclass(frozen=True, eq=False)
class Priced:
    """A run as prices see it: its ground, its plan, and its certificate."""

    ground: Ground
    allocation: Allocation
    certificate: Certificate

    @property
    def model(self) -> Formulation:
        """The run's formulation."""
        return self.ground.formulation

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The plan's value on every goal."""
        return goal_values(self.model, self.ground.columns(self.allocation))

    @cached_property
    def bounds(self) -> tuple[int, ...]:
        """The bound on every goal, goals before held at the plan's values."""
        return bounds_on(self, self.ground, self.values)

    @cached_property
    def row_of(self) -> Mapping[tuple[str, str, int], int]:
        """(rule, key, how often it stood before) -> row."""
        return {name: row for row, name in enumerate(row_names(self.model))}


def tag(priced: Priced, relaxation: Relaxation) -> Tag | None:
    """The tag of a relaxation; None where the run's plan does not keep it, so that it is none."""
    instance = changed_instance(priced.ground.facts.instance, relaxation.changes)
    try:
        relaxed = ground_of(instance, relaxation.policy, priced.ground.facts.travel)
    except ContradictionError:
        return None  # a pin of the run has no session left: tighter, not looser
    columns = relaxed.columns(relaxed.allocation(priced.allocation.placements))
    kept = int(columns[: relaxed.formulation.n_options].sum()) == len(priced.allocation.placements)
    if not kept or not feasible(relaxed.formulation, columns):
        return None
    values = goal_values(relaxed.formulation, columns)
    bounds = bounds_on(priced, relaxed, values)
    wider = widens(priced.ground, relaxed)
    goals = []
    for k, goal in enumerate(priced.model.goals):
        sign = 1 if goal.sense == "max" else -1
        low = sign * (values[k] - priced.bounds[k])
        high = sign * (bounds[k] - priced.values[k])
        estimate = sign * (bounds[k] - priced.bounds[k])
        goals.append(GoalTag(goal.label, goal.unit, goal.sense, estimate, max(0, low) if wider else low, high))
    rows = tuple(row_tags(priced, widened_rows(priced, relaxed.formulation)))
    return Tag(relaxation, tuple(goals), rows)


def widened_rows(priced: Priced, relaxed: Formulation) -> Ints:
    """Rows of the run's model whose upper side is higher in a relaxed one."""
    pairs = [(priced.row_of[name], row) for row, name in enumerate(row_names(relaxed)) if name in priced.row_of]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    wider: Ints = rows[relaxed.rows.upper[rows[:, 1]] > priced.model.rows.upper[rows[:, 0]], 0]
    return wider


def row_tags(priced: Priced, rows: Ints) -> Iterator[RowTag]:
    """Of these rows the one with the largest price on each goal, and what one unit more there is worth.

    For a right-hand side nothing has to be worked out anew: with u the price of the row, the bound moves by u.
    """
    model, certificate = priced.model, priced.certificate
    label_of = {row: block.label for block in model.blocks for row in range(block.start, block.stop)}
    for k, goal in enumerate(model.goals):
        prices = certificate.prices[k, rows] if len(rows) else np.zeros(0, dtype=np.int64)
        price = round(float(prices.max(initial=0)) / certificate.scale, 2)
        if price == 0 or (certificate.by_session[k] and model.sessions.inside[rows[prices.argmax()]]):
            continue
        row = int(rows[prices.argmax()])
        upper = model.rows.upper.copy()
        upper[row] += 1
        wider = replace(model, rows=replace(model.rows, upper=upper))
        floors = [held_value(model, j, value) for j, value in enumerate(priced.values[:k])]
        used = certificate.prices[k, : model.n_rows + k]
        bound = bound_of(wider, k, floors, used, certificate.scale, bool(certificate.by_session[k]))
        high = (bound - priced.values[k]) * (1 if goal.sense == "max" else -1)
        if high > 0:
            told = min(price, float(high))
            yield RowTag(label_of[row], model.rows.keys[row], goal.label, goal.unit, goal.sense, told, high)


def bounds_on(priced: Priced, ground: Ground, values: Sequence[int]) -> tuple[int, ...]:
    """The bounds that the run's prices prove in a model, goals before held at `values`."""
    model, certificate = ground.formulation, priced.certificate
    floors = [held_value(model, j, value) for j, value in enumerate(values)]
    rows = [priced.row_of.get(name, -1) for name in row_names(model)]
    old = np.array(rows, dtype=np.int64)
    option_of = priced.ground.option_of
    admitted = np.flatnonzero([pair not in option_of for pair in ground.pairs])
    found = []
    for k in range(len(model.goals)):
        prices = np.zeros(model.n_rows + k, dtype=np.int64)
        prices[: model.n_rows] = np.where(old >= 0, certificate.prices[k, old], 0)
        prices[model.n_rows :] = certificate.prices[k, priced.model.n_rows : priced.model.n_rows + k]
        by_session = bool(certificate.by_session[k])
        if not by_session and (old < 0).any():
            price_new_rows(model, k, floors[:k], prices, certificate.scale, np.flatnonzero(old < 0))
        bound = bound_of(model, k, floors[:k], prices, certificate.scale, by_session)
        if by_session:
            prices[: model.n_rows] += worth_of_places(model, k, floors[:k], prices, certificate.scale, admitted)
            again = bound_of(model, k, floors[:k], prices, certificate.scale, by_session)
            bound = again if beats(model.goals[k].sense, bound, again) else bound
        found.append(bound)
    return tuple(found)


def worth_of_places(model: Formulation, k: int, held: Sequence[int], prices: Ints, scale: int, admitted: Ints) -> Ints:
    """(n_rows,) what the admitted options are worth, on the rows of one place of their entries.

    What an entry is worth in the one session that it had may stand in the session's value: a second session would
    count it again, unless its place costs what it is worth there.
    """
    row_of = np.full(model.n_columns, -1, dtype=np.int64)
    for block in model.blocks:
        if block.label == UNPRICED:
            places = model.rows.direct[block.start : block.stop].tocoo()
            row_of[places.col] = block.start + places.row
    having = admitted[row_of[admitted] >= 0]
    reduced = terms_of(model, k, held, prices, scale, by_session=True).reduced
    worth = np.zeros(model.n_rows, dtype=np.int64)
    np.maximum.at(worth, row_of[having], reduced[having])
    return worth


def price_new_rows(model: Formulation, k: int, held: Sequence[int], prices: Ints, scale: int, new: Ints) -> None:
    """Write prices of new rows into `prices` (n_rows + k,): each where the bound is least, one after the other.

    A row that needs an opening has the room of the open session: else its dearest minute would be the price of all.
    """
    may = priced_rows(model, k)
    reduced = terms_of(model, k, held, prices, scale, by_session=False).reduced
    n_options = model.n_options
    for row in new[may[new] & np.isfinite(model.rows.upper[new])].tolist():
        line = model.rows.direct[[row]].tocoo()
        inside = line.col < n_options
        option: Ints = line.col[inside].astype(np.int64)
        weight: Ints = line.data[inside]
        if not len(option) or (weight <= 0).any():
            continue
        surplus: Ints = reduced[option] - best_elsewhere(model, reduced, option)
        gains = np.flatnonzero(surplus > 0)
        order = gains[np.argsort(-surplus[gains] / weight[gains], kind="stable")]
        room = model.rows.upper[row] - np.minimum(line.data[~inside], 0).sum()
        beyond = np.flatnonzero(np.cumsum(weight[order]) > room)
        if len(beyond):
            marginal = order[beyond[0]]
            prices[row] = int(surplus[marginal] // weight[marginal])
            reduced[line.col] -= prices[row] * line.data


def best_elsewhere(model: Formulation, reduced: Ints, option: Ints) -> Ints:
    """(len(option),) the best reduced price of the same entry outside these options, or nothing."""
    outside = np.ones(model.n_options, dtype=bool)
    outside[option] = False
    outside &= ~model.fixed
    best = np.zeros(model.n_entries, dtype=np.int64)
    np.maximum.at(best, model.entry[outside], reduced[: model.n_options][outside])
    found: Ints = best[model.entry[option]]
    return found


def row_names(model: Formulation) -> list[tuple[str, str, int]]:
    """(rule, key, how often the two stood before) of every row: rows of the same name are the same row."""
    names = []
    seen: dict[tuple[str, str], int] = {}
    for block in model.blocks:
        for key in model.rows.keys[block.start : block.stop]:
            number = seen.get((block.label, key), 0)
            seen[block.label, key] = number + 1
            names.append((block.label, key, number))
    return names


def column_names(ground: Ground) -> list[tuple[str, str]]:
    """What each column is: a pair of ids, a session that is opened, or an auxiliary with its rule."""
    session_ids = ground.facts.instance.column("sessions", "session_id")
    names = [*ground.pairs, *(("", session_id) for session_id in session_ids[ground.formulation.opening_session])]
    for label, group in ground.formulation.columns.auxiliaries:
        names += [(f"auxiliary {label}", auxiliary.key) for auxiliary in group]
    return names


def widens(base: Ground, relaxed: Ground) -> bool:
    """Is every plan of `base` a plan of `relaxed`, with the same value on every goal: shown row by row.

    False also where it is so and cannot be shown in this way.
    """
    one, other = base.formulation, relaxed.formulation
    place = {name: column for column, name in enumerate(column_names(relaxed))}
    at = [place.get(name, -1) for name in column_names(base)]
    names = {name: row for row, name in enumerate(row_names(other))}
    if min(at, default=0) < 0:
        return False
    columns = np.array(at, dtype=np.int64)
    mine = {name: row for row, name in enumerate(row_names(one))}
    shared = [(mine[name], row) for name, row in names.items() if name in mine]
    rows = np.array(shared, dtype=np.int64).reshape(-1, 2)
    new = np.array([row for name, row in names.items() if name not in mine], dtype=np.int64)
    there = other.rows.matrix[:, columns].tocsr()
    return bool(
        all(
            (g.values == h.values[columns]).all() and g.constant == h.constant
            for g, h in zip(one.goals, other.goals, strict=True)
        )
        and (one.column_upper <= other.column_upper[columns]).all()
        and (one.column_lower >= other.column_lower[columns]).all()
        and not other.column_lower[np.setdiff1d(np.arange(other.n_columns), columns)].any()
        and abs(one.rows.matrix[rows[:, 0]] - there[rows[:, 1]]).nnz == 0
        and (other.rows.lower[rows[:, 1]] <= one.rows.lower[rows[:, 0]]).all()
        and (other.rows.upper[rows[:, 1]] >= one.rows.upper[rows[:, 0]]).all()
        and there[new].nnz == 0
        and (other.rows.lower[new] <= 0).all()
        and (other.rows.upper[new] >= 0).all()
    )
