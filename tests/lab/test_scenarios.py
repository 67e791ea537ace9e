"""Scenarios: the file, parts that are kept once, and what is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from allocator.answer import Limits, Memory
from allocator.errors import ContradictionError, InputError, UsageError
from allocator.instance import Instance
from allocator.lab.changes import Changes
from allocator.lab.findings import figures_table, findings_of, goals_table, study_figures
from allocator.lab.page import html
from allocator.lab.parts import Part, keep, kept, kept_memory, parts_of, run_part, run_parts
from allocator.lab.scenario_file import Scenario, Steps, Study, read_study
from allocator.lab.scenario_words import study_lines, study_page
from instances import path as shipped
from models import CATALOGUE
from models.daily import DAILY
from tests.build import make_facts
from tests.instances.tiny import read_folder

INSTANT = Limits(seconds=0.1)
FILE = """
name = "How far?"
populations = 2

[[variants]]
name = "Beta closed"
close = [{ site = "RBB01", from = 2026-03-01, to = 2026-03-31 }]

[[variants]]
name = "as it is"

[[sweeps]]
name = "Journey"
parameter = "max_travel.car_minutes"
from = 10
to = 30
by = 10

[[grids]]
name = "Journey and room"
rows = { parameter = "max_travel.car_minutes", values = [10, 60] }
columns = { parameter = "session_minutes.theatre_utilisation", values = [0.5, 1.0] }

