"""The one thing that changes during a run, and the moves that are offered to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from allocator.answer import Limits
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import held_value
from allocator.ending import Ending
from allocator.solve import improve, lexicographic
from allocator.solve.dive import improve_by_dives
from allocator.solve.improve import parts
from allocator.solve.lexicographic import Plan, fill_up, goal_share, solve
from allocator.solve.loader import complete, feasible, goal_values, merit, merit_of
from allocator.solve.pace import Pace
from allocator.solve.prove import best_proof, better_proof
from allocator.stopwatch import Stopwatch
from tests.solve.tiny import Case, random_cases


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


def empty(case: Case) -> Plan:
    """A plan of the fixed placements alone."""
    formulation = case.formulation
    return Plan(formulation, complete(formulation, formulation.options.fixed.copy()), [])


def roomy(first: int, stop: int) -> list[Case]:
    """Cases without pins and with something to choose."""
    return [case for case in random_cases(first, stop) if not case.pinned and len(case.plans) >= 5]


def test_plan_takes_exactly_what_keeps_every_row_and_what_is_held_and_is_better() -> None:
    taken = refused = 0
    for number, case in enumerate(roomy(0, 20)):
        random = np.random.default_rng(number)
        formulation = case.formulation
        for k in range(len(formulation.goals)):
            plan = Plan(formulation, case.plans[random.integers(len(case.plans))], [])
            held = [held_value(formulation, j, value) for j, value in enumerate(goal_values(formulation, plan.columns))]
            floors = merit_of(formulation, held[:k])
            for position in random.permutation(len(case.sets))[:25]:
                before = merit(formulation, plan.columns)
                offered = complete(formulation, case.sets[position])
                after = merit(formulation, offered)
                keeps = all(new >= floor for new, floor in zip(after, floors, strict=False))
                wanted = bool(case.allowed[position]) and keeps and after[k:] > before[k:]
                assert plan.offer(offered, held[:k]) == wanted
                assert merit(formulation, plan.columns) == (after if wanted else before)
                assert feasible(formulation, plan.columns)
                taken, refused = taken + wanted, refused + (not wanted)
    assert min(taken, refused) > 20


def test_plan_takes_a_worse_earlier_goal_only_within_its_tolerance() -> None:
    """Held is what later goals must keep: a tolerance of half leaves half of the value to be spent."""
    spent = 0
    for case in roomy(0, 20):
        formulation = case.formulation
        best = max(range(len(case.plans)), key=lambda i: case.merits[i])
        for i, other in enumerate(case.plans):
            if case.merits[i][1:] > case.merits[best][1:] and case.merits[i][0] < case.merits[best][0]:
                strict, loose = (Plan(formulation, case.plans[best], []) for _ in range(2))
                value = formulation.goals[0].value(case.plans[best])
                assert not strict.offer(other, [value])
                assert loose.offer(other, [formulation.goals[0].value(other)])
                spent += 1
    assert spent >= 2


def test_nothing_is_offered_where_no_plan_was_found() -> None:
    assert not empty(roomy(0, 20)[0]).offer(None, [])


def test_openings_and_auxiliaries_of_an_offer_are_put_right() -> None:
    """A solver may open a session for nobody, or leave an auxiliary too high: only placements are taken."""
    for case in roomy(0, 20):
        best = max(range(len(case.plans)), key=lambda i: case.merits[i])
        untidy = case.plans[best].copy()
        untidy[len(case.formulation.options) :] = case.formulation.column_upper[len(case.formulation.options) :]
        plan = empty(case)
        if plan.offer(untidy, []):
            assert np.array_equal(plan.columns, case.plans[best])


def single_additions(case: Case, plan: Plan) -> list[int]:
    """Options of entries without a place that alone would keep every row and improve the goals in order."""
    options = case.formulation.options
    has_place = set(options.entry[plan.chosen].tolist())
    found = []
    for option in range(len(options)):
        if options.entry[option] not in has_place:
            after = plan.chosen
            after[option] = True
            columns = complete(case.formulation, after)
            if feasible(case.formulation, columns) and merit(case.formulation, columns) > merit(
                case.formulation, plan.columns
            ):
                found.append(option)
    return found


def test_no_single_addition_improves_a_plan_that_was_filled_up() -> None:
    added = 0
    for number, case in enumerate(roomy(0, 20)):
        random = np.random.default_rng(number)
        for start in [empty(case).columns, *random.permutation(case.plans)[:3]]:
            plan = Plan(case.formulation, start, [])
            before = plan.chosen.sum()
            fill_up(plan, Stopwatch(60.0))
            assert feasible(case.formulation, plan.columns)
            assert single_additions(case, plan) == []
            added += int(plan.chosen.sum() > before)
    assert added > 10


def test_dives_keep_every_row_and_what_is_held_and_never_beat_the_optimum(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allocator.solve.dive.FEW_LEFT", (-1, 0))
    improved = 0
    for case in roomy(0, 20):
        formulation = case.formulation
        plan, held = empty(case), list[int]()
        for k in range(3):
            before = merit(formulation, plan.columns)
            improve_by_dives(plan, held, Pace(20.0, 6), 0, worker)
            after = merit(formulation, plan.columns)
            assert feasible(formulation, plan.columns)
            assert all(new >= floor for new, floor in zip(after, merit_of(formulation, held), strict=False))
            assert after[k:] >= before[k:]
            improved += after > before
            held.append(held_value(formulation, k, formulation.goals[k].value(plan.columns)))
        assert merit(formulation, plan.columns)[0] <= max(case.merits)[0]
    assert improved > 3


def test_move_places_some_anew_within_what_the_others_leave(worker: Worker) -> None:
    """Everybody outside the neighbourhood stays; the rows count them, from above and from below."""
    moved = 0
    for number, case in enumerate(roomy(0, 20)):
        random = np.random.default_rng(number)
        around = improve.prepare(case.formulation, [])
        n_options = len(case.formulation.options)
        for start in random.permutation(case.plans)[:3]:
            free = np.flatnonzero(~case.formulation.options.fixed & (random.random(n_options) < 0.6))
            after = improve.move(around, start, free, Budget(20, work=50), worker)
            assert after is not None
            assert feasible(case.formulation, after)
            assert around.objective @ after <= around.objective @ start
            stays = np.setdiff1d(np.arange(n_options), free)
            assert np.array_equal(after[stays], start[stays])
            moved += int((after[free] != start[free]).any())
    assert moved > 5


def test_dives_find_the_optimum_of_the_last_goal_that_moves(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """With whole goals before it held, and nothing after it, its bound and its plan meet or leave what is open."""
    monkeypatch.setattr("allocator.solve.dive.FEW_LEFT", (-1, 0))
    met = 0
    for case in roomy(0, 20):
        formulation, plan = case.formulation, empty(case)
        alone = replace(formulation, goals=formulation.goals[:1])
        only = Plan(alone, plan.columns, [])
        prices = improve_by_dives(only, [], Pace(20.0, 12), 0, worker)
        assert merit(alone, only.columns)[0] == max(case.merits)[0]
        if prices is not None:
            proof = better_proof(alone, 0, [], best_proof(alone, 0, [], []), prices, by_session=True)
            sign = 1 if alone.goals[0].sense == "max" else -1
            assert sign * proof.bound >= merit(alone, only.columns)[0]
            met += sign * proof.bound == merit(alone, only.columns)[0]
    assert met > 10


def test_entries_that_share_a_session_are_in_one_part_and_others_are_not() -> None:
    for case in random_cases(0, 16):
        options = case.formulation.options
        part = parts(case.formulation)
        for entry, session in zip(options.entry, options.session, strict=True):
            fellows = options.entry[options.session == session]
            assert set(part[fellows].tolist()) == {part[entry]}
        reached = {int(options.entry[0])}
        while True:
            more = set(options.entry[np.isin(options.session, options.session[np.isin(options.entry, list(reached))])])
            if more <= reached:
                break
            reached |= more
        outside = set(options.entry.tolist()) - reached
        assert not {part[entry] for entry in reached} & {part[entry] for entry in outside}


def test_large_path_keeps_every_row_and_is_no_better_than_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicographic, "is_small", lambda formulation: False)
    found = 0
    for case in roomy(0, 20)[:1]:
        limits = Limits(seconds=60, work=60)
        answer = solve(case.formulation, limits, Stopwatch(limits.seconds))
        columns = complete(case.formulation, answer.chosen)
        assert feasible(case.formulation, columns)
        after = merit(case.formulation, columns)
        assert after <= max(case.merits)
        assert [goal.value for goal in answer.goals] == list(goal_values(case.formulation, columns))
        # The whole optimum may lie outside what is held; the first goal is found on instances as small as these.
        assert after[0] == max(case.merits)[0]
        found += after[:3] == max(case.merits)[:3]
    assert found >= 1


def test_goal_of_a_large_model_is_optimal_only_where_the_optimum_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimum over those whom a goal concerns is no proof over everybody."""
    monkeypatch.setattr(lexicographic, "is_small", lambda formulation: False)
    seen = set()
    for case in roomy(0, 20)[:3]:
        limits = Limits(seconds=60, work=20)
        answer = solve(case.formulation, limits, Stopwatch(limits.seconds))
        first = answer.goals[0]
        if first.ending is Ending.OPTIMAL:
            assert merit(case.formulation, complete(case.formulation, answer.chosen))[0] == max(case.merits)[0]
        seen |= {goal.ending for goal in answer.goals}
    assert {Ending.OPTIMAL, Ending.WORK_LIMIT} <= seen


def test_cancel_while_a_plan_is_filled_up_keeps_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lexicographic, "fill_up", interrupted)
    case = roomy(0, 20)[0]
    limits = Limits(seconds=60, work=60)
    answer = solve(case.formulation, limits, Stopwatch(limits.seconds))
    assert answer.ending is Ending.CANCELLED
    assert feasible(case.formulation, complete(case.formulation, answer.chosen))
    assert answer.chosen.sum() > case.formulation.fixed.sum()


def test_shares_of_the_goals_leave_time_for_each() -> None:
    """Each of 13 goals gets its share of what is left; the last has all of it, none has nothing."""
    left, shares = 1.0, []
    for k in range(13):
        shares.append(left * goal_share(k, 13))
        left -= shares[-1]
    assert min(shares) > 0
    assert sum(shares) == pytest.approx(1.0)
    assert goal_share(12, 13) == 1.0
