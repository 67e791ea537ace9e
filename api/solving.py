"""The solving process: reads jobs from standard input, solves them, writes messages to standard output.

Run as `python -m api.solving`; `api.solver_process` is its other end. One JSON line a job in, one JSON
line a message out: {"event": "progress"}, then "done", "failed" or "cancelled". Native solvers print where
they like, so the real output is put out of their reach. SIGINT stops the job once, at the next safe point.
It ends when its standard input does: nobody solves for a worker that is gone.
"""

from __future__ import annotations

import csv
import json
import math
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

from allocator.answer import Limits, Memory, Pairs, Progress
from allocator.carry import carry
from allocator.decisions import COLUMNS
from allocator.ending import Ending
from allocator.errors import AllocatorError, CancelledError, InputError
from allocator.intake import read_instance
from allocator.interrupt import heard, put_off
from allocator.policy import read_policy
from allocator.report import write_run
from allocator.run import allocate
from allocator.run_folder import stored_memory
from api.artefacts import draft_folder, the_workbook_or_folder
from api.carriable import commitments_as_csv
from api.studying import COMMANDS, study
from models import CATALOGUE

Say = Callable[[Mapping[str, Any]], None]
ORPHANED_SECONDS = 5.0
SNAPSHOT_SECONDS = 5.0
NICENESS = 5
"""Solving gives way to the API on the same machine."""


