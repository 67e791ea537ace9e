"""The command line: exit codes, what goes where, and that --help costs nothing."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from allocator.answer import Progress, silent
from allocator.solve import lexicographic
from api import cli
from api.daily import Finishing
from api.words import accounts_words
from instances import path as shipped
from instances.generate import generate, write

TINY = shipped("tiny-bookings")
QUICK = ("--work", "50", "--threads", "1")
HEAVY = ("numpy", "pandas", "scipy", "pyarrow", "highspy", "ortools", "pulp", "jinja2")


class Said(NamedTuple):
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`allocator` with these arguments, in this process."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["allocator", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny instance, made once."""
    out = tmp_path_factory.mktemp("cli") / "run"
    subprocess.run(
        [sys.executable, "-m", "api.cli", "run", TINY, "--out", out, *QUICK], check=True, capture_output=True
    )
    return out


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """A copy of the tiny instance, to be changed."""
    return Path(shutil.copytree(TINY, tmp_path / "instance"))


def pin(instance: Path, *pairs: tuple[str, str]) -> None:
    """Pins in an instance."""
    rows = [f"{entry},{session},must,A. Manager,clinical,2026-01-30T08:00:00" for entry, session in pairs]
    (instance / "overrides.csv").write_text(
        "\n".join(["entry_id,session_id,action,who,reason,recorded_on", *rows]) + "\n", encoding="utf-8"
    )


def test_run_ends_with_0_results_on_standard_output_and_progress_beside(command: Command, tmp_path: Path) -> None:
    said = command("run", TINY, "--out", tmp_path / "run", *QUICK, "--json")
    assert said.code == 0
    assert json.loads(said.out) == json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert "Planning: urgent_delay" in said.err
    assert (tmp_path / "run" / "report.html").is_file()


def test_run_in_words_names_every_goal_and_where_to_look(command: Command, tmp_path: Path) -> None:
    said = command("run", TINY, "--out", tmp_path / "run", *QUICK)
    goals = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["goals"]
    assert all(goal["label"] in said.out for goal in goals)
    assert str(tmp_path / "run" / "report.html") in said.out
    assert "The audit passed." in said.out


