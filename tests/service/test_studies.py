"""Studies: jobs in the same queue that run the laboratory's commands as the command line does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from allocator.errors import UsageError
from api.artefacts import result_name
from api.http.access import Service
from api.service_settings import ServiceSettings
from api.store.queue import Ended, Lease, claim, finish
from api.studying import COMMANDS, command, study
from api.worker import spec_of
from tests.service.sample import LEASE_MS, Keys, add_run, with_key


@pytest.fixture
def send(client: TestClient, keys: Keys, planned: str) -> Any:
    return lambda url, body=None, key=keys.planner: client.post(url, json=body or {}, headers=with_key(key))


def claimed_spec(service: Service) -> tuple[Lease, dict[str, Any]]:
    lease = claim(service.database, "w", LEASE_MS, 3)
    assert lease is not None
    return lease, spec_of(ServiceSettings(data=service.settings.data.absolute(), threads=1), service.database, lease)


def done(service: Service, tmp_path: Path) -> dict[str, Any]:
    """Do the study that waits, as the solving process would; its state afterwards."""
    lease, spec = claimed_spec(service)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said = study(spec, scratch)
    assert finish(service.database, lease, Ended("done", result_name(lease.job_id, 1), True, said["figures"]))
    return {"id": lease.job_id, **said}


def requests(planned: str) -> dict[str, tuple[str, dict[str, Any] | None]]:
    return {
        "comparison": ("/v1/comparisons", {"run_a": planned, "run_b": planned}),
        "prices": ("/v1/price-tags", {"run_id": planned, "top": 0}),
        "scenarios": ("/v1/scenarios", {"instance_id": "i-sample", "scenarios": "x = 1"}),
        "audit": ("/v1/audits", {"instance_id": "i-sample", "plan": [{"entry_id": "e1", "session_id": "s1"}]}),
        "explanation": (f"/v1/runs/{planned}/entries/e1/explanation", None),
    }


def test_every_study_is_queued_and_its_command_gets_what_was_sent(
    send: Any, client: TestClient, keys: Keys, service: Service, planned: str, tmp_path: Path
) -> None:
    run_folder = str(service.settings.artefact_folder / result_name(planned, 1))
    for kind, (url, body) in requests(planned).items():
        found = send(url, body)
        assert (found.status_code, found.json()["kind"], found.json()["state"]) == (202, kind, "queued"), found.text
        _, spec = claimed_spec(service)
        options, positional = COMMANDS[kind](spec, tmp_path, tmp_path)
        assert options[0] == {"comparison": "compare", "explanation": "explain"}.get(kind, kind)
        if kind in ("comparison", "prices", "explanation"):
            assert positional[0] == run_folder
        assert client.get(f"/v1/studies/{found.json()['id']}", headers=with_key(keys.auditor)).json()["result"] is None
    assert (tmp_path / "plan.csv").read_text("utf-8") == "entry_id,session_id\ne1,s1\n"
    assert "car_minutes = 60" in (tmp_path / "policy.toml").read_text("utf-8")
    listed = client.get("/v1/studies", headers=with_key(keys.hub)).json()["studies"]
    assert [item["kind"] for item in listed] == list(requests(planned))[::-1]
    assert client.get("/v1/runs", headers=with_key(keys.hub)).json()["runs"][0]["id"] == planned


def test_a_study_of_what_is_not_there_or_has_no_plan_is_refused(
    send: Any, service: Service, planned: str, sample: Path
) -> None:
    failed = add_run(service, sample, state="failed")
    assert send("/v1/comparisons", {"run_a": planned, "run_b": "r-none"}).status_code == 404
    assert send("/v1/comparisons", {"run_a": planned, "run_b": failed}).status_code == 409
    assert send("/v1/scenarios", {"instance_id": "i-none", "scenarios": ""}).status_code == 404
    assert send("/v1/audits", {"instance_id": "i-sample", "plan": [], "policy": "[x"}).status_code == 422


def test_a_study_is_cancelled_by_whoever_submitted_it(send: Any, keys: Keys, planned: str) -> None:
    study_id = send("/v1/comparisons", {"run_a": planned, "run_b": planned}, keys.hub).json()["id"]
    assert send(f"/v1/studies/{study_id}/cancel").status_code == 403
    assert send(f"/v1/studies/{study_id}/cancel", key=keys.hub).json()["state"] == "cancelled"


@pytest.mark.parametrize("value", ["--everybody", "-h", "--help"])
def test_a_value_of_a_person_is_never_taken_for_an_option(value: str) -> None:
    positional = COMMANDS["explanation"]({"runs": ["nowhere"], "entry_id": value}, Path(), Path())[1]
    assert positional == ["nowhere", value]
    with pytest.raises(UsageError, match="more"):
        command(["check", "--json", "--", value, "more"])
    assert (
        COMMANDS["prices"]({"runs": ["r"], "goal": value, "top": 0, "seconds": 1, "threads": 1}, Path(), Path())[0][1]
        == f"--goal={value}"
    )


def test_a_comparison_is_what_the_command_prints_with_a_page(
    send: Any, client: TestClient, keys: Keys, service: Service, planned: str, tmp_path: Path
) -> None:
    send("/v1/comparisons", {"run_a": planned, "run_b": planned})
    found = done(service, tmp_path)
    shown = client.get(f"/v1/studies/{found['id']}", headers=with_key(keys.planner)).json()
    assert (shown["state"], shown["passed"]) == ("done", True)
    assert shown["result"]
    page = client.get(f"/v1/studies/{found['id']}/page", headers=with_key(keys.planner))
    assert page.text.startswith("<!DOCTYPE html>")


def test_a_plan_that_breaks_a_rule_is_judged_and_not_a_failure(
    send: Any, client: TestClient, keys: Keys, service: Service, planned: str, tmp_path: Path
) -> None:
    plan = [{"entry_id": f"e{number}", "session_id": "s1"} for number in (1, 2, 3)]
    send("/v1/audits", {"instance_id": "i-sample", "plan": plan, "seconds": 5})
    found = done(service, tmp_path)
    shown = client.get(f"/v1/studies/{found['id']}", headers=with_key(keys.planner)).json()
    assert (shown["state"], shown["passed"]) == ("done", False)
    assert "session_minutes" in json.dumps(shown["result"])


def test_an_entry_is_explained_in_full(
    send: Any, client: TestClient, keys: Keys, service: Service, planned: str, tmp_path: Path
) -> None:
    send(f"/v1/runs/{planned}/entries/e1/explanation")
    found = done(service, tmp_path)
    assert client.get(f"/v1/studies/{found['id']}", headers=with_key(keys.planner)).json()["result"]
    shutil.rmtree(tmp_path / "scratch")
    send(f"/v1/runs/{planned}/entries/nobody/explanation")
    lease, spec = claimed_spec(service)
    with pytest.raises(UsageError, match="nobody"):
        study(spec, tmp_path)
    assert not (service.settings.artefact_folder / result_name(lease.job_id, 1)).exists()


@pytest.mark.slow
def test_price_tags_and_scenarios_are_what_the_commands_print(
    send: Any, client: TestClient, keys: Keys, service: Service, planned: str, tmp_path: Path
) -> None:
    scenarios = 'name = "x"\nseconds = 5\n[[variants]]\nname = "nearer"\nset = ["max_travel.car_minutes=20"]\n'
    for url, body in (
        ("/v1/price-tags", {"run_id": planned, "top": 1, "seconds": 5}),
        ("/v1/scenarios", {"instance_id": "i-sample", "scenarios": scenarios}),
    ):
        send(url, body)
        found = done(service, tmp_path)
        shown = client.get(f"/v1/studies/{found['id']}", headers=with_key(keys.planner)).json()
        assert shown["state"] == "done"
        assert shown["result"]
        page = client.get(f"/v1/studies/{found['id']}/page", headers=with_key(keys.planner))
        assert page.text.startswith("<!DOCTYPE html>")
        shutil.rmtree(tmp_path / "scratch")
