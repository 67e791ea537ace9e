"""Connections: reading and writing transactions, the clock of the database, waiting for a database that is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from allocator.errors import UsageError

BUSY_MS = 30_000
"""How long a writer waits for the one before it on SQLite."""
POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 40, "hide_parameters": True}
"""Parameters are ids of people: no error shows them."""


class NowMs(FunctionElement[int]):
    """Milliseconds since 1970 UTC by the clock of the database: the one clock that all workers share."""

    type = BigInteger()
    inherit_cache = True
    name = "now_ms"


@compiles(NowMs, "sqlite")
def _now_on_sqlite(element: NowMs, compiler: Any, **options: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


@compiles(NowMs, "postgresql")
def _now_on_postgresql(element: NowMs, compiler: Any, **options: Any) -> str:
    # Not now(): that stands still within a transaction.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@dataclass(frozen=True, eq=False)
class Database:
    """A pool of connections. Every use is one whole transaction."""

    engine: Engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: never waits for writers."""
        with self.engine.connect().execution_options(only_reads=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; on SQLite it holds the one lock from its start, so it cannot deadlock."""
        with self.engine.connect() as connection, connection.begin():
            yield connection


def url_of(data: Path) -> str:
    """The SQLite database of a data folder."""
    return f"sqlite:///{(data / 'allocator.db').as_posix()}"


def connected(url: str) -> Database:
    """The database at `url`, SQLite or PostgreSQL. Raises UsageError for any other."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        in_memory = backend == "sqlite" and parsed.database in (None, "", ":memory:")
        if backend not in ("sqlite", "postgresql") or in_memory:
            raise NoSuchModuleError
    except (ArgumentError, NoSuchModuleError) as error:
        # The value may hold a password: it is not shown.
        raise UsageError(
            "DATABASE_URL is no address of a database; wanted sqlite:////path/to/file.db or "
            "postgresql://user:password@host:port/name."
        ) from error
    if backend == "postgresql":
        return Database(create_engine(parsed, pool_pre_ping=True, **POOL))
    engine = create_engine(parsed, connect_args={"timeout": BUSY_MS / 1000}, **POOL)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_on_sqlite)
    return Database(engine)


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver would begin late, and only some transactions
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_on_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
