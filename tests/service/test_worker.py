"""The worker with a solving process that does as it is told: how soon a cancel reaches it, and what follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from api import worker
from api.http.access import Service
from api.service_settings import ServiceSettings
from api.solver_process import SolverProcess
from api.store.database import Database
from api.store.queue import Lease, cancel, claim
from api.store.tables import jobs, snapshots
from tests.service.sample import LEASE_MS, queue_job

PROGRESS = {"event": "progress", "stage": "solve", "seconds": 1.0, "goal": None, "plan": None}


class Scripted:
    """In place of a solving process: says one progress a while, and stops when it is interrupted."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.interrupted_at = 0.0
        self.stopped = False
        self.plan: list[list[str]] | None = None

    def give(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec

    def heard(self, seconds: float) -> list[Mapping[str, Any]]:
        if self.interrupted_at and not self.deaf:
            return [{"event": "cancelled", "folder": False}]
        time.sleep(seconds)
        return [{**PROGRESS, "plan": self.plan}]

    def interrupt(self) -> None:
        self.interrupted_at = self.interrupted_at or time.monotonic()

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def held(database: Database, tmp_path: Path) -> tuple[ServiceSettings, Lease]:
    settings = ServiceSettings(data=tmp_path, lease_seconds=2)
    queue_job(Service(settings, database))
    lease = claim(database, "w", LEASE_MS, 3)
    assert lease is not None
    return settings, lease


def serve(held: tuple[ServiceSettings, Lease], database: Database, solver: Scripted) -> threading.Thread:
    settings, lease = held
    arguments = (settings, database, cast(SolverProcess, solver), lease, threading.Event())
    thread = threading.Thread(target=worker.serve, args=arguments)
    thread.start()
    return thread


def state_of(database: Database) -> str:
    with database.read() as connection:
        return str(connection.execute(select(jobs.c.state)).scalar_one())


def test_a_cancel_reaches_the_solver_within_two_seconds(
    held: tuple[ServiceSettings, Lease], database: Database
) -> None:
    solver = Scripted()
    thread = serve(held, database, solver)
    time.sleep(worker.BEAT_SECONDS / 2)  # just after a beat: the longest wait for the next
    asked = time.monotonic()
    with database.write() as connection:
        cancel(connection, held[1].job_id, "someone")
    thread.join(10)
    assert 0 < solver.interrupted_at - asked < 2
    assert state_of(database) == "cancelled"


def test_a_solver_that_does_not_stop_is_killed(
    held: tuple[ServiceSettings, Lease], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CANCEL_SECONDS", 1.0)
    solver = Scripted(deaf=True)
    with database.write() as connection:
        cancel(connection, held[1].job_id, "someone")
    serve(held, database, solver).join(20)
    assert solver.stopped
    assert state_of(database) == "cancelled"


def test_the_best_plan_so_far_is_stored_as_it_comes(held: tuple[ServiceSettings, Lease], database: Database) -> None:
    solver = Scripted()
    solver.plan = [["e1", "s1"]]
    thread = serve(held, database, solver)
    end = time.monotonic() + 10
    plan = None
    while plan is None and time.monotonic() < end:
        with database.read() as connection:
            plan = connection.execute(select(snapshots.c.plan)).scalar_one_or_none()
    assert plan == [["e1", "s1"]]
    solver.interrupt()
    thread.join(10)


def test_a_worker_that_lost_its_job_stops_solving_and_records_nothing(
    held: tuple[ServiceSettings, Lease], database: Database
) -> None:
    solver = Scripted()
    with database.write() as connection:
        connection.execute(jobs.update().values(token=7))  # somebody else has claimed it since
    serve(held, database, solver).join(10)
    assert solver.stopped
    assert state_of(database) == "running"
