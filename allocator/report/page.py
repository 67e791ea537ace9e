"""report.html: one page that stands alone, made from summary.json and nothing else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from allocator.report import page_people, page_pins, page_plan
from allocator.report.page_plan import Summary
from allocator.words import date

TEMPLATES = Path(__file__).parent / "templates"


def templates() -> Environment:
    """The templates of every page; what they are given is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["day"] = date
    return environment


def page(summary: Summary) -> str:
    """The page as HTML: no script, no outside request, nothing that depends on when it was made."""
    sections = (
        page_plan.brief(summary),
        page_plan.waits(summary),
        page_plan.urgent(summary),
        page_plan.flows(summary),
        page_people.fairness(summary),
        page_people.capacity(summary),
        page_people.unplaced(summary),
        page_people.data(summary),
        page_plan.goals(summary),
        *page_pins.pins(summary),
        page_people.rules(summary),
        page_people.about(summary),
    )
    return (
        templates()
        .get_template("report.html.jinja")
        .render(
            instance=summary["instance"],
            policy=summary["policy"],
            audit_passed=summary["audit"]["passed"],
            notices=page_people.notices(summary),
            cards=page_plan.cards(summary),
            baseline=page_plan.BASELINE,
            sections=sections,
        )
    )
