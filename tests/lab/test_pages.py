"""The pages of the laboratory in a browser: axe finds nothing, and nothing is asked for from outside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from allocator.answer import Limits
from allocator.compare import compared, side_of
from allocator.lab.compare_words import comparison_page
from allocator.lab.findings import findings_of
from allocator.lab.ground import Stored, ground_of
from allocator.lab.page import Page, html
from allocator.lab.parts import part_of, parts_of, run_parts
from allocator.lab.price_tags import Priced, tag
from allocator.lab.price_words import price_lines, prices_page
from allocator.lab.prices import Prices, by_goal, dearest_nights, planned_again, ranked, scenario_of, tightest_rows
from allocator.lab.relaxations import of_beds, of_lists, of_rules
from allocator.lab.scenario_words import study_page
from allocator.run import allocate
from models.daily import DAILY
from tests.build import make_facts
from tests.lab.test_compare import NEARER, PATIENTS, SESSIONS
from tests.lab.test_scenarios import INSTANT, small, study
from tests.report.test_page import AXE_TAGS, browser

__all__ = ["browser"]
"""The fixture of the report's own page."""


PROVING = Limits(work=50)


def comparison() -> Page:
    instance = make_facts(PATIENTS, SESSIONS, info={"reporting_dates": ("2026-03-31",)}).instance
    sides = [side_of(name, allocate(instance, policy, INSTANT)) for name, policy in (("far", DAILY), ("near", NEARER))]
    return comparison_page(compared(*sides), {})


def scenarios(folder: Path) -> Page:
    found = study(folder)
    parts = parts_of(found, small(), INSTANT)
    with ThreadPoolExecutor(1) as pool:
        results = run_parts(parts, small(), INSTANT, 0, folder / "parts", pool, lambda text: None)
    return study_page(found, findings_of(found, parts, results))


def price_list(folder: Path, limits: Limits = INSTANT) -> Prices:
    instance = small()
    run = allocate(instance, DAILY, limits)
    ground = ground_of(instance, DAILY)
    stored = Stored("monday", ground, ground.allocation(run.allocation.placements), run.goals)
    priced = Priced(ground, stored.allocation, run.certificate)
    every = [*of_rules(DAILY, ground.facts), *of_lists(instance, DAILY), *of_beds(instance, DAILY)]
    tags = [found for relaxation in every if (found := tag(priced, relaxation)) is not None]
    gaining = [item for item in tags if any(goal.estimate > 0 for goal in item.goals)]
    steps, rules = (
        ranked([item for item in gaining if item.relaxation.kind == kind], None) for kind in ("parameter", "rule")
    )
    rooms = ranked([item for item in gaining if item.relaxation.kind in ("list", "bed")], None)
    parts = [part_of(scenario_of(item.relaxation), 0, instance, INSTANT, 0) for item in rooms[:1]]
    with ThreadPoolExecutor(1) as pool:
        results = run_parts(parts, instance, INSTANT, 0, folder / "parts", pool, lambda text: None)
    labels = tuple(goal.label for goal in run.goals)
    beds = [item for item in tags if item.relaxation.kind == "bed"]
    return Prices(
        run="monday",
        bounds=priced.bounds,
        steps=steps,
        rules=rules,
        rooms=rooms,
        nights=dearest_nights(beds, labels, None),
        rows=by_goal(tightest_rows(priced), labels),
        again=planned_again(stored, priced.bounds, parts, results),
    )


def test_price_list_ranks_more_room_first_and_says_about_and_at_most(tmp_path: Path) -> None:
    prices = price_list(tmp_path, PROVING)
    assert prices.rules[0].worth >= prices.rules[-1].worth
    assert {item.relaxation.kind for item in prices.rooms} == {"list"}
    lines = "\n".join(price_lines(prices))
    assert "one more four-hour list for 110 at Beta General on 2026-03-10: " in lines
    assert "(at most " in lines
    (again,) = prices.again
    waits = again.goal("longest_waits_52w")
    assert waits is not None
    assert (waits.changes[0].a, waits.value) == (3, 5)
    assert "Planned again:" in lines
    assert "<script" not in html(prices_page(prices))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each page, written to a file."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "comparison": comparison(),
        "scenarios": scenarios(folder),
        "prices": prices_page(price_list(folder, PROVING)),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(html(page), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.page
@pytest.mark.parametrize("name", ["comparison", "scenarios", "prices"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_no_violation_and_the_browser_asks_for_nothing(
    pages: dict[str, Path], browser: object, name: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900})  # type: ignore[attr-defined]
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(pages[name].as_uri())
    for details in page.query_selector_all("details"):
        details.evaluate("element => { element.open = true }")
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}})
    assert [(item["id"], item["nodes"][0]["html"]) for item in found.response["violations"]] == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
