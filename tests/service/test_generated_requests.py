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
from tests.service.sample import Keys, with_key

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("ALLOCATOR_TEST_EXAMPLES", "25"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def test_no_request_breaks_the_service(service: Service, keys: Keys, planned: str) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(service))
    tried = [operation.ok() for operation in schema.get_all_operations()]
    assert len(tried) > 25
    for operation in tried:
        if not operation.path.endswith("/events"):  # a stream of a run that never ends
            for mode in MODES:
                try_out(operation, mode, with_key(keys.hub), {"run_id": planned, "instance_id": "i-sample"})


def try_out(operation: Any, mode: Any, headers: dict[str, str], ids: dict[str, str]) -> None:
    """Send generated requests to one endpoint, half of them about what is there."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=st.booleans())
    def send(case: schemathesis.Case, there: bool) -> None:
        if there and isinstance(case.path_parameters, dict):
            case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
        case.call_and_validate(checks=CHECKS, headers=headers, timeout=300)

    try:
        send()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE  # where nothing can be wrong
