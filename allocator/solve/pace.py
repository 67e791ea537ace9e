"""pace: how far a stretch of work is, by the clock, or by steps where the run counts work instead of seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(eq=False)
class Pace:
    """Begins when it is made. With `steps` the clock only ends it, so that equal work gives equal plans."""

    seconds: float
    steps: int | None = None
    taken: int = 0
    begun: float = field(default_factory=time.monotonic)

    def step(self) -> None:
        """Count one step."""
        self.taken += 1

    @property
    def done(self) -> float:
        """Share of the stretch that is behind, 1 or more at its end."""
        if self.steps is None or self.by_clock >= 1.0:
            return self.by_clock
        return self.taken / max(1, self.steps)

    @property
    def by_clock(self) -> float:
        """Share of the seconds that is behind."""
        return (time.monotonic() - self.begun) / max(1e-9, self.seconds)

    @property
    def over(self) -> bool:
        """Is the stretch at its end."""
        return self.done >= 1.0

    @property
    def left(self) -> float:
        """Seconds that the clock has left."""
        return max(0.0, 1.0 - self.by_clock) * self.seconds

    def part(self, share: float) -> Pace:
        """A stretch of its own that begins now and is such a share of this one."""
        return Pace(share * self.seconds, None if self.steps is None else max(1, round(share * self.steps)))

    def rest(self, share: float) -> Pace:
        """What the clock has left of this one; of its steps, such a share."""
        return Pace(self.left, self.part(share).steps)
