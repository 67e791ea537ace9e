"""Results of a run: its tables in four formats, its documents, each provider's lists, one entry explained."""

from __future__ import annotations

import datetime as dt
import io
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel
from sqlalchemy import Connection

from allocator.report.exports import folder_name
from allocator.report.safe import plain_text
from allocator.run_folder import stored_json
from api.artefacts import draft_folder, instance_folder
from api.fhir import bundle
from api.http.access import Anybody, SeeAll, Service, TheService
from api.http.instances import Id as InstanceId
from api.http.instances import attachment, row_of, zipped
from api.http.problems import ProblemError
from api.http.runs import RunId, run_row, visible_row
from api.keys import Person, Role
from api.store import log
from api.suppress import suppressed
from api.tables import (
    MEDIA_TYPES,
    Format,
    Keep,
    Row,
    csv_lines,
    kept_rows,
    numeric_columns,
    page_of,
    parquet_bytes,
    typed,
    workbook,
)

router = APIRouter(prefix="/v1/runs/{run_id}", tags=["results"])
of_instances = APIRouter(prefix="/v1/instances/{instance_id}", tags=["instances"])


class TableName(StrEnum):
    """Tables of a result."""

    ALLOCATION = "allocation"
    UNPLACED = "unplaced"
    SESSIONS = "sessions"
    QUARANTINE = "quarantine"
    CONFLICTS = "conflicts"
    DATA_WANTED = "data_wanted"
    CHANGES = "changes"
    TRACE = "trace"


OWN_BY = {
    TableName.ALLOCATION: ("home_provider", "provider_code"),
    TableName.UNPLACED: ("home_provider",),
    TableName.SESSIONS: ("provider_code",),
    TableName.DATA_WANTED: ("home_provider",),
}
"""Columns that say whose a row is; tables without one are not for providers."""
FormatOption = Annotated[Format, Query(alias="format", description="json, csv, xlsx or parquet.")]
LimitOption = Annotated[int, Query(ge=1, le=10_000, description="Rows of a JSON page.")]
OffsetOption = Annotated[int, Query(ge=0, le=10**9, description="Rows before a JSON page.")]


class TablePage(BaseModel):
    """A page of a table."""

    columns: list[str]
    rows: list[dict[str, Any]]
    total: int
    offset: int


class Explanation(BaseModel):
    """Where an entry stands in a plan, and why."""

    entry_id: str
    placed: list[dict[str, Any]]
    unplaced: dict[str, Any] | None


ProviderCode = Annotated[str, PathParameter(max_length=32, min_length=1, examples=["REM"])]


class Direction(StrEnum):
    """Whose move: to the provider, or away from it."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


FILES: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}}


@of_instances.get("/quarantine", responses=FILES, response_model=TablePage, name="get_quarantine")
def get_quarantine(
    instance_id: InstanceId,
    service: TheService,
    person: SeeAll,
    format_: FormatOption = Format.JSON,
    limit: LimitOption = 1000,
    offset: OffsetOption = 0,
) -> Response:
    """Every cell and row that intake refused, blanked or holds, with a hint."""
    with service.database.write() as connection:
        row = row_of(connection, instance_id)
        log.append(connection, person.actor, "instance.read", instance_id, table="quarantine", format=format_.value)
    path = instance_folder(service.settings.artefact_folder, instance_id).parent / "quarantine.csv"
    cover = {"Instance": row.name, "Plan date": row.plan_date, "Fingerprint of the instance": row.fingerprint}
    return table_response(service, path, lambda _: True, format_, limit, offset, f"{instance_id}-quarantine", cover)


def table_response(
    service: Service, path: Path, keep: Keep, format_: Format, limit: int, offset: int, name: str, cover: dict[str, str]
) -> Response:
    """A table in the wanted format; all but JSON are whole, and saved under `name`."""
    media = MEDIA_TYPES[format_]
    headers = attachment(f"{name}.{format_}")
    match format_:
        case Format.JSON:
            return JSONResponse(page_of(path, keep, limit, offset))
        case Format.CSV:
            return StreamingResponse(csv_lines(path, keep), media_type=media, headers=headers)
        case Format.PARQUET:
            return Response(parquet_bytes(path, keep), media_type=media, headers=headers)
        case Format.XLSX:
            created = dt.date.fromisoformat(cover["Plan date"])
            with draft_folder(service.settings.artefact_folder) as draft:
                workbook(path, keep, path.stem, cover, created, draft / "book.xlsx")
                content = (draft / "book.xlsx").read_bytes()
            return StreamingResponse(io.BytesIO(content), media_type=media, headers=headers)


def keeper(table: TableName, person: Person) -> Keep:
    """Which rows of a table this person may see; 403 where they may see none."""
    if person.role is not Role.PROVIDER:
        return lambda _: True
    if table not in OWN_BY:
        allowed = ", ".join(OWN_BY)
        raise ProblemError(403, f"{table.value} is not sorted by provider; a provider's key reads {allowed}.")
    return lambda row: is_own(row, OWN_BY[table], person)


def is_own(row: Row, columns: tuple[str, ...], person: Person) -> bool:
    """Whether a row is about a provider's own patients or sessions."""
    return any(row[column] in person.providers for column in columns)


