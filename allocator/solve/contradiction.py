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
from contextlib import suppress
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
from allocator.words import number

Part = tuple[int, ...]
"""Rows that stand or fall together."""


@dataclass(frozen=True)
class Smallest:
    """Rows that together have no plan.

    pins, rows  what a person asked, and the rows of rules that are in the way
    needed      none of them can be left out; else these are all pins, and time was too short to say more
    smallest    no smaller number of pins and rules contradicts
    checked     a second solver agrees, and without any one member a plan was exhibited
    """

    pins: tuple[int, ...]
    rows: tuple[int, ...]
    needed: bool
    smallest: bool
    checked: bool


class NoTimeLeftError(RuntimeError):
    """A question could not be answered in what was left of the seconds."""


class Questions:
    """Asks a solver whether some of the rows have a plan, until the seconds are over."""

    def __init__(self, problem: Problem, budget: Budget, worker: Worker) -> None:
        self._problem, self._budget, self._worker = problem, budget, worker
        self._ends = time.monotonic() + budget.seconds

    def within(self, share: float) -> Questions:
        """The same, with such a share of the seconds that are left."""
        left = max(0.0, self._ends - time.monotonic())
        return Questions(self._problem, replace(self._budget, seconds=share * left), self._worker)

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
    told += [f"rule {label_of[row]}: {model.rows.keys[row]}{bookings_in(model, row)}" for row in found.rows]
    if found.smallest:
        told.append("Fewer pins and rules do not contradict: without any one of these there is a plan.")
    elif found.needed:
        told.append("Without any one of these they do not contradict; there was no time to look for a smaller set.")
    if found.checked:
        told.append("Checked again by a second solver.")
    if not found.needed:
        return [*told, "Time was too short to say which of them, and which rule. Maybe give more --seconds."]
    return [*told, "Maybe withdraw one."]


def bookings_in(model: Model, row: int) -> str:
    """How many fixed placements use up room of a row, in words; nothing where none does."""
    fixed = np.flatnonzero(model.fixed)
    count = int((model.rows.take(np.array([row])).matrix[:, fixed] > 0).sum())
    return f" ({number(count)} booked or offered there)" if count else ""


def smallest_contradiction(model: Model, questions: Questions) -> Smallest:
    """The smallest set of pins and rules that has no plan; where time runs out, one of which none can be left out.

    Half of the seconds at most go into the search for the smallest. Where not even the other is found: all pins, and
    no claim.
    """
    asking = asking_rows(model)
    pins: list[Part] = [(int(row),) for row in np.flatnonzero(asking)]
    rules = [
        tuple(row for row in range(block.start, block.stop) if not asking[row] and matters(model, row))
        for block in model.blocks
    ]
    parts = [*pins, *(rule for rule in rules if rule)]
    try:
        chosen = irreducible(parts, len(pins), questions)
    except NoTimeLeftError:
        return Smallest(tuple(row for pin in pins for row in pin), (), needed=False, smallest=False, checked=False)
    smallest = False
    with suppress(NoTimeLeftError):
        chosen, smallest = smallest_set(parts, questions.within(0.5), chosen), True
    of_pins = [parts[k][0] for k in chosen if k < len(pins)]
    of_rules = [parts[k] for k in chosen if k >= len(pins)]
    try:
        rows = needed_rows(of_pins, [row for rule in of_rules for row in rule], questions)
        checked = checked_again([*of_pins, *rows], questions)
    except NoTimeLeftError:
        return Smallest(tuple(of_pins), tuple(rule[0] for rule in of_rules), True, smallest, checked=False)
    return Smallest(tuple(of_pins), tuple(rows), needed=True, smallest=smallest, checked=checked)


def irreducible(parts: Sequence[Part], n_pins: int, questions: Questions) -> list[int]:
    """Numbers of parts that together have no plan, and have one without any of them: pins that all rules forbid first.

    Without a pin there is a plan that keeps all rules, so there is one that keeps fewer.
    """
    pins, rules = list(range(n_pins)), list(range(n_pins, len(parts)))
    pins = needed_parts(rules, pins, parts, questions)
    return [*pins, *needed_parts(pins, rules, parts, questions)]


def matters(model: Model, row: int) -> bool:
    """Has the row a side that a plan could break."""
    return bool(np.isfinite(model.rows.lower[row]) or np.isfinite(model.rows.upper[row]))


def smallest_set(parts: Sequence[Part], questions: Questions, known: list[int]) -> list[int]:
    """Numbers of the fewest parts that together have no plan, as `known` ones have none."""
    corrections: list[set[int]] = []
    while True:
        chosen = fewest_that_meet(corrections, len(parts))
        if len(chosen) == len(known):
            return known
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
    """Of these rows those that are needed for there to be no plan with the pins."""
    parts = [(row,) for row in (*pins, *rows)]
    numbers = needed_parts(range(len(pins)), range(len(pins), len(parts)), parts, questions)
    return [parts[k][0] for k in numbers]


def needed_parts(base: Sequence[int], more: Sequence[int], parts: Sequence[Part], questions: Questions) -> list[int]:
    """Of these numbers of more parts those that are needed for there to be no plan with those of the base.

    Halves are left out first (Junker, QuickXplain, 2004).
    """

    def has_plan(numbers: Sequence[int]) -> bool:
        return questions.has_plan(row for k in numbers for row in parts[k])

    def needed(base: list[int], more: list[int]) -> list[int]:
        """`base` has a plan, with `more` it has none."""
        if len(more) == 1:
            return more
        half = len(more) // 2
        first, second = more[:half], more[half:]
        if not has_plan([*base, *first]):
            return needed(base, first)
        if not has_plan([*base, *second]):
            return needed(base, second)
        of_second = needed([*base, *first], second)
        if not has_plan([*base, *of_second]):
            return of_second
        return [*needed([*base, *of_second], first), *of_second]

    return needed(list(base), list(more)) if more and has_plan(base) else []


def checked_again(rows: Sequence[int], questions: Questions) -> bool:
    """Does a second solver find no plan for all of them, and is there one without each."""
    return not questions.has_plan(rows, cpsat) and all(
        questions.has_plan([other for other in rows if other != row]) for row in rows
    )
