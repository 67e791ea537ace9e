"""warm: what a run leaves to the next one, its places and its prices by name, and how the next begins from them.

Prices of another day prove nothing by themselves and need not fit: they are where the search for prices begins.
A row that is new begins at the price of its like, or none, one that is gone is forgotten; rows are the same where rule
and key are. What is kept of a row is what its largest coefficient costs: the same rule may be written in other units
another day (shares of people as whole numbers, most of all), and then a price for each unit would mean something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from allocator.answer import Memory, Pairs, Start
from allocator.formulation import Formulation, Model
from allocator.instance import Array, Bools, Floats

FILE = "prices.npz"
LARGEST_PRICE = 1e30
"""What is larger no row ever costs, and the file could not hold it."""


def row_names(model: Model) -> tuple[str, ...]:
    """Rule and key of every row; of rows with the same, all but the first have their upper side behind it.

    The roundings of a session's minutes are such rows: one for each number of cases.
    """
    names = dict[str, None]()
    for block in model.blocks:
        for row in range(block.start, block.stop):
            name = f"{block.label}: {model.rows.keys[row]}"
            if name in names:
                name = f"{name}, at most {model.rows.upper[row]:g}"
            names[name if name not in names else f"{name}, row {row}"] = None
    return tuple(names)


def memory_of(formulation: Formulation, chosen: Bools, left: Start) -> Memory:
    """What the solve of a formulation leaves to the next."""
    n_goals, n_rows = len(formulation.goals), formulation.n_rows
    known = np.zeros(1 + 2 * n_goals, dtype=bool)
    prices, rates = np.zeros((1 + 2 * n_goals, n_rows)), np.zeros((2 * n_goals, n_goals))
    largest = largest_of_rows(formulation)
    if left.of_sum is not None:
        known[0], prices[0] = True, largest * left.of_sum
    for first, of_goals in ((0, left.of_goals), (n_goals, left.sharpened)):
        for k, found in of_goals.items():
            known[1 + first + k], prices[1 + first + k] = True, largest * found[:n_rows]
            rates[first + k, :k] = found[n_rows:]
    labels = tuple(goal.label for goal in formulation.goals)
    return Memory(pairs_of(formulation, chosen), row_names(formulation), labels, known, prices, rates)


def pairs_of(formulation: Formulation, chosen: Bools) -> Pairs:
    """(entry_id, session_id) of the options chosen (n_options,)."""
    options, picked = formulation.options, np.flatnonzero(chosen)
    entries = options.instance.column("patients", "entry_id")[options.entry[picked]]
    sessions = options.instance.column("sessions", "session_id")[options.session[picked]]
    return tuple(zip(entries.tolist(), sessions.tolist(), strict=True))


def start_of(memory: Memory, formulation: Formulation) -> Start:
    """The memory in the numbers of a formulation: places that still are options, prices of rows that still are."""
    options = formulation.options
    entry_row, session_row = options.instance.entry_row, options.instance.session_row
    wanted = {(entry_row.get(entry, -1), session_row.get(session, -1)) for entry, session in memory.pairs}
    pairs = zip(options.entry.tolist(), options.session.tolist(), strict=True)
    chosen = np.fromiter((pair in wanted for pair in pairs), dtype=bool, count=len(options))
    number = {name: row for row, name in enumerate(memory.rows)}
    place = np.array([number.get(name, -1) for name in row_names(formulation)], dtype=np.int64)

    largest = largest_of_rows(formulation)

    def of_rows(prices: Floats) -> Floats:
        return as_like_sessions(formulation, np.append(prices, 0.0)[place], place >= 0) / largest

    def of_goals(first: int) -> dict[int, Floats]:
        found = {}
        for k, goal in enumerate(formulation.goals):
            if goal.label in memory.goals and memory.known[1 + (old := first + memory.goals.index(goal.label))]:
                rates = [_rate(memory, old, earlier.label) for earlier in formulation.goals[:k]]
                found[k] = np.append(of_rows(memory.prices[1 + old]), rates)
        return found

    of_sum = of_rows(memory.prices[0]) if memory.known[0] else None
    return Start(chosen, of_sum, of_goals(0), of_goals(len(memory.goals)))


def largest_of_rows(model: Model) -> Floats:
    """(n_rows,) the largest coefficient of each row, or of the groups in it, without its sign; 1 where it has none."""
    found = np.ones(model.n_rows)
    for matrix in (model.rows.direct, model.rows.weights):
        rows = np.flatnonzero(np.diff(matrix.indptr))
        if len(rows):
            starts = matrix.indptr[rows]
            high, low = np.maximum.reduceat(matrix.data, starts), np.minimum.reduceat(matrix.data, starts)
            found[rows] = np.maximum(found[rows], np.maximum(high, -low))
    return found


def as_like_sessions(model: Model, prices: Floats, known: Bools) -> Floats:
    """Prices (n_rows,) where a new row of one session alone has the mean of the known ones of sessions like it.

    Of all sessions where none is like it. At no price a new list looks free to everybody, and it takes the search for
    prices long to learn better.
    """
    own = np.flatnonzero(model.sessions.inside & (np.diff(model.rows.direct.indptr) > 0))
    column = model.rows.direct.indices[model.rows.direct.indptr[own]]
    own, column = own[column < model.n_options], column[column < model.n_options]
    block = np.searchsorted([block.start for block in model.blocks], own, side="right")
    found = prices.copy()
    for like in (block, model.alike[model.session[column]] * (len(model.blocks) + 1) + block):
        told, total = np.bincount(like, known[own]), np.bincount(like, np.where(known[own], prices[own], 0.0))
        new = ~known[own] & (told[like] > 0)
        found[own[new]] = (total / np.maximum(told, 1.0))[like[new]]
    return found


def _rate(memory: Memory, goal: int, earlier: str) -> float:
    return float(memory.rates[goal, memory.goals.index(earlier)]) if earlier in memory.goals else 0.0


def memory_from(pairs: Pairs, arrays: Mapping[str, Array]) -> Memory:
    """What the arrays of a prices file say; KeyError or ValueError where they say nothing sensible."""
    rows, goals = tuple(map(str, arrays["rows"])), tuple(map(str, arrays["goals"]))
    if any(arrays[name].dtype.kind != "f" for name in ("prices", "rates")):
        raise ValueError("a price is no number")
    prices, rates = arrays["prices"].astype(np.float64), arrays["rates"].astype(np.float64)
    n_goals = len(goals)
    known = arrays["known"]
    n_found = 2 * n_goals
    if (prices.shape, rates.shape, known.shape) != ((1 + n_found, len(rows)), (n_found, n_goals), (1 + n_found,)):
        raise ValueError("its arrays do not fit each other")
    if not all((np.abs(found) < LARGEST_PRICE).all() for found in (prices, rates)):
        raise ValueError("a price is no number, or far too large")
    return Memory(pairs, rows, goals, known.astype(bool), prices, rates)


def memory_arrays(memory: Memory) -> dict[str, Array]:
    """The arrays of a prices file."""
    return {
        "rows": _text(memory.rows),
        "goals": _text(memory.goals),
        "known": memory.known,
        "prices": memory.prices.astype(np.float32),
        "rates": memory.rates.astype(np.float32),
    }


def _text(words: Sequence[str]) -> Array:
    return np.array(words, dtype=np.str_) if words else np.zeros(0, dtype="<U1")
