"""teller: how far the goal in hand is, told at least every second while a solve goes on."""

from __future__ import annotations

import math
import threading

from allocator.certificate import certified_without_prices, sign_of
from allocator.formulation import Model
from allocator.solve.plan import Plan
from allocator.stopwatch import Stopwatch

TOLD_SECONDS = 0.7
"""Between words on how far a goal is."""
ROUNDED = 1e-7
"""Of a bound in floating point, by how much it is widened before it is told."""


class Teller:
    """The goal in hand, and the best bound heard of each so far; the one thing here that changes.

    What is told is an estimate until the certificate stands: a bound without prices at first, then what a dual says in
    floating point, rounded outwards, or what a backend claims.
    """

    def __init__(self, plan: Plan, watch: Stopwatch) -> None:
        self.plan, self.watch = plan, watch
        self.k, self.stage = 0, "solve"
        self.bounds: dict[int, int] = {}
        self._loosest: dict[int, int] = {}
        self._told = watch.elapsed
        # A reporter may raise KeyboardInterrupt, which only the thread of the solve can answer.
        self._thread = threading.get_ident()

    def turn(self, k: int, stage: str = "solve") -> int:
        """Goal k is in hand; the bound on it that needs no prices, and is no estimate."""
        self.k, self.stage = k, stage
        self.bounds.setdefault(k, self.loosest(k))
        return self.loosest(k)

    def loosest(self, k: int) -> int:
        """The bound on goal k that needs no prices."""
        if k not in self._loosest:
            self._loosest[k] = certified_without_prices(self.plan.model, k)
        return self._loosest[k]

    def claimed(self, bound: int) -> None:
        """A backend claims that nothing beats this value of the goal in hand."""
        goal, before = self.plan.model.goals[self.k], self.bounds[self.k]
        self.bounds[self.k] = min(bound, before) if goal.sense == "max" else max(bound, before)

    def bounded(self, gains: float) -> None:
        """A dual says that no plan gains more than this on the goal in hand, its constant left out."""
        if math.isfinite(gains):
            self.claimed(rounded_outwards(self.plan.model, self.k, gains))
        self.heard()

    def heard(self) -> None:
        """The solve is alive: say how far the goal in hand is, where the last word is a while ago."""
        if self.watch.elapsed > self._told + TOLD_SECONDS and threading.get_ident() == self._thread:
            self.note()

    def note(self) -> None:
        """Write down, and tell, how far the goal in hand is."""
        self._told = self.watch.elapsed
        self.plan.note(self.k, self.watch, self.bounds.get(self.k), self.stage)

    def proving(self, k: int, gains: float) -> None:
        """The proof of goal k is under way, and has come so far; inf where nothing is known yet."""
        self.turn(k, "prove")
        self.bounded(gains)


def rounded_outwards(model: Model, k: int, gains: float) -> int:
    """The value of goal k, in whole units, that a floating-point bound on its gains lets no plan beat."""
    return model.goals[k].constant + sign_of(model, k) * math.floor(gains + ROUNDED * max(1.0, abs(gains)))
