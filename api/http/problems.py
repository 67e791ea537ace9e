"""Errors as RFC 9457 problem details: what field, what was given, what was wanted."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from allocator.errors import AllocatorError, InputError
from api.deciding import NotInForceError, NotTheirsError

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 1_000
SHOWN = 200
says = logging.getLogger("allocator.api")


class FieldError(BaseModel):
    """One thing that is wrong."""

    field: str = ""
    given: Any = None
    wanted: str = ""


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "1 value cannot be used.",
                "instance": "/v1/runs",
                "errors": [{"field": "seconds", "given": -5, "wanted": "input should be greater than or equal to 1"}],
            }
        }
    )
    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    errors: list[FieldError] = Field(default_factory=list)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers
        super().__init__(detail)


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}}
    for status in (400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 503)
}
"""Declared on every endpoint."""


def rendered(
    request: Request,
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as a response."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=list(errors[:MOST_ERRORS]),
    )
    # ASCII: what was given may hold half a letter (\\ud800), which has no bytes in UTF-8.
    return Response(json.dumps(problem.model_dump()), status, dict(headers or {}), MEDIA_TYPE)


def problems_of(texts: Sequence[str]) -> list[FieldError]:
    """Sentences as errors: they say what was given and wanted themselves."""
    return [FieldError(wanted=text) for text in texts]


def install(app: FastAPI) -> None:
    """Have every error of the application rendered as a problem."""

    @app.exception_handler(ProblemError)
    def known(request: Request, error: ProblemError) -> Response:
        return rendered(request, error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(HTTPException)
    def of_the_framework(request: Request, error: HTTPException) -> Response:
        return rendered(request, error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            FieldError(field=place(item["loc"]), given=shown(item.get("input")), wanted=item["msg"].lower())
            for item in error.errors()
        ]
        return rendered(request, 422, f"{len(errors)} value(s) cannot be used.", errors)

    @app.exception_handler(AllocatorError)
    def of_the_engine(request: Request, error: AllocatorError) -> Response:
        texts = error.problems if isinstance(error, InputError) else str(error).splitlines()
        return rendered(request, 422, texts[0] if texts else "", problems_of(texts))

    @app.exception_handler(NotInForceError)
    def not_in_force(request: Request, error: NotInForceError) -> Response:
        return rendered(request, 409, str(error), headers={"Retry-After": "30"})

    @app.exception_handler(NotTheirsError)
    def not_theirs(request: Request, error: NotTheirsError) -> Response:
        return rendered(request, 403, error.problems[0], problems_of(error.problems))

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeoutError)
    def away(request: Request, error: Exception) -> Response:
        says.warning("the database does not serve: %s", type(error).__name__)
        detail = "The database does not answer. Try again in a few seconds."
        return rendered(request, 503, detail, headers={"Retry-After": "5"})

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        return rendered(request, 500, f"An unforeseen error ({type(error).__name__}). It is in the server's log.")


def place(location: Sequence[int | str]) -> str:
    """Where in a request: `decisions[3].state`, without "body"."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in ("body", "query", "path", "header") or text:
            text += f".{part}" if text else str(part)
    return text


def shown(value: Any) -> Any:
    """What was given, short enough to send back."""
    if value is None or isinstance(value, (bool, int, float)):
        return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