def result_of(service: Service, row: Any) -> Path:
    """The result folder of a run; 409 where there is none (yet)."""
    if row.result_folder is None:
        raise ProblemError(409, f"{row.id} is {row.state} and has no result{'' if row.finished_at else ' yet'}.")
    folder = service.settings.artefact_folder / str(row.result_folder)
    if not folder.is_dir():
        raise ProblemError(410, f"The result of {row.id} was removed from the artefacts.")
    return folder


def cover_of(folder: Path, row: Any) -> dict[str, str]:
    """What a cover sheet says about a run."""
    summary, record = stored_json(folder, "summary.json"), stored_json(folder, "run.json")
    about = summary["instance"]
    return {
        "Run": row.id,
        "Purpose": row.purpose,
        "Instance": about["name"] + (" (people are synthetic)" if about["synthetic"] else ""),
        "Plan date": about["plan_date"],
        "Policy": summary["policy"]["name"],
        "Audit": "passed" if row.usable else "FAILED: nothing of this plan may be used",
        "Fingerprint of the instance": record["fingerprints"]["instance"],
        "Fingerprint of the policy": record["fingerprints"]["policy"],
    }


@router.get("/summary")
def get_summary(
    run_id: RunId,
    service: TheService,
    person: SeeAll,
    suppress_below: Annotated[
        int, Query(ge=0, le=1000, description="Leave out counts of people under this, and what would give them away.")
    ] = 0,
) -> dict[str, Any]:
    """All figures of a run. With `suppress_below` only those that may leave the hub."""
    with service.database.read() as connection:
        folder = result_of(service, run_row(connection, run_id))
    summary = stored_json(folder, "summary.json")
    return suppressed(summary, suppress_below) if suppress_below else summary


@router.get("/audit")
def get_audit(run_id: RunId, service: TheService, person: SeeAll) -> dict[str, Any]:
    """What was checked from the tables alone, and every violation."""
    with service.database.read() as connection:
        folder = result_of(service, run_row(connection, run_id))
    return stored_json(folder, "audit.json")


@router.get("/certificate", response_class=FileResponse)
def get_certificate(run_id: RunId, service: TheService, person: SeeAll) -> FileResponse:
    """The prices behind every certified bound, for `allocator verify`."""
    with service.database.read() as connection:
        folder = result_of(service, run_row(connection, run_id))
    return FileResponse(folder / "certificate.npz", media_type="application/octet-stream", filename=f"{run_id}.npz")


@router.get("/report", response_class=HTMLResponse)
def get_report(run_id: RunId, service: TheService, person: SeeAll) -> HTMLResponse:
    """One page for people."""
    with service.database.read() as connection:
        folder = result_of(service, run_row(connection, run_id))
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
    return HTMLResponse((folder / "report.html").read_bytes(), headers=policy)


@router.get("/download", response_class=StreamingResponse)
def download_run(run_id: RunId, service: TheService, person: SeeAll) -> StreamingResponse:
    """The whole run folder as a zip, as `allocator run` writes it."""
    with service.database.write() as connection:
        folder = result_of(service, run_row(connection, run_id))
        log.append(connection, person.actor, "run.downloaded", run_id)
    return StreamingResponse(zipped(folder), media_type="application/zip", headers=attachment(f"{run_id}.zip"))


