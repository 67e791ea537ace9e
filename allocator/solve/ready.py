"""ready: compiled loops made machine code before the clock of the first run on a machine counts.

They are kept on disk, so that this happens once an installation. Until then a run would spend half a minute or more of
its seconds on it, and its plan would be the worse for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from allocator.answer import Limits
from allocator.certificate import goal_rows
from allocator.compiled import is_cold, is_loaded
from allocator.ending import Ending
from allocator.errors import NoPlanError
from allocator.formulation import Model
from allocator.session_pattern import best_patterns_of
from allocator.solve.chains import chain_many
from allocator.solve.construct import own_gains
from allocator.solve.exact import is_small
from allocator.solve.lexicographic import solve
from allocator.solve.partition import CUT_FROM
from allocator.solve.patterns import sharpen
from allocator.solve.prove import LARGEST_SHARPENED
from allocator.solve.repack import repack_many
from allocator.solve.soft_patterns import soften_patterns
from allocator.stopwatch import Stopwatch

ROUND_SECONDS, LONGEST_ROUND, MOST_ROUNDS = 3.0, 12.0, 8
SEARCHED: tuple[Callable[..., object], ...] = (repack_many, chain_many)
"""Loops that every search of a large model calls."""
PROVEN: tuple[Callable[..., object], ...] = (best_patterns_of, soften_patterns)
"""Loops that every proof by sessions calls."""
EVALUATIONS = 3
"""Of the bound by sessions: enough to call every loop of it."""
LATE = 1.5
"""A round that takes this many times its seconds, and two more, was compiling."""


def needs_compiling(model: Model, limits: Limits) -> bool:
    """Would a solve of this model in this process compile, and does its plan depend on the clock."""
    if limits.backend != "auto" or limits.work is not None or model.n_options > CUT_FROM:
        return False
    # Each by itself: a run that was stopped, or one beside this, may have compiled some of them alone.
    return any(is_cold(loop) for loop in (PROVEN if is_small(model) else SEARCHED))


def compile_for(model: Model, limits: Limits) -> None:
    """Solve this model for a few seconds, again and again, until nothing is compiled any more.

    On a busy machine a few seconds may not come as far as moves and proofs: rounds are longer then.
    """
    loops = () if is_small(model) else SEARCHED
    if model.goals and model.n_options <= LARGEST_SHARPENED:
        # A few seconds may not come as far as this, which takes ten to compile.
        gains, no_rows, no_prices = own_gains(model, 0), goal_rows(model, ()), np.zeros(model.n_rows)
        sharpen(model, gains, no_rows, no_prices, seconds=ROUND_SECONDS, work=EVALUATIONS)
    seconds = ROUND_SECONDS
    for _ in range(MOST_ROUNDS):
        watch, ending = Stopwatch(seconds), Ending.TIME_LIMIT
        with suppress(NoPlanError):  # the run itself has longer to find one
            ending = solve(model, replace(limits, seconds=seconds), watch).ending
        if ending is Ending.CANCELLED:
            raise KeyboardInterrupt
        in_time = watch.elapsed < LATE * seconds + 2.0
        if in_time and (ending is Ending.OPTIMAL or all(is_loaded(loop) for loop in loops)):
            return
        if in_time:
            seconds = min(LONGEST_ROUND, 2.0 * seconds)
