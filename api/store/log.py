"""Who did what to which run: rows chained by their hashes, appended in the transaction of the deed itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from api.store.database import NowMs
from api.store.tables import log, log_head

FIRST_HASH = "0" * 64
FIELDS = ("number", "at", "actor", "action", "subject", "detail", "previous_hash")
PAGE = 1_000


def append(connection: Connection, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Add one row; it stands if and only if the transaction does."""
    head = connection.execute(select(log_head).with_for_update()).one()
    row = {
        "number": head.number + 1,
        "at": connection.execute(select(NowMs())).scalar_one(),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
        "previous_hash": head.hash,
    }
    row["hash"] = hash_of(row)
    connection.execute(insert(log).values(row))
    connection.execute(update(log_head).values(number=row["number"], hash=row["hash"]))


def hash_of(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row's fields and of the hash before it."""
    fields = json.dumps([row[name] for name in FIELDS], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(fields.encode("utf-8")).hexdigest()


def rows(connection: Connection, after: int = 0, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Rows after that number, oldest first, a page at a time."""
    left = most
    while left is None or left > 0:
        page = connection.execute(
            select(log).where(log.c.number > after).order_by(log.c.number).limit(min(PAGE, left or PAGE))
        ).all()
        if not page:
            return
        yield from (dict(row._mapping) for row in page)
        after = page[-1].number
        left = None if left is None else left - len(page)


def head_of(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last row."""
    head = connection.execute(select(log_head)).one()
    return head.number, head.hash


def faults(chain: Iterable[Mapping[str, Any]], head: tuple[int, str] | None = None) -> list[str]:
    """What is wrong with an export of the whole log; `head` shows whether its end is missing."""
    number, before = 0, FIRST_HASH
    found = []
    for row in chain:
        if row["number"] != number + 1:
            found.append(f"row {number + 1} is missing: after {number} comes {row['number']}.")
        if row["previous_hash"] != before:
            found.append(f"row {row['number']} does not follow row {number}: a row was changed, added or taken out.")
        if hash_of(row) != row["hash"]:
            found.append(f"row {row['number']} was changed: its hash is not that of what it says.")
        number, before = row["number"], row["hash"]
    if head is not None and (number, before) != head:
        found.append(f"the log ends at row {number}; its head says {head[0]}: rows at the end are missing.")
    return found
