"""Moments of the database as people and programs read them."""

from __future__ import annotations

import datetime as dt
from typing import overload


@overload
def iso(at: int) -> str: ...
@overload
def iso(at: None) -> None: ...
def iso(at: int | None) -> str | None:
    """Milliseconds since 1970 UTC as ISO 8601."""
    if at is None:
        return None
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
