"""A study in plain lines and as a page."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.compare import VERDICT_WORDS
from allocator.lab.curves import Point, curve_chart
from allocator.lab.findings import Finding, GoalFinding
from allocator.lab.page import Page
from allocator.lab.scenario_file import Curve, Grid, Study, Sweep
from allocator.report import blocks
from allocator.report.blocks import Block, Card, Section
from allocator.words import goal_name, number, plural, quantity

MOST_CURVES = 5
"""Curves a sweep that nobody asked for: people with a place, and the first goals that change."""
MOST_GRIDS = 4
EXPLAINED = (
    "Each scenario is a plan of its own, checked like every plan. Beside each value stands what is proven that no plan "
    "beats: the truth about the best possible lies between the two, for every scenario.",
    "A scenario is called better or worse than the base only where that is proven for the best possible under each, "
    "on every population. Where the ranges overlap it says “cannot be told apart at this gap”.",
)
ONE_POPULATION = (
    "One set of people only: it cannot rank two policies for good. With “populations = 5” in the file the same "
    "scenarios are planned for other people of the same services, trusts and priorities too."
)
BAND_LEGEND = (("line", "What the plans reach"), ("band", "The best possible lies in here, proven"))


def mean_quantity(value: float | None, unit: str) -> str:
    """A value that may be a mean."""
    if value is None:
        return "–"
    return quantity(round(value), unit)


def study_lines(study: Study, findings: Sequence[Finding]) -> list[str]:
    """Every scenario with the goals on which its plans differ from the base's."""
    base = findings[0]
    lines = [study.file.name, f"base: {place_words(base)}."]
    lines += [f"  {goal_name(goal.label)}: {value_words(goal)}" for goal in base.goals]
    for item in findings[1:]:
        lines += ["", f"{item.scenario.name}: {place_words(item)}."]
        told = [f"  {goal_name(g.label)}: {value_words(g)}; {verdict_words(g)}" for g in item.goals if differs(g)]
        if len(told) < len(item.goals):
            told.append("  Every other goal: as in the base." if told else "  Every goal: as in the base.")
        lines += told
    if study.file.populations == 1:
        lines += ["", ONE_POPULATION]
    return lines


def place_words(item: Finding) -> str:
    """How many have a place; why there is no plan, where there is none."""
    if item.no_plan:
        return f"no plan. {item.no_plan}".removesuffix(".")
    return f"{number(round(item.figures['people'] or 0))} of {number(round(item.entries))} have a place"


def value_words(goal: GoalFinding) -> str:
    """The value and what no plan beats."""
    bound = mean_quantity(goal.bound, goal.unit)
    return f"{mean_quantity(goal.value, goal.unit)} (no plan beats {bound})"


def differs(goal: GoalFinding) -> bool:
    """Do the plans have other values than the base's on some population."""
    return any(change.a != change.b for change in goal.changes) or goal.verdict in ("better", "worse")


def verdict_words(goal: GoalFinding) -> str:
    """What is proven against the base, and on how many populations the plan is better."""
    words = VERDICT_WORDS[goal.verdict].replace("B is", "") if goal.verdict != "not_in_both" else "measured otherwise"
    if len(goal.changes) == 1 or goal.verdict in ("better", "worse", "same"):
        return words.strip()
    return f"{words.strip()}; the plan is better on {goal.better_plans} of {len(goal.changes)} populations"


def study_page(study: Study, findings: Sequence[Finding]) -> Page:
    """The study as a page."""
    base = findings[0]
    total = sum(item.seconds for item in findings)
    cards = [
        Card("scenarios", number(len(findings)), "each planned and audited on its own"),
        Card("populations each", number(study.file.populations), "the people as they are, and others like them"),
        Card("people have a place", number(round(base.figures["people"] or 0)), "in the base"),
    ]
    sections = [table_section(study, findings)]
    for number_, sweep in enumerate(study.file.sweeps):
        here = [item for item in findings if item.scenario.of == sweep.name]
        curves = [curve for curve in study.file.curves if curve.sweep == sweep.name]
        sections.append(sweep_section(f"sweep-{number_}", sweep, here, curves))
    for number_, grid in enumerate(study.file.grids):
        here = [item for item in findings if item.scenario.of == grid.name]
        sections.append(grid_section(f"grid-{number_}", grid, here))
    return Page(
        service="Scenarios",
        title=study.file.name,
        subtitle=f"{plural(len(findings), 'scenario')}, {number(round(total / 60))} minutes of planning",
        cards=cards,
        brief=EXPLAINED,
        notices=(ONE_POPULATION,) if study.file.populations == 1 else (),
        sections=sections,
    )


