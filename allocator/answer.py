"""What a run hands back: limits, termination, goal results, audit, reasons. All frozen, nothing of a solver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from allocator.allocation import Allocation
from allocator.ending import Ending
from allocator.instance import Bools, Floats, Ints
from allocator.options import Facts
from allocator.policy import Policy
from allocator.rule import Conflict, Violation

Backend = Literal["auto", "highs", "cpsat", "scip", "cbc"]


@dataclass(frozen=True)
class Limits:
    """How much a run may cost. `seconds` bounds options to audited plan; `work` does it without a clock.

    One unit of work is one branch-and-bound node or 1,000 simplex iterations, and buys the same on every
    machine: with `work` set and `seconds` not reached, equal inputs give byte-identical outputs.
    """

    seconds: float = 120.0
    work: int | None = None
    seed: int = 0
    threads: int = 1
    backend: Backend = "auto"
    strict: bool = False


@dataclass(frozen=True)
class GoalResult:
    """One goal of one run. Bounds are None where nothing was proven.

    value            the plan's, scored once more from the tables
    base             the part that no plan changes (constants and bookings)
    solver_bound     what the backend claims that no plan can beat, earlier goals held
    certified_bound  what the prices in the certificate prove, earlier goals held
    """

    label: str
    name: str
    sense: Literal["min", "max"]
    unit: str
    tolerance: float
    value: int
    base: int
    solver_bound: int | None
    certified_bound: int | None
    ending: Ending
    seconds: float

    def gap(self, bound: int | None) -> float | None:
        """Distance to a bound as a share of the value, bookings and constants left out; None if unproven."""
        return None if bound is None else gap_between(self.value, bound, self.base)


def gap_between(value: int, bound: int, base: int) -> float:
    """Distance of a value to a bound as a share of the value, of which `base` is what no plan changes."""
    distance = abs(bound - value)
    return 0.0 if distance == 0 else distance / max(1, abs(value - base))


GapKind = Literal["sessions", "without_place", "placed", "rule", "goal", "openings", "auxiliaries", "rounding"]


@dataclass(frozen=True)
class GapPart:
    """What one part of a certificate gives away, in units of 1 / scale of it; see `allocator.gap`.

    sessions       sessions that are not filled as their best pattern would fill them
    without_place  people without a place, at the price of theirs
    placed         people placed, but not where it is best for them
    rule, goal     room left by the rule, or in the earlier goal, that `label` names
    openings, auxiliaries  columns that count sessions opened, and shares and shortfalls
    rounding       what the bound leaves off to be whole; the only part below 0
    """

    kind: GapKind
    label: str
    amount: int


@dataclass(frozen=True)
class TracePoint:
    """How far a goal was at some moment of the run. What `bound` rests on: see `Progress`."""

    seconds: float
    goal: str
    value: int | None
    bound: int | None
    gap: float | None = None


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Progress:
    """What is told to people while a run goes on.

    `bound` is the best that no plan beats, as far as is known by then, and `gap` between it and the value: an estimate,
    from a dual in floating point or a backend's claim. What is certified stands in the result.
    `places` gives (entry_id, session_id) of the best plan so far, which keeps every rule; None before there is one.
    """

    stage: str
    seconds: float
    goal: str = ""
    value: int | None = None
    bound: int | None = None
    gap: float | None = None
    unit: str = ""
    places: Callable[[], Pairs] | None = field(default=None, compare=False)


Reporter = Callable[[Progress], None]


def silent(*told: object) -> None:
    """Whatever it is told, tells nobody."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Row prices behind every certified bound: prices[k] / scale are the prices of goal k.

    prices  (n_goals, n_rows + n_goals) int64: rows of the formulation, then the rows that hold goals
    held    (n_goals, n_goals) row k: what goal k was proven to hold of each goal before it
    proven  (n_goals,) bool, is there a certificate for the goal
    by_session  (n_goals,) bool, is its unit the session, not the entry
    """

    scale: int
    prices: Ints
    held: Ints
    proven: Bools
    by_session: Bools


@dataclass(frozen=True, eq=False)
class Start:
    """Where a solve begins, and what it leaves to the next: placements and row prices, any of them unknown.

    chosen    (n_options,) placements; they need not keep every row
    of_sum    (n_rows,) prices of all goals together
    of_goals  by number of the goal, prices (n_rows + goals before it)
    sharpened  the same for bounds with sessions as units, as they stand in the certificate
    """

    chosen: Bools | None = None
    of_sum: Floats | None = None
    of_goals: Mapping[int, Floats] = field(default_factory=dict)
    sharpened: Mapping[int, Floats] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answer:
    """What the solve returns: chosen options, what is proven about them, and what the next solve can begin from."""

    chosen: Bools
    goals: tuple[GoalResult, ...]
    ending: Ending
    certificate: Certificate
    trace: tuple[TracePoint, ...]
    left: Start


@dataclass(frozen=True)
class Audit:
    """What the independent audit found, from the tables and the placements alone."""

    violations: tuple[Violation, ...]
    scores: Mapping[str, int]
    checked: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """No rule is broken and every goal value is as reported."""
        return not self.violations


@dataclass(frozen=True)
class Unplaced:
    """An entry without a place: a reason from a closed list, and the sentence with numbers."""

    entry_id: str
    reason_code: str
    reason: str


@dataclass(frozen=True, eq=False)
class Memory:
    """Places, and row prices in the sense of a maximisation.

    pairs   (entry_id, session_id) of every place
    rows    (n_rows,) names of rows: rule and key
    goals   labels of the goals, in order
    known   (1 + 2 n_goals,) are there prices: of all goals together, then of each, then of each with sessions as units
    prices  (1 + 2 n_goals, n_rows); rates (2 n_goals, n_goals) of the rows that hold the goals before
    """

    pairs: Pairs
    rows: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    known: Bools = field(default_factory=lambda: np.zeros(1, dtype=bool))
    prices: Floats = field(default_factory=lambda: np.zeros((1, 0)))
    rates: Floats = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True, eq=False)
class Run:
    """One solve with its inputs, policy, answer, audit and certificate."""

    facts: Facts
    policy: Policy
    limits: Limits
    allocation: Allocation
    goals: tuple[GoalResult, ...]
    baseline: Allocation
    baseline_scores: Mapping[str, int]
    audit: Audit
    unplaced: tuple[Unplaced, ...]
    conflicts: tuple[Conflict, ...]
    ending: Ending
    certificate: Certificate
    trace: tuple[TracePoint, ...]
    memory: Memory
    entries_with_option: frozenset[str]
    n_options: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage: options, formulate, solve, audit, explain."""
    kept_out: Mapping[str, str] = field(default_factory=dict)
    """By session_id, of the people who fit it and have no place, what keeps them out."""
    gap_parts: Mapping[str, tuple[GapPart, ...]] = field(default_factory=dict)
    """By label of the goal, where the gap to its certified bound is."""
    peak_megabytes: float | None = None
    """Most memory in use, children included, from options to reasons; None where nobody looked."""
