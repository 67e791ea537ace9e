"""Runs over HTTP: submit once, list, follow, cancel; problems that say what was given and wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select
from starlette.testclient import TestClient

from api.http.access import Service
from api.service_settings import ServiceSettings
from api.store.queue import Ended, beat, claim, finish
from api.store.tables import jobs
from tests.service.sample import LEASE_MS, Keys, add_instance, add_run, with_key


@pytest.fixture
def ready(service: Service, sample: Path) -> str:
    return add_instance(service, sample)


@pytest.fixture
def submit(client: TestClient, keys: Keys, ready: str) -> Any:
    def send(key: str = keys.hub, idempotency_key: str | None = None, **changes: Any) -> Any:
        headers = with_key(key) | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
        return client.post("/v1/runs", json={"instance_id": ready, **changes}, headers=headers)

    return send


def test_a_run_is_accepted_and_waits(submit: Any, client: TestClient, keys: Keys) -> None:
    found = submit(seconds=30, changes=["max_travel.car_minutes=45"])
    assert found.status_code == 202
    run = found.json()
    assert found.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["state"], run["purpose"], run["attempts"], run["goals"]) == ("queued", "daily", 0, [])
    assert client.get(f"/v1/runs/{run['id']}", headers=with_key(keys.auditor)).json() == run
    assert submit(key=keys.planner).json()["purpose"] == "trial"


def test_the_job_holds_the_policy_as_resolved_and_the_limits(submit: Any, service: Service) -> None:
    submit(changes=["max_travel.car_minutes=45"], work=7, seed=3, strict=True, backend="highs")
    with service.database.read() as connection:
        request = connection.execute(select(jobs.c.request)).scalar_one()
    assert "car_minutes = 45" in request["policy"]
    assert request["limits"] == {"seconds": 3600.0, "work": 7, "seed": 3, "strict": True, "backend": "highs"}


def test_the_same_idempotency_key_gives_the_same_run(submit: Any, keys: Keys) -> None:
    first, again = submit(idempotency_key="monday"), submit(idempotency_key="monday")
    assert again.json()["id"] == first.json()["id"]
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert submit(idempotency_key="monday", seed=1).status_code == 422
    assert submit(idempotency_key="monday", key=keys.planner).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("changes", "status", "field", "told"),
    [
        ({"seconds": -5}, 422, "seconds", "greater than or equal to 1"),
        ({"seconds": 1e9}, 422, "seconds", "3600 at most"),
        ({"instance_id": "i-none"}, 404, None, 'no instance "i-none"'),
        ({"previous_id": "r-none"}, 404, None, 'no run "r-none"'),
        ({"second": 5}, 422, "second", "extra inputs are not permitted"),
        ({"policy": "[rules.max_travle]\n"}, 422, None, 'Maybe "max_travel"'),
        ({"changes": ["max_travel.car_minutes=-1"]}, 422, None, "max_travel.car_minutes: given -1"),
        ({"backend": "gurobi"}, 422, "backend", "'auto'"),
        ({"seed": "x"}, 422, "seed", "valid integer"),
    ],
)
def test_a_bad_request_is_refused_with_field_given_and_wanted(
    submit: Any, changes: dict[str, Any], status: int, field: str | None, told: str
) -> None:
    found = submit(**changes)
    problem = found.json()
    assert (found.status_code, problem["status"]) == (status, status)
    assert found.headers["content-type"] == "application/problem+json"
    assert told in json.dumps(problem, ensure_ascii=False).replace('\\"', '"')
    if field is not None:
        assert problem["errors"][0]["field"] == field
        assert problem["errors"][0]["given"] == next(iter(changes.values()))


def test_a_planner_submits_no_daily_run(submit: Any, keys: Keys) -> None:
    found = submit(key=keys.planner, purpose="daily")
    assert (found.status_code, found.json()["title"]) == (403, "Forbidden")


def test_a_full_queue_says_when_to_come_back(submit: Any, client: TestClient, service: Service) -> None:
    settings = ServiceSettings(data=service.settings.data, max_queue=1)
    client.app.state.service = Service(settings, service.database)  # type: ignore[attr-defined]
    assert submit().status_code == 202
    found = submit()
    assert (found.status_code, found.headers["retry-after"]) == (429, "60")


def test_a_body_that_is_too_large_is_refused(client: TestClient, keys: Keys) -> None:
    found = client.post("/v1/runs", content=b" " * 20_000_001, headers=with_key(keys.hub))
    assert found.status_code == 413


def test_runs_are_listed_newest_first_by_page_and_filter(submit: Any, client: TestClient, keys: Keys) -> None:
    made = [submit(seed=n, purpose="daily" if n % 2 else "trial").json()["id"] for n in range(5)]

    def listed(**query: Any) -> tuple[list[str], Any]:
        page = client.get("/v1/runs", params=query, headers=with_key(keys.hub)).json()
        return [run["id"] for run in page["runs"]], page["next"]

    assert listed()[0] == made[::-1]
    assert listed(purpose="daily")[0] == [made[3], made[1]]
    assert listed(state="done") == ([], None)
    first, after = listed(limit=2)
    second, after = listed(limit=2, before=after)
    third, end = listed(limit=2, before=after)
    assert [*first, *second, *third] == made[::-1]
    assert end is None


def test_a_running_run_shows_goals_bounds_and_gaps_so_far(
    submit: Any, service: Service, client: TestClient, keys: Keys
) -> None:
    run_id = submit().json()["id"]
    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    heard = [("urgent_delay", 100, None, None), ("urgent_delay", 90, 81, 0.1), ("travel", 7, None, None)]
    told = [
        {
            "event": "progress",
            "stage": "solve",
            "seconds": 1.5,
            "goal": goal,
            "value": value,
            "bound": bound,
            "gap": gap,
        }
        for goal, value, bound, gap in heard
    ]
    beat(service.database, lease, LEASE_MS, told)
    run = client.get(f"/v1/runs/{run_id}", headers=with_key(keys.hub)).json()
    assert (run["state"], run["stage"], run["seconds"], run["attempts"]) == ("running", "solve", 1.5, 1)
    assert [(goal["goal"], goal["value"], goal["gap"]) for goal in run["goals"]] == [
        ("urgent_delay", 90, 0.1),
        ("travel", 7, None),
    ]


def test_events_are_sent_in_order_to_the_end_and_can_be_taken_up_again(
    submit: Any, service: Service, client: TestClient, keys: Keys
) -> None:
    run_id = submit().json()["id"]
    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    beat(service.database, lease, LEASE_MS, [{"event": "progress", "stage": stage} for stage in ("read", "solve")])
    assert finish(service.database, lease, Ended("failed", problem={"title": "x"}))

    def events(**headers: str) -> list[tuple[int, str]]:
        found = client.get(f"/v1/runs/{run_id}/events", headers=with_key(keys.hub) | headers)
        assert found.headers["content-type"].startswith("text/event-stream")
        blocks = [
            dict(line.split(": ", 1) for line in block.splitlines()) for block in found.text.strip().split("\n\n")
        ]
        assert json.loads(blocks[-1]["data"])["state"] == "failed"
        return [(int(block["id"]), block["event"]) for block in blocks]

    assert events() == [(1, "progress"), (2, "progress"), (3, "ended")]
    assert events(**{"Last-Event-ID": "2"}) == [(3, "ended")]
    # A browser takes a stream up again after its end: it is told so at once.
    after = client.get(f"/v1/runs/{run_id}/events", headers=with_key(keys.hub) | {"Last-Event-ID": "3"})
    assert (after.status_code, after.text) == (200, "")
    assert client.get("/v1/runs/r-none/events", headers=with_key(keys.hub)).status_code == 404


def test_a_planner_cancels_their_own_runs_alone(submit: Any, client: TestClient, keys: Keys) -> None:
    own, other = submit(key=keys.planner).json()["id"], submit().json()["id"]
    found = client.post(f"/v1/runs/{own}/cancel", headers=with_key(keys.planner))
    assert (found.status_code, found.json()["state"]) == (202, "cancelled")
    assert client.post(f"/v1/runs/{other}/cancel", headers=with_key(keys.planner)).status_code == 403
    assert client.post(f"/v1/runs/{other}/cancel", headers=with_key(keys.hub)).json()["state"] == "cancelled"
    assert client.post(f"/v1/runs/{other}/cancel", headers=with_key(keys.hub)).json()["state"] == "cancelled"


def test_a_policy_is_validated_without_a_run(client: TestClient, keys: Keys) -> None:
    headers = with_key(keys.planner)
    draft = {"policy": "[rules.max_travel]\ncar_minutes = 30\n", "changes": ["max_travel.car_minutes=45"]}
    found = client.post("/v1/policies/validate", json=draft, headers=headers).json()
    assert "car_minutes = 45" in found["toml"]
    assert found["goals"][0] == "urgent_delay"
    wrong = client.post("/v1/policies/validate", json={"policy": "[rules"}, headers=headers)
    assert (wrong.status_code, "not valid TOML" in wrong.json()["detail"]) == (422, True)
    schema = client.get("/v1/policies/schema", headers=headers).json()
    minutes = schema["rules"]["max_travel"]["properties"]["car_minutes"]
    assert (minutes["unit"], bool(minutes["description"]), bool(schema["rules"]["max_travel"]["sentence"])) == (
        "minutes",
        True,
        True,
    )
    assert "daily" in {policy["name"] for policy in client.get("/v1/policies", headers=headers).json()}


def test_metrics_tell_the_queue_run_times_gaps_and_failures(
    submit: Any, service: Service, client: TestClient, sample: Path
) -> None:
    goals = [{"label": "urgent_delay", "certified_gap": 0.25}, {"label": "travel", "certified_gap": None}]
    add_run(service, sample, figures={"goals": goals})
    add_run(service, sample, state="failed")
    submit()
    found = {
        (item.name, *item.labels.values()): item.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for item in family.samples
    }
    assert found["allocator_queue_depth",] == 1
    assert found["allocator_queue_oldest_seconds",] >= 0
    assert [found["allocator_jobs", "run", state] for state in ("queued", "done", "failed")] == [1, 1, 1]
    assert found["allocator_job_seconds_count",] == 2
    assert found["allocator_last_run_gap", "urgent_delay"] == 0.25
    assert ("allocator_last_run_gap", "travel") not in found


def test_ready_says_no_where_the_artefacts_or_the_tables_are_missing(service: Service, client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json()["status"] == "ready"
    service.settings.artefact_folder.rmdir()
    assert client.get("/ready").status_code == 503
    service.settings.artefact_folder.mkdir()
    with service.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert "revision 0001" in client.get("/ready").json()["detail"]


def test_an_unforeseen_error_shows_nothing_of_its_text(service: Service, client: TestClient, keys: Keys) -> None:
    with service.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE instances")
    found = client.get("/v1/instances", headers=with_key(keys.hub))
    assert found.headers["content-type"] == "application/problem+json"
    assert "no such table" not in found.text
    assert found.status_code in (500, 503)


def test_the_description_is_openapi_3_1_with_examples_and_problems(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for name in ("Instance", "RunRequest", "Run", "Decision", "PolicyDraft", "Problem"):
        assert described["components"]["schemas"][name]["example"], name
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "application/problem+json" in operation["responses"]["422"]["content"], path
