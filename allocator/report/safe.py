"""Cells that are safe to open: no formulas in a spreadsheet, one spelling a value.

A text that a spreadsheet would take for a formula (it starts with = + - @, a tab or a carriage return)
gets a leading apostrophe; numbers stay numbers. `read_csv` takes the apostrophe off again.
Source: OWASP, CSV injection.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
QUOTED = re.compile(r'[,"\r\n]')


def safe_text(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def plain_text(text: str) -> str:
    """What `safe_text` was given."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA_STARTS) else text


def cell(value: Any) -> str:
    """One value as it stands in a CSV file: ISO dates, true/false, whole numbers without a point, empty = unknown."""
    plain = plain_value(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (int, float)):
        return str(plain)
    return safe_text(plain)


def plain_value(value: Any) -> bool | int | float | str | None:
    """One value as JSON and Excel take it: dates as ISO text, whole floats as int, unknown and endless as None."""
    if isinstance(value, str):
        return str(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return None if not math.isfinite(value) else int(value) if float(value).is_integer() else float(value)
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value.astype("datetime64[D]"))
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as UTF-8 CSV, every cell safe, byte for byte the same for equal tables."""
    columns = [[quoted(str(name)), *(quoted(cell(value)) for value in frame[name])] for name in frame.columns]
    lines = [",".join(row) + "\n" for row in zip(*columns, strict=True)]
    path.write_bytes("".join(lines).encode("utf-8"))


def quoted(text: str) -> str:
    """The text in quotation marks where CSV needs them; Python's writer leaves a lone carriage return bare."""
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text


def read_csv(path: Path) -> pd.DataFrame:
    """A table written by `write_csv`, every cell as text, apostrophes before formulas taken off."""
    frame = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    return frame.map(plain_text).astype("str")
