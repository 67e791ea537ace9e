"""For those who keep the service running: is it alive, can it serve, how full is its queue. No key is needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel
from sqlalchemy import Connection, func, select

from api.http.access import Service, TheService
from api.http.problems import ProblemError
from api.store import schema
from api.store.database import NowMs
from api.store.queue import ENDED
from api.store.tables import jobs, log_head

router = APIRouter(tags=["operations"])
BUCKETS = (1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The database and the artefact folder can be used."""

    status: Literal["ready"] = "ready"
    revision: str


@router.get("/health")
def health() -> Health:
    """Is the process alive."""
    return Health()


@router.get("/ready")
def ready(service: TheService) -> Ready:
    """Can requests be served: the database answers with the right tables, and the artefact folder is there."""
    wanted = schema.revisions()[-1]
    found = schema.current(service.database)
    if found != wanted:
        raise ProblemError(503, f"The database has revision {found or 'none'}, this version needs {wanted}.")
    if not service.settings.artefact_folder.is_dir():
        raise ProblemError(503, "The artefact folder is not there.")
    return Ready(revision=wanted)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(service: TheService) -> Response:
    """Queue, run times, gaps and failures for Prometheus, from the database; counts only, nobody's data."""
    registry = CollectorRegistry()
    registry.register(FromDatabase(service))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class FromDatabase(Collector):
    """Metrics of all workers, read when asked: they live in other processes and on other machines."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected when it is registered."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Every metric."""
        with self._service.database.read() as connection:
            return [*queue_metrics(connection), *run_metrics(connection), *gap_metrics(connection)]


def queue_metrics(connection: Connection) -> list[Metric]:
    """How many jobs are in each state, how long the oldest waits, how many leases have lapsed."""
    states = GaugeMetricFamily("allocator_jobs", "Jobs by state.", labels=["kind", "state"])
    counted = select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
    for kind, state, count in connection.execute(counted):
        states.add_metric([kind, state], count)
    oldest, depth, now = connection.execute(
        select(func.min(jobs.c.submitted_at), func.count(), NowMs()).where(jobs.c.state == "queued")
    ).one()
    lapsed = connection.execute(
        select(func.count()).where(jobs.c.state == "running", jobs.c.lease_until < NowMs())
    ).scalar_one()
    log_rows = connection.execute(select(log_head.c.number)).scalar_one()
    return [
        states,
        GaugeMetricFamily("allocator_queue_depth", "Jobs that wait for a worker.", value=depth),
        GaugeMetricFamily(
            "allocator_queue_oldest_seconds",
            "How long the oldest of them has waited.",
            value=0.0 if oldest is None else (now - oldest) / 1000,
        ),
        GaugeMetricFamily("allocator_leases_lapsed", "Running jobs whose worker is silent.", value=lapsed),
        CounterMetricFamily("allocator_log_rows", "Rows of the log.", value=log_rows),
    ]


def run_metrics(connection: Connection) -> list[Metric]:
    """How long jobs took, and how many attempts and jobs were lost."""
    took = jobs.c.finished_at - jobs.c.started_at
    found = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(took), 0),
            *(func.count().filter(took <= 1000 * edge) for edge in BUCKETS),
        ).where(jobs.c.state.in_(ENDED), jobs.c.started_at.is_not(None))
    ).one()
    count, total, *under = found
    buckets = [*((str(float(edge)), number) for edge, number in zip(BUCKETS, under, strict=True)), ("+Inf", count)]
    attempts = connection.execute(select(func.coalesce(func.sum(jobs.c.attempts), 0))).scalar_one()
    return [
        HistogramMetricFamily(
            "allocator_job_seconds", "Seconds from claim to end.", buckets=buckets, sum_value=float(total) / 1000
        ),
        CounterMetricFamily("allocator_attempts", "Claims of jobs that were not given back.", value=float(attempts)),
    ]


def gap_metrics(connection: Connection) -> list[Metric]:
    """The gaps of the last run that has a plan, goal by goal."""
    gaps = GaugeMetricFamily("allocator_last_run_gap", "Gap of each goal, as a share.", labels=["goal"])
    figures: dict[str, Any] | None = connection.execute(
        select(jobs.c.figures).where(jobs.c.kind == "run", jobs.c.usable).order_by(jobs.c.number.desc()).limit(1)
    ).scalar_one_or_none()
    for goal in (figures or {}).get("goals", []):
        if goal["certified_gap"] is not None:
            gaps.add_metric([goal["label"]], goal["certified_gap"])
    return [gaps]
