"""The worker: claims a job, has it solved in a process of its own, keeps the lease, records the end once.

It knows nothing that the database does not: killed at any moment, the next worker goes on from what was stored.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from api.artefacts import instance_folder, keep_alone, result_name, take_away
from api.service_settings import ServiceSettings
from api.solver_process import SolverProcess
from api.store import queue
from api.store.database import Database
from api.store.decisions import decisions_about
from api.store.queue import Ended, Lease
from api.store.tables import jobs

POLL_SECONDS = 0.5
BEAT_SECONDS = 1.0
"""A cancel is seen within this time, so it must stay under two seconds."""
CANCEL_SECONDS = 300.0
"""A solve that was cancelled has so long to audit and write the plan it has; then it is killed."""
STATUS_OF = {"Usage": 422, "Input": 422, "Contradiction": 409, "AuditFailed": 500, "NoPlan": 503, "Cancelled": 409}
TITLES = {
    "Usage": "The request cannot be carried out",
    "Input": "The input cannot be run",
    "Contradiction": "What is fixed contradicts what is possible",
    "NoPlan": "A limit was reached before any plan stood",
    "AuditFailed": "The plan failed its audit; nothing of it may be used",
}
Result = TypeVar("Result")
says = logging.getLogger("allocator.worker")


class LostError(Exception):
    """The job is no longer this worker's."""


def work(settings: ServiceSettings, database: Database, stop: threading.Event, name: str | None = None) -> None:
    """Serve jobs until `stop` is set; then the job at hand goes back into the queue."""
    worker = name or f"{socket.gethostname()}-{os.getpid()}"
    solver = SolverProcess(settings.runs_per_process)
    says.info("worker %s is ready", worker)
    try:
        while not stop.is_set():
            solver.ready()
            try:
                lease = queue.claim(database, worker, settings.lease_ms, settings.attempts)
            except OperationalError:
                says.warning("the database is away; trying again")
                lease = None
            if lease is None:
                stop.wait(POLL_SECONDS)
            else:
                serve(settings, database, solver, lease, stop)
    finally:
        solver.stop()


def serve(
    settings: ServiceSettings, database: Database, solver: SolverProcess, lease: Lease, stop: threading.Event
) -> None:
    """One job from its claim to its end, or to the moment when it is given back or lost."""
    says.info("%s %s: attempt with token %d", lease.kind, lease.job_id, lease.token)
    watch = _Watch(settings.lease_seconds)
    folder = settings.artefact_folder / result_name(lease.job_id, lease.token)
    try:
        solver.give(patiently(lambda: spec_of(settings, database, lease), watch))
        last = _followed(settings, database, solver, lease, stop, watch)
        if last is None:
            solver.stop()
            patiently(lambda: queue.give_back(database, lease), watch)
        elif last["event"] == "died":
            patiently(lambda: queue.let_go(database, lease), watch)
        elif patiently(lambda: queue.finish(database, lease, ended_of(lease, last)), watch):
            keep_alone(folder)
        else:
            raise LostError
        says.info("%s %s: %s", lease.kind, lease.job_id, "given back" if last is None else last["event"])
    except LostError:
        says.warning("%s %s: no longer this worker's; nothing of it was recorded", lease.kind, lease.job_id)
        solver.stop()
        take_away(folder)