[[curves]]
title = "Travel against long waits"
sweep = "Journey"
x = "travel"
y = "longest_waits_52w"
"""


def small() -> Instance:
    patients = [{"clock_start": f"2024-0{month}-01"} for month in range(1, 6)]
    sessions = [{"minutes": 100}, {"minutes": 200, "site_code": "RBB01"}]
    return make_facts(patients, sessions, info={"reporting_dates": ("2026-03-31",)}).instance


def study(tmp_path: Path, text: str = FILE) -> Study:
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return read_study(path, CATALOGUE)


def test_file_becomes_base_variants_sweeps_and_grids(tmp_path: Path) -> None:
    found = study(tmp_path)
    assert [scenario.name for scenario in found.scenarios[:5]] == [
        "base",
        "Beta closed",
        "as it is",
        "Journey: max_travel.car_minutes = 10",
        "Journey: max_travel.car_minutes = 20",
    ]
    assert len(found.scenarios) == 3 + 3 + 4
    rule = {rule.name: rule for rule in found.scenarios[3].policy.rules}["max_travel"]
    assert rule.model_dump()["car_minutes"] == 10
    assert [scenario.at for scenario in found.scenarios[6:8]] == [(10, 0.5), (10, 1.0)]


def test_sweep_may_hold_back_room(tmp_path: Path) -> None:
    text = 'name = "x"\n[[sweeps]]\nname = "Kept free"\nparameter = "hold_back"\nvalues = [0, 0.1]\n'
    found = study(tmp_path, text)
    assert [scenario.changes.hold_back for scenario in found.scenarios] == [(), (0.0,), (0.1,)]
    assert found.scenarios[2].policy == found.scenarios[0].policy


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"from": 20, "to": 90, "by": 10}, (20, 30, 40, 50, 60, 70, 80, 90)),
        ({"from": 0, "to": 0.3, "by": 0.1}, (0, 0.1, 0.2, 0.3)),
        ({"from": 1, "to": 6, "by": 2}, (1, 3, 5)),
        ({"values": [True, False]}, (True, False)),
    ],
)
def test_steps_of_a_sweep_end_where_they_were_told_to(given: dict[str, Any], values: tuple[Any, ...]) -> None:
    assert Steps.model_validate({"parameter": "x.y", **given}).steps() == values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "How far?"', "nmae = 1"), 'study.toml: nmae: no such setting. Maybe "name".'),
        (("close = [", "cloze = ["), 'study.toml: variants "Beta closed" cloze: no such setting. Maybe "close".'),
        (('site = "RBB01"', 'sight = "RBB01"'), 'variants "Beta closed" close number 1 sight: no such setting'),
        (("from = 2026-03-01", 'from = "soon"'), "close number 1 from: given 'soon'; input should be a valid date"),
        (('max_travel.car_minutes"\nfrom', 'max_travle.car_minutes"\nfrom'), 'Maybe "max_travel"'),
        (('max_travel.car_minutes"\nfrom', 'max_travle.car_minutes"\nfrom'), 'In "Journey": No rule or goal'),
        (("by = 10", ""), "wanted either values = [...], or from, to and by"),
        (("by = 10", "by = 0.001"), "20,008 scenarios (sweep Journey 20,001, grid Journey and room 4)"),
        (("by = 10", "by = 1e-300"), "wanted: 500 at most. Maybe longer steps."),
        (("by = 10", "by = 0"), 'sweeps "Journey" by: given 0; input should be greater than 0'),
        (("by = 10", "by = inf"), "input should be a finite number"),
        (("by = 10", "by = 10\nvalues = [5]"), "wanted either values = [...], or from, to and by"),
        (("from = 10\nto = 30", "from = 30\nto = 10"), "from is above to. Maybe from = 10 and to = 30"),
        (("values = [10, 60]", f"values = {list(range(400))}"), "grid Journey and room 800"),
        (('{ parameter = "session_minutes.theatre_utilisation"', '{ parameter = "max_travel.car_minutes"'), "the same"),
        (('"max_travel.car_minutes"\nfrom', '"hold_back"\nfrom'), "wanted values from 0 to 1"),
        (("from = 2026-03-01, to = 2026-03-31", "from = 2026-03-31, to = 2026-03-01"), "from is after to"),
        (('x = "travel"', 'x = "travle"'), 'Maybe "travel"'),
        (('sweep = "Journey"', 'sweep = "Jorney"'), 'Maybe "Journey"'),
        (('name = "as it is"', 'name = "Beta closed"'), "stand more often: Beta closed"),
        (("populations = 2", 'policy = "none.toml"'), "there is no file"),
        (("[[variants]]", "[[variants"), "cannot be read as TOML"),
        (("populations = 2", "populations = 1000"), "given 1000"),
    ],
)
def test_wrong_file_says_what_was_wanted(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    assert change[0] in FILE
    with pytest.raises(UsageError) as raised:
        study(tmp_path, FILE.replace(*change, 1))
    assert message in str(raised.value)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, list[str]]:
    """The study of FILE, run once on threads; its folder and what was told."""
    folder = tmp_path_factory.mktemp("study")
    found, told = study(folder), list[str]()
    with ThreadPoolExecutor(1) as pool:
        run_parts(parts_of(found, small(), INSTANT), small(), INSTANT, 0, folder / "parts", pool, told.append)
    return found, folder, told


class Refusing(ThreadPoolExecutor):
    """An executor that must not be asked for anything."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError("a part that is done was run again")


def test_parts_that_are_done_are_not_run_again(done: tuple[Study, Path, list[str]]) -> None:
    found, folder, told = done
    parts = parts_of(found, small(), INSTANT)
    again: list[str] = []
    with Refusing(1) as pool:
        results = run_parts(parts, small(), INSTANT, 0, folder / "parts", pool, again.append)
    assert set(results) == {part.key for part in parts}
    assert again == [f"{len(results)} of {len(results)} runs were done before and are not repeated"]
    assert told[-1].startswith(f"{len(results)} of {len(results)} runs done: ")


def test_scenarios_that_are_the_same_share_a_run(done: tuple[Study, Path, list[str]]) -> None:
    """`as it is` is the base, and 10 minutes of the grid with other use of lists are not those of the sweep."""
    found, _, _ = done
    keys = {(part.scenario.name, part.population): part.key for part in parts_of(found, small(), INSTANT)}
    assert keys["base", 0] == keys["as it is", 0] != keys["as it is", 1]
    assert len(set(keys.values())) == len(keys) - 2


