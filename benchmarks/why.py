"""How long explanations take: python -m benchmarks.why RUN [--entries 60] [--seed 7].

All three layers of some random entries without a place, one after the other, and layers one and two of everybody.
Loading the run, with a first entry that makes what all share, is timed apart. Wall seconds count what the machine does
besides; processor seconds do not.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from allocator.backends.process import Worker
from allocator.why.case import Case
from allocator.why.explained import explained
from allocator.why.funnel import funnels
from allocator.why.outranked import Standings, outranked, standings
from allocator.why.read import read_case
from models import CATALOGUE


def timed(what: Callable[[], object]) -> tuple[float, float]:
    """(wall seconds, processor seconds) of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - wall, time.process_time() - cpu


def layers_of_everybody(case: Case, once: Standings) -> None:
    """The funnel and what outranks every entry without a place."""
    rows = np.array([case.facts.instance.entry_row[entry_id] for entry_id in case.unplaced()], dtype=np.int64)
    options = np.flatnonzero(np.isin(case.formulation.entry, rows))
    assert len(list(funnels(case, rows))) == len(rows)
    assert len(list(outranked(once, options))) <= len(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--entries", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    begun = time.perf_counter()
    case = read_case(given.run, CATALOGUE)
    once, unplaced = standings(case), case.unplaced()
    chosen = random.Random(given.seed).sample(unplaced, min(given.entries, len(unplaced)))
    with Worker() as worker:
        explained(case, once, chosen[0], worker)
        print(f"loading: {time.perf_counter() - begun:.1f} s")
        taken = np.array([timed(partial(explained, case, once, entry_id, worker)) for entry_id in chosen])
    for name, seconds in zip(("wall", "processor"), taken.T, strict=True):
        told = f"median {np.median(seconds):.2f} s, worst {seconds.max():.2f} s"
        print(f"all three layers of one entry, {len(chosen)} entries, {name}: {told}")
    wall, cpu = timed(lambda: layers_of_everybody(case, once))
    print(f"layers one and two of {len(unplaced):,} entries: wall {wall:.1f} s, processor {cpu:.1f} s")


if __name__ == "__main__":
    main()
