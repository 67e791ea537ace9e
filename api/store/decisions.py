"""What people decided about the plan of a run: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select

from allocator.decisions import COLUMNS, Commitment, as_commitment
from api.store.database import NowMs
from api.store.tables import decisions


def decisions_about(connection: Connection, run_id: str) -> list[dict[str, str]]:
    """Every decision about a run's plan, oldest first, as cells of the commitments table."""
    return [{name: row[name] for name in COLUMNS} for row in decision_rows(connection, run_id)]


def decision_rows(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """The same with who recorded them and when."""
    found = connection.execute(
        select(decisions).where(decisions.c.run_id == run_id).order_by(decisions.c.number)
    ).mappings()
    return [dict(row) for row in found]


def decided_about(connection: Connection, run_id: str) -> list[Commitment]:
    """The same as commitments."""
    return [row for cells in decisions_about(connection, run_id) if (row := as_commitment(cells)) is not None]


def add_decisions(connection: Connection, run_id: str, key_id: str, rows: Iterable[Commitment]) -> None:
    """Record decisions that were checked."""
    at = connection.execute(select(NowMs())).scalar_one()
    values = [
        {**dict(zip(COLUMNS, row.cells, strict=True)), "run_id": run_id, "key_id": key_id, "at": at} for row in rows
    ]
    if values:
        connection.execute(insert(decisions), values)
