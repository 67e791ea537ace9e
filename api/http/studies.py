"""Studies: comparisons, scenarios, price tags, judging a plan made by hand, one entry explained in full.

Each is a job like a run, done by the command of the same name; `result` is what that prints with --json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from allocator.policy import policy_toml, read_policy
from allocator.run_folder import stored_json
from api.http import instances as instance_pages
from api.http.access import SeeAll, Service, Submitters, TheService
from api.http.policies import PolicyDraft
from api.http.problems import ProblemError
from api.http.runs import RunId, State, run_row
from api.http.times import iso, iso_or_none
from api.keys import Person, Role
from api.store import log, queue
from api.store.tables import jobs
from api.studying import COMMANDS
from api.submitting import QueueFullError, Wanted, submit
from models import CATALOGUE

router = APIRouter(prefix="/v1", tags=["studies"])
Kind = Literal["comparison", "scenarios", "prices", "audit", "explanation"]
Name = Annotated[str, Field(max_length=200, min_length=1)]
RunName = Annotated[str, Field(pattern="^[a-z0-9-]{1,32}$")]
PAGES = ("page.html", "study/scenarios.html")
MOST_PLACES = 500_000


class ComparisonRequest(BaseModel):
    """Two runs to compare."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"run_a": "r-5d0c1b2a39485766", "run_b": "r-0a1b2c3d4e5f6071"}},
    )
    run_a: RunName
    run_b: RunName


class PricesRequest(BaseModel):
    """A run whose rules, lists and beds are to be priced; the best `top` are planned again for `seconds` each."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"run_id": "r-5d0c1b2a39485766", "top": 5, "seconds": 30}}
    )
    run_id: RunName
    goal: str | None = Field(None, max_length=100, description="Rank by this goal; by all in order unless given.")
    top: int = Field(10, ge=0, le=50)
    seconds: float = Field(30.0, ge=1, le=600, allow_inf_nan=False)


class ScenariosRequest(BaseModel):
    """An instance and a scenario file (TOML), as `allocator scenarios` reads it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"instance_id": "i-3f9c2a7b10d4e5f6", "scenarios": 'name = "Journeys"\nseconds = 5\n'}
        },
    )
    instance_id: RunName
    scenarios: str = Field(max_length=200_000)


class PlannedPlace(BaseModel):
    """One place of a plan made by hand."""

    model_config = ConfigDict(extra="forbid")
    entry_id: Name
    session_id: Name


class AuditRequest(PolicyDraft):
    """A plan made by hand, to be judged under a policy."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"instance_id": "i-3f9c2a7b10d4e5f6", "plan": [{"entry_id": "e1", "session_id": "s1"}]}
        },
    )
    instance_id: RunName
    plan: list[PlannedPlace] = Field(max_length=MOST_PLACES)
    seconds: float = Field(20.0, ge=1, le=600, allow_inf_nan=False, description="For the bound.")


class Study(BaseModel):
    """A study and, once it is done, its result."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "c-1122334455667788",
                "kind": "comparison",
                "state": "done",
                "submitted_at": "2026-02-02T09:00:00.000Z",
                "finished_at": "2026-02-02T09:00:04.000Z",
                "passed": True,
                "result": {},
                "problem": None,
            }
        }
    )
    id: str
    kind: Kind
    state: State
    submitted_at: str
    finished_at: str | None
    passed: bool | None = Field(description="False where a plan made by hand breaks a rule.")
    result: dict[str, Any] | None
    problem: dict[str, Any] | None


class Studies(BaseModel):
    """A page of studies, newest first, without results. `next` goes into `before` for the page after."""

    studies: list[Study]
    next: int | None


@router.post("/comparisons", status_code=202)
def compare_runs(wanted: ComparisonRequest, service: TheService, person: Submitters) -> Study:
    """Compare two runs: who moves, gains and loses, and what each goal gains or pays."""
    return submitted(service, person, "comparison", {}, runs=(wanted.run_a, wanted.run_b))


@router.post("/price-tags", status_code=202)
def price_run(wanted: PricesRequest, service: TheService, person: Submitters) -> Study:
    """What each rule, one more list and one more bed is worth."""
    request = wanted.model_dump(include={"goal", "top", "seconds"})
    return submitted(service, person, "prices", request, runs=(wanted.run_id,))


@router.post("/scenarios", status_code=202)
def plan_scenarios(wanted: ScenariosRequest, service: TheService, person: Submitters) -> Study:
    """Plan a base policy and its variants side by side."""
    request = {"scenarios": wanted.scenarios}
    return submitted(service, person, "scenarios", request, instance_id=wanted.instance_id)


