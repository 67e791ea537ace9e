"""Who may do what: every endpoint, with every role and with none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from allocator.errors import UsageError
from api.http.access import Service
from api.http.app import ROUTERS, roles_of
from api.keys import Role, holder_of, make_key, revoke_key
from tests.service.sample import Keys, with_key

EVERYBODY = frozenset(Role)
SEE_ALL = frozenset({Role.HUB, Role.PLANNER, Role.AUDITOR})
SUBMIT = frozenset({Role.HUB, Role.PLANNER})
WHO: dict[tuple[str, str], frozenset[Role] | None] = {
    ("GET", "/health"): None,
    ("GET", "/ready"): None,
    ("GET", "/metrics"): None,
    ("POST", "/v1/instances"): SUBMIT,
    ("GET", "/v1/instances"): SEE_ALL,
    ("GET", "/v1/instances/{instance_id}"): SEE_ALL,
    ("GET", "/v1/instances/{instance_id}/download"): SEE_ALL,
    ("GET", "/v1/instances/{instance_id}/quarantine"): SEE_ALL,
    ("GET", "/v1/policies"): SEE_ALL,
    ("GET", "/v1/policies/schema"): SEE_ALL,
    ("POST", "/v1/policies/validate"): SEE_ALL,
    ("POST", "/v1/runs"): SUBMIT,
    ("GET", "/v1/runs"): EVERYBODY,
    ("GET", "/v1/runs/{run_id}"): EVERYBODY,
    ("POST", "/v1/runs/{run_id}/cancel"): SUBMIT,
    ("GET", "/v1/runs/{run_id}/events"): SEE_ALL,
    ("POST", "/v1/runs/{run_id}/decisions"): frozenset({Role.HUB, Role.PROVIDER}),
    ("GET", "/v1/runs/{run_id}/decisions"): EVERYBODY,
    ("GET", "/v1/runs/{run_id}/summary"): SEE_ALL,
    ("GET", "/v1/runs/{run_id}/audit"): SEE_ALL,
    ("GET", "/v1/runs/{run_id}/certificate"): SEE_ALL,
    ("GET", "/v1/runs/{run_id}/report"): SEE_ALL,
    ("GET", "/v1/runs/{run_id}/download"): SEE_ALL,
    ("GET", "/v1/runs/{run_id}/exports/{provider}/{direction}"): EVERYBODY,
    ("GET", "/v1/runs/{run_id}/fhir/{provider}"): EVERYBODY,
    ("GET", "/v1/runs/{run_id}/entries/{entry_id}"): EVERYBODY,
    ("GET", "/v1/runs/{run_id}/{table}"): EVERYBODY,
    ("POST", "/v1/comparisons"): SUBMIT,
    ("POST", "/v1/price-tags"): SUBMIT,
    ("POST", "/v1/scenarios"): SUBMIT,
    ("POST", "/v1/audits"): SUBMIT,
    ("POST", "/v1/runs/{run_id}/entries/{entry_id}/explanation"): SUBMIT,
    ("GET", "/v1/studies"): SEE_ALL,
    ("GET", "/v1/studies/{study_id}"): SEE_ALL,
    ("GET", "/v1/studies/{study_id}/page"): SEE_ALL,
    ("POST", "/v1/studies/{study_id}/cancel"): SUBMIT,
    ("GET", "/v1/log"): frozenset({Role.HUB, Role.AUDITOR}),
    ("GET", "/v1/log/export"): frozenset({Role.HUB, Role.AUDITOR}),
    ("GET", "/v1/log/check"): frozenset({Role.HUB, Role.AUDITOR}),
}
"""Written from the issue, not from the code: an endpoint that is not here fails the test."""


def endpoints() -> dict[tuple[str, str], APIRoute]:
    return {
        (method, route.path): route
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


def test_every_endpoint_states_the_roles_that_it_should() -> None:
    assert {key: roles_of(route.dependant) for key, route in endpoints().items()} == WHO


def test_the_description_states_the_same_roles(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    stated = {
        (method.upper(), path): frozenset(operation["x-roles"]) or None
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert stated == WHO


@pytest.mark.parametrize("role", [*Role, None])
def test_every_endpoint_lets_in_its_roles_and_nobody_else(
    role: Role | None, client: TestClient, keys: Keys, planned: str
) -> None:
    values = {"instance_id": "i-sample", "run_id": planned, "provider": "RAA", "direction": "incoming"}
    values |= {"entry_id": "e1", "table": "allocation", "study_id": "c-0000"}
    wrong: list[Any] = []
    for (method, path), roles in WHO.items():
        url = re.sub(r"\{(\w+)\}", lambda found: values[found[1]], path)
        headers = {} if role is None else with_key(keys.of(role))
        found = client.request(method, url, headers=headers, json={} if method == "POST" else None)
        kept_out = found.status_code == 401 or (found.status_code == 403 and "This is for" in found.json()["detail"])
        if kept_out == (roles is None or role in roles) or found.status_code >= 500:
            wrong.append((method, url, found.status_code))
    assert wrong == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer mutual_000000000000_guess"])
def test_without_a_key_in_force_nobody_gets_in(header: str, client: TestClient, keys: Keys) -> None:
    found = client.get("/v1/runs", headers={"Authorization": header} if header else {})
    assert found.status_code == 401
    assert found.headers["www-authenticate"] == "Bearer"
    assert found.headers["content-type"] == "application/problem+json"


def test_a_revoked_key_lets_nobody_in(service: Service, client: TestClient) -> None:
    with service.database.write() as connection:
        key_id, key = make_key(connection, "leaver", Role.HUB)
    assert client.get("/v1/runs", headers=with_key(key)).status_code == 200
    with service.database.write() as connection:
        revoke_key(connection, key_id)
    assert client.get("/v1/runs", headers=with_key(key)).status_code == 401
    with pytest.raises(UsageError, match="in force"), service.database.write() as connection:
        revoke_key(connection, key_id)


def test_no_key_is_stored(service: Service, tmp_path: Any) -> None:
    with service.database.write() as connection:
        key = make_key(connection, "hub", Role.HUB)[1]
        assert holder_of(connection, key) is not None
        assert holder_of(connection, key[:-1] + ("A" if key[-1] != "A" else "B")) is None
    secret = key.rsplit("_", 1)[1].encode()
    stored = b"".join(path.read_bytes() for path in service.settings.data.rglob("allocator.db*"))
    assert b"keys" in stored
    assert secret not in stored


@pytest.mark.parametrize(
    ("role", "providers"), [(Role.PROVIDER, []), (Role.HUB, ["RAA"]), (Role.AUDITOR, ["RAA"]), (Role.PLANNER, ["X"])]
)
def test_only_a_providers_key_has_providers(service: Service, role: Role, providers: list[str]) -> None:
    with pytest.raises(UsageError, match=f"for the role {role} takes"), service.database.write() as connection:
        make_key(connection, "someone", role, providers)


def test_a_provider_sees_its_own_patients_and_sessions_and_nothing_else(
    client: TestClient, keys: Keys, planned: str
) -> None:
    def rows(key: str, table: str) -> list[dict[str, Any]]:
        found = client.get(f"/v1/runs/{planned}/{table}", headers=with_key(key))
        assert found.status_code == 200
        return list(found.json()["rows"])

    everything, own = rows(keys.hub, "allocation"), rows(keys.rbb, "allocation")
    assert own == [row for row in everything if "RBB" in (row["home_provider"], row["provider_code"])]
    assert 0 < len(own) < len(everything)
    assert {row["provider_code"] for row in rows(keys.rbb, "sessions")} == {"RBB"}
    assert {row["home_provider"] for row in rows(keys.raa, "unplaced")} <= {"RAA"}
    for table in ("quarantine", "conflicts", "trace"):
        assert client.get(f"/v1/runs/{planned}/{table}", headers=with_key(keys.rbb)).status_code == 403
    assert client.get(f"/v1/runs/{planned}/exports/RAA/incoming", headers=with_key(keys.rbb)).status_code == 403
    assert client.get(f"/v1/runs/{planned}/exports/RBB/incoming", headers=with_key(keys.rbb)).status_code == 200
    hidden = next(row["entry_id"] for row in everything if "RBB" not in (row["home_provider"], row["provider_code"]))
    assert client.get(f"/v1/runs/{planned}/entries/{hidden}", headers=with_key(keys.rbb)).status_code == 404
    assert client.get(f"/v1/runs/{planned}/entries/{hidden}", headers=with_key(keys.raa)).status_code == 200
    csv = client.get(f"/v1/runs/{planned}/allocation?format=csv", headers=with_key(keys.rbb)).text
    assert hidden not in {line.split(",")[0] for line in csv.splitlines()}
    state = client.get(f"/v1/runs/{planned}", headers=with_key(keys.rbb)).json()
    assert (state["goals"], state["accounts"], state["problem"]) == (None, None, None)


def test_a_provider_does_not_see_trials_or_runs_without_a_plan(
    service: Service, client: TestClient, keys: Keys, planned: str, sample: Any
) -> None:
    from tests.service.sample import add_run

    trial, failed = add_run(service, sample, purpose="trial"), add_run(service, sample, state="failed")
    listed = client.get("/v1/runs", headers=with_key(keys.raa)).json()["runs"]
    assert [run["id"] for run in listed] == [planned]
    for run_id in (trial, failed):
        assert client.get(f"/v1/runs/{run_id}", headers=with_key(keys.raa)).status_code == 404
        assert client.get(f"/v1/runs/{run_id}/allocation", headers=with_key(keys.raa)).status_code == 404
