"""Decisions: along allowed steps, by whom they concern, about the plan in force; and tomorrow starts from them."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from allocator.intake import read_instance
from allocator.standing import standing
from api.http.access import Service
from api.service_settings import ServiceSettings
from api.solving import tables_of
from api.store.queue import Ended, claim, finish
from api.worker import spec_of
from tests.service.sample import LEASE_MS, Keys, add_run, with_key


@pytest.fixture
def decide(client: TestClient, keys: Keys, planned: str) -> Any:
    def send(*decisions: dict[str, str], key: str = keys.hub, run_id: str = planned) -> Any:
        return client.post(f"/v1/runs/{run_id}/decisions", json={"decisions": decisions}, headers=with_key(key))

    return send


@pytest.fixture
def places(client: TestClient, keys: Keys, planned: str) -> list[dict[str, Any]]:
    found = client.get(f"/v1/runs/{planned}/allocation", headers=with_key(keys.hub)).json()["rows"]
    assert len({row["provider_code"] for row in found}) == 3
    return list(found)


def pair(place: dict[str, Any], state: str, **more: str) -> dict[str, str]:
    return {"entry_id": place["entry_id"], "session_id": place["session_id"], "state": state, **more}


def test_a_place_is_offered_booked_and_treated_one_step_after_the_other(decide: Any, places: Any) -> None:
    place = places[0]
    for state in ("offered", "booked", "treated"):
        assert decide(pair(place, state)).json() == {"recorded": 1, "standing_already": 0}
    found = decide(pair(place, "offered"))
    assert found.status_code == 422
    assert "is treated since" in found.json()["detail"]


def test_a_forbidden_step_is_refused_with_what_is_allowed(decide: Any, places: Any) -> None:
    found = decide(pair(places[0], "treated"))
    assert found.status_code == 422
    assert "it cannot be treated, only booked, cancelled, declined, host_refused, offered" in found.json()["detail"]


def test_in_bulk_all_are_recorded_or_none(
    decide: Any, places: Any, client: TestClient, keys: Keys, planned: str
) -> None:
    found = decide(pair(places[0], "booked"), pair(places[1], "treated"), pair(places[2], "treated"))
    assert found.status_code == 422
    assert [error["wanted"][:12] for error in found.json()["errors"]] == ["decisions[1]", "decisions[2]"]
    url = f"/v1/runs/{planned}/decisions"
    assert client.get(url, headers=with_key(keys.hub)).json()["total"] == 0
    assert decide(*(pair(place, "offered", expires_on="2099-01-01") for place in places)).json()["recorded"] == len(
        places
    )
    listed = client.get(url, params={"limit": 1, "offset": 1}, headers=with_key(keys.hub)).json()
    assert (listed["total"], len(listed["decisions"])) == (len(places), 1)
    assert listed["decisions"][0]["entry_id"] == places[1]["entry_id"]


def test_the_same_decision_sent_again_is_recorded_once(decide: Any, places: Any) -> None:
    decision = pair(places[0], "booked", recorded_on="2026-06-01T08:00:00")
    assert decide(decision).json() == {"recorded": 1, "standing_already": 0}
    assert decide(decision).json() == {"recorded": 0, "standing_already": 1}


def test_moments_with_an_offset_are_the_moments_that_they_are(
    decide: Any, places: Any, client: TestClient, keys: Keys, planned: str
) -> None:
    assert decide(pair(places[0], "offered", recorded_on="2026-06-01T10:00:00+01:00")).status_code == 201
    assert decide(pair(places[0], "booked", recorded_on="2026-06-01T09:30:00Z")).status_code == 201
    assert decide(pair(places[1], "offered", recorded_on="0001-01-01T00:00:00+14:00")).status_code in (201, 422)
    found = client.get(f"/v1/runs/{planned}/decisions", headers=with_key(keys.hub)).json()["decisions"]
    assert [item["recorded_on"] for item in found[:2]] == ["2026-06-01T09:00:00", "2026-06-01T09:30:00"]


def test_a_home_provider_decides_about_its_patients_and_a_host_about_its_sessions(
    decide: Any, places: Any, keys: Keys
) -> None:
    there = next(row for row in places if {row["home_provider"], row["provider_code"]} == {"RAA", "RBB"})
    home_key, host_key = (keys.raa, keys.rbb) if there["home_provider"] == "RAA" else (keys.rbb, keys.raa)
    refused = decide(pair(there, "host_refused"), key=home_key)
    assert (refused.status_code, "only the host" in refused.json()["detail"]) == (403, True)
    refused = decide(pair(there, "declined"), key=host_key)
    assert (refused.status_code, "only the home provider" in refused.json()["detail"]) == (403, True)
    refused = decide(pair(there, "offered", decided_by="hub"), key=home_key)
    assert (refused.status_code, "wanted home or patient" in refused.json()["detail"]) == (403, True)
    assert decide(pair(there, "offered"), key=home_key).status_code == 201
    assert decide(pair(there, "host_refused"), key=host_key).status_code == 201


def test_a_provider_decides_nothing_about_others(
    decide: Any, places: Any, client: TestClient, keys: Keys, planned: str
) -> None:
    other = next(row for row in places if "RBB" not in (row["home_provider"], row["provider_code"]))
    found = decide(pair(other, "offered"), key=keys.rbb)
    assert (found.status_code, found.json()["title"]) == (403, "Forbidden")
    assert decide(pair(other, "offered"), key=keys.raa).status_code == 201
    url = f"/v1/runs/{planned}/decisions"
    assert client.get(url, headers=with_key(keys.rbb)).json()["total"] == 0
    assert client.get(url, headers=with_key(keys.raa)).json()["total"] == 1


def test_who_decided_is_filled_in_from_the_key(
    decide: Any, places: Any, client: TestClient, keys: Keys, planned: str
) -> None:
    home = next(row for row in places if row["home_provider"] == "RAA")
    decide(pair(home, "offered"), key=keys.raa)
    decide(pair(home, "declined"), key=keys.raa)
    found = client.get(f"/v1/runs/{planned}/decisions", headers=with_key(keys.hub)).json()["decisions"]
    assert [item["decided_by"] for item in found] == ["home", "patient"]
    assert dt.datetime.fromisoformat(found[0]["recorded_on"]) <= dt.datetime.fromisoformat(found[1]["recorded_on"])


def test_nothing_is_decided_about_trials_failed_runs_or_what_is_not_there(
    decide: Any, places: Any, service: Service, sample: Path
) -> None:
    trial, failed = add_run(service, sample, purpose="trial"), add_run(service, sample, state="failed")
    assert "is a trial" in decide(pair(places[0], "offered"), run_id=trial).json()["detail"]
    found = decide(pair(places[0], "offered"), run_id=failed)
    assert (found.status_code, "no plan that may be used" in found.json()["detail"]) == (409, True)
    assert decide(pair(places[0], "offered"), run_id="r-none").status_code == 404
    missing = decide({"entry_id": "e99", "session_id": "s1", "state": "offered"})
    assert 'no entry "e99" in yesterday' in missing.json()["detail"]


def follow(client: TestClient, keys: Keys, run_id: str, key: str | None = None, **changes: Any) -> Any:
    wanted = {"instance_id": "i-sample", "previous_id": run_id, **changes}
    return client.post("/v1/runs", json=wanted, headers=with_key(key or keys.hub))


def test_while_the_next_daily_run_is_planned_nothing_is_decided_and_then_about_that_one(
    decide: Any, places: Any, service: Service, client: TestClient, keys: Keys, planned: str
) -> None:
    following = follow(client, keys, planned).json()["id"]
    found = decide(pair(places[0], "offered"))
    assert (found.status_code, found.headers["retry-after"]) == (409, "30")
    assert f"{following} is being planned from {planned}" in found.json()["detail"]
    second = follow(client, keys, planned)
    assert (second.status_code, "is followed by" in second.json()["detail"]) == (409, True)

    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    assert finish(service.database, lease, Ended("done", "runs/x/1", usable=True, figures={"goals": []}))
    assert f"Decide about {following}" in decide(pair(places[0], "offered")).json()["detail"]


def test_a_next_run_that_failed_or_is_a_trial_leaves_the_plan_in_force(
    decide: Any, places: Any, service: Service, client: TestClient, keys: Keys, planned: str
) -> None:
    assert follow(client, keys, planned, key=keys.planner).status_code == 202
    assert decide(pair(places[0], "offered")).status_code == 201
    trial = claim(service.database, "w", LEASE_MS, 3)
    follow(client, keys, planned)
    daily = claim(service.database, "w", LEASE_MS, 3)
    assert trial is not None
    assert daily is not None
    assert finish(service.database, daily, Ended("failed"))
    assert decide(pair(places[0], "booked")).status_code == 201


def test_tomorrow_starts_from_what_people_decided_today(
    decide: Any, places: Any, service: Service, client: TestClient, keys: Keys, planned: str, tmp_path: Path
) -> None:
    booked, declined, treated = places[:3]
    assert decide(pair(booked, "booked"), pair(declined, "declined"), pair(treated, "booked")).status_code == 201
    assert decide(pair(treated, "treated")).status_code == 201
    assert follow(client, keys, planned).status_code == 202
    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    spec = spec_of(ServiceSettings(data=service.settings.data.absolute()), service.database, lease)
    tables = tables_of(spec, tmp_path, Path(spec["previous"]))
    instance = read_instance(tables).instance
    found = standing(instance)
    rows = instance.entry_row
    assert [(place.entry, place.session_id, place.state) for place in found.fixed] == [
        (rows[booked["entry_id"]], booked["session_id"], "booked")
    ]
    assert found.barred == {(rows[declined["entry_id"]], declined["session_id"], ""): "declined"}
    assert found.treated[rows[treated["entry_id"]]]
    still = {row["entry_id"]: row["session_id"] for row in places[3:]}
    assert {rows[entry]: session for entry, session in still.items()} == found.proposed


def test_no_reason_that_is_recorded_keeps_tomorrow_from_being_planned(
    decide: Any, places: Any, service: Service, client: TestClient, keys: Keys, planned: str, tmp_path: Path
) -> None:
    reasons = ["\u2028 the line\u0085ends", '"quoted, and" a comma', "=1+1", "'"]
    for place, reason in zip(places, reasons, strict=False):
        assert decide(pair(place, "booked", reason_code=reason)).status_code == 201
    for reason in ("a\0b", "a\nb", "a\rb", "x" * 201):
        assert decide(pair(places[0], "cancelled", reason_code=reason)).status_code == 422
    follow(client, keys, planned)
    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    spec = spec_of(ServiceSettings(data=service.settings.data.absolute()), service.database, lease)
    instance = read_instance(tables_of(spec, tmp_path, Path(spec["previous"]))).instance
    booked = instance.commitments[instance.commitments["state"] == "booked"]
    assert len(booked) == len(places)


def test_an_uploaded_instance_is_not_changed_by_the_run_that_carries(
    service: Service, client: TestClient, keys: Keys, planned: str, sample: Path, tmp_path: Path
) -> None:
    follow(client, keys, planned)
    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    spec = spec_of(service.settings, service.database, lease)
    shutil.rmtree(tmp_path / "tables", ignore_errors=True)
    (Path(spec["instance"]) / "commitments.parquet").unlink()
    before = sorted(path.name for path in Path(spec["instance"]).iterdir())
    tables_of(spec, tmp_path, Path(spec["previous"]))
    assert sorted(path.name for path in Path(spec["instance"]).iterdir()) == before


def test_a_decision_is_in_the_log_with_the_key_that_made_it(
    decide: Any, places: Any, client: TestClient, keys: Keys
) -> None:
    decide(pair(places[0], "offered"))
    rows = client.get("/v1/log", params={"limit": 1000}, headers=with_key(keys.auditor)).json()["rows"]
    made = [row for row in rows if row["action"] == "decisions.recorded"]
    assert len(made) == 1
    assert made[0]["actor"].startswith("hub (")
    assert f"{places[0]['entry_id']} {places[0]['session_id']} offered" in made[0]["detail"]
