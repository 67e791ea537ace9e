"""A comparison in plain lines and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from allocator.compare import VERDICT_WORDS, Comparison, GoalChange, GroupChange
from allocator.lab.page import Page
from allocator.report.blocks import Block, Card, Grid, Section
from allocator.report.charts import Bar, bar_chart
from allocator.words import goal_name, number, people, plural, quantity

MOST_NAMES = 20
"""Entries of one kind that are named one by one in the lines; JSON has all."""
MOST_ROWS = 500
"""Entries that the page lists."""
GROUP_WORDS: Mapping[str, str] = {
    "home": "By home trust",
    "service": "By service",
    "deprivation": "By deprivation",
    "band": "By wait band on the morning of the plan",
}
CHANGE_WORDS: Mapping[str, tuple[str, str]] = {
    "gains": ("gains a place", "gain a place"),
    "loses": ("loses one", "lose one"),
    "moves": ("goes somewhere else", "go somewhere else"),
}
"""Of one person, and of several."""
EACH_AMONG = (
    "Each range holds among plans that are as good on the goals before it as A, and as B. Where those differ, a later "
    "goal may be worse only since an earlier one is better."
)
EXPLAINED = (
    "“Best possible” is what the best plan under each set of rules could reach. No program finds it for certain in the "
    "time given, but each run proves how far it can be at most. So the change from A to B is known as a range. Where "
    "the range holds 0, the two cannot be told apart at this gap: longer runs may tell.",
    EACH_AMONG,
)


def comparison_lines(found: Comparison) -> list[str]:
    """Who gains, loses and moves, each goal, and each group that changes."""
    lines = [f"A: {found.a}", f"B: {found.b}", *found.notices, ""]
    for change, words in CHANGE_WORDS.items():
        here = [person.entry_id for person in found.people if person.change == change]
        names = ", ".join(here[:MOST_NAMES]) + (
            f" and {number(len(here) - MOST_NAMES)} more" if len(here) > MOST_NAMES else ""
        )
        lines.append(f"{people(len(here))} {words[len(here) != 1]}" + (f": {names}" if here else "") + ".")
    keep = "keeps" if found.same == 1 else "keep"
    lines += [f"{people(found.same)} {keep} the place they have.", ""]
    lines += [*(goal_line(goal) for goal in found.goals), "", EACH_AMONG]
    for name, rows in found.groups.items():
        told = [group_line(row) for row in rows if row.gains or row.loses or row.moves]
        same = len(rows) - len(told)
        rest = [f"  {plural(same, 'group')} without a change."] if same else []
        lines += ["", f"{GROUP_WORDS[name]}:", *told, *rest]
    return lines


def goal_line(goal: GoalChange) -> str:
    """One goal in a line."""
    told = f"{goal_name(goal.label)}: {quantity(goal.a, goal.unit)} in A, {quantity(goal.b, goal.unit)} in B"
    best = "" if goal.verdict == "not_in_both" else f"best possible: {range_words(goal)}"
    return f"{told}; {best}{VERDICT_WORDS[goal.verdict]}."


def range_words(goal: GoalChange) -> str:
    """The range of the change of the best possible; nothing where it is not known."""
    if goal.low is None or goal.high is None:
        return ""
    if goal.low == goal.high:
        return f"changes by {signed(goal.low, goal.unit)}, "
    return f"changes by {signed(goal.low, goal.unit)} to {signed(goal.high, goal.unit)}, "


def signed(value: int, unit: str) -> str:
    """A change with its sign."""
    return f"+{quantity(value, unit)}" if value > 0 else f"−{quantity(-value, unit)}" if value else "0"


def group_line(row: GroupChange) -> str:
    """One group in a line."""
    counts = f"{row.gains} gain, {row.loses} lose, {row.moves} move"
    return f"  {row.group}: {plural(row.placed_a, 'place')} in A, {number(row.placed_b)} in B; {counts}."


def comparison_page(found: Comparison, names: Mapping[str, str]) -> Page:
    """The comparison as a page; `names` are providers' names by code."""
    placed = [sum(getattr(row, side) for row in found.groups["home"]) for side in ("placed_a", "placed_b")]
    cards = [
        Card("gain a place", number(found.count("gains")), "none in A, one in B"),
        Card("lose their place", number(found.count("loses")), "one in A, none in B"),
        Card("go somewhere else", number(found.count("moves")), "another session in B"),
        Card("keep their place", number(found.same), "the same session in both"),
        Card("have a place in A", number(placed[0]), "people waiting who are in both"),
        Card("have a place in B", number(placed[1]), "people waiting who are in both"),
    ]
    decided = sum(goal.verdict in ("better", "worse", "same") for goal in found.goals)
    lead = f"On {decided} of {len(found.goals)} goals it is proven which is better, or that they are the same."
    groups = [group_block(name, rows, names) for name, rows in found.groups.items()]
    return Page(
        service="Two plans compared",
        title=f"{found.a} and {found.b}",
        subtitle=f"A is “{found.a}”, B is “{found.b}”",
        cards=cards,
        brief=(),
        notices=found.notices,
        sections=(
            Section(
                "goals", "What each goal gains or pays", (Block("", EXPLAINED, grid=goal_grid(found.goals)),), lead
            ),
            Section("groups", "Who gains and who loses", groups),
            Section("people", "Person by person", (people_block(found),)),
        ),
    )


