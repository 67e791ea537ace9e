"""Warming up: run something like what is to be measured until nothing has to be compiled any more.

Compiled loops are kept on disk, and the first run after a change compiles for minutes. A run keeps its limit to
within two seconds, so one that does not was compiling, or had no time left for what comes later.
"""

from __future__ import annotations

from collections.abc import Callable

MOST_ROUNDS = 8
LATE = 1.2
"""A run that takes this many times its seconds, and two more, did not keep its limit."""


def until_warm(run: Callable[[float], float], seconds: float) -> int:
    """Call `run` with its limit until the seconds that it hands back are within it; the number of calls.

    Ends after `MOST_ROUNDS` in any case: on a machine that is busy with other things no run keeps its limit.
    """
    for number in range(1, MOST_ROUNDS + 1):
        if run(seconds) <= LATE * seconds + 2.0:
            return number
    return MOST_ROUNDS
