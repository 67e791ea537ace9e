"""Where every entry stands this morning, read from the commitments table and nothing else.

The latest row of a pair (entry and session, or entry and site) wins; rows of the same moment count in
the order of the file. States are those of the data contract: `booked` and unexpired `offered` fix a
place, `declined` and `host_refused` bar a session or a site for good, `treated` takes the entry off the
list, `proposed` may move, `cancelled` frees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allocator.instance import Array, Bools, Instance, read_only

FIXING = ("offered", "booked")
BARRING = ("declined", "host_refused")


@dataclass(frozen=True)
class Fixed:
    """A place that stays. `state` is offered, booked or reserved (a held entry keeps its room).

    `session` is the row of sessions, or -1 where the session is no longer there.
    """

    entry: int
    session: int
    session_id: str
    state: str


@dataclass(frozen=True, eq=False)
class Standing:
    """What commitments mean for the plan of this morning.

    fixed     places that stay, by entry
    treated   (n_entries,) has left the list
    counted   (n_entries,) counts in goals: not treated, not held, no booking in a session that is gone
    waiting   (n_entries,) may be given a place: counted, and nothing fixed
    barred    (entry row, session_id or "", site_code or "") never again, with who said so
    proposed  entry row -> session_id of what was proposed last
    freed     (entry row, session_id) -> cancelled, or lapsed: an offer that nobody took up in time
    """

    fixed: tuple[Fixed, ...]
    treated: Bools
    counted: Bools
    waiting: Bools
    barred: Mapping[tuple[int, str, str], str]
    proposed: Mapping[int, str]
    freed: Mapping[tuple[int, str], str]


def standing(instance: Instance) -> Standing:
    """Read the commitments of `instance`."""
    latest = _latest(instance)
    n_entries = len(instance.column("patients", "entry_id"))
    held = instance.column("patients", "held")
    treated = np.zeros(n_entries, dtype=bool)
    for (entry, _, _), row in latest.items():
        treated[entry] |= _cell(instance, "state", row) == "treated"

    fixed: list[Fixed] = []
    barred: dict[tuple[int, str, str], str] = {}
    proposed: dict[int, str] = {}
    freed: dict[tuple[int, str], str] = {}
    for pair, row in latest.items():
        entry, session_id, _ = pair
        state = str(_cell(instance, "state", row))
        if treated[entry]:
            continue
        if state in FIXING and not _expired(instance, row):
            kept = "reserved" if held[entry] else state
            fixed.append(Fixed(entry, instance.session_row.get(session_id, -1), session_id, kept))
        elif state in BARRING:
            barred[pair] = state
        elif state == "proposed":
            proposed[entry] = session_id
        else:
            freed[entry, session_id] = "cancelled" if state == "cancelled" else "lapsed"

    lost = np.zeros(n_entries, dtype=bool)
    taken = np.zeros(n_entries, dtype=bool)
    for place in fixed:
        taken[place.entry] = True
        lost[place.entry] |= place.session < 0
    counted = ~treated & ~held & ~lost
    return Standing(
        fixed=tuple(sorted(fixed, key=lambda place: (place.entry, place.session_id))),
        treated=read_only(treated),
        counted=read_only(counted),
        waiting=read_only(counted & ~taken),
        barred=barred,
        proposed=proposed,
        freed=freed,
    )


def _latest(instance: Instance) -> dict[tuple[int, str, str], int]:
    """(entry row, session_id, site_code) -> row of commitments that wins."""
    commitments = instance.table("commitments")
    order = np.argsort(commitments["recorded_on"].to_numpy(), kind="stable")
    latest: dict[tuple[int, str, str], int] = {}
    for row in order:
        entry = instance.entry_row.get(str(_cell(instance, "entry_id", row)))
        if entry is None:
            continue
        session_id = str(_cell(instance, "session_id", row))
        site_code = "" if session_id else str(_cell(instance, "site_code", row))
        pair = (entry, session_id, site_code)
        latest.pop(pair, None)
        latest[pair] = int(row)
    return latest


def _cell(instance: Instance, name: str, row: int) -> Array:
    value: Array = instance.column("commitments", name)[row]
    return value


def _expired(instance: Instance, row: int) -> bool:
    expires_on = _cell(instance, "expires_on", row)
    lapsed = bool(expires_on < np.datetime64(instance.info.plan_date))
    return str(_cell(instance, "state", row)) == "offered" and lapsed
