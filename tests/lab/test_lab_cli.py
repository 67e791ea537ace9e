"""The commands of the laboratory: exit codes, JSON, and what goes wrong before any work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from allocator.answer import Limits
from allocator.policy import read_policy
from allocator.report.write import write_run
from allocator.run import allocate
from instances import path as shipped
from models import CATALOGUE
from models.daily import DAILY
from tests.instances.tiny import read_folder
from tests.test_cli import Command, command

__all__ = ["command"]
"""The fixture of the other commands."""

TINY = shipped("tiny-flows")
INSTANT = Limits(seconds=0.1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one instance, in the folders far and near."""
    folder = tmp_path_factory.mktemp("lab")
    instance = read_folder(TINY)
    near = read_policy(CATALOGUE, overrides=("max_travel.car_minutes=20",))
    for name, policy in (("far", DAILY), ("near", near)):
        write_run(allocate(instance, policy, INSTANT), None, folder / name)
    return folder


def test_audit_of_a_good_plan_ends_with_0_of_a_broken_one_with_5(command: Command, runs: Path, tmp_path: Path) -> None:
    good = command("audit", TINY, runs / "far" / "allocation.csv", "--seconds", "0.1", "--json")
    assert good.code == 0
    assert json.loads(good.out)["passed"] is True
    plan = tmp_path / "plan.csv"
    plan.write_text("entry_id,session_id\ne5,s2\nnobody,s1\n", encoding="utf-8")
    bad = command("audit", TINY, plan, "--seconds", "0.1", "--json")
    assert bad.code == 5
    found = json.loads(bad.out)
    assert {item["rule"] for item in found["violations"]} >= {"plan_file", "max_travel"}
    assert found["bookings_added"] == 1
    assert "breaks rules: 3 finding(s), listed above" in bad.err