@router.get("/exports/{provider}/{direction}", responses=FILES)
def get_export(
    run_id: RunId,
    provider: ProviderCode,
    direction: Direction,
    service: TheService,
    person: Anybody,
    format_: FormatOption = Format.CSV,
    limit: LimitOption = 1000,
    offset: OffsetOption = 0,
) -> Response:
    """A provider's incoming or outgoing list, to act on; Excel with a cover sheet. A provider's key gets its own."""
    with service.database.write() as connection:
        folder, row = exports_of(service, connection, run_id, provider, person)
        cover = {"Provider": provider, "List": direction.value, **cover_of(result_of(service, row), row)}
        detail = {"list": direction.value, "provider": provider, "format": format_.value}
        log.append(connection, person.actor, "run.exported", run_id, **detail)
    path = folder / f"{direction.value}.csv"
    name = f"{run_id}-{folder_name(provider)}-{direction.value}"
    return table_response(service, path, lambda _: True, format_, limit, offset, name, cover)


@router.get("/fhir/{provider}", response_class=Response, responses={200: {"content": {"application/fhir+json": {}}}})
def get_fhir(run_id: RunId, provider: ProviderCode, service: TheService, person: Anybody) -> Response:
    """A provider's incoming and outgoing places as FHIR R4B appointments; no national profile is claimed."""
    with service.database.write() as connection:
        folder, row = exports_of(service, connection, run_id, provider, person)
        log.append(connection, person.actor, "run.exported", run_id, list="fhir", provider=provider, format="fhir")
    rows = [
        {name: plain_text(cell) for name, cell in line.items()}
        for direction in Direction
        for line in kept_rows(folder / f"{direction.value}.csv", lambda _: True)
    ]
    made = dt.datetime.fromtimestamp(row.finished_at / 1000, dt.UTC)
    return Response(bundle(rows, run_id, made), media_type="application/fhir+json")


def exports_of(
    service: Service, connection: Connection, run_id: str, provider: str, person: Person
) -> tuple[Path, Any]:
    """The folder of a provider's lists in a run, and the row of the run; a provider's key opens its own."""
    if person.role is Role.PROVIDER and provider not in person.providers:
        raise ProblemError(403, f"The key is for {', '.join(sorted(person.providers))}.")
    row = visible_row(connection, run_id, person)
    folder = result_of(service, row) / "exports" / folder_name(provider)
    if not folder.is_dir():
        raise ProblemError(404, f'No provider "{provider}" in this run.')
    return folder, row


@router.get("/entries/{entry_id}")
def explain_entry(
    run_id: RunId, entry_id: Annotated[str, PathParameter(max_length=200)], service: TheService, person: Anybody
) -> Explanation:
    """Where an entry has its place, or why it has none and what would change that."""
    with service.database.write() as connection:
        folder = result_of(service, visible_row(connection, run_id, person))
        log.append(connection, person.actor, "run.read", run_id, entry=entry_id)
    found = {}
    for table in (TableName.ALLOCATION, TableName.UNPLACED):
        own, path = keeper(table, person), folder / f"{table.value}.csv"
        rows = [row for row in kept_rows(path, own) if plain_text(row["entry_id"]) == entry_id]
        found[table] = [typed(row, numeric_columns(path)) for row in rows]
    if not any(found.values()):
        raise ProblemError(404, f'No entry "{entry_id}" with or without a place in this run.')
    unplaced = found[TableName.UNPLACED]
    return Explanation(
        entry_id=entry_id, placed=found[TableName.ALLOCATION], unplaced=unplaced[0] if unplaced else None
    )


@router.get("/{table}", responses=FILES, response_model=TablePage)
def get_table(
    run_id: RunId,
    table: TableName,
    service: TheService,
    person: Anybody,
    format_: FormatOption = Format.JSON,
    limit: LimitOption = 1000,
    offset: OffsetOption = 0,
) -> Response:
    """A table of the result. A provider's key gets the rows of its own patients and sessions."""
    keep = keeper(table, person)
    with service.database.write() as connection:
        row = visible_row(connection, run_id, person)
        folder = result_of(service, row)
        cover = cover_of(folder, row)
        log.append(connection, person.actor, "run.read", run_id, table=table.value, format=format_.value)
    path = folder / f"{table.value}.csv"
    if not path.is_file():
        raise ProblemError(404, f"This run has no {table.value}: changes are there only after a previous run.")
    return table_response(service, path, keep, format_, limit, offset, f"{run_id}-{table.value}", cover)
