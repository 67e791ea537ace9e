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
    key = [draft.values[name] for name in draft.table.key if name in draft.values]
    live = draft.accepted
    nothing = np.zeros(0, dtype=np.int64)
    if not key or not len(live):
        return draft, nothing
    keys = draft.values.loc[live, [str(series.name) for series in key]].astype("str")
    shared = keys.duplicated(keep=False).to_numpy()
    if not shared.any():
        return draft, nothing
    rows = live[shared]
    group = _joined(keys[shared])
    whole = _joined(draft.values.iloc[rows])
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


def _joined(frame: pd.DataFrame) -> list[str]:
    """Every row as one text."""
    columns = (map(str, frame[name].to_numpy()) for name in frame.columns)
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
