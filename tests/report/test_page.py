"""The page: plain words, no outside request, no script, and no accessibility violation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from allocator.report.charts import Bar, Flow, bar_chart, flow_diagram
from allocator.report.words import claimed, proven, share
from allocator.report.write import write_run
from allocator.words import goal_name, quantity
from tests.report.sample import sample_intake, usual_run

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of the sample run."""
    run = usual_run()
    folder = tmp_path_factory.mktemp("page") / "run"
    write_run(run, sample_intake(run.facts.instance), folder)
    return folder / "report.html"


def test_the_page_asks_for_nothing_outside_and_runs_no_script(report: Path) -> None:
    html = report.read_text()
    assert "<script" not in html
    assert re.findall(r'(?:src|href)="(?!#|data:,")', html) == []
    assert re.findall(r"url\(|@import", html) == []


def test_the_page_warns_of_emergencies_and_says_that_people_are_synthetic(report: Path) -> None:
    html = report.read_text()
    assert html.index("Emergencies on waiting lists") < html.index("The plan in brief")
    assert "The people in this report are not real" in html


def test_names_from_the_data_cannot_become_markup(tmp_path: Path) -> None:
    chart = bar_chart("k", "<b>", "&", [Bar("<script>", "1 & 2", ((1, "fill"),))], 1).svg
    assert "<script>" not in chart
    assert "&lt;script&gt;" in chart
    flow = flow_diagram("f", "t", "d", [Flow("A", "B", 3)], {"A": "<i>", "B": '"'}, frozenset()).svg
    assert "<i>" not in flow


def test_small_providers_are_drawn_together_and_nobody_is_left_out() -> None:
    flows = [Flow(f"H{number:02}", "X", number) for number in range(1, 31)]
    chart = flow_diagram("f", "t", "d", flows, {"others": "Other providers"}, frozenset()).svg
    assert "Other providers" in chart
    shown = [int(found) for found in re.findall(r'class="label end">\S.*?<tspan>(\d+)</tspan>', chart)]
    assert len(shown) == 15
    assert sum(shown) == sum(range(1, 31))


def goal(**changes: object) -> dict[str, object]:
    return {
        "value": 90,
        "base": 0,
        "sense": "max",
        "unit": "people",
        "certified_bound": 100,
        "solver_bound": None,
        "certified_gap": 10 / 90,
        "solver_gap": None,
    } | changes


def test_what_is_proven_and_what_is_claimed_are_told_apart() -> None:
    assert proven(goal()) == (
        "Proven: no plan gets above 100 people. At most 10 people left to gain, 11% of what this plan changes."
    )
    assert claimed(goal()) == "No claim."
    assert proven(goal(certified_bound=None, certified_gap=None)) == "Not proven."
    assert proven(goal(value=100, certified_gap=0.0)) == "Proven: no plan does better."
    assert claimed(goal(sense="min", solver_bound=80, solver_gap=0.1)).startswith(
        "Claimed: no plan gets below 80 people"
    )


def test_figures_are_put_in_words() -> None:
    assert quantity(12345, "pence") == "£123"
    assert quantity(6572, "hundredths of a percent") == "65.72%"
    assert quantity(1, "people") == "1 person"
    assert goal_name("longest_waits_52w") == "Longest waits given a place: over 52 weeks"
    assert [share(1, 3), share(0, 3), share(999, 1000), share(3, 3), share(1, 0)] == ["33%", "0%", "99.9%", "100%", "–"]
    assert [share(1, 2405), share(2404, 2405)] == ["under 0.1%", "over 99.9%"]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Debian's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.page
@pytest.mark.parametrize("width", [1280, 400, 320])
def test_axe_finds_no_violation_and_the_browser_asks_for_nothing(report: Path, browser: object, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900})  # type: ignore[attr-defined]
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}})
    assert [(item["id"], item["nodes"][0]["html"]) for item in found.response["violations"]] == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