class Interruption:
    """SIGINT becomes one KeyboardInterrupt a job, and never one in the middle of a message."""

    def __init__(self) -> None:
        self._armed = False
        self._speaking = False
        self._came = False

    def arm(self) -> None:
        """From now on the job may be stopped."""
        self._armed, self._came = True, False

    def disarm(self) -> None:
        """From now on it is brought to its end: a plan stands, and only has to be written."""
        self._armed = False

    def come(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """The handler of SIGINT."""
        if self._speaking:
            self._came = True
        elif self._armed and not put_off(number, frame):
            self._armed = False
            raise KeyboardInterrupt

    def dropped(self, unraisable: sys.UnraisableHookArgs) -> None:
        """For `sys.unraisablehook`: a KeyboardInterrupt that nobody could be told of has stopped nothing yet."""
        self._armed |= unraisable.exc_type is KeyboardInterrupt
        heard(unraisable)

    def say(self, answers: IO[bytes], message: Mapping[str, Any]) -> None:
        """Write a message as a whole."""
        self._speaking = True
        answers.write(json.dumps(message).encode("utf-8") + b"\n")
        answers.flush()
        self._speaking = False
        if self._came:
            self._came = False
            self.come()


def main() -> None:
    """Serve jobs until standard input ends."""
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    interruption = Interruption()
    signal.signal(signal.SIGINT, interruption.come)
    sys.unraisablehook = interruption.dropped
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while line := jobs.get():
        spec = json.loads(line)
        interruption.arm()
        message = outcome(spec, interruption, lambda said: interruption.say(answers, said))
        interruption.disarm()
        interruption.say(answers, message)


def _listen(jobs: queue.SimpleQueue[bytes]) -> None:
    """Pass jobs on; at the end of input stop the solve, and the solvers it started, at once."""
    # Not through sys.stdin: its lock, held by this thread, would break the shutdown of the interpreter.
    rest = b""
    while chunk := os.read(0, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            jobs.put(line)
    jobs.put(b"")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHANED_SECONDS)
    os._exit(143)


def outcome(spec: Mapping[str, Any], interruption: Interruption, say: Say) -> Mapping[str, Any]:
    """Do the job; what is wrong with it becomes the answer. Anything else ends this process."""
    try:
        with draft_folder(Path(spec["artefacts"])) as scratch:
            return KINDS[spec["kind"]](spec, scratch, interruption, say)
    except KeyboardInterrupt:
        return {"event": "cancelled", "folder": False}
    except CancelledError:
        return {"event": "cancelled", "folder": False}
    except AllocatorError as error:
        problems = list(error.problems) if isinstance(error, InputError) else str(error).splitlines()
        kind = type(error).__name__.removesuffix("Error")
        return {"event": "failed", "folder": False, "error": kind, "exit_code": error.exit_code, "problems": problems}
    except Exception as error:
        # Only where, never what: the text of an unforeseen error may hold somebody's data.
        traceback.print_tb(error.__traceback__)
        raise SystemExit(f"The job ended with an unforeseen {type(error).__name__}.") from None


def run_job(spec: Mapping[str, Any], scratch: Path, interruption: Interruption, say: Say) -> Mapping[str, Any]:
    """One run: read, carry what was decided, plan, audit, write."""
    out = Path(spec["out"])
    previous = Path(spec["previous"]) if spec["previous"] else None

    snapshots = Snapshots()

    def report(progress: Progress) -> None:
        if progress.stage == "audit":
            interruption.disarm()
        say(message_of(progress, snapshots.of(progress)))

    report(Progress("read", 0.0))
    intake = read_instance(tables_of(spec, scratch, previous))
    policy = read_policy(CATALOGUE, spec["policy"], spec["changes"])
    limits = Limits(threads=spec["threads"], **spec["limits"])
    run = allocate(intake.instance, policy, limits, report, memory_for(spec["plan_so_far"], previous))
    report(Progress("write", sum(run.seconds.values())))
    write_run(run, intake, out, previous)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    event = "cancelled" if run.ending is Ending.CANCELLED else "done"
    figures = {name: summary[name] for name in ("ending", "accounts", "goals", "conflicts")}
    return {"event": event, "folder": True, "passed": run.audit.passed, "figures": figures}


def study_job(spec: Mapping[str, Any], scratch: Path, interruption: Interruption, say: Say) -> Mapping[str, Any]:
    """One study: what the laboratory's command of this kind prints and writes."""
    say(message_of(Progress(spec["kind"], 0.0)))
    instance = spec["instance"]
    where = {"instance": str(the_workbook_or_folder(Path(instance)))} if instance else {}
    return study({**spec, **where}, scratch)


class Snapshots:
    """The best plan so far, once in a while: often enough that a lost worker costs little."""

    def __init__(self) -> None:
        self._last = -math.inf

    def of(self, progress: Progress) -> Pairs | None:
        """(entry_id, session_id) of its places; None where there is no plan yet, or one was taken just now."""
        if progress.places is None or progress.seconds - self._last < SNAPSHOT_SECONDS:
            return None
        self._last = progress.seconds
        return progress.places()


def memory_for(plan: Sequence[Sequence[str]] | None, previous: Path | None) -> Memory | None:
    """Where the search begins: the places that an attempt before left, else those of the run before; its prices."""
    before = None if previous is None else stored_memory(previous)
    if plan is None:
        return before
    pairs = tuple((entry_id, session_id) for entry_id, session_id in plan)
    return Memory(pairs) if before is None else replace(before, pairs=pairs)


def message_of(progress: Progress, plan: Pairs | None = None) -> Mapping[str, Any]:
    """Progress as a message, with the best plan so far where it is time to keep it."""
    return {
        "event": "progress",
        "stage": progress.stage,
        "seconds": round(progress.seconds, 3),
        "goal": progress.goal,
        "value": progress.value,
        "bound": progress.bound,
        "gap": progress.gap,
        "plan": plan,
    }


def tables_of(spec: Mapping[str, Any], scratch: Path, previous: Path | None) -> Path:
    """The instance as uploaded or, after a previous run, a copy with its commitments and all that was decided."""
    instance = Path(spec["instance"])
    if previous is None:
        return the_workbook_or_folder(instance)
    copied = Path(shutil.copytree(instance, scratch / "tables"))
    commitments_as_csv(copied)
    decisions = scratch / "decisions.csv"
    with decisions.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(spec["decisions"])
    carry(previous, decisions, copied)
    return copied


KINDS: Mapping[str, Callable[[Mapping[str, Any], Path, Interruption, Say], Mapping[str, Any]]] = {
    "run": run_job,
    **dict.fromkeys(COMMANDS, study_job),
}

if __name__ == "__main__":
    main()
