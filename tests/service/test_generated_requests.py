"""Every endpoint under generated requests, right and wrong ones: never a server error, answers as described."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.access import Service
from api.http.app import make_app
from api.submitting import Wanted
from tests.service.sample import Keys, queue_job, with_key
from tests.service.test_access import WHO

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("ALLOCATOR_TEST_EXAMPLES", "25"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@pytest.fixture
def service(service_on_either: Service) -> Service:
    return service_on_either


def test_no_request_breaks_the_service(service: Service, keys: Keys, planned: str) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(service))
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert {(operation.method.upper(), operation.path) for operation in operations} == set(WHO)
    study = queue_job(service, Wanted("comparison", {"run_ids": [planned, planned]}))
    there = {
        "run_id": planned,
        "run_a": planned,
        "run_b": planned,
        "previous_id": planned,
        "study_id": study,
        "instance_id": "i-sample",
        "provider": "RAA",
        "entry_id": "e1",
        "session_id": "s1",
    }
    for operation in operations:
        for mode in MODES:
            try_out(operation, mode, [keys.hub, keys.hub, keys.planner, keys.raa], there)


def try_out(operation: Any, mode: Any, holders: list[str], ids: dict[str, str]) -> None:
    """Send generated requests to one endpoint, half of them about what is there."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=st.booleans(), key=st.sampled_from(holders))
    def send(case: schemathesis.Case, there: bool, key: str) -> None:
        if there:
            fill_in(case.path_parameters, ids)
            fill_in(case.body, ids)
        case.call_and_validate(checks=CHECKS, headers=with_key(key), timeout=300)

    try:
        send()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE  # where nothing can be wrong


def fill_in(given: Any, ids: dict[str, str]) -> None:
    """Have a request name what is there, at any depth."""
    if isinstance(given, dict):
        given.update({name: ids[name] for name in given if name in ids})
    for inner in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        fill_in(inner, ids)
