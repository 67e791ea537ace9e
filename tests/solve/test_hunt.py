"""A hunt for wrong answers: random tables, sizes, rules and goals, through the whole engine.

Whatever is drawn, the plan passes its audit, its run folder verifies, and no bound is beaten: not by the plan, and not
by the optimum that the specification finds, goal by goal for as long as the plan is optimal itself. Limits count work.
The path of large models is taken in two ways: as a whole by a model above the limit, and on small ones, whose optimum
is known, by calling what `solve` calls for a large one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from allocator.allocation import Allocation
from allocator.answer import Answer, GoalResult, Limits, Start
from allocator.audit import audit
from allocator.backends.process import Worker
from allocator.certificate import certified_bound
from allocator.ending import Ending
from allocator.errors import ContradictionError
from allocator.formulation import Formulation, formulate
from allocator.gap import gap_split
from allocator.instance import Instance
from allocator.options import Facts, build_options
from allocator.policy import INDISPENSABLE, Policy, read_policy
from allocator.report import write_run
from allocator.rule import closed_sessions, find_conflicts
from allocator.run import allocate
from allocator.solve.crew import Crew
from allocator.solve.exact import GoalSolve, is_small
from allocator.solve.large_goals import Found, search_large
from allocator.solve.lexicographic import fill_up, first_plan, goal_result
from allocator.solve.loader import complete, goal_values
from allocator.solve.plan import Plan
from allocator.solve.prove import prove_all
from allocator.solve.regions import solve_by_region
from allocator.solve.teller import Teller
from allocator.stopwatch import Stopwatch
from allocator.verify import verify
from models import CATALOGUE
from tests.specification.model import specified
from tests.specification.random_instances import random_instance

SHORT = 2.0
SECONDS = 600.0
"""Never reached: work ends every search."""
VALUES = {
    "one_place_at_a_time.min_gap_days": ("0", "1", "14"),
    "session_minutes.safety_sds": ("0", "1.5"),
    "independent_spend.budget_gbp": ("0", "1500", "3000"),
    "max_travel.hard_cap_minutes": ("20", "30"),
    "consent.offer_to_not_asked": ("true", "false"),
    "in_pool.admit_cancer": ("true", "false"),
    "dates.notice_days_p4": ("0", "22", "23"),
    "overnight_beds.unknown_stays_theatre": ("0", "2"),
    "equal_rates.enabled": ("true", "false"),
    "equal_rates.smallest": ("1", "2"),
    "group_equity.equity_tolerance": ("0", "0.2"),
    "independent_access.equity_tolerance": ("0", "0.2"),
    "weeks_of_waiting.tolerance": ("0", "0.1"),
    "urgent_delay.tolerance": ("0", "0.2"),
    "fair_between_trusts.long_weeks": ("1", "13"),
    "fair_between_trusts.smallest_list": ("1", "2"),
}
KEPT = {*INDISPENSABLE, "same_service"}
"""Rules that no policy of a hospital leaves out; without the last, kinds of care mix."""
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
long = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Drawn:
    """What was drawn, in a form that can be pasted: tables by seed and size, a policy as TOML and overrides."""

    seed: int
    n_entries: int
    n_sessions: int
    toml: str
    overrides: tuple[str, ...]

    @property
    def instance(self) -> Instance:
        return random_instance(self.seed, self.n_entries, self.n_sessions)

    @property
    def policy(self) -> Policy:
        return read_policy(CATALOGUE, self.toml, self.overrides)


@st.composite
def cases(draw: st.DrawFn) -> Drawn:
    """A shipped policy with some goals in another order, some rules left out and some parameters changed."""
    base = CATALOGUE.policies[draw(st.sampled_from(("daily", "daily", "weighted")))]
    goals = draw(st.permutations([goal.name for goal in base.goals]))
    goals = goals[: draw(st.integers(1, len(goals)))]
    left_out = draw(st.sets(st.sampled_from([rule.name for rule in base.rules if rule.name not in KEPT]), max_size=3))
    named = {rule.name for rule in base.rules} - left_out | {"equal_rates", *goals}
    changed = draw(
        st.fixed_dictionaries(
            {}, optional={name: st.sampled_from(v) for name, v in VALUES.items() if name.split(".")[0] in named}
        )
    )
    toml = f'base = "{base.name}"\n' + "".join(f'[[goals]]\nname = "{name}"\n' for name in goals)
    overrides = [f"{name}.enabled=false" for name in sorted(left_out)] + [f"{n}={v}" for n, v in changed.items()]
    size = draw(st.integers(1, 14)), draw(st.integers(1, 9))
    return Drawn(draw(st.integers(0, 2**32 - 1)), *size, toml, tuple(overrides))


works = st.sampled_from((1, 2, 5, 20, 60))


@dataclass(frozen=True, eq=False)
class Quarry:
    """An instance under a policy, as a run formulates it."""

    facts: Facts
    policy: Policy
    formulation: Formulation

    @classmethod
    def of(cls, instance: Instance, policy: Policy) -> Quarry:
        facts = Facts(instance)
        closed = closed_sessions(facts, find_conflicts(policy.limits, facts))
        return cls(facts, policy, formulate(build_options(facts, policy.screens, closed), policy))

    def check(self, answer: Answer) -> None:
        """Audited, and every bound is what its prices prove and splits into the gap."""
        formulation, policy = self.formulation, self.policy
        allocation = Allocation.from_options(formulation.options, answer.chosen)
        conflicts = find_conflicts(policy.limits, self.facts)
        assert audit(self.facts, policy, allocation, answer.goals, conflicts).violations == ()
        columns = complete(formulation, answer.chosen)
        assert goal_values(formulation, columns) == tuple(goal.value for goal in answer.goals)
        for k, goal in enumerate(answer.goals):
            assert certified_bound(formulation, k, answer.certificate) == goal.certified_bound
            parts = gap_split(formulation, k, answer.certificate, columns)
            assert sum(part.amount for part in parts) == answer.certificate.scale * gap_of(goal)


def gap_of(goal: GoalResult) -> int:
    """By how much the bound is better than the plan, in whole units."""
    assert goal.certified_bound is not None
    return (goal.certified_bound - goal.value) * (1 if goal.sense == "max" else -1)


def assert_no_bound_is_beaten(goals: Sequence[GoalResult], optimum: Sequence[tuple[str, int]]) -> None:
    """Not by the plan; nor, as long as all goals before are at their optimum, by the optimum of the next."""
    assert [goal.label for goal in goals] == [label for label, _ in optimum]
    reached = True
    for goal, (_, best) in zip(goals, optimum, strict=True):
        sign = 1 if goal.sense == "max" else -1
        assert gap_of(goal) >= 0, goal
        if reached:
            assert goal.certified_bound is not None
            assert sign * goal.value <= sign * best, (goal, best)
            assert sign * goal.certified_bound >= sign * best, (goal, best)
            if goal.solver_bound is not None:
                assert sign * goal.solver_bound >= sign * best, (goal, best)
            if goal.ending is Ending.OPTIMAL:
                assert goal.value == best, goal
        reached = reached and goal.value == best


def specified_or_none(instance: Instance, policy: Policy) -> list[tuple[str, int]] | None:
    """The optimum; None where pins cannot be kept."""
    try:
        return specified(instance, policy)
    except ContradictionError:
        return None


def as_large(formulation: Formulation, limits: Limits, worker: Worker) -> Answer:
    """What `solve` does with a model too large for exact solvers, whatever its size."""
    watch = Stopwatch(limits.seconds)
    plan = Plan(formulation, first_plan(formulation, limits, watch, worker, True), [])
    found = Found({}, {}, None)
    search_large(plan, found, None, limits, Teller(plan, watch), worker)
    fill_up(plan, watch)
    values = goal_values(formulation, plan.columns)
    certificate, bounds = prove_all(formulation, values, found.proposed, 60.0, limits)
    unbegun = GoalSolve(None, None, Ending.WORK_LIMIT)
    goals = tuple(
        goal_result(formulation, k, values[k], found.solves.get(k, unbegun), bounds[k]) for k in range(len(values))
    )
    return Answer(plan.chosen, goals, Ending.WORK_LIMIT, certificate, tuple(plan.trace), Start(plan.chosen))


def hunt_as_large(drawn: Drawn, limits: Limits, worker: Worker) -> None:
    instance, policy = drawn.instance, drawn.policy
    optimum = specified_or_none(instance, policy)
    if optimum is None:
        with pytest.raises(ContradictionError):
            as_large(Quarry.of(instance, policy).formulation, limits, worker)
        return
    quarry = Quarry.of(instance, policy)
    answer = as_large(quarry.formulation, limits, worker)
    quarry.check(answer)
    assert_no_bound_is_beaten(answer.goals, optimum)


def hunt_whole(drawn: Drawn, limits: Limits) -> None:
    """From tables to a verified folder."""
    instance, policy = drawn.instance, drawn.policy
    optimum = specified_or_none(instance, policy)
    if optimum is None:
        with pytest.raises(ContradictionError):
            allocate(instance, policy, limits)
        return
    run = allocate(instance, policy, limits)
    assert run.audit.violations == ()
    assert_no_bound_is_beaten(run.goals, optimum)
    assert_verified(run)


def assert_verified(run: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_run(run, None, Path(folder) / "run")  # type: ignore[arg-type]
        found = verify(Path(folder) / "run", None, CATALOGUE)
    assert found.findings == ()


def hunt_by_region(drawn: Drawn, work: int) -> None:
    instance, policy = drawn.instance, drawn.policy
    optimum = specified_or_none(instance, policy)
    assume(optimum is not None)
    assert optimum is not None
    quarry = Quarry.of(instance, policy)
    crew = Crew(lambda: ThreadPoolExecutor(1), 1)
    limits = Limits(SECONDS, work)
    answer = solve_by_region(quarry.formulation, limits, Stopwatch(SECONDS), crew, most=6)
    quarry.check(answer)
    assert_no_bound_is_beaten(answer.goals, optimum)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


@quick
@given(drawn=cases(), work=works, seed=st.integers(0, 9))
def test_no_answer_of_the_path_of_large_models_is_wrong(worker: Worker, drawn: Drawn, work: int, seed: int) -> None:
    hunt_as_large(drawn, Limits(SECONDS, work, seed), worker)


@settings(quick, max_examples=5)
@given(drawn=cases(), seed=st.integers(0, 9))
def test_no_answer_is_wrong_where_a_second_thread_prices_the_goals_to_come(
    worker: Worker, drawn: Drawn, seed: int
) -> None:
    hunt_as_large(drawn, Limits(SHORT, seed=seed, threads=2), worker)


@settings(quick, max_examples=3)
@given(cases(), works)
def test_no_run_is_wrong(drawn: Drawn, work: int) -> None:
    hunt_whole(drawn, Limits(SECONDS, work))


def test_the_hunt_catches_what_it_hunts(worker: Worker) -> None:
    """A plan that breaks a rule, a bound that the plan beats, one that the optimum beats, a false claim."""
    drawn = Drawn(2, 10, 6, 'base = "daily"', ())
    optimum, quarry = specified(drawn.instance, drawn.policy), Quarry.of(drawn.instance, drawn.policy)
    answer = as_large(quarry.formulation, Limits(SECONDS, 5), worker)
    quarry.check(answer)
    assert_no_bound_is_beaten(answer.goals, optimum)
    with pytest.raises(AssertionError):
        quarry.check(replace(answer, chosen=np.ones_like(answer.chosen)))
    first, *others = answer.goals
    better = 1 if first.sense == "max" else -1
    assert first.certified_bound is not None
    wrong = (
        {"certified_bound": first.value - better},
        {"solver_bound": optimum[0][1] - better},
        {"value": optimum[0][1] + better, "certified_bound": optimum[0][1] + better},
        {"value": optimum[0][1] - better, "certified_bound": optimum[0][1] - better},
    )
    for changes in wrong:
        with pytest.raises(AssertionError):
            assert_no_bound_is_beaten((replace(first, **changes), *others), optimum)
    with pytest.raises(AssertionError):
        quarry.check(replace(answer, goals=(replace(first, certified_bound=first.certified_bound + better), *others)))


def test_what_is_drawn_is_worth_hunting_in() -> None:
    """Most instances have a plan and a dozen options and more; one has pins that cannot be kept."""
    policy = read_policy(CATALOGUE)
    found = [random_instance(seed, 12, 8) for seed in range(24, 36)]
    optima = [specified_or_none(instance, policy) for instance in found]
    sizes = [
        Quarry.of(instance, policy).formulation.n_options
        for instance, optimum in zip(found, optima, strict=True)
        if optimum is not None
    ]
    assert len(sizes) == 11
    assert np.median(sizes) > 12


@pytest.mark.slow
@long
@given(drawn=cases(), work=works, seed=st.integers(0, 9))
def test_no_answer_of_the_path_of_large_models_is_wrong_in_many(
    worker: Worker, drawn: Drawn, work: int, seed: int
) -> None:
    hunt_as_large(drawn, Limits(SECONDS, work, seed), worker)


@pytest.mark.slow
@settings(long, max_examples=60)
@given(cases(), works, st.sampled_from(("auto", "auto", "cbc", "cpsat", "scip")), st.integers(1, 2))
def test_no_run_is_wrong_in_many(drawn: Drawn, work: int, backend: str, threads: int) -> None:
    hunt_whole(drawn, Limits(SECONDS, work, threads=threads, backend=backend))  # type: ignore[arg-type]


@pytest.mark.slow
@settings(long, max_examples=8)
@given(cases(), works)
def test_no_answer_by_region_is_wrong_in_many(drawn: Drawn, work: int) -> None:
    hunt_by_region(drawn, work)


@pytest.mark.slow
@settings(long, max_examples=4)
@given(cases(), st.sampled_from((4, 20)))
def test_no_run_of_a_model_above_the_limit_is_wrong(drawn: Drawn, work: int) -> None:
    """Some 400 entries and 150 sessions: the optimum is not known, all else is checked."""
    instance, policy = random_instance(drawn.seed, 400, 150), drawn.policy
    try:
        assume(not is_small(Quarry.of(instance, policy).formulation))
    except ContradictionError:
        return
    try:
        run = allocate(instance, policy, Limits(SECONDS, work))
    except ContradictionError:
        return
    assert run.audit.violations == ()
    assert all(gap_of(goal) >= 0 for goal in run.goals)
    assert_verified(run)
