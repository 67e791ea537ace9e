"""contradiction: why pins cannot all be kept: the smallest set of pins and rows that has no plan, found and re-checked.

Parts are the pins, one each, and the rules, all rows of one together. The smallest set of parts without a plan is
found through its corrections: every set without a plan has a member in each of them, so a smallest set that has one
in all those known, and has no plan, is the smallest of all. Within it the rules are cut down to the rows that are
needed, one by one. Then two things are checked again: a second solver finds no plan for the set either, and for each
member there is a plan once it is left out, which keeps all others in whole numbers.
Source: Ignatiev, Previti, Liffiton and Marques-Silva, Smallest MUS extraction with minimal hitting set dualization
(CP 2015).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from allocator.backends import cpsat, highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import Worker
from allocator.ending import Ending
from allocator.errors import ContradictionError
from allocator.formulation import Model
from allocator.solve.construct import asking_rows

Part = tuple[int, ...]
"""Rows that stand or fall together."""


@dataclass(frozen=True)
class Smallest:
    """Rows that together have no plan.

    pins, rows  what a person asked, and the rows of rules that are in the way
    smallest    no smaller number of pins and rules contradicts; else none of these can be left out, and that is all
    checked     a second solver agrees, and without any one member a plan was exhibited
    """

    pins: tuple[int, ...]
    rows: tuple[int, ...]
    smallest: bool
    checked: bool


class NoTimeLeftError(RuntimeError):
    """A question could not be answered in what was left of the seconds."""


class Questions:
    """Asks a solver whether some of the rows have a plan, until the seconds are over."""

    def __init__(self, problem: Problem, budget: Budget, worker: Worker) -> None:
        self._problem, self._budget, self._worker = problem, budget, worker
        self._ends = time.monotonic() + budget.seconds

    def has_plan(self, rows: Iterable[int], solver: object = highs) -> bool:
        """Is there a plan that keeps these rows; one that is claimed is looked at in whole numbers."""
        whole = self._problem
        kept = np.array(sorted(set(rows)), dtype=np.int64)
        matrix = sparse.csc_array(whole.matrix[kept])
        # A column in none of the rows keeps its box whatever it is: it is left out.
        columns = np.flatnonzero(np.diff(matrix.indptr))
        if not len(columns):
            return bool(((whole.lower[kept] <= 0) & (whole.upper[kept] >= 0)).all())
        problem = Problem(
            sparse.csr_array(matrix[:, columns]),
            whole.lower[kept],
            whole.upper[kept],
            whole.column_lower[columns],
            whole.column_upper[columns],
            np.zeros(len(columns), dtype=np.int64),
        )
        left = self._ends - time.monotonic()
        if left <= 0:
            raise NoTimeLeftError
        solve = cpsat.solve if solver is cpsat else highs.solve
        result = self._worker.call(solve, problem, replace(self._budget, seconds=left), seconds=left).result
        if result is not None and result.values is not None:
            return True
        if result is None or result.ending is not Ending.INFEASIBLE:
            raise NoTimeLeftError
        return False


def contradiction(model: Model, problem: Problem, budget: Budget, worker: Worker) -> ContradictionError:
    """The error for a `problem` (any plan at all) that has none."""
    found = smallest_contradiction(model, Questions(problem, budget, worker))
    return ContradictionError("\n".join(lines(model, found)))


def lines(model: Model, found: Smallest) -> list[str]:
    """What contradicts, for people."""
    label_of = {row: block.label for block in model.blocks for row in range(block.start, block.stop)}
    told = ["No plan keeps all of these:"]
    told += [model.rows.keys[row] for row in found.pins]
    told += [f"rule {label_of[row]}: {model.rows.keys[row]}" for row in found.rows]
    if found.smallest:
        told.append("Fewer pins and rules do not contradict: without any one of these there is a plan.")
    if found.checked:
        told.append("Checked again by a second solver.")
    return [*told, "Maybe withdraw one."]


def smallest_contradiction(model: Model, questions: Questions) -> Smallest:
    """The smallest set of pins and rules that has no plan; where time runs out, all pins and no claim."""
    asking = asking_rows(model)
    pins: list[Part] = [(int(row),) for row in np.flatnonzero(asking)]
    rules = [
        tuple(row for row in range(block.start, block.stop) if not asking[row] and matters(model, row))
        for block in model.blocks
    ]
    parts = [*pins, *(rule for rule in rules if rule)]
    try:
        chosen = smallest_set(parts, questions)
    except NoTimeLeftError:
        return Smallest(tuple(row for pin in pins for row in pin), (), smallest=False, checked=False)
    of_pins = [parts[k][0] for k in chosen if k < len(pins)]
    try:
        rows = needed_rows(of_pins, [row for k in chosen if k >= len(pins) for row in parts[k]], questions)
        checked = checked_again([*of_pins, *rows], questions)
    except NoTimeLeftError:
        return Smallest(tuple(of_pins), tuple(parts[k][0] for k in chosen if k >= len(pins)), True, checked=False)
    return Smallest(tuple(of_pins), tuple(rows), smallest=True, checked=checked)


def matters(model: Model, row: int) -> bool:
    """Has the row a side that a plan could break."""
    return bool(np.isfinite(model.rows.lower[row]) or np.isfinite(model.rows.upper[row]))


def smallest_set(parts: Sequence[Part], questions: Questions) -> list[int]:
    """Numbers of the fewest parts that together have no plan."""
    corrections: list[set[int]] = []
    while True:
        chosen = fewest_that_meet(corrections, len(parts))
        if not questions.has_plan(row for k in chosen for row in parts[k]):
            return chosen
        kept = set(chosen)
        for k in range(len(parts)):
            if k not in kept and questions.has_plan(row for j in (*kept, k) for row in parts[j]):
                kept.add(k)
        corrections.append(set(range(len(parts))) - kept)


def fewest_that_meet(sets: Sequence[set[int]], n: int) -> list[int]:
    """The fewest of the numbers 0..n that have a member in every one of the sets, by branching on the smallest set."""
    best: list[int] = list(range(n))

    def branch(taken: list[int], left: list[set[int]]) -> None:
        nonlocal best
        if not left:
            best = sorted(taken) if len(taken) < len(best) else best
            return
        if len(taken) + 1 >= len(best):
            return
        few: set[int] = min(left, key=len)
        for member in sorted(few):
            branch([*taken, member], [other for other in left if member not in other])

    branch([], list(sets))
    return best


def needed_rows(pins: Sequence[int], rows: Sequence[int], questions: Questions) -> list[int]:
    """Of these rows those that are needed for there to be no plan with the pins; halves are left out first."""
    if not rows or not questions.has_plan(pins):
        return []
    return _needed(list(pins), list(rows), questions)


def _needed(base: list[int], rows: list[int], questions: Questions) -> list[int]:
    """Divide and conquer (Junker, QuickXplain, 2004): `base` has a plan, with `rows` it has none."""
    if len(rows) == 1:
        return rows
    half = len(rows) // 2
    first, second = rows[:half], rows[half:]
    if not questions.has_plan([*base, *first]):
        return _needed(base, first, questions)
    if not questions.has_plan([*base, *second]):
        return _needed(base, second, questions)
    of_second = _needed([*base, *first], second, questions)
    if not questions.has_plan([*base, *of_second]):
        return of_second
    return [*_needed([*base, *of_second], first, questions), *of_second]


def checked_again(rows: Sequence[int], questions: Questions) -> bool:
    """Does a second solver find no plan for all of them, and is there one without each."""
    return not questions.has_plan(rows, cpsat) and all(
        questions.has_plan([other for other in rows if other != row]) for row in rows
    )