def test_key_changes_with_everything_that_the_result_depends_on(done: tuple[Study, Path, list[str]]) -> None:
    found = done[0]
    keys = {
        parts_of(found, small(), limits)[0].key for limits in (INSTANT, Limits(seconds=5), Limits(seconds=5, seed=1))
    }
    other = make_facts([{}], [{}]).instance
    assert len(keys | {parts_of(found, other, INSTANT)[0].key}) == 4


def test_base_of_each_population_leaves_its_plan_for_the_others(done: tuple[Study, Path, list[str]]) -> None:
    found, folder, told = done
    parts = parts_of(found, small(), INSTANT)
    for part in parts:
        left = kept_memory(folder / "parts", part.key)
        if part.scenario.name != "base":
            continue
        assert left is not None
        result = kept(folder / "parts", part.key)
        assert result is not None
        assert len(left.pairs) == result["figures"]["places"] == 3
        assert "longest_waits_52w" in left.goals
    assert len(list((folder / "parts").glob("*.npz"))) == 2
    assert [line.split(": ")[1] for line in told[:2]] == ["base", "base, population 2"]


def test_part_begins_from_the_plan_that_it_is_given() -> None:
    """A plan that gives the only place to the shortest wait is improved, not lost; one that is best is kept."""
    instance = make_facts([{"clock_start": "2024-01-01"}, {"clock_start": "2025-12-01"}], [{"minutes": 75}]).instance
    part = Part(Scenario("x", DAILY, Changes()), 0, "x")
    result, left = run_part(instance, part, INSTANT, 0, Memory((("e2", "s1"),)))
    assert left.pairs == (("e1", "s1"),)
    assert result["figures"]["people"] == 1


def test_first_writer_wins_and_nothing_half_written_is_read(tmp_path: Path) -> None:
    assert keep(tmp_path, "k", {"who": 1}) == {"who": 1}
    assert keep(tmp_path, "k", {"who": 2}) == {"who": 1}
    (tmp_path / ".other.x.partial").write_text('{"wh', encoding="utf-8")
    assert kept(tmp_path, "other") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.x.partial", "k.json"]