def table_section(study: Study, findings: Sequence[Finding]) -> Section:
    """Named scenarios side by side: people with a place, and each goal that differs somewhere."""
    named = [item for item in findings if not item.scenario.of]
    labels = [goal.label for goal in named[0].goals if any(moves(item, goal.label) for item in findings[1:])]
    heads = ("Scenario", "People with a place", *(goal_name(label) for label in labels))
    rows = [(item.scenario.name, people_cell(item), *(goal_cell(item, label) for label in labels)) for item in named]
    left_out = ("A goal that is the same in every scenario is left out.",) if len(labels) < len(named[0].goals) else ()
    side_by_side = blocks.Grid("Scenarios and goals", heads, rows, texts=(0, *range(2, 99)))
    blocks_ = [Block("Side by side", left_out, grid=side_by_side)]
    blocks_ += [Block(item.scenario.name, place_words(item).splitlines()) for item in named if item.no_plan]
    for item in (item for item in named[1:] if not item.no_plan):
        cells = [
            (
                goal_name(goal.label),
                mean_quantity(base_value(goal), goal.unit),
                mean_quantity(goal.value, goal.unit),
                mean_quantity(goal.bound, goal.unit),
                verdict_words(goal),
            )
            for goal in item.goals
        ]
        heads_ = ("Goal", "Base", "This scenario", "No plan beats", "Against the base")
        grid = blocks.Grid(f"{item.scenario.name}: each goal", heads_, cells, texts=(0, 4))
        blocks_.append(Block(item.scenario.name, (f"{place_words(item)}.",), grid=grid))
    return Section("scenarios", "Scenarios", blocks_)


def base_value(goal: GoalFinding) -> float:
    """The base's value, the mean over populations."""
    return sum(change.a for change in goal.changes) / len(goal.changes)


def moves(item: Finding, label: str) -> bool:
    """Does the scenario's plan differ from the base's on this goal."""
    goal = item.goal(label)
    return goal is not None and differs(goal)


def people_cell(item: Finding) -> str:
    """How many have a place."""
    return "no plan" if item.no_plan else number(round(item.figures["people"] or 0))


def goal_cell(item: Finding, label: str) -> str:
    """The value of a goal, with the verdict against the base where it is one."""
    if item.no_plan:
        return "no plan"
    goal = item.goal(label)
    if goal is None:
        return "no goal here"
    value = mean_quantity(goal.value, goal.unit)
    verdict = {"better": " (better, proven)", "worse": " (worse, proven)"}.get(goal.verdict, "")
    return value + (verdict if item.scenario.name != "base" else "")


def sweep_section(key: str, sweep: Sweep, here: Sequence[Finding], asked: Sequence[Curve]) -> Section:
    """A sweep: its curves and its table."""
    labels = goals_that_differ(here)
    axes = asked or [
        Curve(title=title_of(y, sweep.parameter), sweep=sweep.name, x="parameter", y=y)
        for y in ("people", *labels)[:MOST_CURVES]
    ]
    drawn = [curve_block(f"{key}-{place}", curve, sweep, here) for place, curve in enumerate(axes)]
    heads = (sweep.parameter, "People with a place", *(goal_name(label) for label in labels))
    rows = [
        (str(item.scenario.at[0]), people_cell(item), *(goal_cell(item, label) for label in labels)) for item in here
    ]
    grid = blocks.Grid(f"{sweep.name}: every step", heads, rows, texts=(0, *range(2, 99)))
    return Section(key, sweep.name, [*drawn, Block("Every step", grid=grid)])


