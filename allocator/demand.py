"""Demand: what a person asked for by name: that an entry is, or is not, placed in one of some sessions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """One pin (`wanted`) or veto.

    words        the demand for people, with who asked and why; also the key of its row
    session_ids  the sessions that are meant and there, whatever the rules say of them
    """

    words: str
    entry_id: str
    session_ids: tuple[str, ...]
    wanted: bool