@pytest.mark.parametrize("content", ["", '{"value": 1', "[]"])
def test_result_that_is_damaged_is_named_and_can_be_deleted(content: str, tmp_path: Path) -> None:
    (tmp_path / "part.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"part\.json.* Maybe delete it: that run"):
        kept(tmp_path, "part")


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive"])
def test_memory_of_a_base_that_is_damaged_is_named_and_can_be_deleted(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "base.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"base\.npz.* Maybe delete it: that run"):
        kept_memory(tmp_path, "base")


def test_findings_are_what_the_plans_reach(done: tuple[Study, Path, list[str]]) -> None:
    """Five people who waited over 52 weeks; s1 takes one of 75 minutes, s2 two; Beta closed leaves one."""
    found, folder, _ = done
    parts = parts_of(found, small(), INSTANT)
    findings = findings_of(found, parts, {part.key: kept(folder / "parts", part.key) or {} for part in parts})
    people = {item.scenario.name: item.figures["people"] for item in findings}
    assert people["base"] == 3
    assert people["Beta closed"] == 1
    assert [people[f"Journey: max_travel.car_minutes = {value}"] for value in (10, 20, 30)] == [1, 1, 3]
    waits = findings[1].goal("longest_waits_52w")
    assert waits is not None
    assert (waits.value, [change.a for change in waits.changes]) == (1, [3, 3])
    assert waits.better_plans == 0
    for item in findings[2].goals:
        assert all(change.a == change.b for change in item.changes)
    table = goals_table(findings)
    assert len(table) == 10 * 2 * len(findings[0].goals)
    assert figures_table(findings)["people"].tolist() == list(people.values())
    json.dumps(study_figures(found, findings))
    lines = "\n".join(study_lines(found, findings))
    assert "cannot be told apart at this gap" in lines
    assert "\n  Every goal: as in the base." in lines
    assert "\n  Every other goal: as in the base." in lines
    page = html(study_page(found, findings))
    assert "A goal that is the same in every scenario is left out." in page
    assert page.count('class="chart curves"') == 1
    assert 'class="band"' in page
    assert "<script" not in page


def test_price_of_fairness_is_a_curve_with_its_band(tmp_path: Path) -> None:
    """tiny-equity-hard on paper: with tolerance 0 one of the four places stays empty, with a tenth none does."""
    folder = shipped("tiny-equity-hard")
    (tmp_path / "fair.toml").write_text((folder / "policy.toml").read_text(encoding="utf-8"), encoding="utf-8")
    text = (
        'name = "Fairness"\npolicy = "fair.toml"\n[[sweeps]]\nname = "Tolerance"\n'
        'parameter = "group_equity.equity_tolerance"\nfrom = 0\nto = 0.2\nby = 0.1\n[[curves]]\n'
        'title = "The price of fairness"\nsweep = "Tolerance"\nx = "parameter"\ny = "longest_waits_52w"\n'
    )
    found, instance, limits = study(tmp_path, text), read_folder(folder), Limits(seconds=2)
    parts = parts_of(found, instance, limits)
    with ThreadPoolExecutor(1) as pool:
        results = run_parts(parts, instance, limits, 0, tmp_path / "parts", pool, lambda text: None)
    findings = findings_of(found, parts, results)
    waits = [goal for item in findings[1:] if (goal := item.goal("longest_waits_52w")) is not None]
    assert [goal.value for goal in waits] == [3, 4, 4]
    assert all(goal.bound is not None and goal.bound >= goal.value for goal in waits)
    assert [item.figures["places"] for item in findings[1:]] == [3, 4, 4]
    page = html(study_page(found, findings))
    assert "The price of fairness" in page
    assert 'class="band"' in page


def pinned() -> Instance:
    """Two people of 75 minutes pinned to one list of 300: 85% of it takes both, 30% not even one."""
    pins = [
        {
            "entry_id": f"e{n}",
            "session_id": "s1",
            "action": "must",
            "who": "A",
            "reason": "r",
            "recorded_on": "2026-01-30T08:00:00",
        }
        for n in (1, 2)
    ]
    return make_facts([{}, {}], [{"minutes": 300}], overrides=pins).instance


def test_scenario_without_a_plan_says_why_and_the_others_are_planned(tmp_path: Path) -> None:
    limits = Limits(seconds=5)
    text = (
        'name = "x"\n[[variants]]\nname = "little"\nset = ["session_minutes.theatre_utilisation=0.3"]\n'
        '[[sweeps]]\nname = "use"\nparameter = "session_minutes.theatre_utilisation"\nvalues = [0.3, 0.9]\n'
        '[[grids]]\nname = "both"\n'
        'rows = { parameter = "session_minutes.theatre_utilisation", values = [0.3, 0.9] }\n'
        'columns = { parameter = "max_travel.car_minutes", values = [60] }\n'
    )
    found, told = study(tmp_path, text), list[str]()
    parts = parts_of(found, pinned(), limits)
    with ThreadPoolExecutor(1) as pool:
        results = run_parts(parts, pinned(), limits, 0, tmp_path / "parts", pool, told.append)
    findings = findings_of(found, parts, results)
    assert [item.scenario.name for item in findings if item.no_plan] == [
        "little",
        "use: session_minutes.theatre_utilisation = 0.3",
        "both: session_minutes.theatre_utilisation = 0.3, max_travel.car_minutes = 60",
    ]
    assert [item.figures["people"] for item in findings if not item.no_plan] == [2, 2, 2]
    assert "No result: little" in told
    lines = "\n".join(study_lines(found, findings))
    assert "little: no plan. No plan keeps all of these:" in lines
    assert "e1 must go to session s1" in lines
    page = html(study_page(found, findings))
    assert page.count("no plan") >= 3
    assert figures_table(findings)["no_plan"].astype(bool).tolist() == [bool(item.no_plan) for item in findings]
    assert set(goals_table(findings)["scenario"]) == {item.scenario.name for item in findings if not item.no_plan}
    json.dumps(study_figures(found, findings))


def test_scenario_for_which_no_plan_stood_in_time_says_so_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the seconds were too few for the solver that shows that the pins contradict."""
    monkeypatch.setattr("allocator.solve.lexicographic.any_plan", lambda *arguments: None)
    limits, told = INSTANT, list[str]()
    text = (
        'name = "x"\n[[variants]]\nname = "little"\nset = ["session_minutes.theatre_utilisation=0.3"]\n'
        '[[variants]]\nname = "near"\nset = ["max_travel.car_minutes=50"]\n'
    )
    found = study(tmp_path, text)
    parts = parts_of(found, pinned(), limits)
    with ThreadPoolExecutor(1) as pool:
        results = run_parts(parts, pinned(), limits, 0, tmp_path / "parts", pool, told.append)
    without = {item.scenario.name: item.no_plan for item in findings_of(found, parts, results)}
    assert without.pop("little").startswith("No plan stood after")
    assert set(without.values()) == {""}
    assert "No result: little" in told


def test_base_without_a_plan_stops_the_study_with_the_smallest_set_that_contradicts(tmp_path: Path) -> None:
    limits = Limits(seconds=5)
    found = study(tmp_path, 'name = "x"\nset = ["max_travel.car_minutes=5"]\n')
    parts = parts_of(found, pinned(), limits)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ContradictionError, match="rule max_travel"):
        run_parts(parts, pinned(), limits, 0, tmp_path / "parts", pool, lambda text: None)


def gone(group: int, seconds: float) -> bool:
    """Is no process of this group left within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.2)
    os.killpg(group, signal.SIGKILL)
    return False


@pytest.mark.slow
def test_study_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    # The base has 60 minutes too: it and that step share a run.
    steps = ", ".join(str(value) for value in range(20, 80, 5))
    file.write_text(
        f'name = "x"\nseconds = 1\n[[sweeps]]\nname = "s"\nparameter = "max_travel.car_minutes"\nvalues = [{steps}]\n',
        encoding="utf-8",
    )
    out = tmp_path / "out"
    asked = ("scenarios", shipped("tiny-travel"), file, "--out", out, "--workers", "1", "--json")
    arguments = [sys.executable, "-m", "api.cli", *asked]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as first:
        deadline = time.monotonic() + 120
        while len(list(out.glob("parts/*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        first.kill()
    assert gone(first.pid, 60), "its workers leave too, though nobody told them"
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("parts/*.json")}
    assert 3 <= len(before) < 12
    second = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert f"{len(before)} of 12 runs were done before" in second.stderr
    assert len(json.loads(second.stdout)["scenarios"]) == 13
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("parts/*.json")}
    assert len(after) == 12
    assert before.items() <= after.items()


@pytest.mark.slow
def test_cluster_gives_the_same_study_as_this_machine(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    found, instance = study(tmp_path), small()
    parts = parts_of(found, instance, INSTANT)
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    )
    with cluster, distributed.Client(cluster) as client:
        pool = client.get_executor(pure=False)
        there = run_parts(parts, instance, INSTANT, 0, tmp_path / "there", pool, lambda text: None)
    with ThreadPoolExecutor(1) as pool:
        here = run_parts(parts, instance, INSTANT, 0, tmp_path / "here", pool, lambda text: None)
    for key, result in here.items():
        assert there[key]["goals"] == result["goals"]
