"""Rows that say the same thing twice, or two things about one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from allocator.instance import Ints
from allocator.intake.draft import Draft
from allocator.intake.effects import REFUSE

STRICTEST = {
    "organisations": (("max_outgoing", "min"), ("max_incoming", "min")),
    "beds": (("spare_beds", "min"),),
    "travel": (("minutes", "max"),),
}
"""Where two rows differ in a limit, the first stays with the strictest value of both."""


def without_duplicates(draft: Draft) -> tuple[Draft, Ints]:
    """The draft with later rows of the same key refused, and the first rows of which another one differs.

    A row that equals an earlier one in every column is refused without further effect. Which of two rows
    that differ is right is not known, so the caller holds or closes the first, and limits take the
    strictest value.
    """
    key = [name for name in draft.table.key if name in draft.values]
    live = draft.accepted
    nothing = np.zeros(0, dtype=np.int64)
    if not key or not len(live):
        return draft, nothing
    keys = pd.DataFrame({name: draft.values[name][live] for name in key})
    shared = keys.duplicated(keep=False).to_numpy()
    if not shared.any():
        return draft, nothing
    rows = live[shared]
    group, whole = _joined(draft, key, rows), _joined(draft, list(draft.values), rows)
    first: dict[str, int] = {}
    seen: dict[tuple[str, str], int] = {}
    same: list[tuple[int, int]] = []
    other: list[tuple[int, int]] = []
    for row, name, content in zip(rows, group, whole, strict=True):
        earlier = seen.setdefault((name, content), row)
        kept = first.setdefault(name, row)
        if earlier != row:
            same.append((row, earlier))
        elif kept != row:
            other.append((row, kept))
    column = draft.table.key[0]
    for pairs, problem in ((same, "is the same row as row {}"), (other, "has another row, {}, that says otherwise")):
        problems = [problem.format(draft.row[kept]) for _, kept in pairs]
        refused = np.array([row for row, _ in pairs], dtype=np.int64)
        draft = draft.fault(refused, column, problems, "keep one row", effect=REFUSE)
    kept_rows = np.array(sorted({kept for _, kept in other}), dtype=np.int64)
    return _strictest(draft, other), kept_rows


def _joined(draft: Draft, names: list[str], rows: Ints) -> list[str]:
    """The named cells of each row as one text."""
    columns = (map(str, draft.values[name][rows]) for name in names)
    return ["\x1f".join(cells) for cells in zip(*columns, strict=True)]


def _strictest(draft: Draft, pairs: list[tuple[int, int]]) -> Draft:
    for name, which in STRICTEST.get(draft.table.name, ()):
        values = draft.column(name)
        found: dict[int, float] = {}
        for row, kept in pairs:
            pick = np.fmin if which == "min" else np.fmax
            found[kept] = float(pick(found.get(kept, values[kept]), values[row]))
        rows = np.array(list(found), dtype=np.int64)
        draft = draft.with_value(name, rows, [found[kept] for kept in rows])
    return draft
