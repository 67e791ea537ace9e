"""One small run, made once for all tests of the service, and rows that say it was made by a worker."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter
from sqlalchemy import insert, update

from allocator.answer import Limits
from allocator.instance import Instance
from allocator.intake import write_instance
from allocator.report import write_run
from allocator.run import allocate
from api.artefacts import instance_folder, result_name
from api.http.access import Service
from api.keys import Role, make_key
from api.store.database import NowMs
from api.store.queue import Ended, claim, finish
from api.store.tables import instances, jobs
from api.submitting import Wanted
from models.daily import DAILY
from tests.build import make_facts

LEASE_MS = 60_000


def small() -> Instance:
    """Three people of RAA, two of RBB; a session at each of RAA, RBB and the independent NCC."""
    patients = [{"home_provider": home, "clock_start": f"2025-0{n}-06"} for n, home in enumerate(HOMES, 1)]
    sessions = [
        {"site_code": "RAA01", "minutes": 90},
        {"site_code": "RBB01", "minutes": 180, "date": "2026-03-11"},
        {"site_code": "NCC01", "minutes": 90, "date": "2026-03-12"},
    ]
    return make_facts(patients, sessions).instance


HOMES = ("RAA", "RAA", "RAA", "RBB", "RBB")


def write_sample(folder: Path) -> None:
    """The instance in `folder`/tables, its run in `folder`/run."""
    write_instance(small(), folder / "tables")
    write_run(allocate(small(), DAILY, Limits(work=50)), None, folder / "run")


def zip_of(folder: Path) -> bytes:
    """A folder as a zip, files at the top."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return buffer.getvalue()


def as_workbook(tables: Path, folder: Path) -> bytes:
    """An instance of CSV files as one workbook, as people make them: a sheet a table, and one for instance.json."""
    info = json.loads((tables / "instance.json").read_text("utf-8"))
    with xlsxwriter.Workbook(str(folder / "book.xlsx")) as book:
        sheet = book.add_worksheet("instance")
        for number, (name, value) in enumerate(info.items()):
            text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            sheet.write_row(number, 0, (name, text))
        for path in sorted(tables.glob("*.csv")):
            sheet = book.add_worksheet(path.stem)
            for number, row in enumerate(csv.reader(path.read_text("utf-8").splitlines())):
                sheet.write_row(number, 0, row)
    return (folder / "book.xlsx").read_bytes()


@dataclass(frozen=True)
class Keys:
    """One key a role; two for providers."""

    hub: str
    planner: str
    auditor: str
    raa: str
    rbb: str

    def of(self, role: Role) -> str:
        """A key for the role."""
        return {Role.HUB: self.hub, Role.PLANNER: self.planner, Role.AUDITOR: self.auditor, Role.PROVIDER: self.raa}[
            role
        ]


def make_keys(service: Service) -> Keys:
    """Keys for every role."""
    with service.database.write() as connection:
        return Keys(
            make_key(connection, "hub", Role.HUB)[1],
            make_key(connection, "planner", Role.PLANNER)[1],
            make_key(connection, "auditor", Role.AUDITOR)[1],
            make_key(connection, "Alpha", Role.PROVIDER, ["RAA"])[1],
            make_key(connection, "Beta", Role.PROVIDER, ["RBB"])[1],
        )


def with_key(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


def add_instance(service: Service, sample: Path, instance_id: str = "i-sample") -> str:
    """The sample as if it had been uploaded."""
    shutil.copytree(sample / "tables", instance_folder(service.settings.artefact_folder, instance_id))
    (instance_folder(service.settings.artefact_folder, instance_id).parent / "quarantine.csv").write_text(
        "table,row,column,value,problem,hint,effect\npatients,7,bmi,=1+1,is no number,,value_blanked\n", "utf-8"
    )
    with service.database.write() as connection:
        key_id = make_key(connection, "uploader", Role.HUB)[0]
        connection.execute(
            insert(instances).values(
                id=instance_id,
                name="small",
                plan_date="2026-02-02",
                fingerprint="f" * 64,
                report={},
                uploaded_by=key_id,
                uploaded_at=NowMs(),
            )
        )
    return instance_id


def add_run(service: Service, sample: Path, purpose: str = "daily", state: str = "done", **changes: Any) -> str:
    """A run with the sample's result, queued, claimed and finished as always."""
    run_id = queue_job(service, Wanted("run", {"limits": {}}, "i-sample", purpose=purpose))
    lease = claim(service.database, "test", LEASE_MS, 3)
    assert lease is not None
    assert lease.job_id == run_id
    folder = result_name(run_id, lease.token)
    shutil.copytree(sample / "run", service.settings.artefact_folder / folder)
    figures = {"accounts": {"placed": 4}, "goals": []}
    assert finish(service.database, lease, Ended(state, folder, usable=state != "failed", figures=figures))
    if changes:
        with service.database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == run_id).values(**changes))
    return run_id


def queue_job(service: Service, wanted: Wanted | None = None) -> str:
    """A job in the queue."""
    from api.keys import holder_of
    from api.submitting import submit

    with service.database.write() as connection:
        key = make_key(connection, "submitter", Role.HUB)[1]
        person = holder_of(connection, key)
    assert person is not None
    return submit(service.database, person, wanted or Wanted("run", {}), None, 10_000)[0]
