"""regions: a model too large for one process, solved region by region by the workers of any executor, then joined.

The model is cut into regions (`partition`); entries belong to one, options across borders wait, and rows that several
regions stand in share out their room, so that plans of regions put together keep every row. Regions are solved as
models of their own. Then entries that could cross a border, those without a place first, are moved with everybody else
in place, within what all rows have left. The prices that the regions found, put together, prove the bound of the whole.
Source: docs/decisions/0031-regions.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from allocator.answer import Answer, Limits, Start, silent
from allocator.backends.process import Worker
from allocator.certificate import UNPRICED, certified_without_prices, held_value
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.memory import give_back
from allocator.solve.crew import Crew, Key, done_by
from allocator.solve.exact import GoalSolve
from allocator.solve.large import LargeSearch, moved_goals
from allocator.solve.lexicographic import first_plan, goal_result, solve
from allocator.solve.loader import complete, feasible, goal_values
from allocator.solve.pace import Pace
from allocator.solve.part_model import Place, part_model, parts_in_turn, room_left
from allocator.solve.partition import MOST_OF_A_REGION, Regions, cut_into_regions
from allocator.solve.plan import Plan
from allocator.solve.pricing import places_of
from allocator.solve.prove import prove_all
from allocator.stopwatch import Stopwatch

MOST_OF_A_BORDER = 3_000_000
"""Options of those who could cross a border and are moved at the end."""
SHARES = (0.85, 0.8)
"""Of what is left, for the regions; of what is then left, for the borders."""
EVALUATIONS = 10.0
"""What the proof takes, in evaluations of a bound."""
TOLD_SECONDS = 0.9


@dataclass(frozen=True, eq=False)
class Task:
    """A part to be solved, or, from a plan `start` (n_columns of the part,), to be improved."""

    key: Key
    model: Model
    limits: Limits
    start: Ints | None = None


@dataclass(frozen=True, eq=False)
class PartAnswer:
    """What came of a task: placements (n_options,).

    Of a region also prices (n_goals, n_rows + n_goals) and sizes of its rows (n_rows,).
    """

    chosen: Bools
    prices: Floats | None = None
    sizes: Floats | None = None


def solve_part(task: Task) -> PartAnswer:
    """Do a task. A pure function of it, where its limits count work and not seconds."""
    places_of.cache_clear()
    give_back()
    if task.start is not None:
        return PartAnswer(improved(task.model, task.start, task.limits))
    answer = solve(task.model, task.limits, Stopwatch(task.limits.seconds, silent))
    prices = answer.certificate.prices / answer.certificate.scale
    for block in task.model.blocks:
        # Of one place an entry: made from the others where sessions are the units.
        prices[:, block.start : block.stop] *= block.label != UNPRICED
    for k, found in answer.left.of_goals.items():
        # Those of sessions as units say nothing of a session's own room, which somebody from elsewhere would take.
        prices[k, : len(found)] = found
    return PartAnswer(answer.chosen, prices, task.model.rows.sizes)


def improved(model: Model, start: Ints, limits: Limits) -> Bools:
    """Placements (n_options,) no worse than those of a plan (n_columns,), moved goal by goal."""
    plan, held = Plan(model, start, []), list[int]()
    moved = moved_goals(model)
    deadline = time.monotonic() + limits.seconds
    with Worker() as worker:
        large = LargeSearch(plan, limits.seed, silent, worker)
        for k, goal in enumerate(model.goals):
            if k in moved:
                seconds = (deadline - time.monotonic()) / (len(moved) - moved.index(k))
                large.one(held, Pace(max(0.0, seconds), limits.work))
            held.append(held_value(model, k, goal.value(plan.columns)))
    return plan.chosen


def solve_by_region(model: Model, limits: Limits, watch: Stopwatch, crew: Crew, most: int = MOST_OF_A_REGION) -> Answer:
    """The best plan found within the limits, region by region, with a result for every goal."""
    begun = watch.elapsed
    values = goal_values(model, model.column_lower)
    for k in range(len(model.goals)):
        certified_without_prices(model, k)
    # The proof and the audit need their time, and may not come too late; an audit begins with the options, once more.
    evaluation = watch.elapsed - begun
    watch = watch.reserving(EVALUATIONS * evaluation + begun)
    give_back()
    plan = Plan(model, complete(model, model.fixed.copy()), [])
    cancelled, prices = False, dict[int, Floats]()
    try:
        regions = cut_into_regions(model, most)
        solve_regions(plan, regions, prices, limits, watch, crew)
        improve_borders(plan, regions, limits, watch, crew)
    except KeyboardInterrupt:
        cancelled = True
    if not feasible(model, plan.columns):
        with Worker() as worker:
            plan.columns = first_plan(model, limits, watch, worker, large=True)
    values = goal_values(model, plan.columns)
    proposed = {k: prices.get(k, np.zeros(model.n_rows + k)) for k in range(len(model.goals))}
    priced = {k: [found] for k, found in proposed.items()}
    certificate, bounds = prove_all(model, values, priced, 0.0, replace(limits, threads=1))
    usual = Ending.WORK_LIMIT if limits.work is not None else Ending.TIME_LIMIT
    ended = GoalSolve(None, None, Ending.CANCELLED if cancelled else usual, watch.elapsed)
    results = tuple(goal_result(model, k, values[k], ended, bounds[k]) for k in range(len(model.goals)))
    unproven = [result.ending for result in results if result.ending is not Ending.OPTIMAL]
    ending = unproven[0] if unproven else Ending.OPTIMAL
    return Answer(plan.chosen, results, ending, certificate, tuple(plan.trace), Start(plan.chosen, None, proposed))


def solve_regions(
    plan: Plan, regions: Regions, prices: dict[int, Floats], limits: Limits, watch: Stopwatch, crew: Crew
) -> None:
    """Solve every region; together they are the plan, if it keeps every row; `prices` are filled."""
    model = plan.model
    places: dict[Key, Place] = {}
    waves = -(-regions.number // crew.workers)
    end = watch.elapsed + SHARES[0] * watch.left

    def tasks() -> Iterator[Task]:
        for number, (part, place) in enumerate(parts_in_turn(model, regions)):
            key = ("region", number)
            places[key] = replace(place, column=place.option[:0])  # nobody will ask for its columns
            seconds = max(0.0, end - watch.elapsed) / (waves - number // crew.workers)
            task = Task(key, part, replace(limits, seconds=seconds, threads=1, seed=limits.seed + number))
            del part, place  # handed over: of two regions none is kept here
            yield task
            del task
            give_back()

    answers: dict[Key, PartAnswer] = {}
    try:
        done_by(crew, solve_part, tasks(), answers, teller(plan, watch))
    finally:
        chosen = model.fixed.copy()
        for key, answer in answers.items():
            chosen[places[key].option[answer.chosen]] = True
        joined = complete(model, chosen)
        if not feasible(model, plan.columns) or feasible(model, joined):
            plan.columns = joined
        prices.update(joined_prices(model, [(places[key], answer) for key, answer in sorted(answers.items())]))


def columns_of(model: Model, option: Ints) -> Bools:
    """(n_columns,) these options, and the openings of their sessions."""
    mine = np.zeros(model.n_columns, dtype=bool)
    mine[option] = True
    here = np.zeros(model.n_sessions, dtype=bool)
    here[model.session[option]] = True
    mine[model.n_options : model.first_auxiliary] = here[model.opening_session]
    return mine


def joined_prices(model: Model, found: list[tuple[Place, PartAnswer]]) -> dict[int, Floats]:
    """Prices (n_rows + k,) of every goal k: of a goal held, the mean; of a row, by what each region has in it."""
    prices = {}
    for k in range(len(model.goals)):
        total, number = np.zeros(model.n_rows + k), np.zeros(model.n_rows + k)
        for place, answer in found:
            assert answer.prices is not None
            assert answer.sizes is not None
            where = np.concatenate([place.row, model.n_rows + np.arange(k)])
            size = np.append(answer.sizes, np.ones(k))
            total[where] += size * answer.prices[k, : len(where)]
            number[where] += size
        prices[k] = total / np.maximum(number, 1)
    return prices


def improve_borders(plan: Plan, regions: Regions, limits: Limits, watch: Stopwatch, crew: Crew) -> None:
    """Move those who could cross a border, with everybody else in place, within what all rows have left."""
    model = plan.model
    movable = at_borders(plan, regions)
    if not len(movable) or not feasible(model, plan.columns):
        return
    here = np.zeros(model.n_sessions, dtype=bool)
    here[model.session[movable]] = True
    others = plan.chosen & here[model.session]
    others[movable] = False
    option = np.union1d(movable, np.flatnonzero(others))
    mine = columns_of(model, option)
    mine[model.first_auxiliary :] = True
    part, place = part_model(model, option, np.flatnonzero(others), room_left(model, plan.columns, mine))
    limits = replace(limits, seconds=SHARES[1] * watch.left, threads=1)
    answers: dict[Key, PartAnswer] = {}
    task = Task(("border", 0), part, limits, plan.columns[place.column])
    try:
        done_by(crew, solve_part, [task], answers, teller(plan, watch))
    finally:
        for answer in answers.values():
            chosen = plan.chosen
            chosen[option] = answer.chosen
            plan.offer(complete(model, chosen), ())


def at_borders(plan: Plan, regions: Regions) -> Ints:
    """Options of entries that could cross a border, those without a place first, up to `MOST_OF_A_BORDER`."""
    model = plan.model
    crosses = regions.of_session[model.session] != regions.of_entry[model.entry]
    at_border = np.zeros(model.n_entries, dtype=bool)
    at_border[model.entry[crosses & ~model.fixed]] = True
    at_border[model.entry[model.fixed]] = False
    placed = np.zeros(model.n_entries, dtype=bool)
    placed[model.entry[plan.chosen]] = True
    size = np.bincount(model.entry, minlength=model.n_entries)
    entries = np.flatnonzero(at_border)
    entries = entries[np.lexsort((entries, placed[entries]))]
    taken = np.zeros(model.n_entries, dtype=bool)
    taken[entries[np.cumsum(size[entries]) <= MOST_OF_A_BORDER]] = True
    return np.flatnonzero(taken[model.entry])


def teller(plan: Plan, watch: Stopwatch) -> Callable[[], None]:
    """Notes how far the first goal that moves is, about once a second."""
    moved = moved_goals(plan.model)
    told = watch.elapsed

    def heard() -> None:
        nonlocal told
        if moved and watch.elapsed > told + TOLD_SECONDS:
            told = watch.elapsed
            plan.note(moved[0], watch)

    return heard
