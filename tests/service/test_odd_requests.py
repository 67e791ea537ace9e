"""Bodies and addresses that no client of good will sends: a problem that can be read, on both databases."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.http.access import Service
from tests.service.sample import Keys, add_instance, with_key
from tests.service.test_access import WHO

BODIES = {
    "nothing": b"",
    "cut off": b'{"instance_id": "i-',
    "no object": b"[]",
    "null": b"null",
    "no text": b"\xff\xfe\x00",
    "two bytes a letter": '{"instance_id": "i-1"}'.encode("utf-16"),
    "half a letter": b'{"instance_id": "\\ud800", "run_id": "\\ud800", "run_a": "\\ud800", "decisions": "\\ud800"}',
    "half a letter in a name": b'{"\\ud800": 1}',
    "half a letter in a policy": b'{"policy": "\\ud800", "instance_id": "i-sample", "plan": []}',
    "half a letter deep within": b'{"instance_id": [{"\\ud800": ["\\ud800"]}], "decisions": [{"state": "\\ud800"}]}',
    "a zero": b'{"instance_id": "\\u0000", "run_id": "\\u0000", "run_a": "\\u0000", "decisions": "\\u0000"}',
    "a huge number": b'{"instance_id": "i-sample", "seed": ' + b"9" * 5_000 + b"}",
    "a large number": b'{"instance_id": "i-sample", "seed": ' + b"9" * 4_000 + b"}",
    "no number": b'{"instance_id": "i-sample", "seconds": NaN, "run_id": NaN, "run_a": NaN}',
    "no end": b'{"instance_id": "i-sample", "seconds": 1e999, "run_id": 1e999, "run_a": -1e999}',
    "too deep": b"[" * 100_000,
    "a name twice": b'{"instance_id": 1, "instance_id": 2, "run_id": 1, "run_a": 1}',
}
POSTS = [path for (method, path), _ in WHO.items() if method == "POST" and not path.endswith(("cancel", "explanation"))]


@pytest.fixture
def service(service_on_either: Service) -> Service:
    return service_on_either


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_makes_no_sense_is_a_problem_that_can_be_read(name: str, client: TestClient, keys: Keys) -> None:
    for path in POSTS:
        url = re.sub(r"\{run_id\}", "r-0000", path)
        headers = with_key(keys.hub) | {"Content-Type": "application/json"}
        found = client.post(url, content=BODIES[name], headers=headers)
        assert found.status_code in (400, 404, 422), (path, found.text[:300])
        assert found.headers["content-type"] == "application/problem+json"
        assert json.loads(found.content)["status"] == found.status_code
        assert len(found.content) < 100_000


@pytest.mark.parametrize(
    "address",
    [
        "/v1/runs?instance_id=%00",
        "/v1/runs?before=99999999999999999999999999",
        "/v1/runs?limit=1e9",
        "/v1/runs/%00",
        "/v1/runs/r-0000%0a",
        "/v1/runs/..%2f..%2fetc%2fpasswd",
        "/v1/runs/r-0000/exports/%00/incoming",
        "/v1/runs/r-0000/entries/%00",
        "/v1/runs/r-0000/entries/%ff",
        "/v1/runs/r-0000/decisions?offset=1e99",
        "/v1/instances?before=-1",
        "/v1/studies/%e2%80%a8",
        "/v1/log?after=99999999999999999999",
        "/v1/nothing",
    ],
)
def test_an_address_that_makes_no_sense_is_a_problem_that_can_be_read(
    address: str, client: TestClient, keys: Keys
) -> None:
    found = client.get(address, headers=with_key(keys.hub))
    assert found.status_code in (404, 422), found.text
    assert found.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("entry", ["%00", "%e2%80%a8", "%ff", "=1+1", "'", "%2e%2e", "-h", "a%20b"])
def test_an_entry_of_any_name_can_be_asked_for(entry: str, client: TestClient, keys: Keys, planned: str) -> None:
    for method, url in (("GET", f"entries/{entry}"), ("POST", f"entries/{entry}/explanation")):
        found = client.request(method, f"/v1/runs/{planned}/{url}", headers=with_key(keys.hub))
        assert found.status_code in (202, 404, 422), found.text
    found = client.get("/v1/log/check", headers=with_key(keys.hub))
    assert found.json()["holds"]


def test_one_idempotency_key_from_many_clients_at_once_is_one_run(
    service: Service, client: TestClient, keys: Keys, sample: Path
) -> None:
    add_instance(service, sample)
    headers = with_key(keys.hub) | {"Idempotency-Key": "monday"}

    def send(_: int) -> Any:
        return client.post("/v1/runs", json={"instance_id": "i-sample"}, headers=headers)

    with ThreadPoolExecutor(8) as many:
        found = list(many.map(send, range(16)))
    assert {answer.status_code for answer in found} == {202}
    assert len({answer.json()["id"] for answer in found}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in found].count(None) == 1