def _followed(
    settings: ServiceSettings,
    database: Database,
    solver: SolverProcess,
    lease: Lease,
    stop: threading.Event,
    watch: _Watch,
) -> Mapping[str, Any] | None:
    """Keep the lease and store progress until the job's last message; None where this worker is to stop."""
    last_beat = asked = 0.0
    last: Mapping[str, Any] | None = None
    progress: list[Mapping[str, Any]] = []
    plan: Sequence[Sequence[str]] | None = None
    while last is None and not stop.is_set():
        for message in solver.heard(POLL_SECONDS / 2):
            if message["event"] != "progress":
                last = message
                continue
            plan = message["plan"] or plan
            progress = _with(progress, {name: value for name, value in message.items() if name != "plan"})
        if last is None and time.monotonic() - last_beat < BEAT_SECONDS:
            continue
        found = patiently(partial(queue.beat, database, lease, settings.lease_ms, progress, plan), watch)
        if not found.held:
            raise LostError
        progress, plan, last_beat = [], None, time.monotonic()
        watch.renewed()
        if found.cancel and last is None:
            solver.interrupt()
            asked = asked or last_beat
            if last_beat - asked > CANCEL_SECONDS:
                solver.stop()
                return {"event": "cancelled", "folder": False}
    return last


def _with(progress: list[Mapping[str, Any]], said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The progress of one beat: of a stage and goal only the latest is kept, so that a talkative solve stays small."""
    key = (said["stage"], said["goal"])
    return [*(item for item in progress if (item["stage"], item["goal"]) != key), said]


@dataclass
class _Watch:
    """How long ago the lease was surely renewed, by this machine's clock."""

    lease_seconds: float
    _last: float = field(default_factory=time.monotonic)

    def renewed(self) -> None:
        """The database has just confirmed it."""
        self._last = time.monotonic()

    @property
    def over(self) -> bool:
        """The lease has surely lapsed."""
        return time.monotonic() - self._last > self.lease_seconds


def patiently(act: Callable[[], Result], watch: _Watch) -> Result:
    """`act()`, tried again while the database is away, until the lease has lapsed: then LostError."""
    while True:
        try:
            return act()
        except OperationalError as error:
            if watch.over:
                raise LostError from error
            says.warning("the database is away; trying again")
            time.sleep(POLL_SECONDS)


def spec_of(settings: ServiceSettings, database: Database, lease: Lease) -> dict[str, Any]:
    """What the solving process needs to know of a job."""
    artefacts = settings.artefact_folder.absolute()
    spec = {
        "kind": lease.kind,
        "artefacts": str(artefacts),
        "out": str(artefacts / result_name(lease.job_id, lease.token)),
        "instance": str(instance_folder(artefacts, lease.instance_id)) if lease.instance_id else None,
        "previous": None,
        "decisions": [],
        "plan_so_far": lease.plan,
        "threads": settings.cores,
        **lease.request,
    }
    with database.read() as connection:
        spec["runs"] = [str(artefacts / folder_of(connection, run_id)) for run_id in lease.request.get("run_ids", [])]
        if lease.previous_id is not None:
            spec["previous"] = str(artefacts / folder_of(connection, lease.previous_id))
            spec["decisions"] = decisions_about(connection, lease.previous_id)
    return spec


def folder_of(connection: Connection, run_id: str) -> str:
    """The result of a run that was there when the job was submitted."""
    return str(connection.execute(select(jobs.c.result_folder).where(jobs.c.id == run_id)).scalar_one())


def ended_of(lease: Lease, last: Mapping[str, Any]) -> Ended:
    """The end of a job from the last message of its solving process."""
    folder = result_name(lease.job_id, lease.token) if last["folder"] else None
    if last["event"] == "failed":
        problem = problem_of(last["error"], last["problems"], last["exit_code"])
        return Ended("failed", folder, problem=problem)
    if folder is None or last["passed"]:
        return Ended(last["event"], folder, usable=folder is not None, figures=last.get("figures"))
    problem = problem_of("AuditFailed", ["See audit.json in the result."], 5)
    return Ended("failed", folder, figures=last["figures"], problem=problem)


def problem_of(kind: str, problems: Sequence[str], exit_code: int) -> dict[str, Any]:
    """What went wrong, as the API shows it."""
    return {
        "title": TITLES.get(kind, kind),
        "detail": problems[0] if problems else "",
        "status": STATUS_OF.get(kind, 500),
        "problems": list(problems),
        "exit_code": exit_code,
    }