@router.post("/audits", status_code=202)
def audit_plan(wanted: AuditRequest, service: TheService, person: Submitters) -> Study:
    """Judge a plan made by hand: every rule and goal, and how far it is from the best."""
    request = {
        "plan": [(place.entry_id, place.session_id) for place in wanted.plan],
        "policy": policy_toml(read_policy(CATALOGUE, wanted.policy, wanted.changes)),
        "seconds": wanted.seconds,
    }
    return submitted(service, person, "audit", request, instance_id=wanted.instance_id)


@router.post("/runs/{run_id}/entries/{entry_id}/explanation", status_code=202)
def explain_in_full(
    run_id: RunId, entry_id: Annotated[str, Path(max_length=200)], service: TheService, person: Submitters
) -> Study:
    """Why an entry has no place, who took it, and what would change that, found by solving again."""
    return submitted(service, person, "explanation", {"entry_id": entry_id}, runs=(run_id,))


def submitted(
    service: Service,
    person: Person,
    kind: Kind,
    request: Mapping[str, Any],
    runs: Sequence[str] = (),
    instance_id: str | None = None,
) -> Study:
    """Put a study into the queue; its runs must have plans, its instance must be there."""
    with service.database.read() as connection:
        if instance_id is not None:
            instance_pages.row_of(connection, instance_id)
        for run_id in runs:
            if not (row := run_row(connection, run_id)).usable:
                raise ProblemError(409, f"{run_id} is {row.state} and has no plan to study.")
    job = Wanted(kind, {**request, "run_ids": list(runs)}, instance_id)
    try:
        study_id, _ = submit(service.database, person, job, None, service.settings.max_queue)
    except QueueFullError as error:
        raise ProblemError(429, str(error), headers={"Retry-After": "60"}) from error
    with service.database.read() as connection:
        return shown(study_row(connection, study_id), None)


@router.get("/studies")
def list_studies(
    service: TheService,
    person: SeeAll,
    kind: Annotated[Kind | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before.")] = None,
) -> Studies:
    """Studies, newest first."""
    kinds = tuple(COMMANDS) if kind is None else (kind,)
    chosen = select(jobs).where(jobs.c.kind.in_(kinds)).order_by(jobs.c.number.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(jobs.c.number < before)
    with service.database.read() as connection:
        rows = connection.execute(chosen).all()
    return Studies(studies=[shown(row, None) for row in rows], next=rows[-1].number if len(rows) == limit else None)


@router.get("/studies/{study_id}")
def get_study(study_id: RunId, service: TheService, person: SeeAll) -> Study:
    """A study, with its result once it is done."""
    with service.database.write() as connection:
        row = study_row(connection, study_id)
        if row.result_folder is not None:
            log.append(connection, person.actor, f"{row.kind}.read", study_id)
    folder = service.settings.artefact_folder
    return shown(row, stored_json(folder / row.result_folder, "result.json") if row.result_folder else None)


@router.get("/studies/{study_id}/page", response_class=HTMLResponse)
def get_study_page(study_id: RunId, service: TheService, person: SeeAll) -> Response:
    """The page of a study for people."""
    with service.database.write() as connection:
        row = study_row(connection, study_id)
        log.append(connection, person.actor, f"{row.kind}.read", study_id, page=True)
    found = [service.settings.artefact_folder / str(row.result_folder) / name for name in PAGES]
    page = next((path for path in found if path.is_file()), None)
    if page is None:
        raise ProblemError(404, f"{study_id} is {row.state} and has no page.")
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
    return HTMLResponse(page.read_bytes(), headers=policy)


@router.post("/studies/{study_id}/cancel", status_code=202)
def cancel_study(study_id: RunId, service: TheService, person: Submitters) -> Study:
    """Stop a study. A planner cancels their own."""
    with service.database.write() as connection:
        row = study_row(connection, study_id)
        if person.role is not Role.HUB and row.submitted_by != person.key_id:
            raise ProblemError(403, "This study was submitted by somebody else; only they and the hub cancel it.")
        queue.cancel(connection, study_id, person.actor)
        return shown(study_row(connection, study_id), None)


def study_row(connection: Connection, study_id: str) -> Any:
    """The row of a study; 404 where there is none."""
    row = connection.execute(select(jobs).where(jobs.c.id == study_id, jobs.c.kind.in_(COMMANDS))).one_or_none()
    if row is None:
        raise ProblemError(404, f'There is no study "{study_id}".')
    return row


def shown(row: Any, result: dict[str, Any] | None) -> Study:
    """A row as the API shows it."""
    return Study(
        id=row.id,
        kind=row.kind,
        state=row.state,
        submitted_at=iso(row.submitted_at),
        finished_at=iso_or_none(row.finished_at),
        passed=(row.figures or {}).get("passed"),
        result=result,
        problem=row.problem,
    )
