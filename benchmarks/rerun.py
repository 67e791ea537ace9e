"""What an earlier run is worth to the next: `python -m benchmarks.rerun --size M --seeds 11 12 13 --seconds 30`.

Two mornings of one instance: each leaves out another twentieth of the entries and of the sessions without a booking,
so that 5% went overnight and 5% came. The instance is one of the sketch's under its one weighted goal, or, with
`--instance NAME`, a shipped one under the daily policy. With another `--change` the sketch's instance stays and one
parameter changes: journeys of 75 or of 45 minutes at most, where people accept up to 90, or shares of deprivation
fifths within 3 points instead of 2.
A row a goal for the first run, for the second from nothing, and for the second from what the first left, with a third
of the seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from allocator.answer import Limits, Memory
from allocator.instance import Instance
from allocator.intake import read_instance
from allocator.policy import Policy, read_policy
from allocator.run import allocate
from benchmarks.measure import commit, machine
from benchmarks.scale import BEFORE_AND_AFTER, gap_of
from benchmarks.sketch import sketch_instance, sketch_policy
from benchmarks.table import printer
from benchmarks.warm import until_warm
from instances import path
from models import CATALOGUE
from models.rules.equal_rates import EqualRates
from models.rules.max_travel import MaxTravel

CHANGED = 0.05
LISTS = "lists"
PARAMETERS: Mapping[str, tuple[str, dict[str, object]]] = {
    "equity": (EqualRates.name, {"tolerances": (0.03, 0.06)}),
    "travel-75": (MaxTravel.name, {"hard_cap_minutes": 75}),
    "travel-45": (MaxTravel.name, {"hard_cap_minutes": 45}),
}
"""Of which rule, and what it is changed to."""
COLUMNS = (
    "commit",
    "machine",
    "instance",
    "seed",
    "run",
    "allowed_seconds",
    "goal",
    "value",
    "bound",
    "gap",
    "seconds",
    "audit",
)
Case = tuple[Instance, Policy]


def morning(instance: Instance, left_out: dict[str, np.ndarray]) -> Instance:
    """The instance without these rows of these tables."""
    frames = {name: frame.drop(index=frame.index[left_out.get(name, [])]) for name, frame in instance.frames.items()}
    return Instance.from_frames(instance.info, frames)


def mornings(whole: Instance, seed: int) -> tuple[Instance, Instance]:
    """Yesterday and today. Nobody who has a booking leaves, and no session that has one."""
    random = np.random.default_rng(seed)
    left_out: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    for name, key in (("patients", "entry_id"), ("sessions", "session_id")):
        booked = whole.frames[name][key].isin(whole.frames["commitments"][key])
        drawn = random.permutation(np.flatnonzero(~booked))
        changed = round(CHANGED * len(booked))
        left_out[0][name], left_out[1][name] = drawn[:changed], drawn[changed : 2 * changed]
    return morning(whole, left_out[0]), morning(whole, left_out[1])


def changed(policy: Policy, change: str) -> Policy:
    """The same policy with one parameter of one rule changed."""
    name, update = PARAMETERS[change]
    rules = (rule.model_copy(update=update) if rule.name == name else rule for rule in policy.rules)
    return replace(policy, rules=tuple(rules))


def cases(size: str, seed: int, change: str) -> tuple[Case, Case]:
    """What is planned first, and then, of a size of the sketch's."""
    whole = sketch_instance(size, seed)
    policy = sketch_policy(whole)
    if change == LISTS:
        yesterday, today = mornings(whole, seed)
        return (yesterday, policy), (today, policy)
    return (whole, policy), (whole, changed(policy, change))


def daily_cases(name: str, seed: int) -> tuple[Case, Case]:
    """Two mornings of a shipped instance under the daily policy."""
    policy = read_policy(CATALOGUE)
    yesterday, today = mornings(read_instance(path(name)).instance, seed)
    return (yesterday, policy), (today, policy)


def rows(name: str, seed: int, limits: Limits, both: tuple[Case, Case]) -> Iterator[tuple[object, ...]]:
    """The first run, the second from nothing, the second from the first."""
    first, second = both
    third = replace(limits, seconds=limits.seconds / 3)
    memory: Memory | None = None
    for which, (instance, policy), allowed in (
        ("first", first, limits),
        ("cold", second, limits),
        ("warm", second, third),
    ):
        run = allocate(instance, policy, allowed, memory=memory if which == "warm" else None)
        memory = run.memory if which == "first" else memory
        took = f"{sum(run.seconds[stage] for stage in (*BEFORE_AND_AFTER, 'solve')):.1f}"
        audited = "passed" if run.audit.passed else "failed"
        for goal in run.goals:
            gap = gap_of(goal, goal.certified_bound)
            figures = goal.label, goal.value, goal.certified_bound, "" if gap is None else f"{gap:.6f}", took
            yield (commit(), machine(), name, seed, which, f"{allowed.seconds:g}", *figures, audited)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", choices=("S", "M", "L"), default="M")
    parser.add_argument("--instance", help="a shipped instance, under the daily policy, in place of a size")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--change", choices=(LISTS, *PARAMETERS), default=LISTS)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    limits = Limits(seconds=given.seconds, threads=given.threads)
    if given.instance and given.change != LISTS:
        parser.error("--instance goes with --change lists")
    name = given.instance or given.size
    warming, policy = (daily_cases(name, 0) if given.instance else cases(name, 0, LISTS))[0]

    def warm_up(seconds: float) -> float:
        took = allocate(warming, policy, replace(limits, seconds=seconds)).seconds
        return sum(took.values()) - took["explain"]

    until_warm(warm_up, given.seconds)
    show = printer(COLUMNS)
    for seed in given.seeds:
        both = daily_cases(name, seed) if given.instance else cases(name, seed, given.change)
        for row in rows(name, seed, limits, both):
            show(row)


if __name__ == "__main__":
    main()
