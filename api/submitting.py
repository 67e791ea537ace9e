"""Putting jobs into the queue: once for every idempotency key, and never two daily runs after the same one."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from api.deciding import DAILY, follower
from api.keys import Person
from api.store import log
from api.store.database import Database, NowMs
from api.store.tables import jobs


class QueueFullError(Exception):
    """More jobs wait than may."""


class KeyUsedError(Exception):
    """The idempotency key stands for another request."""


class NotFollowableError(Exception):
    """The previous run has no plan to go on from, or was followed already."""


@dataclass(frozen=True)
class Wanted:
    """A job to be done. `request` goes to the solving process as it stands."""

    kind: str
    request: Mapping[str, Any]
    instance_id: str | None = None
    previous_id: str | None = None
    purpose: str = "trial"

    @property
    def sha256(self) -> str:
        """Equal for equal jobs."""
        told = [self.kind, self.request, self.instance_id, self.previous_id, self.purpose]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8")).hexdigest()


def submit(
    database: Database, person: Person, wanted: Wanted, idempotency_key: str | None, most_waiting: int
) -> tuple[str, bool]:
    """(id of the job, was it there already). Raises QueueFullError, KeyUsedError, NotFollowableError."""
    try:
        with database.write() as connection:
            if (found := earlier(connection, person, wanted, idempotency_key)) is not None:
                return found, True
            return added(connection, person, wanted, idempotency_key, most_waiting), False
    except IntegrityError:
        # Somebody with the same key was faster by a moment: theirs is the answer to both.
        with database.read() as connection:
            found = earlier(connection, person, wanted, idempotency_key)
        if found is None:
            raise
        return found, True


def earlier(connection: Connection, person: Person, wanted: Wanted, idempotency_key: str | None) -> str | None:
    """The job that this key stands for already; None where there is none."""
    if idempotency_key is None:
        return None
    row = connection.execute(
        select(jobs.c.id, jobs.c.request_sha256).where(
            jobs.c.submitted_by == person.key_id, jobs.c.idempotency_key == idempotency_key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != wanted.sha256:
        raise KeyUsedError(f'The Idempotency-Key "{idempotency_key}" stands for another request ({row.id}).')
    return str(row.id)


def added(
    connection: Connection, person: Person, wanted: Wanted, idempotency_key: str | None, most_waiting: int
) -> str:
    """The id of the job, now in the queue."""
    waiting = connection.execute(select(func.count()).where(jobs.c.state == "queued")).scalar_one()
    if waiting >= most_waiting:
        raise QueueFullError(f"{waiting} jobs wait already, the most that may. Try again later.")
    if wanted.previous_id is not None:
        require_followable(connection, wanted)
    job_id = f"{wanted.kind[:1]}-{secrets.token_hex(8)}"
    connection.execute(
        insert(jobs).values(
            id=job_id,
            kind=wanted.kind,
            state="queued",
            instance_id=wanted.instance_id,
            previous_id=wanted.previous_id,
            purpose=wanted.purpose,
            request=wanted.request,
            request_sha256=wanted.sha256,
            idempotency_key=idempotency_key,
            submitted_by=person.key_id,
            submitted_at=NowMs(),
            token=0,
            attempts=0,
            usable=False,
        )
    )
    log.append(
        connection,
        person.actor,
        f"{wanted.kind}.submitted",
        job_id,
        instance=wanted.instance_id,
        previous=wanted.previous_id,
        purpose=wanted.purpose,
    )
    return job_id


def require_followable(connection: Connection, wanted: Wanted) -> None:
    """NotFollowableError unless the previous run has a plan and, for a daily run, no daily run follows it."""
    row = connection.execute(select(jobs).where(jobs.c.id == wanted.previous_id).with_for_update()).one()
    if not row.usable:
        raise NotFollowableError(f"{row.id} is {row.state} and has no plan to go on from.")
    if wanted.purpose != DAILY:
        return
    if row.purpose != DAILY:
        raise NotFollowableError(f"{row.id} is a trial; a daily run follows a daily run.")
    if (later := follower(connection, row.id)) is not None:
        raise NotFollowableError(f"{row.id} is followed by {later.id} already. Maybe go on from {later.id}.")
