"""plan: the best plan so far of a solve; the one thing that changes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from allocator.answer import TracePoint, gap_between
from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.solve.loader import complete, feasible, merit, merit_of
from allocator.stopwatch import Stopwatch


@dataclass(eq=False)
class Plan:
    """The best plan so far: columns (n_columns,) that keep every row. The one thing that changes here."""

    model: Model
    columns: Ints
    trace: list[TracePoint]
    _valued: Ints | None = None
    _values: dict[int, int] = field(default_factory=dict)

    @property
    def chosen(self) -> Bools:
        """(n_options,) the placements."""
        return placements(self.model, self.columns)

    def value(self, k: int) -> int:
        """Of goal k, worked out once for each plan: it is told every second, and takes long for millions of columns."""
        if self._valued is not self.columns:
            self._valued, self._values = self.columns, {}
        if k not in self._values:
            self._values[k] = self.model.goals[k].value(self.columns)
        return self._values[k]

    def offer(self, columns: Ints | None, held: Sequence[int]) -> bool:
        """Take the columns if they keep every row and what is held, and are better on the goals after."""
        if columns is None:
            return False
        tidy = complete(self.model, columns[: self.model.n_options].astype(bool))
        after, floors = merit(self.model, tidy), merit_of(self.model, held)
        before = merit_of(self.model, [self.value(k) for k in range(len(self.model.goals))])
        k = len(held)
        keeps = all(new >= floor for new, floor in zip(after, floors, strict=False))
        better = keeps and after[k:] > before[k:] and feasible(self.model, tidy)
        if better:
            self.columns = tidy
        return better

    def note(self, k: int, watch: Stopwatch, bound: int | None = None, stage: str = "solve") -> None:
        """Write down, and tell, how far goal k is."""
        goal, value = self.model.goals[k], self.value(k)
        gap = None if bound is None else gap_between(value, bound, goal.base)
        self.trace.append(TracePoint(watch.elapsed, goal.label, value, bound, gap))
        watch.tell(stage, goal.label, value, bound, gap, goal.unit, partial(placements, self.model, self.columns))


def placements(model: Model, columns: Ints) -> Bools:
    """(n_options,) of columns (n_columns,)."""
    return columns[: model.n_options].astype(bool)
