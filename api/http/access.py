"""Who may call an endpoint: each names its roles by the type of its `person` parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.problems import ProblemError
from api.keys import Person, Role, holder_of
from api.service_settings import ServiceSettings
from api.store.database import Database

bearer = HTTPBearer(auto_error=False, description="A key: `Authorization: Bearer mutual_...`.")


@dataclass(frozen=True, eq=False)
class Service:
    """What every endpoint needs."""

    settings: ServiceSettings
    database: Database


def the_service(request: Request) -> Service:
    """The service of this application."""
    return cast(Service, request.app.state.service)


TheService = Annotated[Service, Depends(the_service)]


class Allowed:
    """Lets holders of a key with one of these roles in, nobody else."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    def __call__(
        self, service: TheService, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Person:
        """The holder of the key; 401 without one, 403 where the role is another."""
        person = None
        if credentials is not None:
            with service.database.read() as connection:
                person = holder_of(connection, credentials.credentials)
        if person is None:
            given = "no key was given" if credentials is None else "the key is unknown or revoked"
            raise ProblemError(
                401,
                f'Wanted a key in the header "Authorization: Bearer KEY"; {given}.',
                headers={"WWW-Authenticate": "Bearer"},
            )
        if person.role not in self.roles:
            wanted = ", ".join(sorted(self.roles))
            raise ProblemError(403, f"This is for {wanted}; the key is for the role {person.role}.")
        return person


HubOnly = Annotated[Person, Depends(Allowed(Role.HUB))]
Submitters = Annotated[Person, Depends(Allowed(Role.HUB, Role.PLANNER))]
Deciders = Annotated[Person, Depends(Allowed(Role.HUB, Role.PROVIDER))]
Auditors = Annotated[Person, Depends(Allowed(Role.HUB, Role.AUDITOR))]
SeeAll = Annotated[Person, Depends(Allowed(Role.HUB, Role.PLANNER, Role.AUDITOR))]
Anybody = Annotated[Person, Depends(Allowed(*Role))]
"""Any key; a provider's sees its own patients and sessions only."""
