"""The queue: jobs are claimed under a lease on the database's clock, and written with the token of that claim.

A claim makes the token one larger. Every write of a worker names its token and needs a lease that has not
lapsed: a worker that slept past its lease, or whose job was taken over, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from api.store import log
from api.store.database import Database, NowMs
from api.store.tables import events, jobs, snapshots

ENDED = ("done", "failed", "cancelled")
LOST = "The worker was lost"


@dataclass(frozen=True)
class Lease:
    """A claimed job: what it is, and the token with which alone it may be written."""

    job_id: str
    kind: str
    token: int
    worker: str
    request: Mapping[str, Any]
    instance_id: str | None
    previous_id: str | None
    plan: Sequence[Sequence[str]] | None
    """(entry_id, session_id) of the best plan that an earlier attempt left behind."""


@dataclass(frozen=True)
class Ended:
    """How a job ended. `folder` is where its result stands, relative to the artefacts."""

    state: str
    folder: str | None = None
    usable: bool = False
    figures: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None


def claim(database: Database, worker: str, lease_ms: int, most_attempts: int) -> Lease | None:
    """The oldest job that waits or whose worker was lost, now leased to `worker`; None where there is none.

    A job whose attempts are used up is failed on the way, one that was to be cancelled is cancelled.
    """
    with database.write() as connection:
        while True:
            row = connection.execute(
                select(jobs)
                .where(or_(jobs.c.state == "queued", and_(jobs.c.state == "running", jobs.c.lease_until < NowMs())))
                .order_by(jobs.c.number)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if row is None:
                return None
            if row.cancel_requested_at is not None:
                _end(connection, row.id, Ended("cancelled"), f"worker {worker}")
            elif row.attempts >= most_attempts:
                problem = {
                    "title": f"{LOST} {row.attempts} times",
                    "detail": f"Every one of {row.attempts} attempts ended before the result was stored. Maybe the "
                    "machine has too little memory: see the worker's log.",
                    "status": 500,
                }
                _end(connection, row.id, Ended("failed", problem=problem), f"worker {worker}")
            else:
                return _leased(connection, row, worker, lease_ms)


def _leased(connection: Connection, row: Any, worker: str, lease_ms: int) -> Lease:
    connection.execute(
        update(jobs)
        .where(jobs.c.id == row.id)
        .values(
            state="running",
            token=row.token + 1,
            attempts=row.attempts + 1,
            leased_by=worker,
            lease_until=NowMs() + lease_ms,
            started_at=func.coalesce(jobs.c.started_at, NowMs()),
        )
    )
    log.append(connection, f"worker {worker}", f"{row.kind}.started", row.id, attempt=row.attempts + 1)
    plan = connection.execute(select(snapshots.c.plan).where(snapshots.c.job_id == row.id)).scalar_one_or_none()
    return Lease(row.id, row.kind, row.token + 1, worker, row.request, row.instance_id, row.previous_id, plan)


def _held(lease: Lease) -> ColumnElement[bool]:
    """The job is still this worker's."""
    return and_(
        jobs.c.id == lease.job_id,
        jobs.c.state == "running",
        jobs.c.token == lease.token,
        jobs.c.lease_until >= NowMs(),
    )


@dataclass(frozen=True)
class Beat:
    """What a heartbeat found: is the job still ours, and should it be cancelled."""

    held: bool
    cancel: bool = False


def beat(
    database: Database,
    lease: Lease,
    lease_ms: int,
    progress: Sequence[Mapping[str, Any]] = (),
    plan: Sequence[Sequence[str]] | None = None,
) -> Beat:
    """Renew the lease and store what came since: progress, and the best plan so far. All of it or nothing."""
    with database.write() as connection:
        row = connection.execute(
            update(jobs)
            .where(_held(lease))
            .values(lease_until=NowMs() + lease_ms)
            .returning(jobs.c.cancel_requested_at)
        ).one_or_none()
        if row is None:
            return Beat(held=False)
        if progress:
            _add_events(connection, lease.job_id, progress)
        if plan is not None:
            _keep_plan(connection, lease.job_id, plan)
        return Beat(held=True, cancel=row.cancel_requested_at is not None)


def finish(database: Database, lease: Lease, ended: Ended) -> bool:
    """Record how the job ended, once; False, and nothing recorded, where it is no longer this worker's."""
    with database.write() as connection:
        held = connection.execute(select(jobs.c.id).where(_held(lease)).with_for_update()).one_or_none()
        if held is None:
            # Asked again after the answer to the first time was lost: it stands already.
            row = connection.execute(select(jobs).where(jobs.c.id == lease.job_id)).one()
            return (row.state, row.token, row.result_folder) == (ended.state, lease.token, ended.folder)
        _end(connection, lease.job_id, ended, f"worker {lease.worker}")
        return True


def give_back(database: Database, lease: Lease) -> None:
    """Put a job that this worker holds back into the queue: the attempt does not count."""
    with database.write() as connection:
        connection.execute(
            update(jobs)
            .where(_held(lease))
            .values(state="queued", attempts=jobs.c.attempts - 1, leased_by=None, lease_until=None)
        )


def let_go(database: Database, lease: Lease) -> None:
    """Put a job whose solving process died back into the queue: the attempt counts."""
    with database.write() as connection:
        connection.execute(update(jobs).where(_held(lease)).values(state="queued", leased_by=None, lease_until=None))


def cancel(connection: Connection, job_id: str, actor: str) -> str:
    """Ask for a job to be cancelled; returns its state after that. Cancelling twice is cancelling once."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one()
    if row.state in ENDED or row.cancel_requested_at is not None:
        return str(row.state)
    log.append(connection, actor, f"{row.kind}.cancel_asked", job_id)
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested_at=NowMs()))
    if row.state == "queued":
        _end(connection, job_id, Ended("cancelled"), actor)
        return "cancelled"
    return "running"


def _end(connection: Connection, job_id: str, ended: Ended, actor: str) -> None:
    kind = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            state=ended.state,
            result_folder=ended.folder,
            usable=ended.usable,
            figures=ended.figures,
            problem=ended.problem,
            finished_at=NowMs(),
            lease_until=None,
        )
        .returning(jobs.c.kind)
    ).scalar_one()
    _add_events(connection, job_id, [{"event": "ended", "state": ended.state}])
    if ended.usable:
        connection.execute(delete(snapshots).where(snapshots.c.job_id == job_id))
    log.append(connection, actor, f"{kind}.{ended.state}", job_id, usable=ended.usable)


def _add_events(connection: Connection, job_id: str, bodies: Sequence[Mapping[str, Any]]) -> None:
    last = connection.execute(
        select(func.coalesce(func.max(events.c.number), 0)).where(events.c.job_id == job_id)
    ).scalar_one()
    at = connection.execute(select(NowMs())).scalar_one()
    rows = [{"job_id": job_id, "number": last + n, "at": at, "body": body} for n, body in enumerate(bodies, 1)]
    connection.execute(insert(events), rows)


def _keep_plan(connection: Connection, job_id: str, plan: Sequence[Sequence[str]]) -> None:
    values = {"at": NowMs(), "plan": plan}
    found = connection.execute(update(snapshots).where(snapshots.c.job_id == job_id).values(values))
    if not found.rowcount:
        connection.execute(insert(snapshots).values(job_id=job_id, **values))