@pytest.mark.parametrize(("content", "code"), [("entry_id\ne1\n", 3), (None, 3)])
def test_audit_of_no_plan_at_all_ends_with_3(content: str | None, code: int, command: Command, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    if content is not None:
        plan.write_text(content, encoding="utf-8")
    said = command("audit", TINY, plan)
    assert (said.code, said.out) == (code, "")
    assert "session_id" in said.err


def test_pins_that_cannot_be_kept_end_every_command_with_4_and_the_smallest_set(
    command: Command, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(shipped("tiny-travel"), tmp_path / "instance"))
    heads = "entry_id,session_id,site_code,action,who,reason,recorded_on"
    pin = "e2,s1,,must,Ann,asked,2026-01-30T08:00:00"
    (folder / "overrides.csv").write_text(f"{heads}\n{pin}\n", encoding="utf-8")
    plan, policy, study = tmp_path / "plan.csv", tmp_path / "p.toml", tmp_path / "study.toml"
    plan.write_text("entry_id,session_id\ne1,s1\n", encoding="utf-8")
    policy.write_text('base = "daily"\n', encoding="utf-8")
    study.write_text('name = "x"\nseconds = 0.1\n', encoding="utf-8")
    for asked in (
        ("audit", folder, plan, "--seconds", "0.1"),
        ("compare", policy, policy, "--instance", folder, "--seconds", "0.1"),
        ("scenarios", folder, study, "--out", tmp_path / "study", "--workers", "1"),
    ):
        said = command(*asked)
        assert (said.code, said.out) == (4, "")
        assert "rule max_travel: " in said.err
        assert "the smallest such set, checked again" in said.err


def test_compare_of_two_runs_writes_lines_json_and_a_page(command: Command, runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    said = command("compare", runs / "far", runs / "near", "--page", page)
    assert said.code == 0
    assert said.out.startswith("A: far\nB: near\n")
    assert "<h1>far and near</h1>" in page.read_text(encoding="utf-8")
    found = json.loads(command("compare", runs / "far", runs / "near", "--json").out)
    assert {row["group"] for row in found["groups"]["home"]} == {"T01", "T03"}


def test_compare_plans_two_policies_on_one_instance(command: Command, tmp_path: Path) -> None:
    for name, minutes in (("far", 60), ("near", 20)):
        (tmp_path / f"{name}.toml").write_text(f"[rules.max_travel]\ncar_minutes = {minutes}\n", encoding="utf-8")
    asked = (tmp_path / "far.toml", tmp_path / "near.toml", "--instance", TINY, "--seconds", "0.1", "--json")
    said = command("compare", *asked)
    assert said.code == 0
    assert (json.loads(said.out)["a"], json.loads(said.out)["b"]) == ("far", "near")
    without = command("compare", tmp_path / "far.toml", tmp_path / "near.toml")
    assert without.code == 2
    assert "Maybe add --instance to compare policies." in without.err


@pytest.mark.slow
def test_best_of_lists_and_of_single_nights_are_planned_again(command: Command, tmp_path: Path) -> None:
    """tiny-beds on paper: e4 has no bed. One more on the 17th or the 18th gives it a place, and four become five.

    So does one on the 19th, for e2 can then stay from the 18th on. One more on the 16th does not: s1, the list of that
    day, has its two cases.
    """
    folder = shipped("tiny-beds")
    policy = read_policy(CATALOGUE, (folder / "policy.toml").read_text(encoding="utf-8"))
    write_run(allocate(read_folder(folder), policy, Limits(seconds=2)), None, tmp_path / "run")
    said = command("prices", tmp_path / "run", "--top", "3", "--seconds", "2", "--workers", "1", "--json")
    assert said.code == 0
    assert [told for told in ("prices", "beds", "rules", "lists") if told not in said.err] == []
    found = json.loads(said.out)
    nights = [item["what"] for item in found["nights"]]
    again = {item["what"]: {goal["label"]: goal for goal in item["goals"]} for item in found["planned_again"]}
    assert set(nights[:3]) <= set(again)
    assert nights
    for night in nights[:3]:
        waits, best = again[night]["longest_waits_52w"], {"16": 4, "17": 5, "18": 5, "19": 5}[night[-2:]]
        assert (waits["a"], waits["b"]) == (4, best)
        assert waits["low"] <= best - 4 <= waits["high"]
    assert {item["kind"] for item in found["nights"]} == {"night"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("compare", "{runs}/far", "{runs}/near", "--page", "{runs}/no/such/page.html"),
            "a file in a folder that is there",
        ),
        (("prices", "{runs}/far", "--goal", "travle"), 'Maybe "travel"'),
        (("scenarios", TINY, "{runs}/none.toml", "--out", "{runs}/study"), "cannot be read as TOML"),
        (("scenarios", TINY, "{runs}/good.toml", "--out", "{runs}/far"), "holds no study"),
        (
            ("scenarios", TINY, "{runs}/good.toml", "--out", "{runs}/s", "--executor", "http://x"),
            "wanted local, or the address of a scheduler",
        ),
        (("scenarios", TINY, "{runs}/wrong.toml", "--out", "{runs}/s"), 'no site is called "C"'),
    ],
)
def test_wrong_usage_ends_with_2_before_any_work(
    arguments: tuple[object, ...], message: str, command: Command, runs: Path
) -> None:
    (runs / "good.toml").write_text('name = "x"\n', encoding="utf-8")
    (runs / "wrong.toml").write_text(
        'name = "x"\n[[variants]]\nname = "v"\nclose = [{ site = "C", from = 2026-02-16, to = 2026-02-17 }]\n',
        encoding="utf-8",
    )
    said = command(*(str(argument).replace("{runs}", str(runs)) for argument in arguments))
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert not (runs / "s").exists()


def test_folder_that_is_no_run_ends_with_3(command: Command, tmp_path: Path) -> None:
    for name in ("prices", "compare"):
        said = command(name, *[tmp_path] * (2 if name == "compare" else 1))
        assert said.code == 3


def test_run_without_its_policy_ends_with_3(command: Command, runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs / "far", tmp_path / "run"))
    (copy / "policy.toml").unlink()
    said = command("compare", copy, runs / "near")
    assert said.code == 3
    assert "policy.toml is not there" in said.err