def test_bookings_that_do_not_fit_are_named_in_the_terminal_and_beside_the_rules(
    command: Command, tmp_path: Path
) -> None:
    """The daily policy counts beds and turnaround, which four of the bookings do not have."""
    said = command("run", shipped("tiny-bookings"), "--out", tmp_path / "run", *QUICK)
    conflicts = (tmp_path / "run" / "conflicts.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(conflicts) == 4
    assert "4 bookings do not fit what is there; please settle today: conflicts.csv." in said.out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "all are kept, but for 4 bookings that cannot keep them (see above)." in page


def test_verify_of_an_honest_run_ends_with_0(command: Command, run_folder: Path) -> None:
    said = command("verify", run_folder, "--instance", TINY, "--json")
    assert (said.code, json.loads(said.out)["findings"]) == (0, [])
    assert command("verify", run_folder).out.splitlines()[-1] == "Everything holds."


def test_verify_of_a_tampered_run_ends_with_5(command: Command, run_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    plan = copy / "allocation.csv"
    plan.write_text("\n".join(plan.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", encoding="utf-8")
    said = command("verify", copy, "--json")
    assert said.code == 5
    assert not json.loads(said.out)["ok"]
    assert "finding(s), listed above" in said.err


def test_run_that_fails_its_audit_ends_with_5_and_is_marked_failed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A solver that says a goal is one better than it is."""

    def boasting(*arguments: Any) -> Any:
        answer = lexicographic.solve(*arguments)
        first, *others = answer.goals
        return replace(answer, goals=(replace(first, value=first.value - 1), *others))

    monkeypatch.setattr("allocator.run.solve", boasting)
    said = command("run", TINY, "--out", tmp_path / "run", *QUICK)
    assert said.code == 5
    assert "THE AUDIT FAILED." in said.out
    assert "Nothing of it may be used" in said.err
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["status"] == "failed"
    assert command("verify", tmp_path / "run").code == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "max_travle.car_minutes=45"), 'Maybe "max_travel"'),
        (("--set", "max_travel.car_minuets=45"), 'Maybe "car_minutes"'),
        (("--set", "max_travel.car_minutes=-5"), "given -5"),
        (("--set", "nonsense"), "is not NAME.PARAMETER=VALUE"),
        (("--policy", "no-such-file.toml"), 'There is no policy file "no-such-file.toml"'),
        (("--backend", "cplex"), "cplex"),
        (("--secnds", "5"), "--secnds"),
        (("--work", "0"), "--work"),
    ],
)
def test_wrong_usage_ends_with_2_says_what_was_meant_and_writes_nothing(
    arguments: tuple[str, ...], message: str, command: Command, tmp_path: Path
) -> None:
    said = command("run", TINY, "--out", tmp_path / "run", *arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["run", "generate", "import-nhs"])
def test_folder_that_holds_something_is_not_written_to(name: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    inputs = {"run": (TINY, *QUICK), "generate": ("--size", "S"), "import-nhs": ()}[name]
    said = command(name, *inputs, "--out", tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "is there already and is not empty. Maybe choose another --out." in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_instance_that_is_not_there_ends_with_3(command: Command, tmp_path: Path) -> None:
    for arguments in (("check", tmp_path / "nowhere"), ("run", tmp_path / "nowhere", "--out", tmp_path / "run")):
        said = command(*arguments)
        assert (said.code, said.out) == (3, "")
        assert "nowhere" in said.err
    assert list(tmp_path.iterdir()) == []


def test_table_that_cannot_be_used_ends_with_3_and_every_problem(command: Command, instance: Path) -> None:
    for name, column in (("patients", "clinical_priority"), ("sessions", "minutes")):
        text = (instance / f"{name}.csv").read_text(encoding="utf-8")
        (instance / f"{name}.csv").write_text(text.replace(column, f"{column}_old", 1), encoding="utf-8")
    said = command("run", instance, "--out", instance.parent / "run")
    assert said.code == 3
    assert "clinical_priority" in said.err
    assert "minutes" in said.err
    assert not (instance.parent / "run").exists()


def test_check_says_which_pins_would_stop_a_run(command: Command, tmp_path: Path) -> None:
    instance = Path(shutil.copytree(shipped("tiny-travel"), tmp_path / "travel"))
    pin(instance, ("e5", "s2"))
    assert json.loads(command("check", instance, "--json").out)["pins"] == []
    with (instance / "overrides.csv").open("a", encoding="utf-8") as stream:
        stream.write("e5,s2,never,B. Manager,clinical,2026-01-30T08:00:00\n")
    said = command("check", instance)
    assert said.code == 0
    assert "Under the daily policy a run would stop. Overrides that cannot be kept:" in said.out
    assert "every session that it means was ruled out too" in said.out


def test_bookings_that_were_not_carried_are_warned_of(command: Command, run_folder: Path, instance: Path) -> None:
    """tiny-bookings has bookings: without its commitments a run that begins from yesterday's would forget them."""
    arguments = ("run", instance, "--previous", run_folder, *QUICK)
    assert "Careful" not in command(*arguments, "--out", instance.parent / "carried").err
    (instance / "commitments.csv").unlink()
    said = command(*arguments, "--out", instance.parent / "forgotten")
    assert said.code == 0
    assert "or offers, and this instance has no commitments. Maybe write them first: allocator carry" in said.err


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("allocation.csv", "e1,", "e2,", "allocation.csv was changed after the run"),
        ("run.json", '"status": "done"', '"status": "failed"', "is marked failed: nothing of it may be used"),
    ],
)
def test_a_run_begins_from_no_folder_that_failed_or_was_changed(
    command: Command, run_folder: Path, instance: Path, name: str, old: str, new: str, said: str
) -> None:
    before = Path(shutil.copytree(run_folder, instance.parent / "before"))
    text = (before / name).read_text(encoding="utf-8")
    assert old in text
    (before / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    told = command("run", instance, "--previous", before, "--out", instance.parent / "next", *QUICK)
    assert told.code == 3
    assert said in told.err
    assert "Maybe run without --previous." in told.err
    assert not (instance.parent / "next").exists()


def test_pins_that_contradict_each_other_end_with_4(command: Command, instance: Path) -> None:
    pin(instance, ("e1", "s-nowhere"))
    said = command("run", instance, "--out", instance.parent / "run", *QUICK)
    assert (said.code, said.out) == (4, "")
    assert "e1 must go to session s-nowhere" in said.err
    assert not (instance.parent / "run").exists()


def test_bookings_that_do_not_fit_end_with_4_where_asked(command: Command, tmp_path: Path) -> None:
    said = command("run", TINY, "--out", tmp_path / "strict", *QUICK, "--strict")
    assert (said.code, said.out) == (4, "")
    assert "Bookings that do not fit" in said.err
    assert list(tmp_path.iterdir()) == []


def test_no_plan_in_time_ends_with_6(command: Command, instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocator.solve.lexicographic.feasible", lambda formulation, columns: False)
    monkeypatch.setattr("allocator.solve.lexicographic.any_plan", lambda *arguments: None)
    said = command("run", instance, "--out", instance.parent / "run", *QUICK)
    assert (said.code, said.out) == (6, "")
    assert "Maybe give more with --seconds" in said.err


def stopped_at(sign: str, *arguments: object, within: float = 120) -> Said:
    """The command as a process of its own, which gets Ctrl-C once it tells the sign, and then ends within seconds."""
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        assert any(sign in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=within)
    return Said(process.returncode, out, err)


def test_ctrl_c_keeps_the_best_audited_plan_and_ends_with_130(command: Command, tmp_path: Path) -> None:
    write(generate("S", 1), tmp_path / "instance")
    run = tmp_path / "run"
    arguments = ("run", tmp_path / "instance", "--out", run, "--seconds", "60", "--threads", "1")
    said = stopped_at("urgent_delay =", *arguments, within=20)
    assert said.code == 130
    assert "The audit passed." in said.out
    assert "Cancelled: this is the best plan by then, audited and kept." in said.out
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert (record["status"], record["ending"]) == ("done", "cancelled")
    assert command("verify", run).code == 0


def test_ctrl_c_once_the_plan_stands_writes_it_and_ends_with_130(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    said = stopped_at("Finding reasons", "run", shipped("cm-2026-01-52w"), "--out", run, "--seconds", "3")
    assert said.code == 130
    assert "The audit passed." in said.out
    assert "Cancelled: the plan stands, and is written now." in said.err
    assert command("verify", run).code == 0


def test_a_second_ctrl_c_gives_a_plan_up_and_none_stays_caught() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Finishing(silent) as finishing:
        finishing.hear(Progress("solve", 1.0))
        assert signal.getsignal(signal.SIGINT) is before
        finishing.hear(Progress("audit", 2.0))
        signal.raise_signal(signal.SIGINT)
        assert finishing.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_pins_that_a_policy_has_no_rule_for_are_named(command: Command, instance: Path, tmp_path: Path) -> None:
    pin(instance, ("e1", "s1"))
    none = tmp_path / "none.toml"
    none.write_text('base = "none"\n', encoding="utf-8")
    said = command("run", instance, "--out", tmp_path / "run", "--policy", none, *QUICK)
    assert said.code == 0
    assert "NOT OBEYED: pins and vetoes (1)" in said.out
    assert "Pins and vetoes are not obeyed" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_before_any_plan_writes_nothing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("allocator.run.build_options", interrupted)
    said = command("run", TINY, "--out", tmp_path / "run", *QUICK)
    assert (said.code, said.out) == (130, "")
    assert "nothing was written" in said.err
    assert list(tmp_path.iterdir()) == []


def test_every_command_takes_json() -> None:
    commands = dict(get_command(cli.app).commands)  # type: ignore[attr-defined]
    commands |= {f"admin {name}": made for name, made in commands.pop("admin").commands.items()}
    assert len(commands) >= 8
    without = [name for name, made in commands.items() if not any("--json" in param.opts for param in made.params)]
    assert without == []


def test_json_of_the_small_commands_is_json(command: Command, run_folder: Path, tmp_path: Path) -> None:
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("entry_id,session_id,state,decided_by,recorded_on\n", encoding="utf-8")
    for arguments, key in (
        (("check", TINY), "quarantine"),
        (("carry", run_folder, "--into", tmp_path / "tomorrow"), "carried"),
        (("generate", "--size", "S", "--out", tmp_path / "made"), "fingerprint"),
        (("export-model", TINY, "--out", tmp_path / "model.lp"), "columns"),
    ):
        said = command(*arguments, "--json")
        assert said.code == 0
        assert key in json.loads(said.out)


def test_exported_model_is_one_goal_of_the_policy(command: Command, tmp_path: Path) -> None:
    said = command("export-model", TINY, "--goal", "travle", "--out", tmp_path / "model.lp")
    assert said.code == 2
    assert 'Maybe "travel"' in said.err
    said = command("export-model", TINY, "--goal", "travel", "--format", "mps", "--out", tmp_path / "model.mps")
    assert said.code == 0
    assert (tmp_path / "model.mps").read_text(encoding="utf-8").rstrip().endswith("ENDATA")


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ()])
def test_help_is_quick_and_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    script = (
        "import sys; from api.cli import main\n"
        "try: main()\n"
        f"finally: print('heavy', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    taken = []
    for _ in range(2):
        begun = processor_seconds()
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
        taken.append(processor_seconds() - begun)
        assert "Usage:" in done.stdout + done.stderr
        assert "heavy []" in done.stderr
    assert min(taken) < 1.0


def processor_seconds() -> float:
    """Of all children that have ended: what else the machine does meanwhile is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_treated_held_and_refused_rows_are_not_counted_as_without_a_place() -> None:
    accounts = {"placed": 166, "unplaced": 333, "treated": 1, "held": 2, "refused": 0}
    assert accounts_words(accounts) == "166 people with a place, 333 without one, 1 treated already, 2 held"
