"""`allocator bench`: reaches the suites, refuses wrong usage, and its help costs nothing."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from api import cli
from benchmarks import cli as bench
from benchmarks import gap, scale
from tests.test_cli import HEAVY

HERE = Path(__file__).parent / "gap"


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `allocator bench` with these words."""
    monkeypatch.setattr(sys, "argv", ["allocator", "bench", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0, *capsys.readouterr()


def test_gap_is_printed_as_csv(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gap, "warm_up", lambda limits: None)
    code, out, _ = said(
        monkeypatch, capsys, "gap", HERE / "three.txt", "--seconds", "6", "--seed", "4", "--backend", "highs"
    )
    (row,) = csv.DictReader(io.StringIO(out))
    assert code == 0
    assert list(row) == ["instance", "value", "bound", "seconds", "status", "seed", "backend", "threads"]
    assert (row["value"], row["seed"], row["backend"], row["threads"]) == ("7", "4", "highs", "1")


def test_broken_file_exits_3_and_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.txt").write_text("2 3 4 x")
    code, out, err = said(monkeypatch, capsys, "gap", HERE / "three.txt", tmp_path / "broken.txt")
    assert (code, out) == (3, "")
    assert 'broken.txt, line 1: given "x", wanted a whole number' in err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("gaps",),
        ("gap",),
        ("gap", "file", "--seconds", "0"),
        ("gap", "file", "--seconds", "nan"),
        ("gap", "file", "--seed", "-1"),
        ("gap", "file", "--threads", "0"),
        ("gap", "file", "--backend", "gurobi"),
        ("scale", "--sizes", "XXL"),
        ("scale", "--peers", "auto"),
        ("daily",),
        ("daily", "no-such-instance"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(monkeypatch, capsys, *words)
    assert (code, out) == (2, "")
    assert err


def test_scale_takes_sizes_seeds_and_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[scale.Scale] = []
    monkeypatch.setattr(scale, "run_scale", taken.append)
    bench.main(["scale", "--sizes", "S", "M", "--seeds", "11", "12", "--peers", "highs", "scip", "--seconds", "5"])
    assert taken == [scale.Scale(("S", "M"), (11, 12), 5.0, ("highs", "scip"), 300.0, 2)]


@pytest.mark.parametrize("words", [("--help",), ("gap", "--help"), ("scale", "--help"), ("daily", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    script = (
        "import sys; from api.cli import main\n"
        "try: main()\n"
        f"finally: print('heavy', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, "bench", *words], capture_output=True, text=True, check=True)
    assert "usage: allocator bench" in done.stdout
    assert "heavy []" in done.stderr
