"""Instances: upload, list, intake report, download."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, insert, select
from starlette.concurrency import run_in_threadpool

from api.artefacts import draft_folder, instance_folder, put_in_place
from api.checking import check
from api.http.access import SeeAll, Service, Submitters, TheService
from api.http.problems import ProblemError
from api.http.times import iso
from api.keys import Person
from api.service_settings import MEGABYTE
from api.store import log
from api.store.database import NowMs
from api.store.tables import instances

router = APIRouter(prefix="/v1/instances", tags=["instances"])
Id = Annotated[str, PathParameter(pattern="^[a-z0-9-]{1,32}$", examples=["i-3f9c2a7b10d4e5f6"])]
checks_at_once = asyncio.Semaphore(2)
"""Each may use `ALLOCATOR_CHECK_MEMORY_MB`. Those that wait hold no thread: readers need them."""
UPLOADS = {
    "requestBody": {
        "required": True,
        "description": "A zip of instance.json and tables (CSV, CSV.GZ, Parquet), or one Excel workbook.",
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}}
            for name in (
                "application/zip",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "application/octet-stream",
            )
        },
    }
}


class Instance(BaseModel):
    """An uploaded instance and what intake found in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "i-3f9c2a7b10d4e5f6",
                "name": "Cheshire and Merseyside, Monday",
                "plan_date": "2026-02-02",
                "fingerprint": "9b2f...",
                "uploaded_at": "2026-02-02T06:31:07.512Z",
                "report": {"lines": ["patients: 3,970 rows read, 3,962 accepted, 8 refused."], "quarantine_rows": 8},
            }
        }
    )
    id: str
    name: str
    plan_date: str
    fingerprint: str
    uploaded_at: str
    report: dict[str, Any]


class Instances(BaseModel):
    """A page of instances, newest first. `next` goes into `before` for the page after; null at the end."""

    instances: list[Instance]
    next: int | None


@router.post("", status_code=201, openapi_extra=UPLOADS)
async def upload_instance(request: Request, response: Response, service: TheService, person: Submitters) -> Instance:
    """Upload an instance. It is read and checked at once; a bad row is listed, a bad file is refused whole."""
    settings = service.settings
    most = settings.max_upload_mb * MEGABYTE
    too_large = ProblemError(413, f"The upload is larger than {most:,} bytes, the most that is taken.")
    if int(request.headers.get("content-length") or 0) > most:
        raise too_large
    with draft_folder(settings.artefact_folder) as draft:
        upload = draft / "upload"
        taken = 0
        with upload.open("wb") as file:
            async for chunk in request.stream():
                taken += len(chunk)
                if taken > most:
                    raise too_large
                file.write(chunk)
        if not taken:
            raise ProblemError(422, "The body is empty; wanted a zip of tables, or one workbook, as the body.")
        async with checks_at_once:
            found = await run_in_threadpool(accept, service, person, draft)
    response.headers["Location"] = f"/v1/instances/{found.id}"
    return found


def accept(service: Service, person: Person, draft: Path) -> Instance:
    """Check and record what stands in `draft`/upload. Raises InputError; then nothing is kept."""
    settings = service.settings
    (draft / "instance").mkdir()
    most_bytes = settings.max_unpacked_mb * MEGABYTE
    found = check(draft / "upload", draft / "instance", most_bytes, settings.check_memory_mb, settings.check_seconds)
    instance_id = f"i-{secrets.token_hex(8)}"
    put_in_place(draft / "instance", instance_folder(settings.artefact_folder, instance_id).parent)
    with service.database.write() as connection:
        connection.execute(
            insert(instances).values(
                id=instance_id,
                **{name: found[name] for name in ("name", "plan_date", "fingerprint", "report")},
                uploaded_by=person.key_id,
                uploaded_at=NowMs(),
            )
        )
        log.append(
            connection, person.actor, "instance.uploaded", instance_id, name=found["name"], sha256=found["fingerprint"]
        )
        return shown(row_of(connection, instance_id))


@router.get("")
def list_instances(
    service: TheService,
    person: SeeAll,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before.")] = None,
) -> Instances:
    """Every instance, newest first."""
    chosen = select(instances).order_by(instances.c.number.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(instances.c.number < before)
    with service.database.read() as connection:
        rows = connection.execute(chosen).all()
    return Instances(instances=[shown(row) for row in rows], next=rows[-1].number if len(rows) == limit else None)


@router.get("/{instance_id}")
def get_instance(instance_id: Id, service: TheService, person: SeeAll) -> Instance:
    """One instance, with the intake report."""
    with service.database.read() as connection:
        return shown(row_of(connection, instance_id))


@router.get("/{instance_id}/download", response_class=StreamingResponse)
def download_instance(instance_id: Id, service: TheService, person: SeeAll) -> StreamingResponse:
    """The tables as they were uploaded, as a zip."""
    with service.database.write() as connection:
        row_of(connection, instance_id)
        log.append(connection, person.actor, "instance.downloaded", instance_id)
    folder = instance_folder(service.settings.artefact_folder, instance_id)
    return StreamingResponse(zipped(folder), media_type="application/zip", headers=attachment(f"{instance_id}.zip"))


def zipped(folder: Path) -> Iterator[bytes]:
    """A folder as a zip, piece by piece; made on disk, so that its size does not matter."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())
        file.seek(0)
        while chunk := file.read(1 << 20):
            yield chunk


def attachment(name: str) -> dict[str, str]:
    """A header that has the response saved under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def row_of(connection: Connection, instance_id: str) -> Any:
    """The row of an instance; 404 where there is none."""
    row = connection.execute(select(instances).where(instances.c.id == instance_id)).one_or_none()
    if row is None:
        raise ProblemError(404, f'There is no instance "{instance_id}".')
    return row


def shown(row: Any) -> Instance:
    """A row as the API shows it."""
    return Instance(
        id=row.id,
        name=row.name,
        plan_date=row.plan_date,
        fingerprint=row.fingerprint,
        uploaded_at=iso(row.uploaded_at),
        report=row.report,
    )
