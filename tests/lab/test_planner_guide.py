"""docs/planner.md: every command in it runs, in its order, and what it says is there is there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "planner.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.strip().splitlines()]


def test_guide_shows_every_command_of_the_laboratory() -> None:
    assert {words[1] for words in commands()} == {"generate", "run", "audit", "compare", "scenarios", "prices"}
    assert all(words[0] == "allocator" for words in commands())


@pytest.mark.slow
def test_every_command_of_the_guide_runs_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    study = re.search(r"<!-- study -->\n```toml\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert study is not None
    (tmp_path / "runs" / "study.toml").write_text(study[1], encoding="utf-8")
    said = {}
    for words in commands():
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        said[words[1]] = done.stdout
    assert "It keeps every rule." in said["audit"]
    assert "go somewhere else" in said["compare"]
    assert "base: " in said["scenarios"]
    assert "Planned again:" in said["prices"]
    runs = tmp_path / "runs"
    for name in ("compare.html", "study/scenarios.html", "study/scenarios.csv", "study/figures.csv", "prices.html"):
        assert (runs / name).stat().st_size > 0
    found = json.loads((runs / "study" / "scenarios.json").read_text(encoding="utf-8"))
    assert len(found["scenarios"]) == 1 + 2 + 3
