"""halves: two searches side by side, over options that share no entry and no session, each within its share of rows.

Services share rows alone (beds, budgets, equity): nothing is lost but moves that give room in such a row to the other
half, and the search over everything goes on from what the two have found.
Source: docs/decisions/0034-a-second-thread.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np

from allocator.instance import Bools, Floats, Ints
from allocator.solve.dual import OutOfTimeError
from allocator.solve.search import Search

UNEVEN = 0.65
"""Share of the options that the larger half has at most."""


def first_half(part_of: Ints, entry: Ints, random: np.random.Generator) -> Bools | None:
    """(n_options,) the options of one of two halves; None where what hangs together is too large for halves.

    part_of (n_entries,) the part of the model that each entry belongs to; entry (n_options,).
    """
    size = np.bincount(part_of[entry], minlength=1)
    first, sizes = np.zeros(len(size), dtype=bool), np.zeros(2)
    for number in np.argsort(-size * random.uniform(0.5, 1.0, len(size)), kind="stable"):
        smaller = int(sizes.argmin())
        first[number] = smaller == 0
        sizes[smaller] += size[number]
    if sizes.max() > UNEVEN * sizes.sum():
        return None
    mine: Bools = first[part_of[entry]]
    return mine


def share_out(searches: Sequence[Search]) -> None:
    """Hold searches that stand on parts of one plan each to its own use of every row and its share of what is left."""
    number, arrays = len(searches), searches[0].part.arrays
    used = np.array([search.state.activity for search in searches])
    total = used.sum(axis=0) - (number - 1) * searches[0].part.base
    above, below, ease = arrays.upper - total, total - arrays.lower, arrays.auxiliary_upper
    for part, (search, own) in enumerate(zip(searches, used, strict=True)):
        upper, lower = own + shared(above, part, number), own - shared(below, part, number)
        search.within(lower, upper, shared(ease, part, number))


def shared(room: Floats, part: int, number: int) -> Floats:
    """What one of so many parts gets of whole numbers of room, or of a lack of it; all of it is given away once."""
    whole = np.where(np.isfinite(room), room, 0.0)
    share = np.floor(whole * (part + 1) / number) - np.floor(whole * part / number)
    return np.where(np.isfinite(room), share, room)


def side_by_side(works: Sequence[Callable[[Callable[[], None]], None]], heard: Callable[[], None]) -> None:
    """work(heard) of each in a thread of its own; the first calls `heard`, which may raise and so end all of them."""
    stopped = threading.Event()

    def go_on() -> None:
        if stopped.is_set():
            raise OutOfTimeError

    def beside(work: Callable[[Callable[[], None]], None]) -> None:
        with suppress(OutOfTimeError):
            work(go_on)

    with ThreadPoolExecutor(len(works)) as threads:
        others = [threads.submit(beside, work) for work in works[1:]]
        try:
            works[0](heard)
        except BaseException:
            stopped.set()
            raise
        for other in others:
            other.result()
