"""The daily policy on generated instances, a row a goal:

    python -m benchmarks.daily --size 1000x150 --seeds 1 2 3 --seconds 110

CSV on standard output: instance, seed, goal, value, both bounds, gap to the certified bound, seconds, status.
`seconds` is from options to audited plan and the same on every row of an instance.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator

from allocator.answer import Limits
from allocator.instance import Instance
from allocator.policy import read_policy
from allocator.run import allocate
from instances.generate import generate, generate_counts
from instances.generate_parameters import SIZES
from models import CATALOGUE

COLUMNS = ("instance", "seed", "goal", "value", "solver_bound", "certified_bound", "gap", "seconds", "status")


def instance_of(size: str, seed: int) -> Instance:
    """S, M, L, XL, or ENTRIESxSESSIONS in one region; ValueError for anything else."""
    if size in SIZES:
        return generate(size, seed)  # type: ignore[arg-type]
    entries, _, sessions = size.partition("x")
    return generate_counts(size, int(entries), int(sessions), 1, seed)


def rows(size: str, seed: int, limits: Limits) -> Iterator[tuple[object, ...]]:
    """One run, a row a goal; the status is `audit failed` where it did."""
    instance = instance_of(size, seed)
    budget = instance.info.assumptions["independent_budget_gbp"]
    policy = read_policy(CATALOGUE, overrides=(f"independent_spend.budget_gbp={budget}",))
    run = allocate(instance, policy, limits)
    seconds = round(sum(run.seconds.values()), 1)
    for goal in run.goals:
        gap = goal.gap(goal.certified_bound)
        shown = "" if gap is None else f"{gap:.5f}"
        status = str(goal.ending) if run.audit.passed else "audit failed"
        bounds = (goal.solver_bound, goal.certified_bound)
        yield instance.info.name, seed, goal.label, goal.value, *bounds, shown, seconds, status


def main(arguments: list[str] | None = None) -> None:
    """Run every seed and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", default="1000x150", help="S, M, L, XL or ENTRIESxSESSIONS")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    for seed in chosen.seeds:
        out.writerows(rows(chosen.size, seed, Limits(seconds=chosen.seconds, threads=chosen.threads)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
