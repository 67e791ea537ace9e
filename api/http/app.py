"""The application: routers, limits on bodies, headers, problems, the description at /openapi.json."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import decisions, instances, logbook, operations, policies, problems, results, runs, studies
from api.http.access import Allowed, Service
from api.keys import Role

MOST_BODY_BYTES = 20_000_000
"""Of anything but an upload: 20,000 decisions take about 5 MB."""
ROUTERS = (
    operations.router,
    instances.router,
    results.of_instances,
    policies.router,
    runs.router,
    decisions.router,
    studies.router,
    results.router,
    logbook.router,
)
SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
DESCRIPTION = """Plans places for waiting-list entries in spare sessions, proves how good a plan is, says why.

Upload an instance, submit a run, follow its events, download the plan; record what people decide about it,
and submit tomorrow's run with `previous_id`. Every call but those under *operations* needs a key:
`Authorization: Bearer KEY`. Errors are problem details (RFC 9457)."""


def make_app(service: Service) -> FastAPI:
    """The application over a service."""
    app = FastAPI(
        title="Mutual-aid allocator",
        version=importlib.metadata.version("mutual-aid-allocator"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        responses=problems.PROBLEM_RESPONSES,
    )
    app.state.service = service
    for router in ROUTERS:
        state_roles(router.routes)
        app.include_router(router)
    problems.install(app)
    app.add_middleware(Bounded)
    return app


def state_roles(routes: Any) -> None:
    """Have every endpoint say in the description which roles may call it."""
    for route in routes:
        if isinstance(route, APIRoute):
            roles = roles_of(route.dependant)
            route.openapi_extra = {**(route.openapi_extra or {}), "x-roles": sorted(roles) if roles else []}


def roles_of(dependant: Dependant) -> frozenset[Role] | None:
    """The roles that may call an endpoint; None where it needs no key."""
    for inner in dependant.dependencies:
        if isinstance(inner.call, Allowed):
            return inner.call.roles
        if (found := roles_of(inner)) is not None:
            return found
    return None


class Bounded:
    """Refuses bodies that are too large before they are read, and adds headers that keep answers private."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0
        uploads = scope["path"] == "/v1/instances"

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BODY_BYTES and not uploads:
                raise HTTPException(413, f"The body is larger than {MOST_BODY_BYTES:,} bytes.")
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE_HEADERS]
            await send(message)

        await self._app(scope, bounded, guarded)
