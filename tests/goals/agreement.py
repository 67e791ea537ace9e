"""Do a goal's price and its score agree: sets of pairs are tried one by one, auxiliaries at their best."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np

from allocator.allocation import Allocation
from allocator.formulation import openings
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options, build_options
from allocator.rows import Rows
from allocator.rule import Columns, Goal


def all_pairs(facts: Facts) -> Options:
    """Every entry that waits with every session, no screen, and the fixed places."""
    return build_options(facts, ())


def columns_of(goal: Goal, options: Options) -> Columns:
    declared = goal.auxiliaries(options)
    return Columns(options, openings(options), ((goal.label, declared),) if declared else ())


def every_set(options: Options) -> Iterable[Bools]:
    """Every set of options, the fixed ones always among them, (n_options,)."""
    free = np.flatnonzero(~options.fixed)
    for bits in product((False, True), repeat=len(free)):
        chosen = options.fixed.copy()
        chosen[free] = bits
        yield chosen


def random_sets(options: Options, how_many: int, seed: int) -> Iterable[Bools]:
    """Random sets of options from sparse to dense, the fixed ones always among them."""
    random = np.random.default_rng(seed)
    for share in random.random(how_many):
        yield options.fixed | (random.random(len(options)) < share)


def completed(goal: Goal, columns: Columns, rows: Rows, chosen: Bools) -> Ints:
    """All columns (n,): the chosen options, sessions in use opened, auxiliaries as small as the rows allow."""
    point = np.zeros(columns.n, dtype=np.int64)
    point[: len(chosen)] = chosen
    in_use = np.intersect1d(columns.options.session[chosen], columns.opening_session)
    point[columns.opening_column[in_use]] = 1
    matrix = rows.matrix.toarray()
    for column in columns.auxiliary_columns(goal.label):
        assert goal.sense == "min"
        for row in np.flatnonzero(matrix[:, column]):
            missing = int(rows.lower[row] - matrix[row] @ point)
            point[column] += max(0, -(-missing // int(matrix[row, column])))
    return point


def assert_price_is_score(goal: Goal, options: Options, sets: Iterable[Bools]) -> set[int]:
    """Price and score agree on every set, and no row is in the way of one; returns the values met."""
    columns = columns_of(goal, options)
    rows, price = goal.rows(columns), goal.price(columns)
    assert price.values.shape == (columns.n,)
    assert price.values.dtype == np.int64
    met = set()
    for chosen in sets:
        point = completed(goal, columns, rows, chosen)
        activity = rows.matrix @ point
        assert (activity >= rows.lower).all()
        assert (activity <= rows.upper).all()
        allocation = Allocation.from_options(options, chosen)
        value = price.constant + int(price.values @ point)
        assert value == goal.score(options.facts, allocation), allocation.placements
        if all(len(places) == 1 for places in allocation.of_entry.values()):
            uppers = [auxiliary.upper for auxiliary in goal.auxiliaries(options)]
            assert (point[columns.auxiliary_columns(goal.label)] <= np.array(uppers, dtype=np.int64)).all()
        met.add(value)
    return met


def value_of(goal: Goal, facts: Facts, *pairs: tuple[str, str]) -> int:
    """The value of the plan with these new (entry_id, session_id), by price and by score, which agree."""
    options = all_pairs(facts)
    entry_ids = facts.instance.column("patients", "entry_id")[options.entry]
    session_ids = facts.instance.column("sessions", "session_id")[options.session]
    given = list(zip(entry_ids, session_ids, strict=True))
    assert set(pairs) <= set(given)
    chosen = options.fixed | np.array([pair in pairs for pair in given], dtype=bool)
    (value,) = assert_price_is_score(goal, options, [chosen])
    return value
