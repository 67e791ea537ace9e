"""The queue on both databases: every job ends once, whoever dies on the way."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, update

from api.http.access import Service
from api.keys import Role, holder_of, make_key
from api.service_settings import ServiceSettings
from api.store import log, queue
from api.store.database import Database, NowMs
from api.store.queue import Ended, Lease, beat, cancel, claim, finish, give_back, let_go
from api.store.tables import events, jobs, snapshots
from api.submitting import KeyUsedError, QueueFullError, Wanted, submit
from tests.service.sample import queue_job

LEASE_MS = 60_000
PLAN = [["e1", "s1"], ["e2", "s1"]]


@pytest.fixture
def held(database: Database) -> Service:
    return Service(ServiceSettings(), database)


def claimed(database: Database, worker: str = "w1", attempts: int = 3) -> Lease:
    lease = claim(database, worker, LEASE_MS, attempts)
    assert lease is not None
    return lease


def lapse(database: Database) -> None:
    """Put every lease a moment into the past, as if its worker had slept."""
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.state == "running").values(lease_until=NowMs() - 1))


def state_of(database: Database, job_id: str) -> str:
    with database.read() as connection:
        return str(connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one())


def actions(database: Database) -> list[str]:
    with database.read() as connection:
        assert log.faults(log.rows(connection), log.head_of(connection)) == []
        return [row["action"] for row in log.rows(connection) if row["action"].startswith("run.")]


def test_the_oldest_job_is_claimed_first_and_once(held: Service) -> None:
    first, second = queue_job(held), queue_job(held)
    assert [claimed(held.database).job_id, claimed(held.database).job_id] == [first, second]
    assert claim(held.database, "w2", LEASE_MS, 3) is None


def test_a_lapsed_lease_is_taken_over_and_the_zombie_writes_nothing(held: Service) -> None:
    job_id = queue_job(held)
    zombie = claimed(held.database)
    lapse(held.database)
    heir = claimed(held.database, "w2")
    assert (heir.job_id, heir.token) == (job_id, zombie.token + 1)

    assert not beat(held.database, zombie, LEASE_MS, [{"event": "progress"}], PLAN).held
    assert not finish(held.database, zombie, Ended("done", "runs/zombie/1", usable=True))
    give_back(held.database, zombie)
    let_go(held.database, zombie)

    assert finish(held.database, heir, Ended("done", "runs/heir/2", usable=True))
    with held.database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()
        assert (row.state, row.result_folder) == ("done", "runs/heir/2")
        assert connection.execute(select(func.count()).select_from(snapshots)).scalar_one() == 0
        assert [body["event"] for body in connection.execute(select(events.c.body)).scalars()] == ["ended"]
    assert actions(held.database) == ["run.submitted", "run.started", "run.started", "run.done"]


def test_a_lapsed_lease_is_over_even_if_nobody_took_the_job(held: Service) -> None:
    queue_job(held)
    lease = claimed(held.database)
    lapse(held.database)
    assert not beat(held.database, lease, LEASE_MS).held
    assert not finish(held.database, lease, Ended("done"))


def test_a_heartbeat_renews_the_lease_and_stores_progress(held: Service) -> None:
    job_id = queue_job(held)
    lease = claimed(held.database)
    assert beat(held.database, lease, LEASE_MS, [{"event": "progress", "stage": "read"}] * 2).held
    assert beat(held.database, lease, LEASE_MS, [{"event": "progress", "stage": "solve"}]).held
    with held.database.read() as connection:
        rows = connection.execute(select(events).where(events.c.job_id == job_id).order_by(events.c.number)).all()
        left = connection.execute(select(jobs.c.lease_until - NowMs())).scalar_one()
    assert [(row.number, row.body["stage"]) for row in rows] == [(1, "read"), (2, "read"), (3, "solve")]
    assert 0 < left <= LEASE_MS


def test_the_best_plan_so_far_goes_to_whoever_takes_over(held: Service) -> None:
    queue_job(held)
    lease = claimed(held.database)
    assert lease.plan is None
    beat(held.database, lease, LEASE_MS, plan=[["e9", "s9"]])
    beat(held.database, lease, LEASE_MS, plan=PLAN)
    lapse(held.database)
    assert claimed(held.database).plan == PLAN


def test_a_job_is_given_up_after_its_attempts(held: Service) -> None:
    job_id = queue_job(held)
    for _ in range(2):
        claimed(held.database, attempts=2)
        lapse(held.database)
    assert claim(held.database, "w3", LEASE_MS, 2) is None
    with held.database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()
    assert row.state == "failed"
    assert row.problem["title"] == "The worker was lost 2 times"


def test_giving_back_costs_no_attempt_and_letting_go_does(held: Service) -> None:
    job_id = queue_job(held)
    give_back(held.database, claimed(held.database))
    assert state_of(held.database, job_id) == "queued"
    let_go(held.database, claimed(held.database))
    with held.database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()
    assert (row.state, row.attempts, row.token) == ("queued", 1, 2)


def test_finishing_twice_is_finishing_once(held: Service) -> None:
    queue_job(held)
    lease = claimed(held.database)
    ended = Ended("done", "runs/a/1", usable=True)
    assert finish(held.database, lease, ended)
    assert finish(held.database, lease, ended)
    assert not finish(held.database, lease, Ended("failed"))
    assert actions(held.database).count("run.done") == 1


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_told(held: Service) -> None:
    waiting, running = queue_job(held), queue_job(held)
    with held.database.write() as connection:
        assert cancel(connection, waiting, "someone") == "cancelled"
    lease = claimed(held.database)
    assert lease.job_id == running
    assert not beat(held.database, lease, LEASE_MS).cancel
    with held.database.write() as connection:
        assert cancel(connection, running, "someone") == "running"
        assert cancel(connection, running, "someone") == "running"
    assert beat(held.database, lease, LEASE_MS).cancel
    assert actions(held.database).count("run.cancel_asked") == 2


def test_a_lost_job_that_was_to_be_cancelled_is_not_begun_again(held: Service) -> None:
    job_id = queue_job(held)
    claimed(held.database)
    with held.database.write() as connection:
        cancel(connection, job_id, "someone")
    lapse(held.database)
    assert claim(held.database, "w2", LEASE_MS, 3) is None
    assert state_of(held.database, job_id) == "cancelled"


def test_workers_that_claim_at_once_get_different_jobs(held: Service) -> None:
    wanted = {queue_job(held) for _ in range(24)}
    got: list[str] = []

    def take() -> None:
        while (lease := claim(held.database, threading.current_thread().name, LEASE_MS, 3)) is not None:
            got.append(lease.job_id)
            assert finish(held.database, lease, Ended("done"))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(wanted)
    assert actions(held.database).count("run.done") == 24


def test_one_idempotency_key_makes_one_job_even_from_many_threads(held: Service) -> None:
    with held.database.write() as connection:
        person = holder_of(connection, make_key(connection, "hub", Role.HUB)[1])
    assert person is not None
    found: list[str] = []

    def send() -> None:
        found.append(submit(held.database, person, Wanted("run", {"seed": 1}), "monday", 100)[0])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    with pytest.raises(KeyUsedError, match="monday"):
        submit(held.database, person, Wanted("run", {"seed": 2}), "monday", 100)
    assert submit(held.database, person, Wanted("run", {"seed": 2}), "tuesday", 100)[0] != found[0]


def test_a_full_queue_takes_no_more(held: Service) -> None:
    queue_job(held)
    with held.database.write() as connection:
        person = holder_of(connection, make_key(connection, "hub", Role.HUB)[1])
    assert person is not None
    with pytest.raises(QueueFullError, match="1 jobs wait already"):
        submit(held.database, person, Wanted("run", {}), None, 1)


def test_ended_states_are_those_a_worker_records() -> None:
    assert queue.ENDED == ("done", "failed", "cancelled")
