"""What is done at the machine itself: a worker, keys, the log, backup, upgrade. No HTTP and no engine is imported."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import func, select

from allocator.errors import AuditFailedError, UsageError
from api.artefacts import tidy
from api.http.times import iso, iso_or_none
from api.keys import Role, make_key, revoke_key
from api.service_settings import ServiceSettings, service_settings
from api.store import log, schema
from api.store.database import Database, connected
from api.store.tables import keys
from api.worker import work


class Discreet(logging.Formatter):
    """Log lines whose tracebacks say where and what kind, never the text: it may hold somebody's data."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that logging calls
        """The frames and the name of the error."""
        kind, _, where = ei
        return "".join(traceback.format_tb(where)) + (kind.__name__ if kind else "")


def run_worker(data: Path | None, *, with_parent: bool, as_json: bool) -> None:
    """A worker until SIGTERM or Ctrl-C; then the job at hand goes back into the queue."""
    settings, database = opened(data, upgrade=False)
    tell({"data": str(settings.data)}, f"Working for the database and artefacts of {settings.data}.", as_json=as_json)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_stop_with_input, args=(stop,), daemon=True).start()
    try:
        work(settings, database, stop)
    finally:
        database.engine.dispose()


def _stop_with_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


def opened(data: Path | None, *, upgrade: bool) -> tuple[ServiceSettings, Database]:
    """Settings and database, the tables brought up to date or required to be."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = service_settings(data)
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.artefact_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(
            f'Nothing can be written at "{settings.data}": {error.strerror}. Maybe another --data.'
        ) from error
    tidy(settings.artefact_folder)
    database = connected(settings.url)
    if upgrade:
        schema.upgrade(database)
    else:
        schema.require_current(database)
    return settings, database


def first_key(database: Database) -> str | None:
    """A key for the hub where there is none at all yet."""
    with database.write() as connection:
        if connection.execute(select(func.count()).select_from(keys)).scalar_one():
            return None
        return make_key(connection, "first key", Role.HUB)[1]


def add_key(data: Path | None, name: str, role: Role, providers: Sequence[str], *, as_json: bool) -> None:
    """Make a key and print it, once."""
    _, database = opened(data, upgrade=False)
    with database.write() as connection:
        key_id, key = make_key(connection, name, role, providers)
    made = {"id": key_id, "name": name, "role": role.value, "providers": list(providers), "key": key}
    tell(made, f"Key {key_id} for {name} ({role}), shown this once: {key}", as_json=as_json)


def list_keys(data: Path | None, *, as_json: bool) -> None:
    """Every key: id, holder, role, providers, made, revoked."""
    _, database = opened(data, upgrade=False)
    found, lines = [], []
    with database.read() as connection:
        for row in connection.execute(select(keys).order_by(keys.c.created_at)):
            made, revoked = iso(row.created_at), iso_or_none(row.revoked_at)
            found.append(
                {
                    "id": row.id,
                    "name": row.name,
                    "role": row.role,
                    "providers": row.providers,
                    "created_at": made,
                    "revoked_at": revoked,
                }
            )
            state = f"revoked {revoked}" if revoked else "in force"
            lines.append(f"{row.id}  {row.role:<9}{','.join(row.providers):<20}{made}  {state}  {row.name}")
    tell({"keys": found}, "\n".join(lines), as_json=as_json)


def drop_key(data: Path | None, key_id: str, *, as_json: bool) -> None:
    """Revoke a key."""
    _, database = opened(data, upgrade=False)
    with database.write() as connection:
        revoke_key(connection, key_id)
    tell({"id": key_id, "revoked": True}, f"Key {key_id} is revoked.", as_json=as_json)


def upgrade_database(data: Path | None, *, as_json: bool) -> None:
    """Bring the database up to this version."""
    _, database = opened(data, upgrade=True)
    revision = schema.current(database)
    tell({"revision": revision}, f"The database has revision {revision}.", as_json=as_json)


def back_up(data: Path | None, out: Path, *, as_json: bool) -> None:
    """Copy the SQLite database, whole and consistent, while it is in use. Raises UsageError."""
    _, database = opened(data, upgrade=False)
    if database.engine.dialect.name != "sqlite":
        raise UsageError("The database is PostgreSQL. Maybe pg_dump: see docs/operations.md.")
    if out.exists():
        raise UsageError(f'"{out}" is there already. Maybe choose another file.')
    pooled = database.engine.raw_connection()
    with contextlib.closing(pooled), contextlib.closing(sqlite3.connect(out)) as copy:
        assert isinstance(pooled.driver_connection, sqlite3.Connection)
        pooled.driver_connection.backup(copy)
    artefacts = service_settings(data).artefact_folder
    line = f"Copied the database to {out}. Copy the artefacts next: {artefacts}"
    tell({"database": str(out), "artefacts": str(artefacts)}, line, as_json=as_json)


def check_log(data: Path | None, *, as_json: bool) -> None:
    """Check the chain of the log; AuditFailedError where it does not hold."""
    _, database = opened(data, upgrade=False)
    with database.read() as connection:
        number, head = log.head_of(connection)
        faults = log.faults(log.rows(connection, most=number), (number, head))
    tell_of_log(faults, number, head, as_json=as_json)


def check_export(path: Path, *, as_json: bool) -> None:
    """Check an exported log, wherever it is; AuditFailedError where it does not hold."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        faults = log.faults(rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read as an exported log: {type(error).__name__}.") from error
    tell_of_log(faults, len(rows), rows[-1]["hash"] if rows else log.FIRST_HASH, as_json=as_json)


def tell_of_log(faults: Sequence[str], number: int, head: str, *, as_json: bool) -> None:
    """Say whether a log holds; AuditFailedError where it does not."""
    if as_json or not faults:
        told = {"holds": not faults, "rows": number, "head": head, "faults": list(faults)}
        tell(told, f"The log holds: {number} rows, head {head}.", as_json=as_json)
    if faults:
        raise AuditFailedError("\n".join(faults))


def tell(found: Mapping[str, Any], line: str, *, as_json: bool) -> None:
    """A result on standard output, at once."""
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else line)
    sys.stdout.flush()
