"""Decisions about the plan of a run: record, by pair or in bulk, and read."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from allocator.decisions import Commitment as Decided
from api.deciding import decide, providers_of, settled
from api.http.access import Anybody, Deciders, TheService
from api.http.runs import RunId, visible_row
from api.http.times import iso
from api.keys import Role
from api.store.decisions import decision_rows

router = APIRouter(prefix="/v1/runs/{run_id}/decisions", tags=["decisions"])
MOST_DECISIONS = 20_000
Code = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line; PostgreSQL keeps no text with a zero in it."""


class Decision(BaseModel):
    """What was decided about an entry and a session, or an entry and a whole site."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "entry_id": "E000123",
                "session_id": "S0042",
                "state": "offered",
                "decided_by": "home",
                "reason_code": "",
                "expires_on": "2026-02-09",
            }
        },
    )
    entry_id: Code = Field(min_length=1)
    session_id: Code = ""
    site_code: Code = ""
    state: Literal["offered", "booked", "declined", "host_refused", "cancelled", "treated"]
    decided_by: Literal["", "patient", "home", "host", "hub"] = Field("", description="By the key's role unless said.")
    reason_code: Code = ""
    recorded_on: str = Field("", max_length=40, description="When it was decided, ISO 8601, UTC; now unless said.")
    expires_on: str = Field("", max_length=40, description="Last day of an offer.")


class DecisionsRequest(BaseModel):
    """Decisions that are recorded all together, or not at all."""

    model_config = ConfigDict(extra="forbid")
    decisions: list[Decision] = Field(min_length=1, max_length=MOST_DECISIONS)


class RecordedDecision(BaseModel):
    """A decision as it stands. `key_id` recorded it, `at` that moment."""

    number: int
    entry_id: str
    session_id: str
    site_code: str
    state: str
    decided_by: str
    reason_code: str
    recorded_on: str
    expires_on: str
    key_id: str
    at: str


class DecisionsMade(BaseModel):
    """How many were new; what stood already is not recorded twice."""

    recorded: int
    standing_already: int


class DecisionList(BaseModel):
    """Decisions about a run, oldest first."""

    decisions: list[RecordedDecision]
    total: int


@router.post("", status_code=201)
def record_decisions(run_id: RunId, wanted: DecisionsRequest, service: TheService, person: Deciders) -> DecisionsMade:
    """Record decisions: only along allowed steps, only about the plan in force. A provider decides about its own."""
    given = [item.model_dump() for item in wanted.decisions]
    with service.database.read() as connection:
        row = visible_row(connection, run_id, person)
    if row.usable:
        settled(service.settings.artefact_folder / row.result_folder)  # read before anything is locked
    with service.database.write() as connection:
        found: tuple[Decided, ...] = decide(connection, service.settings.artefact_folder, person, run_id, given)
    return DecisionsMade(recorded=len(found), standing_already=len(given) - len(found))


@router.get("")
def list_decisions(
    run_id: RunId,
    service: TheService,
    person: Anybody,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> DecisionList:
    """Decisions about a run's plan. A provider's key sees those about its own patients and sessions."""
    with service.database.read() as connection:
        row = visible_row(connection, run_id, person)
        found = decision_rows(connection, run_id)
    if person.role is Role.PROVIDER and found:
        instance = settled(service.settings.artefact_folder / row.result_folder).instance
        found = [item for item in found if person.providers.intersection(providers_of(item, instance))]
    page = found[offset : offset + limit]
    return DecisionList(
        decisions=[RecordedDecision(**{**item, "at": iso(item["at"])}) for item in page], total=len(found)
    )
