"""Bringing a database up to the tables of this version, and telling whether it is."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from allocator.errors import UsageError
from api.store.database import Database

MIGRATIONS = Path(__file__).with_name("migrations")
LOCK = 7_203_114
"""Number of the PostgreSQL advisory lock that lets one process upgrade at a time."""


def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations that the database lacks, in one transaction. Nothing happens where it has them all."""
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def revisions() -> list[str]:
    """Every revision there is, oldest first."""
    script = ScriptDirectory.from_config(_config())
    return [step.revision for step in script.walk_revisions()][::-1]


def current(database: Database) -> str | None:
    """The revision that the database has; None where it is empty."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_current(database: Database) -> None:
    """UsageError where the tables are not those of this version."""
    found, wanted = current(database), revisions()[-1]
    if found != wanted:
        raise UsageError(
            f"The database has revision {found or 'none'}, this version needs {wanted}. "
            'Maybe run "allocator admin upgrade", or start "allocator serve", which does it.'
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS.as_posix().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
