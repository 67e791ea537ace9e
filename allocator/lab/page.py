"""A page of the laboratory: one HTML file that stands alone, with the look of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from allocator.report.blocks import Card, Section
from allocator.report.page import templates

FOOTER = (
    "“Proven” can be checked by anybody from the prices that a run keeps, without a solver. Contains public sector "
    "information licensed under the Open Government Licence v3.0 where a source says so."
)


@dataclass(frozen=True)
class Page:
    """What a page of the laboratory says."""

    service: str
    title: str
    subtitle: str
    cards: Sequence[Card]
    brief: Sequence[str]
    sections: Sequence[Section]
    notices: Sequence[str] = ()


def html(page: Page) -> str:
    """The page as HTML: no script, no outside request, nothing that depends on when it was made."""
    return (
        templates()
        .get_template("lab.html.jinja")
        .render(
            service=page.service,
            title=page.title,
            subtitle=page.subtitle,
            cards=page.cards,
            brief=page.brief,
            notices=page.notices,
            sections=page.sections,
            footer=FOOTER,
        )
    )