def goal_grid(goals: Sequence[GoalChange]) -> Grid:
    """Each goal: both plans, the difference, and what is proven."""
    rows = [
        (
            f"{place}. {goal_name(goal.label)} ({'more' if goal.sense == 'max' else 'less'} is better)",
            quantity(goal.a, goal.unit),
            quantity(goal.b, goal.unit),
            signed(goal.b - goal.a, goal.unit),
            (range_words(goal) or "not known, ").removesuffix(", "),
            VERDICT_WORDS[goal.verdict],
        )
        for place, goal in enumerate(goals, 1)
    ]
    heads = ("Goal", "Plan A", "Plan B", "Difference of the plans", "The best possible", "In a word")
    return Grid("Goals in order", heads, rows, texts=(0, 4, 5))


def group_block(name: str, rows: Sequence[GroupChange], names: Mapping[str, str]) -> Block:
    """Places of each group on both sides, and what changes."""
    told = [names.get(row.group, row.group) for row in rows]
    full = max((row.entries for row in rows), default=1)
    bars = [
        Bar(
            label,
            f"{number(row.placed_a)} in A, {number(row.placed_b)} in B",
            ((row.placed_b, "fill"),),
            mark=row.placed_a,
            track=row.entries,
        )
        for label, row in zip(told, rows, strict=True)
    ]
    cells = [
        (label, *map(number, (row.entries, row.placed_a, row.placed_b, row.gains, row.loses, row.moves)))
        for label, row in zip(told, rows, strict=True)
    ]
    title = GROUP_WORDS[name]
    description = "Each bar is everybody in a group; the dark part has a place in B, the mark is A. Figures: the table."
    grid = Grid(f"{title}: places in A and B", ("", "Waiting", "Placed, A", "Placed, B", "Gain", "Lose", "Move"), cells)
    legend = (("fill", "Has a place in B"), ("track", "Waiting"), ("mark", "Has a place in A"))
    chart = bar_chart(f"group-{name}", f"{title}: places in A and B", description, bars, full)
    return Block(title, (), chart, legend, grid, beside=False, folded=len(rows) > 15)


def people_block(found: Comparison) -> Block:
    """Everybody whose place changes, folded up."""
    words = {"gains": "Gains a place", "loses": "Loses a place", "moves": "Moves"}
    rows = [
        (person.entry_id, words[person.change], ", ".join(person.before) or "none", ", ".join(person.after) or "none")
        for person in found.people[:MOST_ROWS]
    ]
    more = len(found.people) - len(rows)
    sentences = (f"The first {number(MOST_ROWS)}; {number(more)} more are in the JSON.",) if more > 0 else ()
    grid = Grid("Entries whose place changes", ("Entry", "Change", "Place in A", "Place in B"), rows, texts=range(4))
    return Block("", sentences, grid=grid, folded=bool(rows))
