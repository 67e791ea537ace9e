"""Keys: who may do what. A key is shown once, when it is made; the database holds its hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from allocator.errors import UsageError
from api.store import log
from api.store.database import NowMs
from api.store.tables import keys

PREFIX = "mutual"
LONGEST_NAME = 150
"""The log has 200 letters for name and id together."""
ADMIN = "admin command"
"""The actor of what is done at the machine itself."""


class Role(StrEnum):
    """What a key is for."""

    HUB = "hub"
    PLANNER = "planner"
    PROVIDER = "provider"
    AUDITOR = "auditor"


@dataclass(frozen=True)
class Person:
    """Whoever holds a key. `providers` are those whose patients and sessions a provider's key may see."""

    key_id: str
    name: str
    role: Role
    providers: frozenset[str]

    @property
    def actor(self) -> str:
        """How the log names them."""
        return f"{self.name} ({self.key_id})"


def make_key(
    connection: Connection, name: str, role: Role, providers: Sequence[str] = (), actor: str = ADMIN
) -> tuple[str, str]:
    """A new key: (its id, the key itself, which is stored nowhere). Raises UsageError."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"A key needs the name of its holder, one line of at most {LONGEST_NAME} letters.")
    if not all(code.strip() == code != "" for code in providers):
        raise UsageError("A provider code is empty, or has blanks around it.")
    if (role is Role.PROVIDER) != bool(providers):
        wanted = "at least one provider code" if role is Role.PROVIDER else "no providers: it sees all or none"
        raise UsageError(f"A key for the role {role} takes {wanted}.")
    key_id = secrets.token_hex(6)
    key = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    connection.execute(
        insert(keys).values(
            id=key_id,
            name=name,
            role=role.value,
            providers=sorted(set(providers)),
            sha256=digest(key),
            created_at=NowMs(),
        )
    )
    log.append(connection, actor, "key.made", key_id, name=name, role=role.value, providers=sorted(set(providers)))
    return key_id, key


def holder_of(connection: Connection, key: str) -> Person | None:
    """Whose key this is; None where it is unknown or revoked."""
    parts = key.split("_", 2)
    if len(parts) != 3 or parts[0] != PREFIX:
        return None
    row = connection.execute(select(keys).where(keys.c.id == parts[1], keys.c.revoked_at.is_(None))).one_or_none()
    if row is None or not hmac.compare_digest(row.sha256, digest(key)):
        return None
    return Person(row.id, row.name, Role(row.role), frozenset(row.providers))


def revoke_key(connection: Connection, key_id: str, actor: str = ADMIN) -> None:
    """Make a key useless from now on. Raises UsageError where there is no such key in force."""
    found = connection.execute(
        update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=NowMs())
    )
    if not found.rowcount:
        raise UsageError(f'No key "{key_id}" is in force. Maybe see "allocator admin keys".')
    log.append(connection, actor, "key.revoked", key_id)


def digest(key: str) -> str:
    """SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8")).hexdigest()
