"""Settings of the service, from the environment. The table in docs/operations.md is checked against this class."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from allocator.errors import UsageError
from api.store.database import url_of

MEGABYTE = 1_000_000


class ServiceSettings(BaseSettings):
    """What an operator may set, by environment variables of these names in capitals."""

    model_config = SettingsConfigDict(env_prefix="ALLOCATOR_", frozen=True, extra="ignore")

    data: Path = Field(Path("allocator-data"), description="Folder of the database (SQLite) and the artefacts.")
    database_url: str = Field(
        "", validation_alias="DATABASE_URL", description="PostgreSQL 15 or later; SQLite in the data folder if empty."
    )
    artefacts: Path | None = Field(
        None, description="Folder of instances and results, the same for every worker; `artefacts` in the data folder."
    )
    lease_seconds: float = Field(30.0, ge=2, le=3600, description="A worker silent for so long has lost its run.")
    attempts: int = Field(3, ge=1, le=20, description="A run is given up after so many lost workers.")
    threads: int | None = Field(None, ge=1, le=64, description="Threads a solve may use; all cores if empty.")
    runs_per_process: int = Field(25, ge=1, le=1000, description="A solving process is replaced after so many runs.")
    max_run_seconds: float = Field(3600.0, ge=1, description="The longest that a run may ask for.")
    max_queue: int = Field(1000, ge=1, description="Runs that may wait at once; more are refused with 429.")
    max_upload_mb: int = Field(200, ge=1, le=20_000, description="Largest upload, in megabytes.")
    max_unpacked_mb: int = Field(2_000, ge=1, le=200_000, description="Largest upload unpacked, in megabytes.")
    check_seconds: float = Field(300.0, ge=1, description="An upload whose check takes longer is refused.")
    check_memory_mb: int = Field(6_000, ge=500, description="Memory that the check of one upload may use.")

    @property
    def url(self) -> str:
        """Address of the database."""
        return self.database_url or url_of(self.data)

    @property
    def artefact_folder(self) -> Path:
        """Where instances and results are."""
        return self.artefacts or self.data / "artefacts"

    @property
    def cores(self) -> int:
        """Threads as set, or what the machine has."""
        return self.threads or os.cpu_count() or 1

    @property
    def lease_ms(self) -> int:
        """The lease in the unit of the database."""
        return int(1000 * self.lease_seconds)


def service_settings(data: Path | None = None) -> ServiceSettings:
    """The settings in the environment, with the data folder of the command line. Raises UsageError."""
    try:
        found = ServiceSettings()
    except ValidationError as error:
        problems = [
            f"{variable_of(str(item['loc'][0]))}: given {item['input']!r}; {item['msg'].lower()}."
            for item in error.errors()
        ]
        raise UsageError("\n".join(problems)) from error
    found = found if data is None else found.model_copy(update={"data": data})
    return found.model_copy(update={"data": found.data.absolute()})


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return "DATABASE_URL" if field.lower() == "database_url" else f"ALLOCATOR_{field.upper()}"
