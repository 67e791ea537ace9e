"""regions: a model too large to be laid out at once, solved region by region, here or by any executor, then joined.

The model is cut into regions (`partition`); entries belong to one, options across borders wait, and rows that several
regions stand in share out their room, so that plans of regions put together keep every row. Regions are solved as
models of their own. No region saw who would come to it: the prices that they found are put together and corrected, and
every region prices its own rows once more with its visitors (`visitors`). Everybody is moved in the end, over borders
too, to what is near the best at these prices, which prove the bound. Memory stays with the process meanwhile.
Source: docs/decisions/0031-regions.md, 0044-visitors.md, 0045-memory-that-is-kept.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from allocator.answer import Answer, Limits, Start, silent
from allocator.backends.process import Worker
from allocator.certificate import UNPRICED, certified_without_prices, goal_rows, held_value
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.memory import give_back, keep_free, keeping_free, put_away
from allocator.solve.best_options import best_of_kinds, least, least_losses
from allocator.solve.construct import own_gains
from allocator.solve.crew import Crew, Key, done_by, nothing
from allocator.solve.dual import corrected_prices
from allocator.solve.exact import GoalSolve
from allocator.solve.large import ONE_CYCLE, LargeSearch, moved_goals
from allocator.solve.lexicographic import first_plan, goal_result, solve
from allocator.solve.loader import complete, feasible, goal_values
from allocator.solve.pace import Pace
from allocator.solve.part_model import Place, part_model, parts_in_turn
from allocator.solve.partition import MOST_OF_A_REGION, Regions, cut_into_regions
from allocator.solve.plan import Plan
from allocator.solve.pricing import make_room
from allocator.solve.prove import Proposed, prove_all
from allocator.solve.teller import Teller
from allocator.solve.visitors import Neighbours, owners, price_in_turn
from allocator.stopwatch import Stopwatch

MOST_TOGETHER = 5_000_000
"""Options, near the best of their entry, to which everybody is moved in the end."""
SHARES = (0.5, 0.48, 0.9)
"""Of what is left, for the regions; then for their prices with visitors; in the end for moves over the borders."""
CORRECTIONS, SHARE_OF_CORRECTION = 2, 0.1
"""How often prices are corrected across borders, and of what is left the seconds for each."""
DUAL_SHARE_JOINED = 0.2
"""Of the last moves of several goals, for prices of their sum at most; those of one goal are right by then."""
EVALUATIONS, EVALUATIONS_TO_JOIN = 9.0, 20.0
"""What the proof takes, in evaluations of a bound; what corrections and last moves take before they have begun."""

NONE = np.zeros(0, dtype=np.int32)
"""In place of numbers of columns that nobody will ask for any more."""


@dataclass(frozen=True, eq=False)
class Task:
    """A region to be solved."""

    key: Key
    model: Model
    limits: Limits


@dataclass(frozen=True, eq=False)
class Solved:
    """What came of a region: placements and prices, how much it has in its rows, and whether it was stopped.

    chosen (n_options,), prices (n_goals, n_rows + n_goals), sizes (n_rows,)
    """

    chosen: Bools
    prices: Floats
    sizes: Floats
    cancelled: bool


def solve_part(task: Task, heard: Callable[[], None] = nothing) -> Solved:
    """Solve a region. A pure function of the task, where its limits count work and not seconds.

    `heard`, where it is of this process, is called at least every second, and may raise KeyboardInterrupt.
    """
    keep_free()
    make_room()
    answer = solve(task.model, task.limits, Stopwatch(task.limits.seconds, lambda progress: heard()))
    prices = answer.certificate.prices / answer.certificate.scale
    for block in task.model.blocks:
        # Of one place an entry: made from the others where sessions are the units.
        prices[:, block.start : block.stop] *= block.label != UNPRICED
    for k, found in answer.left.of_goals.items():
        # Those of sessions as units say nothing of a session's own room, which somebody from elsewhere would take.
        prices[k, : len(found)] = found
    return Solved(answer.chosen, prices, task.model.rows.sizes, answer.ending is Ending.CANCELLED)


def solve_by_region(
    model: Model, limits: Limits, watch: Stopwatch, crew: Crew | None, most: int = MOST_OF_A_REGION
) -> Answer:
    """The best plan found within the limits, region by region, with a result for every goal.

    Regions are solved by a crew; by this process where there is none.
    """
    before = watch.elapsed
    plan, prices = Plan(model, complete(model, model.fixed.copy()), []), dict[int, Floats]()
    give_back()
    with keeping_free():
        teller = Teller(plan, watch)
        # The proof and the audit need their time, and may not be late; an audit begins with the options once more.
        evaluation = seconds_of_a_bound(teller)
        teller.watch = watch.reserving(EVALUATIONS * evaluation + before)
        try:
            search_by_region(teller, prices, limits, crew, most, EVALUATIONS_TO_JOIN * evaluation)
            cancelled = False
        except KeyboardInterrupt:
            cancelled = True
    values = goal_values(model, plan.columns)
    proposed = {k: prices.get(k, np.zeros(model.n_rows + k)) for k in range(len(model.goals))}
    priced = {k: Proposed(found) for k, found in proposed.items()}
    alone, heard = replace(limits, threads=1), silent if cancelled else teller.proving
    try:
        certificate, bounds = prove_all(model, values, priced, 0.0, alone, heard)
    except KeyboardInterrupt:
        cancelled = True
        certificate, bounds = prove_all(model, values, {}, 0.0, alone)
    usual = Ending.WORK_LIMIT if limits.work is not None else Ending.TIME_LIMIT
    ended = GoalSolve(None, None, Ending.CANCELLED if cancelled else usual, watch.elapsed)
    results = tuple(goal_result(model, k, values[k], ended, bounds[k]) for k in range(len(model.goals)))
    unproven = [result.ending for result in results if result.ending is not Ending.OPTIMAL]
    ending = Ending.CANCELLED if cancelled else unproven[0] if unproven else Ending.OPTIMAL
    return Answer(plan.chosen, results, ending, certificate, tuple(plan.trace), Start(plan.chosen, None, proposed))


def search_by_region(
    teller: Teller, prices: dict[int, Floats], limits: Limits, crew: Crew | None, most: int, joining: float
) -> None:
    """A plan and prices, region by region and then together, where the watch has `joining` seconds left for that.

    KeyboardInterrupt leaves what has been found, and a plan that keeps every row.
    """
    plan, model, watch = teller.plan, teller.plan.model, teller.watch
    for k in moved_goals(model)[:1]:
        teller.turn(k)
    try:
        regions = cut_into_regions(model, most, teller.heard)
        solve_regions(teller, regions, prices, limits, crew)
    finally:
        if not feasible(model, plan.columns):
            with Worker() as worker:
                plan.columns = first_plan(model, limits, watch, worker, large=True)
    if watch.left > joining:
        correct_prices(teller, prices, limits)
        price_with_visitors(teller, regions, prices, limits)
        improve_joined(teller, prices, limits)


def seconds_of_a_bound(teller: Teller) -> float:
    """How long a bound on every goal takes; the first time does not count, which asks for memory."""
    model = teller.plan.model
    for k in range(len(model.goals)):
        teller.loosest(k)
    begun = time.monotonic()
    for k in range(len(model.goals)):
        certified_without_prices(model, k)
    return time.monotonic() - begun


def solve_regions(
    teller: Teller, regions: Regions, prices: dict[int, Floats], limits: Limits, crew: Crew | None
) -> None:
    """Solve every region; together they are the plan, if it keeps every row; `prices` are filled."""
    plan, model, watch = teller.plan, teller.plan.model, teller.watch
    places: dict[Key, Place] = {}
    workers = 1 if crew is None else crew.workers
    threads = max(1, limits.threads // workers)
    shares = even_shares(watch, SHARES[0] * watch.left, -(-regions.number // workers))

    def tasks() -> Iterator[Task]:
        seconds = 0.0
        for number, (part, place) in enumerate(parts_in_turn(model, regions, teller.heard)):
            key = ("region", number)
            places[key] = replace(place, column=NONE)
            if number % workers == 0:
                seconds = next(shares)
            task = Task(key, part, replace(limits, seconds=seconds, threads=threads, seed=limits.seed + number))
            del part, place  # handed over: of two regions none is kept here
            if crew is not None:
                give_back()
            yield task
            del task

    answers: dict[Key, Solved] = {}
    chosen, taken = model.fixed.copy(), set[Key]()

    def take() -> None:
        """What is done since is in the plan, where that keeps every row, or the plan does not either."""
        if len(answers) == len(taken):
            return
        for key in answers.keys() - taken:
            chosen[places[key].option[answers[key].chosen]] = True
            places[key] = replace(places[key], option=NONE)
            taken.add(key)
        joined = complete(model, chosen)
        if feasible(model, joined) or not feasible(model, plan.columns):
            plan.columns = joined
        put_away()

    def heard() -> None:
        take()
        teller.heard()

    try:
        if crew is not None:
            done_by(crew, solve_part, tasks(), answers, heard)
        else:
            solve_here(tasks(), answers, heard)
    finally:
        between_stages()
        take()
        prices.update(joined_prices(model, [(places[key], answer) for key, answer in sorted(answers.items())]))


def solve_here(tasks: Iterator[Task], done: dict[Key, Solved], heard: Callable[[], None]) -> None:
    """Solve every task in this process. KeyboardInterrupt ends the one under way, which is `done` with what it has."""
    for task in tasks:
        done[task.key] = solved = solve_part(task, heard)
        del task  # before the next is made
        if solved.cancelled:
            raise KeyboardInterrupt
        heard()


def even_shares(watch: Stopwatch, seconds: float, waves: int) -> Iterator[float]:
    """What each wave of regions in turn may take of these seconds."""
    begun, allowed = watch.elapsed, 0.0
    for wave in range(waves):
        share = even_share(seconds, watch.elapsed - begun, allowed, wave, waves)
        allowed += share
        yield share


def even_share(seconds: float, gone: float, allowed: float, wave: int, waves: int) -> float:
    """What each region of a wave may take of these seconds, of which some are gone; waves before were `allowed` some.

    Making parts and handing them over takes time too, and the last region is to have as much as the first.
    """
    lost = max(0.0, gone - allowed) / (wave + 1)
    return max(0.0, (seconds - gone) / (waves - wave) - lost)


def joined_prices(model: Model, found: list[tuple[Place, Solved]]) -> dict[int, Floats]:
    """Prices (n_rows + k,) of every goal k: of a goal held, the mean; of a row, by what each region has in it."""
    prices = {}
    for k in range(len(model.goals)):
        total, number = np.zeros(model.n_rows + k), np.zeros(model.n_rows + k)
        for place, answer in found:
            where = np.concatenate([place.row, model.n_rows + np.arange(k)])
            size = np.append(answer.sizes, np.ones(k))
            total[where] += size * answer.prices[k, : len(where)]
            number[where] += size
        prices[k] = total / np.maximum(number, 1)
    return prices


def correct_prices(teller: Teller, prices: dict[int, Floats], limits: Limits) -> None:
    """Put prices right across the borders: those of like rows together, over the best options of everybody.

    A region never saw who would come to it from elsewhere, so that its sessions are too cheap for them.
    """
    plan, model, watch = teller.plan, teller.plan.model, teller.watch
    for _ in range(CORRECTIONS):
        until = watch.elapsed + SHARE_OF_CORRECTION * watch.left
        part, place = joined_part(teller, np.flatnonzero(plan.chosen | best_of_kinds(model, prices)))
        start, held, moved = plan.columns[place.column], list[int](), moved_goals(part)
        seconds = (until - watch.elapsed) / max(1, len(moved))
        for k, goal in enumerate(part.goals):
            if k in moved:
                teller.turn(k)
                where = np.concatenate([place.row, model.n_rows + np.arange(k)])
                prices[k][where] = corrected_prices(
                    part,
                    own_gains(part, k),
                    goal_rows(part, held),
                    prices[k][where],
                    seconds=seconds,
                    work=limits.work,
                    tell=lambda bound: teller.heard(),
                    threads=limits.threads,
                )
            held.append(held_value(part, k, goal.value(start)))
        del part
        between_stages()  # the next part is made beside the whole model, which leaves no room for what this one had


def price_with_visitors(teller: Teller, regions: Regions, prices: dict[int, Floats], limits: Limits) -> None:
    """Regions price their own rows once more, one after the other, with everybody who could come there."""
    plan, model, moved = teller.plan, teller.plan.model, moved_goals(teller.plan.model)
    owner, seconds = owners(model, regions.of_session), SHARES[1] * teller.watch.left
    for k in moved:
        teller.turn(k)
        held = [held_value(model, j, plan.value(j)) for j in range(k)]
        neighbours = Neighbours(model, regions, owner, held, prices[k])
        price_in_turn(neighbours, limits, teller, seconds / len(moved))


def improve_joined(teller: Teller, prices: dict[int, Floats], limits: Limits) -> None:
    """Move everybody, over the borders too, to options that are near the best of their entry, goal by goal."""
    plan, model = teller.plan, teller.plan.model
    if not moved_goals(model):
        return
    between_stages()
    loss = least_losses(model, prices)
    loss[plan.chosen] = -np.inf
    part, place = joined_part(teller, np.flatnonzero(least(loss, MOST_TOGETHER)))
    del loss
    together, prices_there = Plan(part, plan.columns[place.column], []), {k: prices[k][place.row] for k in prices}
    chosen = np.zeros(model.n_options, dtype=bool)
    try:
        move_together(together, prices_there, limits, teller)
    finally:
        chosen[place.option[together.chosen]] = True
        del part, place, together
        between_stages()
        plan.offer(complete(model, chosen), ())


def move_together(plan: Plan, prices: dict[int, Floats], limits: Limits, teller: Teller) -> None:
    """Moves for what the watch has left, goal by goal. prices (n_rows,) of every goal that columns change."""
    model, watch, held, moved = plan.model, teller.watch, list[int](), moved_goals(plan.model)
    until = watch.elapsed + SHARES[2] * watch.left
    # Two threads that count work together would not always do the same.
    threads = limits.threads if limits.work is None else 1
    with Worker() as worker:
        worker.tick = teller.heard
        large = LargeSearch(plan, limits.seed, teller.heard, worker, threads=threads)
        dual_share = DUAL_SHARE_JOINED
        if len(moved) == 1:
            large.prices, dual_share = prices[moved[0]], 0.0
        for k in range(len(model.goals)):
            if k in moved:
                teller.turn(k)
                seconds = (until - watch.elapsed) / (len(moved) - moved.index(k))
                large.one(held, Pace(max(0.0, seconds), limits.work), dual_share, ONE_CYCLE)
            held.append(held_value(model, k, plan.value(k)))


def between_stages() -> None:
    """Forget the part that was worked on last, and give back what it was made in: the next stage is of another size."""
    make_room()
    give_back()


def joined_part(teller: Teller, option: Ints) -> tuple[Model, Place]:
    """These options, all that the plan has among them, as a model of its own."""
    model = teller.plan.model
    sides = model.rows.lower, model.rows.upper
    return part_model(model, option.astype(np.int32), option[model.fixed[option]], sides, teller.heard)
