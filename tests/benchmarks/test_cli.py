"""`allocator bench`: reaches the suites, refuses wrong usage, and its help costs nothing."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("words", [("--json", "gap"), ("gap", "--json")], ids=" ".join)
def test_json_is_an_object_a_row(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gap, "warm_up", lambda limits: None)
    monkeypatch.setattr(gap, "row", lambda instance, limits: (instance.name, 7, None, "0.10", "optimal", 0, "auto", 1))
    code, out, _ = said(monkeypatch, capsys, *words, HERE / "pair.txt")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, [row["instance"] for row in rows]) == (0, ["pair-1", "pair-2"])
    assert (rows[0]["value"], rows[0]["bound"]) == (7, None)


@pytest.mark.slow
def test_ctrl_c_prints_the_row_so_far_and_ends_with_130(tmp_path: Path) -> None:
    """Two instances that no solver proves in a second: the second is not begun."""
    rng = np.random.default_rng(1)
    weights = rng.integers(1, 101, (10, 200))
    costs = 111 - weights + rng.integers(-10, 11, (10, 200))
    numbers = [10, 200, *costs.ravel(), *weights.ravel(), *(8 * weights.sum(axis=1) // 100)]
    for name in ("first", "second"):
        (tmp_path / name).write_text(" ".join(map(str, numbers)))
    arguments = ("bench", "gap", str(tmp_path / "first"), str(tmp_path / "second"), "--seconds", "60")
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("instance,value")
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    (line,) = out.splitlines()
    assert process.returncode == 130
    assert line.startswith("first,")
    assert ",cancelled," in line
    assert "Cancelled at first" in err


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
    monkeypatch.setattr(scale, "run_scale", lambda chosen, as_json: taken.append(chosen))
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
