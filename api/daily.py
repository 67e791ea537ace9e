"""What the hub does every morning: check, run, carry, verify. Each calls the engine and says what came."""

from __future__ import annotations

import json
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from allocator.answer import Limits, Memory, Progress, Reporter, Run
from allocator.carry import carry
from allocator.ending import Ending
from allocator.errors import AuditFailedError, CancelledError, ContradictionError, UsageError
from allocator.instance import Instance
from allocator.intake import read_instance, summary_lines
from allocator.interrupt import interrupt
from allocator.lab.ground import ground_of
from allocator.policy import Policy, read_policy
from allocator.report import write_run
from allocator.run import allocate
from allocator.run_folder import refuse_changed, stored_memory, stored_table
from allocator.solve.crew import Crew
from allocator.standing import FIXING
from allocator.verify import verify
from allocator.why.impossible import explained
from allocator.words import number, plural
from api.cluster import crew_at
from api.progress import told
from api.settings import Settings
from api.words import run_lines
from models import CATALOGUE
from models.daily import DAILY


def plan_day(instance: Path, out: Path, settings: Settings, *, as_json: bool) -> None:
    """Read, plan, audit, write; exit 5 where the audit fails, 130 where it was cancelled with a plan."""
    refuse_unusable(out)
    policy = policy_of(settings)
    if settings.previous is not None:
        refuse_changed(settings.previous)
    memory = None if settings.previous is None else stored_memory(settings.previous)
    try:
        with crew_at(settings.executor) as crew, told() as telling, Finishing(telling) as finishing:
            report = finishing.hear
            report(Progress("read", 0.0))
            intake = read_instance(instance)
            limits = Limits(
                seconds=settings.time_limit,
                work=settings.work,
                seed=settings.seed,
                threads=settings.cores,
                backend=settings.backend.value,
                strict=settings.strict,
            )
            if settings.previous is not None and (missing := bookings_not_carried(settings.previous, intake.instance)):
                typer.echo(missing, err=True)
            run = planned(intake.instance, policy, limits, report, memory, crew)
            report(Progress("write", sum(run.seconds.values())))
            write_run(run, intake, out, settings.previous)
    except KeyboardInterrupt as error:
        raise CancelledError("Cancelled before the plan was written; nothing was written.") from error
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    say(summary if as_json else run_lines(summary, run, out))
    if not run.audit.passed:
        raise AuditFailedError(f"The plan failed its audit: see {out / 'audit.json'}. Nothing of it may be used.")
    if run.ending is Ending.CANCELLED or finishing.asked:
        raise typer.Exit(130)


def bookings_not_carried(previous: Path, instance: Instance) -> str:
    """A warning where the run before had bookings or offers and this instance has no commitment at all."""
    states = stored_table(previous, "allocation.csv", ("state",))["state"]
    count = int(states.isin(FIXING).sum())
    if not count or len(instance.table("commitments")):
        return ""
    told = f"Careful: {previous} had {plural(count, 'booking')} or offers, and this instance has no commitments."
    return f"{told} Maybe write them first: allocator carry {previous} --into INSTANCE."


class Finishing:
    """From the audit on a first Ctrl-C loses nothing: what is planned is written before the command ends."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self.asked = False

    def __enter__(self) -> Finishing:
        self._before = signal.getsignal(signal.SIGINT)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def hear(self, told: Progress) -> None:
        """Pass on what a run tells; its audit begins what a first Ctrl-C does not stop."""
        if told.stage == "audit":
            signal.signal(signal.SIGINT, self._come)
        self._report(told)

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            interrupt(number, frame)
            return
        self.asked = True
        typer.echo("Cancelled: the plan stands, and is written now. Ctrl-C again gives it up.", err=True)


def planned(
    instance: Instance,
    policy: Policy,
    limits: Limits,
    report: Reporter,
    memory: Memory | None = None,
    crew: Crew | None = None,
) -> Run:
    """The run; where pins or bookings contradict what is possible, the error also says the smallest set that does."""
    try:
        return allocate(instance, policy, limits, report, memory, crew)
    except ContradictionError as error:
        raise explained(error, instance, policy, strict=limits.strict) from error


def refuse_unusable(out: Path) -> None:
    """UsageError, before any work, where a folder cannot be written or holds something already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f'"{out}" is there already and is not empty. Maybe choose another --out.')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise UsageError(f'Nothing can be written at "{out}": {error.strerror}. Maybe choose another --out.') from error


def policy_of(settings: Settings) -> Policy:
    """The policy that the settings name."""
    toml = ""
    if settings.policy is not None:
        if not settings.policy.is_file():
            raise UsageError(f'There is no policy file "{settings.policy}".')
        try:
            toml = settings.policy.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f'The policy file "{settings.policy}" is not UTF-8 text: {error}.') from error
    return read_policy(CATALOGUE, toml, settings.changes)


def check_instance(instance: Path, *, as_json: bool) -> None:
    """Read an instance and say what would be refused or held."""
    intake = read_instance(instance)
    pins = pins_without_place(intake.instance)
    found = {
        "instance": intake.instance.info.name,
        "fingerprint": intake.instance.fingerprint,
        "rows_read": dict(intake.rows_read),
        "rows_accepted": dict(intake.rows_accepted),
        "notices": list(intake.notices),
        "quarantine": intake.quarantine.astype("str").to_dict("records"),
        "pins": pins,
    }
    say(found if as_json else [*summary_lines(intake), *pins])


def pins_without_place(instance: Instance) -> list[str]:
    """Pins that would stop a run under the daily policy, since no session that they mean is open to the person."""
    if not len(instance.frames["overrides"]):
        return []
    try:
        ground_of(instance, DAILY)
    except ContradictionError as error:
        head, *pins = str(error).splitlines()
        return [f"Under the daily policy a run would stop. {head}", *pins]
    return []


def carry_over(run_folder: Path, decisions: Path | None, into: Path, *, as_json: bool) -> None:
    """Write tomorrow's commitments."""
    result = carry(run_folder, decisions, into)
    counts = {
        "kept": (result.kept, "were there before"),
        "carried": (result.carried, "carried from this morning's commitments"),
        "dropped": (result.dropped, "proposals of an earlier day that the plan dropped, written as cancelled"),
        "proposed": (result.proposed, "proposed by the plan"),
        "decided": (result.decided, "decided"),
        "still held for a damaged row": (result.unreadable, "that hold an entry for a damaged row"),
    }
    total = sum(count for count, _ in counts.values())
    told = [f"  {number(count)} {words}" for count, words in counts.values() if count]
    figures = {name: count for name, (count, _) in counts.items()}
    say({"path": str(result.path), **figures} if as_json else [f"{result.path}: {plural(total, 'row')}.", *told])


def verify_run(run_folder: Path, instance: Path | None, *, as_json: bool) -> None:
    """Check a run folder again; AuditFailedError where anything is wrong."""
    found = verify(run_folder, instance, CATALOGUE)
    passed = [f"{'checked' if found.ok else 'looked at'}: {what}" for what in found.checked]
    say(
        {"ok": found.ok, "findings": list(found.findings), "checked": list(found.checked)}
        if as_json
        else [*(f"wrong: {finding}" for finding in found.findings), *passed]
    )
    if not found.ok:
        raise AuditFailedError(f"{run_folder} does not hold: {len(found.findings)} finding(s), listed above.")
    if not as_json:
        say(["Everything holds."])


def say(found: dict[str, Any] | list[str]) -> None:
    """Results on standard output: JSON, or lines."""
    text = json.dumps(found, ensure_ascii=False, indent=2) if isinstance(found, dict) else "\n".join(found)
    typer.echo(text)
