"""The log: read it, export it, check its chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from api.http.access import Auditors, Service, TheService
from api.http.instances import attachment
from api.http.times import iso
from api.store import log

router = APIRouter(prefix="/v1/log", tags=["log"])


class LogRow(BaseModel):
    """One deed. `hash` covers it and the hash before it."""

    number: int
    at: int
    when: str
    actor: str
    action: str
    subject: str
    detail: str
    previous_hash: str
    hash: str


class LogPage(BaseModel):
    """Rows of the log, oldest first. `next` goes into `after` for the page after; null at the end."""

    rows: list[LogRow]
    next: int | None


class LogCheck(BaseModel):
    """Whether the chain holds, and every fault that was found."""

    holds: bool
    rows: int
    head: str
    faults: list[str]


@router.get("")
def read_log(
    service: TheService,
    person: Auditors,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> LogPage:
    """Who did what to which run."""
    with service.database.read() as connection:
        rows = [LogRow(**row, when=iso(row["at"])) for row in log.rows(connection, after, limit)]
    return LogPage(rows=rows, next=rows[-1].number if len(rows) == limit else None)


@router.get("/export", response_class=StreamingResponse)
def export_log(service: TheService, person: Auditors) -> StreamingResponse:
    """The whole log, a JSON object a line: enough to check the chain elsewhere."""
    return StreamingResponse(lines(service), media_type="application/x-ndjson", headers=attachment("log.ndjson"))


def lines(service: Service) -> Iterator[str]:
    """Rows as lines of JSON, in one reading transaction."""
    with service.database.read() as connection:
        for row in log.rows(connection):
            yield json.dumps(row, ensure_ascii=False) + "\n"


@router.get("/check")
def check_log(service: TheService, person: Auditors) -> LogCheck:
    """Check the hash of every row."""
    with service.database.read() as connection:
        number, head = log.head_of(connection)
        faults = log.faults(log.rows(connection, most=number), (number, head))
    return LogCheck(holds=not faults, rows=number, head=head, faults=faults[:100])
