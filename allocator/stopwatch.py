"""Seconds by stage, the deadline of a run, and who is told about progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from allocator.answer import Pairs, Progress, Reporter, silent
from allocator.instance import Bools


class Stopwatch:
    """Starts when it is made; `limit` is the number of seconds that the run may take."""

    def __init__(self, limit: float, report: Reporter = silent) -> None:
        self._start = time.monotonic()
        self._limit = limit
        self._report = report
        self.named: Callable[[Bools], Pairs] | None = None
        """Turns placements (n_options,) into pairs of ids, for those who are told; set once options are known."""
        self.seconds: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds to the limit, never below 0."""
        return max(0.0, self._limit - self.elapsed)

    def reserving(self, seconds: float) -> Stopwatch:
        """The same watch with a limit that leaves these seconds for what comes after."""
        shorter = Stopwatch(self._limit - seconds, self._report)
        shorter._start = self._start
        shorter.named = self.named
        return shorter

    def tell(
        self,
        stage: str,
        goal: str = "",
        value: int | None = None,
        bound: int | None = None,
        gap: float | None = None,
        unit: str = "",
        chosen: Callable[[], Bools] | None = None,
    ) -> None:
        """Tell people where the run is; `chosen` gives placements (n_options,) of the best plan so far."""
        named = self.named
        places = None if named is None or chosen is None else lambda: named(chosen())
        self._report(Progress(stage, self.elapsed, goal, value, bound, gap, unit, places))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of the run."""
        before = self.elapsed
        self.tell(name)
        yield
        self.seconds[name] = self.elapsed - before

    @contextmanager
    def outside(self, name: str) -> Iterator[None]:
        """A stage whose seconds count neither towards the limit nor as elapsed."""
        begun = time.monotonic()
        self.tell(name)
        try:
            yield
        finally:
            self._start += time.monotonic() - begun