def title_of(y: str, parameter: str) -> str:
    """The title of a curve that nobody asked for."""
    return f"{axis_name(y, '')} as {parameter} changes"


def goals_that_differ(here: Sequence[Finding]) -> list[str]:
    """Goals of every step that has a plan, whose value is not the same all along."""
    planned = [item for item in here if not item.no_plan]
    values = {
        goal.label: [found.value for item in planned if (found := item.goal(goal.label)) is not None]
        for goal in (planned[0].goals if planned else ())
    }
    return [label for label, found in values.items() if len(set(found)) > 1 and len(found) == len(planned)]


def curve_block(key: str, curve: Curve, sweep: Sweep, here: Sequence[Finding]) -> Block:
    """One curve; steps whose value is no number, or is not known, are left out and said so."""
    points = []
    for item in here:
        x, y = axis_value(item, curve.x), axis_value(item, curve.y)
        if x is not None and y is not None:
            goal = item.goal(curve.y)
            bound = None if goal is None or goal.bound is None else shown(goal.bound, goal.unit)
            points.append(Point(x, y, bound, f"{sweep.parameter} = {item.scenario.at[0]}"))
    if not points:
        return Block(curve.title, ("No step has a number on both axes.",))
    first = next((item for item in here if not item.no_plan), here[0])
    names = axis_title(first, curve.x, sweep.parameter), axis_title(first, curve.y, sweep.parameter)
    description = f"{names[1]} against {names[0]}, {len(points)} steps. The figures are in the table."
    left = len(here) - len(points)
    sentences = (f"{plural(left, 'step')} left out: no number on both axes.",) if left else ()
    legend = BAND_LEGEND if any(point.bound is not None for point in points) else BAND_LEGEND[:1]
    return Block(curve.title, sentences, curve_chart(key, curve.title, description, points, names), legend)


def axis_value(item: Finding, axis: str) -> float | None:
    """The value of an axis: the parameter, a figure, or a goal."""
    if axis == "parameter":
        value = item.scenario.at[0]
        return None if isinstance(value, str) else float(value)
    if axis in item.figures:
        return item.figures[axis]
    goal = item.goal(axis)
    return None if goal is None else shown(goal.value, goal.unit)


def shown(value: float, unit: str) -> float:
    """Pence as pounds, hundredths of a percent as percent."""
    return value / 100 if unit in ("pence", "hundredths of a percent") else value


def axis_name(axis: str, parameter: str) -> str:
    """What an axis is called."""
    known = {"parameter": parameter, "people": "People with a place", "places": "Places"}
    return known.get(axis) or goal_name(axis)


def axis_title(item: Finding, axis: str, parameter: str) -> str:
    """What an axis is called, with the unit of a goal."""
    goal = item.goal(axis)
    units = {"pence": "pounds", "hundredths of a percent": "percent"}
    return axis_name(axis, parameter) + ("" if goal is None else f" ({units.get(goal.unit, goal.unit)})")


def grid_section(key: str, grid: Grid, here: Sequence[Finding]) -> Section:
    """A grid: people with a place, and the first goals that differ, a table each."""
    found = {item.scenario.at: item for item in here}
    rows, columns = grid.rows.steps(), grid.columns.steps()
    labels = ["people", *goals_that_differ(here)]
    drawn = []
    for label in labels[:MOST_GRIDS]:
        title = axis_name(label, "")
        cells = [(str(row), *(grid_cell(found[row, column], label) for column in columns)) for row in rows]
        heads = (f"{grid.rows.parameter} (down), {grid.columns.parameter} (across)", *map(str, columns))
        drawn.append(Block(title, grid=blocks.Grid(f"{grid.name}: {title}", heads, cells)))
    return Section(key, grid.name, drawn)


def grid_cell(item: Finding, label: str) -> str:
    """One cell of a grid."""
    return people_cell(item) if label == "people" else goal_cell(item, label)
