"""Runs: submit, list, state, progress events, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from allocator.policy import policy_toml, read_policy
from api.http import instances as instance_pages
from api.http.access import Anybody, SeeAll, Service, Submitters, TheService
from api.http.policies import PolicyDraft
from api.http.problems import FieldError, ProblemError
from api.http.times import iso, iso_or_none
from api.keys import Person, Role
from api.settings import USUAL_SECONDS, Backend
from api.store import queue
from api.store.tables import events, jobs
from api.submitting import KeyUsedError, NotFollowableError, QueueFullError, Wanted, submit
from models import CATALOGUE

router = APIRouter(prefix="/v1/runs", tags=["runs"])
RunId = Annotated[str, Path(pattern="^[a-z0-9-]{1,32}$", examples=["r-5d0c1b2a39485766"])]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Purpose = Literal["daily", "trial"]
EVENT_POLL_SECONDS = 0.4
KEEP_ALIVE_SECONDS = 15.0
MOST_EVENTS_READ = 500
LARGEST_WORK = 10**9


class RunRequest(PolicyDraft):
    """What to plan, how, and for how long at most."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "instance_id": "i-3f9c2a7b10d4e5f6",
                "changes": ["max_travel.car_minutes=45"],
                "seconds": 120,
                "previous_id": None,
            }
        },
    )
    instance_id: str = Field(pattern="^[a-z0-9-]{1,32}$")
    previous_id: str | None = Field(
        None,
        pattern="^[a-z0-9-]{1,32}$",
        description="The run before: its plan and every decision about it become this run's commitments.",
    )
    purpose: Purpose | None = Field(
        None,
        description="daily: the plan that trusts act on and decide about. trial: nobody acts on it. "
        "daily for the hub, trial for a planner, unless said.",
    )
    seconds: float | None = Field(
        None, ge=1, allow_inf_nan=False, description=f"Options to audited plan; {USUAL_SECONDS:g} unless work is given."
    )
    work: int | None = Field(None, ge=1, le=LARGEST_WORK, description="Work instead of seconds.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    strict: bool = Field(False, description="Fail where a booking does not fit.")
    backend: Backend = Backend.AUTO


class GoalState(BaseModel):
    """How far a goal is. `bound`: no plan beats it, an estimate while the run goes on; `gap`: between, as a share."""

    goal: str
    value: int | None
    bound: int | None
    gap: float | None
    unit: str = ""


class Run(BaseModel):
    """A run and how far it is. What a provider's key may not see is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "r-5d0c1b2a39485766",
                "state": "running",
                "stage": "solve",
                "seconds": 12.4,
                "instance_id": "i-3f9c2a7b10d4e5f6",
                "previous_id": None,
                "purpose": "daily",
                "submitted_at": "2026-02-02T06:32:00.000Z",
                "started_at": "2026-02-02T06:32:01.100Z",
                "finished_at": None,
                "has_plan": False,
                "attempts": 1,
                "cancelling": False,
                "goals": [
                    {"goal": "urgent_delay", "value": 11276, "bound": 11194, "gap": 0.005, "unit": "days"},
                ],
                "accounts": None,
                "problem": None,
            }
        }
    )
    id: str
    state: State
    stage: str | None
    seconds: float | None
    instance_id: str | None
    previous_id: str | None
    purpose: Purpose
    submitted_at: str
    started_at: str | None
    finished_at: str | None
    has_plan: bool
    attempts: int
    cancelling: bool
    goals: list[GoalState] | None
    accounts: dict[str, Any] | None
    problem: dict[str, Any] | None


class Runs(BaseModel):
    """A page of runs, newest first. `next` goes into `before` for the page after; null at the end."""

    runs: list[Run]
    next: int | None


@router.post("", status_code=202)
def submit_run(
    wanted: RunRequest,
    response: Response,
    service: TheService,
    person: Submitters,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, min_length=1, description="The same key gives the same run, made once.")
    ] = None,
) -> Run:
    """Put a run into the queue. A worker takes it; follow it by its state or its events."""
    job = job_of(service, person, wanted)
    try:
        run_id, replayed = submit(service.database, person, job, idempotency_key, service.settings.max_queue)
    except QueueFullError as error:
        raise ProblemError(429, str(error), headers={"Retry-After": "60"}) from error
    except KeyUsedError as error:
        raise ProblemError(422, str(error)) from error
    except NotFollowableError as error:
        raise ProblemError(409, str(error)) from error
    response.headers["Location"] = f"/v1/runs/{run_id}"
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    with service.database.read() as connection:
        return shown(connection, run_row(connection, run_id), person)


def job_of(service: Service, person: Person, wanted: RunRequest) -> Wanted:
    """The request as a job; a problem where something in it cannot be."""
    settings = service.settings
    usual = USUAL_SECONDS if wanted.work is None else settings.max_run_seconds
    seconds = min(usual, settings.max_run_seconds) if wanted.seconds is None else wanted.seconds
    if seconds > settings.max_run_seconds:
        limit = FieldError(field="seconds", given=seconds, wanted=f"{settings.max_run_seconds:g} at most")
        raise ProblemError(422, f"A run may take {settings.max_run_seconds:g} seconds at most.", [limit])
    if wanted.purpose == "daily" and person.role is not Role.HUB:
        raise ProblemError(403, "Only the hub submits daily runs: trusts act on them. Maybe leave purpose out.")
    policy = read_policy(CATALOGUE, wanted.policy, wanted.changes)
    with service.database.read() as connection:
        instance_pages.row_of(connection, wanted.instance_id)
        if wanted.previous_id is not None:
            run_row(connection, wanted.previous_id)
    limits = {
        "seconds": seconds,
        "work": wanted.work,
        "seed": wanted.seed,
        "strict": wanted.strict,
        "backend": wanted.backend.value,
    }
    purpose = wanted.purpose or ("daily" if person.role is Role.HUB else "trial")
    request = {"policy": policy_toml(policy), "changes": [], "limits": limits}
    return Wanted("run", request, wanted.instance_id, wanted.previous_id, purpose)


@router.get("")
def list_runs(
    service: TheService,
    person: Anybody,
    state: Annotated[State | None, Query()] = None,
    instance_id: Annotated[str | None, Query(pattern="^[a-z0-9-]{1,32}$")] = None,
    purpose: Annotated[Purpose | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before.")] = None,
) -> Runs:
    """Runs, newest first. A provider's key sees daily runs with a plan."""
    chosen = select(jobs).where(jobs.c.kind == "run").order_by(jobs.c.number.desc()).limit(limit)
    for column, value in ((jobs.c.state, state), (jobs.c.instance_id, instance_id), (jobs.c.purpose, purpose)):
        chosen = chosen if value is None else chosen.where(column == value)
    if person.role is Role.PROVIDER:
        chosen = chosen.where(jobs.c.usable, jobs.c.purpose == "daily")
    if before is not None:
        chosen = chosen.where(jobs.c.number < before)
    with service.database.read() as connection:
        rows = connection.execute(chosen).all()
        return Runs(
            runs=[shown(connection, row, person) for row in rows],
            next=rows[-1].number if len(rows) == limit else None,
        )


@router.get("/{run_id}")
def get_run(run_id: RunId, service: TheService, person: Anybody) -> Run:
    """A run: its state, goals, bounds and gaps so far."""
    with service.database.read() as connection:
        return shown(connection, visible_row(connection, run_id, person), person)


@router.post("/{run_id}/cancel", status_code=202)
def cancel_run(run_id: RunId, service: TheService, person: Submitters) -> Run:
    """Stop a run at its next safe point; the best audited plan so far is kept. A planner cancels their own."""
    with service.database.write() as connection:
        row = run_row(connection, run_id)
        if person.role is not Role.HUB and row.submitted_by != person.key_id:
            raise ProblemError(403, "This run was submitted by somebody else; only they and the hub cancel it.")
        queue.cancel(connection, run_id, person.actor)
        return shown(connection, run_row(connection, run_id), person)


def existing(run_id: RunId, service: TheService, person: SeeAll) -> str:
    """The id of a run that is there; 404 before a stream begins."""
    with service.database.read() as connection:
        return str(run_row(connection, run_id).id)


@router.get("/{run_id}/events", response_class=EventSourceResponse)
async def follow_run(
    run_id: Annotated[str, Depends(existing)],
    service: TheService,
    last_event_id: Annotated[int, Header(ge=0, le=2**31 - 1, description="Go on after this event.")] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Progress as server-sent events, from the first or after `Last-Event-ID`, until the run has ended."""
    quiet = 0.0
    while True:
        rows, is_last = await run_in_threadpool(events_after, service, run_id, last_event_id)
        for row in rows:
            last_event_id = row.number
            data = {**row.body, "at": iso(row.at)}
            yield ServerSentEvent(data=data, event=row.body["event"], id=str(row.number))
        if is_last:
            return
        if rows:
            quiet = 0.0
            continue
        await asyncio.sleep(EVENT_POLL_SECONDS)
        quiet += EVENT_POLL_SECONDS
        if quiet >= KEEP_ALIVE_SECONDS:
            quiet = 0.0
            yield ServerSentEvent(comment="still there")


def events_after(service: Service, run_id: str, number: int) -> tuple[list[Any], bool]:
    """(events of a run after that number, oldest first; whether no more will come)."""
    chosen = select(events).where(events.c.job_id == run_id, events.c.number > number).order_by(events.c.number)
    with service.database.read() as connection:
        # The state first: once it says that the run has ended, its last event is there.
        has_ended = run_row(connection, run_id).state in queue.ENDED
        rows = list(connection.execute(chosen.limit(MOST_EVENTS_READ)).all())
    return rows, has_ended and len(rows) < MOST_EVENTS_READ


def run_row(connection: Connection, run_id: str) -> Any:
    """The row of a run; 404 where there is none."""
    row = connection.execute(select(jobs).where(jobs.c.id == run_id, jobs.c.kind == "run")).one_or_none()
    if row is None:
        raise ProblemError(404, f'There is no run "{run_id}".')
    return row


def visible_row(connection: Connection, run_id: str, person: Person) -> Any:
    """The row of a run that this person may see: a provider sees daily runs with a plan, for others 404."""
    row = run_row(connection, run_id)
    if person.role is Role.PROVIDER and not (row.usable and row.purpose == "daily"):
        raise ProblemError(404, f'There is no run "{run_id}" with a plan to act on.')
    return row


def shown(connection: Connection, row: Any, person: Person) -> Run:
    """A row as this person may see it."""
    all_of_it = person.role is not Role.PROVIDER
    figures = row.figures or {}
    latest = latest_events(connection, row.id) if row.state == "running" and all_of_it else []
    return Run(
        id=row.id,
        state=row.state,
        stage=latest[0]["stage"] if latest else None,
        seconds=latest[0]["seconds"] if latest else None,
        instance_id=row.instance_id,
        previous_id=row.previous_id,
        purpose=row.purpose,
        submitted_at=iso(row.submitted_at),
        started_at=iso_or_none(row.started_at),
        finished_at=iso_or_none(row.finished_at),
        has_plan=row.usable,
        attempts=row.attempts,
        cancelling=row.cancel_requested_at is not None and row.state == "running",
        goals=goals_of(figures, latest) if all_of_it else None,
        accounts=figures.get("accounts") if all_of_it else None,
        problem=row.problem if all_of_it else None,
    )


def latest_events(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """The last progress events, newest first."""
    found = connection.execute(
        select(events.c.body).where(events.c.job_id == run_id).order_by(events.c.number.desc()).limit(MOST_EVENTS_READ)
    )
    return [row.body for row in found if row.body["event"] == "progress"]


def goals_of(figures: dict[str, Any], latest: list[dict[str, Any]]) -> list[GoalState]:
    """Every goal with its value and bound: of the result, or as last heard."""
    if figures:
        return [
            GoalState(
                goal=goal["label"],
                value=goal["value"],
                bound=goal["certified_bound"] if goal["certified_bound"] is not None else goal["solver_bound"],
                gap=goal["certified_gap"] if goal["certified_bound"] is not None else goal["solver_gap"],
                unit=goal["unit"],
            )
            for goal in figures["goals"]
        ]
    heard: dict[str, GoalState] = {}
    for body in latest:
        if body["goal"] and body["goal"] not in heard:
            heard[body["goal"]] = GoalState(
                goal=body["goal"], value=body["value"], bound=body["bound"], gap=body.get("gap")
            )
    return list(heard.values())[::-1]
