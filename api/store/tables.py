"""Every table of the service. Moments are whole milliseconds since 1970 UTC by the clock of the database.

Whole numbers compare and add alike on SQLite and PostgreSQL, and no driver can lose their time zone.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("providers", JSON, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)
"""`sha256` is that of the whole key: keys are 256 random bits, so a slow hash would add nothing."""

instances = Table(
    "instances",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("name", String(500), nullable=False),
    Column("plan_date", String(10), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("report", JSON, nullable=False),
    Column("uploaded_by", String(32), ForeignKey("keys.id"), nullable=False),
    Column("uploaded_at", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("instance_id", String(32), ForeignKey("instances.id")),
    Column("previous_id", String(32), ForeignKey("jobs.id")),
    Column("purpose", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("request_sha256", String(64), nullable=False),
    Column("idempotency_key", String(200)),
    Column("submitted_by", String(32), ForeignKey("keys.id"), nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("token", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("leased_by", String(200)),
    Column("lease_until", BigInteger),
    Column("cancel_requested_at", BigInteger),
    Column("result_folder", String(200)),
    Column("usable", Boolean, nullable=False),
    Column("figures", JSON),
    Column("problem", JSON),
    UniqueConstraint("submitted_by", "idempotency_key"),
    Index(None, "state", "number"),
    Index(None, "previous_id"),
)
"""`token` grows with every claim: only the worker that holds the latest may write. `attempts` counts claims
that were not given back. `usable`: there is a plan, and it passed its audit."""

events = Table(
    "events",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("plan", JSON, nullable=False),
)
"""The best plan so far of a job: what a worker that takes the job over starts from."""

decisions = Table(
    "decisions",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("run_id", String(32), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("entry_id", String(200), nullable=False),
    Column("session_id", String(200), nullable=False),
    Column("site_code", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("decided_by", String(16), nullable=False),
    Column("reason_code", String(200), nullable=False),
    Column("recorded_on", String(19), nullable=False),
    Column("expires_on", String(10), nullable=False),
    Column("key_id", String(32), ForeignKey("keys.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
"""Append-only: triggers refuse any change of a row."""

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Number, nullable=False),
    Column("hash", String(64), nullable=False),
)
"""One row: the end of the chain. Locked by whoever appends; shows where rows at the end were cut off."""
