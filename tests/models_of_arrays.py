"""Random tiny models made of arrays alone, and all their plans by enumeration."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from allocator.certificate import UNPRICED
from allocator.formulation import Block, GoalVector, Model, forgiving
from allocator.instance import Ints
from allocator.rows import Rows

Triplets = list[tuple[int, int]]


@dataclass
class RowList:
    """Rows written down one by one."""

    cells: list[tuple[int, int, int]] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    weights: list[tuple[int, int, int]] = field(default_factory=list)

    def add(
        self,
        cells: Triplets,
        lower: float = -np.inf,
        upper: float = np.inf,
        weights: Triplets | None = None,
    ) -> int:
        """One row from pairs (column, coefficient) and pairs (group, weight); its number."""
        row = len(self.lower)
        self.cells += [(row, column, coefficient) for column, coefficient in cells]
        self.weights += [(row, group, weight) for group, weight in weights or []]
        self.lower.append(lower)
        self.upper.append(upper)
        return row

    def rows(self, n_columns: int, members: Triplets | None = None) -> Rows:
        """The rows over so many columns; members are pairs (group, column)."""
        cells = np.array(self.cells, dtype=np.int64).reshape(-1, 3).T
        weights = np.array(self.weights, dtype=np.int64).reshape(-1, 3).T
        pairs = np.array(members or [], dtype=np.int64).reshape(-1, 2).T
        return Rows.of_groups(
            n_columns,
            [f"row {number}" for number in range(len(self.lower))],
            (cells[0], cells[1], cells[2]),
            (pairs[0], pairs[1]),
            (weights[0], weights[1], weights[2]),
            lower=np.array(self.lower),
            upper=np.array(self.upper),
        )


def model_of(
    pairs: Triplets,
    n_sessions: int,
    rows: Rows,
    values: list[list[int]],
    *,
    senses: tuple[str, ...] = ("max",),
    openings: tuple[int, ...] = (),
    auxiliaries: tuple[int, ...] = (),
    fixed: tuple[int, ...] = (),
    n_one_place: int = 0,
) -> Model:
    """A model of options (entry, session), sorted; its first rows are those of one place an entry."""
    entry, session = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    is_fixed = np.zeros(len(pairs), dtype=bool)
    is_fixed[list(fixed)] = True
    opened = np.isin(np.array(openings, dtype=np.int64), session[is_fixed])
    lower = np.concatenate([is_fixed, opened, np.zeros(len(auxiliaries))]).astype(np.int64)
    upper = np.concatenate([np.ones(len(pairs) + len(openings)), auxiliaries]).astype(np.int64)
    vectors = [np.array(of_goal, dtype=np.int64) for of_goal in values]
    return Model(
        n_entries=int(entry.max(initial=-1)) + 1,
        n_sessions=n_sessions,
        entry=entry,
        session=session,
        fixed=is_fixed,
        alike=np.arange(n_sessions),
        opening_session=np.array(openings, dtype=np.int64),
        rows=forgiving(rows, lower),
        blocks=(Block(UNPRICED, 0, n_one_place),) if n_one_place else (),
        column_lower=lower,
        column_upper=upper,
        goals=tuple(
            GoalVector(f"goal {k}", "goal", sense, "units", 0.0, vector, 3 * k, 0)  # type: ignore[arg-type]
            for k, (vector, sense) in enumerate(zip(vectors, senses, strict=True))
        ),
    )


def random_model(rng: np.random.Generator) -> Model:
    """Up to eight options with capacities, counts, openings, couplings, groups, an auxiliary, fixed places."""
    n_entries, n_sessions = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    every = [(entry, session) for entry in range(n_entries) for session in range(n_sessions)]
    number = min(len(every), int(rng.integers(1, 9)))
    pairs = sorted(every[k] for k in rng.permutation(len(every))[:number])
    used = sorted({session for _, session in pairs})
    openings = tuple(int(s) for s in used if rng.random() < 0.5)
    auxiliaries = tuple(int(rng.integers(1, 3)) for _ in range(rng.integers(0, 2)))
    fixed = tuple(option for option in range(number) if rng.random() < 0.08)
    n_columns = number + len(openings) + len(auxiliaries)
    found = RowList()
    for entry in sorted({entry for entry, _ in pairs}):
        lower = 1.0 if rng.random() < 0.05 else -np.inf
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], lower, 1)
    n_one_place = len(found.lower)
    for session in used:
        own = [option for option, (_, of) in enumerate(pairs) if of == session]
        opening = number + openings.index(session) if session in openings else None
        add_local_rows(rng, found, own, opening)
    members = [(group, column) for group in range(2) for column in range(number) if rng.random() < 0.5]
    for _ in range(rng.integers(0, 4)):
        cells = [(column, int(rng.integers(-3, 6))) for column in range(n_columns) if rng.random() < 0.5]
        weights = [(group, int(rng.integers(-2, 4))) for group in range(2) if rng.random() < 0.3]
        low, high = sorted(rng.integers(-3, 9, 2).tolist())
        kind = rng.integers(0, 3)
        found.add(cells, low - 4 if kind != 1 else -np.inf, high if kind != 0 else np.inf, weights)
    order = np.concatenate([np.arange(n_one_place), n_one_place + rng.permutation(len(found.lower) - n_one_place)])
    rows = found.rows(n_columns, members).take(order)
    n_goals = int(rng.integers(1, 3))
    values = rng.integers(-6, 15, (n_goals, n_columns)).tolist()
    senses = tuple(str(sense) for sense in rng.choice(["max", "min"], n_goals))
    return model_of(
        pairs,
        n_sessions,
        rows,
        values,
        senses=senses,
        openings=openings,
        auxiliaries=auxiliaries,
        fixed=fixed,
        n_one_place=n_one_place,
    )


def add_local_rows(rng: np.random.Generator, found: RowList, own: list[int], opening: int | None) -> None:
    """Rows of one session as rules make them, and some that no rule makes."""

    def opens(coefficient: int) -> Triplets:
        return [] if opening is None else [(opening, coefficient)]

    step = int(rng.choice([1, 1, 5]))
    for _ in range(rng.integers(0, 3)):
        room = step * int(rng.integers(1, 10))
        lightest = 0 if rng.random() < 0.2 else 1
        weights = [(option, step * int(rng.integers(lightest, 6))) for option in own]
        found.add(weights + opens(-room), upper=room if opening is None else 0)
    if rng.random() < 0.4:
        most = int(rng.integers(1, 4))
        found.add([(option, 1) for option in own] + opens(-most), upper=most if opening is None else 0)
    if opening is not None and rng.random() < 0.8:
        found.add([(option, 1) for option in own] + opens(-len(own)), upper=0)
    if opening is not None and rng.random() < 0.6:
        found.add([(option, 1) for option in own] + opens(-int(rng.integers(1, 4))), lower=0)
    if rng.random() < 0.3:
        cells = [(option, int(rng.integers(-2, 3))) for option in own] + opens(int(rng.integers(-3, 4)))
        low = int(rng.integers(-4, 2))
        found.add(cells, low if rng.random() < 0.5 else -np.inf, low + 3 if rng.random() < 0.7 else np.inf)
    if rng.random() < 0.2:
        low = int(rng.integers(0, 3))
        found.add([(option, 1) for option in own], low, low + 1)


def all_plans(model: Model) -> Ints:
    """(n_plans, n_columns) every choice within the boxes that keeps every row."""
    boxes = zip(model.column_lower.tolist(), model.column_upper.tolist(), strict=True)
    z = np.array(list(itertools.product(*(range(low, high + 1) for low, high in boxes))), dtype=np.int64)
    activity = z @ model.rows.matrix.toarray().T
    plans: Ints = z[((activity >= model.rows.lower) & (activity <= model.rows.upper)).all(axis=1)]
    return plans


def held_of(model: Model, plans: Ints, k: int) -> list[int]:
    """What the goals before k are held at: the values of the first plan."""
    return [goal.value(plans[0]) for goal in model.goals[:k]]


def plans_that_hold(model: Model, plans: Ints, held: list[int]) -> Ints:
    """(n_kept, n_columns) the plans that are as good as this on the first goals."""
    keeps = np.ones(len(plans), dtype=bool)
    for goal, value in zip(model.goals, held, strict=False):
        merit = plans @ goal.values + goal.constant
        keeps &= merit >= value if goal.sense == "max" else merit <= value
    kept: Ints = plans[keeps]
    return kept
