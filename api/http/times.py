"""Moments of the database as people and programs read them."""

from __future__ import annotations

import datetime as dt


def iso(at: int) -> str:
    """Milliseconds since 1970 UTC as ISO 8601."""
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(at: int | None) -> str | None:
    """The same for a moment that may not have come."""
    return None if at is None else iso(at)
