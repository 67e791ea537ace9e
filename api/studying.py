"""Studies in the solving process: the commands of the laboratory, as the command line runs them, with --json.

One spelling of each command: what a planner gets over HTTP is what `allocator compare` and its kin print.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from allocator.errors import AuditFailedError, CancelledError, UsageError
from allocator.report.write import new_folder, write_text

Arguments = tuple[list[str], list[str]]
"""Options, and what stands after `--`: values of people are never taken for options."""


def study(spec: Mapping[str, Any], scratch: Path) -> Mapping[str, Any]:
    """Run one command; its JSON becomes result.json in the result, beside the page that it wrote, if any."""
    with new_folder(Path(spec["out"])) as out:
        options, positional = COMMANDS[spec["kind"]](spec, scratch, out)
        text = io.StringIO()
        passed = True
        try:
            with contextlib.redirect_stdout(text):
                command([*options, "--json", "--", *positional])
        except AuditFailedError:
            passed = False  # its findings are the result that was asked for
        write_text(out / "result.json", text.getvalue())
    return {"event": "done", "folder": True, "passed": True, "figures": {"passed": passed}}


def command(arguments: list[str]) -> None:
    """`allocator ARGUMENTS` in this process. Raises UsageError where the command line takes them for wrong."""
    from api.cli import app

    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            app(arguments)
    except SystemExit as ended:
        if ended.code == CancelledError.exit_code:
            raise CancelledError("Cancelled.") from ended
        if ended.code:
            raise UsageError(told.getvalue().strip().splitlines()[-1]) from ended


def comparison(spec: Mapping[str, Any], scratch: Path, out: Path) -> Arguments:
    """Two runs side by side."""
    return ["compare", "--page", str(out / "page.html")], spec["runs"]


def prices(spec: Mapping[str, Any], scratch: Path, out: Path) -> Arguments:
    """What rules, lists and beds of a run are worth."""
    goal = [f"--goal={spec['goal']}"] if spec["goal"] else []
    limits = ["--top", str(spec["top"]), "--seconds", str(spec["seconds"]), "--workers", str(spec["threads"])]
    return ["prices", *goal, *limits, "--page", str(out / "page.html")], spec["runs"]


def scenarios(spec: Mapping[str, Any], scratch: Path, out: Path) -> Arguments:
    """A base policy and its variants; what the command writes is in `study`."""
    file = scratch / "scenarios.toml"
    write_text(file, spec["scenarios"])
    options = ["--out", str(out / "study"), "--workers", str(spec["threads"])]
    return ["scenarios", *options], [spec["instance"], str(file)]


def audit(spec: Mapping[str, Any], scratch: Path, out: Path) -> Arguments:
    """A plan made by hand."""
    plan, policy = scratch / "plan.csv", scratch / "policy.toml"
    with plan.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("entry_id", "session_id"), *spec["plan"]])
    write_text(policy, spec["policy"])
    options = ["--policy", str(policy), "--seconds", str(spec["seconds"]), "--threads", str(spec["threads"])]
    return ["audit", *options], [spec["instance"], str(plan)]


def explanation(spec: Mapping[str, Any], scratch: Path, out: Path) -> Arguments:
    """Why an entry has no place, or why this one, and what would change it."""
    return ["explain"], [*spec["runs"], spec["entry_id"]]


COMMANDS: Mapping[str, Callable[[Mapping[str, Any], Path, Path], Arguments]] = {
    "comparison": comparison,
    "prices": prices,
    "scenarios": scenarios,
    "audit": audit,
    "explanation": explanation,
}
