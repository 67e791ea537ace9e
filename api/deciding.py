"""Decisions: who may decide what about the plan of a run, and what follows what.

A decision is about the plan that is in force: a daily run with a plan that no later daily run follows. While a
run that follows it is queued or running, nothing can be decided about either, so that no decision gets lost
between the two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, or_, select

from allocator.carry import settled_after
from allocator.decisions import COLUMNS, Commitment, checked_decisions, latest_of
from allocator.instance import Instance
from allocator.run_folder import stored_instance
from api.keys import Person, Role
from api.store import log
from api.store.decisions import add_decisions, decided_about
from api.store.tables import jobs

DAILY = "daily"
OF_THE_HOST = ("host_refused",)
OF_THE_HOME = ("declined",)


class NotInForceError(Exception):
    """Nothing may be decided about this run; the text says why and what to do."""


class NotTheirsError(Exception):
    """The key may not decide this; `problems` holds every row."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, eq=False)
class Settled:
    """What stood when a run was done: its tables and the commitments that follow from its plan."""

    instance: Instance
    commitments: tuple[Commitment, ...]


@lru_cache(maxsize=2)
def settled(folder: Path) -> Settled:
    """Read a result, which never changes; the last two are kept."""
    instance = stored_instance(folder)
    carried, dropped, proposed = settled_after(folder, instance)
    return Settled(instance, (*carried, *dropped, *proposed))


def decide(
    connection: Connection, artefacts: Path, person: Person, run_id: str, given: Sequence[Mapping[str, str]]
) -> tuple[Commitment, ...]:
    """Record decisions about a run, all of them or none; those that stand already are left out.

    Raises NotInForceError, NotTheirsError, or InputError with every row that is wrong.
    """
    row = connection.execute(select(jobs).where(jobs.c.id == run_id).with_for_update()).one()
    require_in_force(connection, row)
    before = settled(artefacts / row.result_folder)
    stands = [*before.commitments, *decided_about(connection, run_id)]
    rows = [filled(cells, person, before.instance, stands) for cells in given]
    problems = [
        f"decisions[{number}]: {problem}"
        for number, cells in enumerate(rows)
        for problem in not_theirs(cells, person, before.instance)
    ]
    if problems:
        raise NotTheirsError(problems)
    found = checked_decisions(
        [(f"decisions[{number}]", cells) for number, cells in enumerate(rows)], before.instance, stands
    )
    add_decisions(connection, run_id, person.key_id, found)
    if found:
        told = [f"{item.entry_id} {item.where} {item.state}" for item in found]
        log.append(connection, person.actor, "decisions.recorded", run_id, decisions=told)
    return found


def require_in_force(connection: Connection, row: Any) -> None:
    """NotInForceError unless this run's plan is the one that is acted on."""
    if not row.usable:
        raise NotInForceError(f"{row.id} is {row.state} and has no plan that may be used.")
    if row.purpose != DAILY:
        raise NotInForceError(f'{row.id} is a trial: nobody acts on it. Maybe submit it with "purpose": "{DAILY}".')
    later = follower(connection, row.id)
    if later is not None and later.usable:
        raise NotInForceError(f"{row.id} was followed by {later.id}. Decide about {later.id}.")
    if later is not None:
        raise NotInForceError(f"{later.id} is being planned from {row.id}. Decide about {later.id} when it is done.")


def follower(connection: Connection, run_id: str) -> Any:
    """The daily run that follows this one, or is about to; None where there is none."""
    return connection.execute(
        select(jobs)
        .where(
            jobs.c.previous_id == run_id,
            jobs.c.purpose == DAILY,
            or_(jobs.c.usable, jobs.c.state.in_(("queued", "running"))),
        )
        .order_by(jobs.c.number.desc())
        .limit(1)
    ).one_or_none()


def filled(
    given: Mapping[str, str], person: Person, instance: Instance, stands: Sequence[Commitment]
) -> dict[str, str]:
    """A decision with what it left out: decided now, but never before what it follows, by whoever holds the key."""
    cells = {name: given.get(name) or "" for name in COLUMNS}
    if not cells["decided_by"]:
        home = providers_of(cells, instance)[0]
        cells["decided_by"] = "hub" if person.role is Role.HUB else "home" if home in person.providers else "host"
        if cells["state"] in OF_THE_HOST:
            cells["decided_by"] = "host"
        if cells["state"] in OF_THE_HOME:
            cells["decided_by"] = "patient"
    cells["recorded_on"] = in_utc(cells["recorded_on"]) or moment_of(cells, stands).isoformat()
    return cells


def in_utc(text: str) -> str:
    """A moment with an offset as the same moment without one, in UTC like every other; any other text as it is."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return text if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return text


def moment_of(cells: Mapping[str, str], stands: Sequence[Commitment]) -> dt.datetime:
    """Now, but after what it follows; the moment of what stands already where it says the same again."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    pair = (cells["entry_id"], cells["session_id"], "" if cells["session_id"] else cells["site_code"])
    before = latest_of(stands).get(pair)
    if before is None:
        return now
    told = dict(zip(COLUMNS, before.cells, strict=True))
    if all(told[name] == cells[name] for name in ("state", "decided_by", "reason_code", "expires_on")):
        return before.recorded_on
    return max(now, before.recorded_on + dt.timedelta(seconds=1))


def not_theirs(cells: Mapping[str, str], person: Person, instance: Instance) -> list[str]:
    """Why this person may not decide this; nothing where they may."""
    if person.role is Role.HUB:
        return []
    home, host = providers_of(cells, instance)
    is_home, is_host = home in person.providers, host in person.providers
    told = f'entry "{cells["entry_id"]}"'
    if not is_home and not is_host:
        return [f"{told} is not a patient of {', '.join(sorted(person.providers))}, nor in a session there."]
    if cells["state"] in OF_THE_HOST and not is_host:
        return [f"{told}: only the host can give {cells['state']}."]
    if cells["state"] in OF_THE_HOME and not is_home:
        return [f"{told}: only the home provider can give {cells['state']}."]
    allowed = {*(("patient", "home") if is_home else ()), *(("host",) if is_host else ())}
    if cells["decided_by"] not in allowed:
        return [f"{told}: given decided_by {cells['decided_by']}, wanted {' or '.join(sorted(allowed))}."]
    return []


def providers_of(cells: Mapping[str, str], instance: Instance) -> tuple[str, str]:
    """Home provider of the entry and provider of the session or site; "" where one is not known."""
    row = instance.entry_row.get(cells["entry_id"])
    home = "" if row is None else str(instance.patients["home_provider"].iloc[row])
    site = cells["site_code"]
    if cells["session_id"] in instance.session_row:
        site = str(instance.session[cells["session_id"]]["site_code"])
    site_row = instance.site_row.get(site)
    return home, "" if site_row is None else str(instance.sites["provider_code"].iloc[site_row])
