"""ahead: the prices of goals in order, looked for by a thread of its own while the plan is improved for goals before.

It goes from goal to goal by itself, holding those before at what the plan has by then; whoever needs the prices of a
goal waits for no more than it has found. What is left of a goal's share goes into sharpening them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from allocator.certificate import goal_rows
from allocator.formulation import Model
from allocator.instance import Floats
from allocator.solve.construct import own_gains
from allocator.solve.dual import OutOfTimeError
from allocator.solve.patterns import Sharpened, sharpen
from allocator.solve.prove import LARGEST_SHARPENED, dual_prices, entry_prices

DUAL_SHARE = 0.6
"""Of the seconds for a goal, for its prices at most; the rest is for sharpening them."""
WAIT_SECONDS = 0.05
CUT_OFF = 0.95
"""Of its seconds: a dual that took longer was cut off."""


@dataclass(eq=False)
class Ahead:
    """What the thread has found: prices (n_rows + k,) of goal k, and the same sharpened.

    rough: goals whose prices would still have got better.

    begin, earlier  by goal, prices to begin from, and those that an earlier run ended with, sharpened
    held, seconds  what the goals before goal k are held at, and how long its prices may take, when its turn has come;
    None where it needs none
    bounded  hears of bounds on the gains of a goal
    """

    model: Model
    begin: Mapping[int, Floats]
    earlier: Mapping[int, Floats]
    held: Callable[[int], list[int]]
    seconds: Callable[[int], float | None]
    bounded: Callable[[int, float], None]
    prices: MutableMapping[int, Floats] = field(default_factory=dict)
    sharpened: MutableMapping[int, Sharpened] = field(default_factory=dict)
    rough: set[int] = field(default_factory=set)
    wanted: int = -1
    stopped: bool = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """The thread works while the block runs."""
        with ThreadPoolExecutor(1) as thread:
            self.under_way: Future[None] = thread.submit(self._run)
            try:
                yield
            finally:
                self.stopped = True
        self.under_way.result()

    def take(self, k: int, heard: Callable[[], None]) -> Floats | None:
        """Prices of goal k, now; None where its turn was left out."""
        self.wanted = k
        while k not in self.prices and not self.under_way.done():
            heard()
            threading.Event().wait(WAIT_SECONDS)
        self.wanted = -1
        return self.prices.get(k)

    def _run(self) -> None:
        for k in range(len(self.model.goals)):
            seconds = self.seconds(k)
            if self.stopped:
                return
            if seconds is not None:
                self._price(k, self.held(k), seconds)

    def _price(self, k: int, held: list[int], seconds: float) -> None:
        model, began = self.model, time.monotonic()

        def tell(bound: float) -> None:
            self.bounded(k, bound)
            if self.stopped or self.wanted >= k:
                raise OutOfTimeError

        short = DUAL_SHARE * seconds
        self.prices[k] = prices = dual_prices(model, k, held, self.begin.get(k), short, None, tell)
        if self.stopped or self.wanted >= k or time.monotonic() - began > CUT_OFF * short:
            self.rough.add(k)
        if model.n_options <= LARGEST_SHARPENED:
            gains, left = own_gains(model, k), seconds - (time.monotonic() - began)
            start, earlier = entry_prices(model, gains, prices), self.earlier.get(k)
            rows = goal_rows(model, held)
            self.sharpened[k] = sharpen(model, gains, rows, start, seconds=left, tell=tell, earlier=earlier)
