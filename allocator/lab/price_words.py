"""A price list in plain lines and as a page."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.compare import VERDICT_WORDS, GoalChange
from allocator.lab.compare_words import range_words
from allocator.lab.findings import Finding
from allocator.lab.page import Page
from allocator.lab.price_tags import GoalTag, RowTag, Tag
from allocator.lab.prices import Night, Prices
from allocator.report.blocks import Block, Card, Grid, Section
from allocator.report.charts import Bar, bar_chart
from allocator.words import goal_name, number, quantity

MOST = 15
"""Tags of each part that the lines and the charts show; the tables and JSON have all."""
MOST_BARS = 10
MOST_COLUMNS = 6
MOST_GOALS = 3
"""Goals that a line names, or that have a chart: the first that gain."""
NOTHING = "No gain shows: either nobody would gain, or the bounds are too loose to tell. Maybe give more --seconds."
EXPLAINED = (
    "A price tag says what a goal could gain if one thing were looser. It comes from the prices that the run left as "
    "its proof: “about” is how far the proven limit moves, “at most” is proven: no plan gains more.",
    "A gain counts with the goals before it held at what the run reached. A plan that uses the room for an earlier "
    "goal may gain less on a later one.",
    "The best were planned again. There the change of the best possible is a range; where it holds 0 the gain is not "
    "proven at this gap.",
)


def price_lines(prices: Prices) -> list[str]:
    """The price list, best first."""
    lines = [f"Price tags of {prices.run}. “About” is an estimate, “at most” is proven.", ""]
    for title, tags in (
        ("Rules, one step looser:", prices.steps),
        ("Rules taken out:", prices.rules),
        ("One more list, test session or bed:", prices.rooms),
    ):
        lines += [title, *(f"  {rank}. {tag_sentence(item)}" for rank, item in enumerate(tags[:MOST], 1))]
        if not tags:
            lines.append(f"  {NOTHING}")
        lines.append("")
    nights = [f"  {rank}. {night_sentence(item)}" for rank, item in enumerate(prices.nights[:MOST], 1)]
    lines += ["One more bed on one night, the dearest night of each site:", *(nights or [f"  {NOTHING}"]), ""]
    if prices.again:
        lines.append("Planned again:")
        lines += [f"  {again_sentence(item)}" for item in prices.again]
    return lines


def tag_sentence(item: Tag) -> str:
    """A relaxation and the first goals that it gains."""
    gains = [goal for goal in item.goals if goal.estimate > 0][:MOST_GOALS]
    return f"{item.relaxation.what}: " + "; ".join(f"{goal_name(g.label)} {gain_words(g)}" for g in gains) + "."


def gain_words(goal: GoalTag) -> str:
    """A gain: about so much, at most so much."""
    return f"about {quantity(goal.estimate, goal.unit)} {better(goal)} (at most {quantity(goal.high, goal.unit)})"


def better(tag: GoalTag | RowTag) -> str:
    """Which way is better on a goal."""
    return "less" if tag.sense == "min" else "more"


def again_sentence(item: Finding) -> str:
    """What planning again showed: the first goal that is proven to change, else that changes, else that might."""
    changes = [goal.changes[0] for goal in item.goals]
    proven = [change for change in changes if change.verdict in ("better", "worse")]
    moved = proven or [change for change in changes if change.a != change.b]
    moved = moved or [change for change in changes if change.verdict == "undecided"] or changes
    return f"{item.scenario.name}: {change_words(moved[0])}."


def change_words(change: GoalChange) -> str:
    """One goal before and after, and what is proven."""
    told = f"{goal_name(change.label)} {quantity(change.a, change.unit)} to {quantity(change.b, change.unit)}"
    return f"{told}; best possible: {range_words(change)}{verdict(change)}"


def verdict(change: GoalChange) -> str:
    """What is proven, without naming sides."""
    return VERDICT_WORDS[change.verdict].replace("B is ", "")


def prices_page(prices: Prices) -> Page:
    """The price list as a page."""
    cards = [
        Card("steps of a rule gain something", number(len(prices.steps)), "one parameter one step looser"),
        Card("more lists or beds gain something", number(len(prices.rooms)), "one more at one site"),
        Card("were planned again", number(len(prices.again)), "to know the gain as a range"),
    ]
    sections = [
        tags_section("steps", "What one step of each rule is worth", prices.steps),
        tags_section("rules", "What each rule costs altogether", prices.rules),
        tags_section("rooms", "What one more list or bed is worth", prices.rooms),
        nights_section(prices.nights),
        Section("again", "Planned again", [Block(grid=again_grid(prices.again))]),
        Section("rows", "Where each limit is tightest", [Block(grid=rows_grid(prices.rows), folded=True)]),
    ]
    return Page(
        service="What room is worth",
        title=f"Price tags of {prices.run}",
        subtitle="What each goal could gain if one thing were looser",
        cards=cards,
        brief=EXPLAINED,
        sections=sections,
    )


def tags_section(key: str, title: str, tags: Sequence[Tag]) -> Section:
    """A chart for each of the first goals that some tag gains, ranked by it, and all tags as a table."""
    if not tags:
        return Section(key, title, (), NOTHING)
    gained = [k for k in range(len(tags[0].goals)) if any(item.goals[k].estimate > 0 for item in tags)]
    heads = ("", *(goal_name(tags[0].goals[k].label) for k in gained[:MOST_COLUMNS]))
    rows = [(item.relaxation.what, *(cell(item.goals[k]) for k in gained[:MOST_COLUMNS])) for item in tags]
    grid = Grid(f"{title}: about (at most)", heads, rows, texts=range(len(heads)))
    table = Block("All of them", grid=grid, folded=len(rows) > MOST)
    return Section(key, title, [*(goal_block(key, tags, k) for k in gained[:MOST_GOALS]), table])


def goal_block(key: str, tags: Sequence[Tag], k: int) -> Block:
    """The tags that gain most on goal k, as bars."""
    goal = tags[0].goals[k]
    shown = sorted((item for item in tags if item.goals[k].estimate > 0), key=lambda item: -item.goals[k].estimate)
    bars = [
        Bar(
            item.relaxation.what,
            f"about {quantity(item.goals[k].estimate, goal.unit)}",
            ((item.goals[k].estimate, "fill"),),
            track=item.goals[k].high,
        )
        for item in shown[:MOST_BARS]
    ]
    name = goal_name(goal.label)
    description = f"Each bar is what {name} could gain; the pale part is the most that is proven. Figures: the table."
    full = float(max(item.goals[k].high for item in shown[:MOST_BARS]))
    chart = bar_chart(f"{key}-{k}", f"{name}: what could be gained", description, bars, full)
    return Block(name, (), chart, (("fill", "About so much"), ("track", "At most so much, proven")))


def cell(goal: GoalTag) -> str:
    """A tag in a table."""
    if goal.estimate <= 0:
        return f"– ({quantity(goal.high, goal.unit)})"
    return f"{quantity(goal.estimate, goal.unit)} ({quantity(goal.high, goal.unit)})"


def again_grid(again: Sequence[Finding]) -> Grid:
    """What was planned again: every goal that changes."""
    rows = [
        (
            item.scenario.name,
            goal_name(change.label),
            quantity(change.a, change.unit),
            quantity(change.b, change.unit),
            verdict(change),
        )
        for item in again
        for change in (goal.changes[0] for goal in item.goals)
        if change.a != change.b
    ]
    heads = ("What was loosened", "Goal", "In the run", "Planned again", "The best possible")
    return Grid("Relaxations that were planned again", heads, rows, texts=(0, 1, 4))


def night_sentence(item: Night) -> str:
    """One more bed on one night, and the first goals that it gains."""
    told = (f"{goal_name(row.goal)} {row_words(row)}" for row in item.rows[:MOST_GOALS])
    return f"{item.relaxation.what}: {'; '.join(told)}."


def row_words(row: RowTag) -> str:
    """What one unit more on a row gains."""
    return f"about {price_of(row)} {better(row)} (at most {quantity(row.high, row.unit)})"


def price_of(row: RowTag) -> str:
    """What one unit more on a row is worth: whole figures, pounds and percent as a goal's, others with two decimals."""
    whole = row.price == round(row.price) or row.unit in ("pence", "hundredths of a percent")
    return quantity(round(row.price), row.unit) if whole else f"{row.price:,.2f} {row.unit}"


def nights_section(nights: Sequence[Night]) -> Section:
    """One more bed on single nights, as a table."""
    title = "What one more bed is worth on its dearest night"
    if not nights:
        return Section("nights", title, (), NOTHING)
    cells = [
        (item.relaxation.what, goal_name(row.goal), price_of(row), quantity(row.high, row.unit))
        for item in nights
        for row in item.rows
    ]
    heads = ("", "Goal", "Worth about", "At most")
    return Section("nights", title, [Block(grid=Grid("One more bed on one night", heads, cells, texts=range(4)))])


def rows_grid(rows: Sequence[RowTag]) -> Grid:
    """One unit more on single rows."""
    cells = [(row.rule, row.row, goal_name(row.goal), price_of(row), quantity(row.high, row.unit)) for row in rows]
    heads = ("Rule", "Where", "Goal", "One unit more is worth about", "At most")
    return Grid("One unit more where it is worth most", heads, cells, texts=range(5))
