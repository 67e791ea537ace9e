"""Cells: one text in, one value out, or what is wrong with it.

A column is parsed by its distinct texts, so that a plain function per kind is fast enough for millions
of rows. Parsing is idempotent: what comes out, written as text, comes out again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from allocator.errors import maybe
from allocator.instance import Array
from allocator.schema import Column, Kind

EMPTY = frozenset({"", "null", "-", "--", "n/a", "na", "none", "nan", "nat", "<na>"})
SPREADSHEET_ERRORS = frozenset({"#n/a", "#ref!", "#value!", "#div/0!", "#name?", "#null!", "#num!", "#######"})
MAX_CELL = 5_000
MAX_CODE = 200
MAX_NUMBER = 1e9
FIRST_YEAR, LAST_YEAR = 1980, 9999
LAST_RECORDED_YEAR = 2099
"""A moment after this year is a slip: it would outrank every later decision for ever."""

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](.+))?", re.ASCII)
_BRITISH = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: (.+))?", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)? ?(Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_MANGLED = re.compile(r"\d(?:\.\d+)?[eE]\+\d+|\d\.\d+[eE]\d+|\d{16,}\.0*", re.ASCII)
_DAY_NUMBER = re.compile(r"[345]\d{4}(?:\.\d+)?", re.ASCII)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE_MADE_OF_CODE = re.compile(rf"\d{{1,2}}-(?:{_MONTHS})|(?:{_MONTHS})-\d{{2}}", re.ASCII | re.IGNORECASE)
_DECIMAL_CODE = re.compile(r"(\d{1,15})\.0+", re.ASCII)
_FLAGS = {"true": True, "yes": True, "y": True, "t": True, "1": True, "1.0": True} | {
    "false": False, "no": False, "n": False, "f": False, "0": False, "0.0": False,
}  # fmt: skip


class Cell(NamedTuple):
    """One parsed text. `value` is None where it is empty or bad; `repair` says what was mended."""

    value: Any = None
    problem: str = ""
    hint: str = ""
    repair: str = ""


@dataclass(frozen=True, eq=False)
class Parsed:
    """A parsed column: all arrays (n_rows,). `values` is typed by kind, empty text is ""."""

    values: Array
    problem: Array
    hint: Array
    repairs: tuple[tuple[str, int], ...]


def parse_column(column: Column, texts: pd.Series[Any]) -> Parsed:
    """Parse every distinct text once."""
    codes, distinct = pd.factorize(texts)
    cells = [parse_cell(column, text) for text in distinct.tolist()]
    counts = np.bincount(codes, minlength=len(cells))
    repairs: dict[str, int] = {}
    for cell, count in zip(cells, counts, strict=True):
        if cell.repair:
            repairs[cell.repair] = repairs.get(cell.repair, 0) + int(count)
    return Parsed(
        values=_typed(column.kind, [cell.value for cell in cells])[codes],
        problem=_objects([cell.problem for cell in cells])[codes],
        hint=_objects([cell.hint for cell in cells])[codes],
        repairs=tuple(repairs.items()),
    )


def _typed(kind: Kind, values: list[Any]) -> Array:
    if kind in ("date", "moment"):
        return np.array([np.datetime64("NaT") if value is None else value for value in values], dtype="datetime64[s]")
    if kind in ("whole", "number"):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kind == "flag":
        return _objects(values)
    return _objects(["" if value is None else value for value in values])


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def parse_cell(column: Column, text: str) -> Cell:
    """One text as a value of the column's kind."""
    text = text.strip()
    lowered = text.casefold()
    if lowered in EMPTY:
        return Cell()
    if lowered in SPREADSHEET_ERRORS:
        return Cell(problem="is an error of the spreadsheet", hint="put the value there, not the formula")
    if len(text) > (MAX_CODE if column.kind == "code" else MAX_CELL):
        return Cell(problem=f"has {len(text)} characters", hint="maybe a quotation mark was not closed")
    return _PARSERS[column.kind](column, text)


def is_mangled(text: str) -> bool:
    """Is this what a spreadsheet leaves of a long number (9.43477E+09) or of a code like 2-1 (02-Jan)."""
    return bool(_MANGLED.fullmatch(text) or _DATE_MADE_OF_CODE.fullmatch(text))


def _code(column: Column, text: str) -> Cell:
    if text.isalnum():
        return Cell(text)
    if is_mangled(text):
        hint = "set the column to text in the spreadsheet and export it again"
        return Cell(problem="was changed by a spreadsheet: which code it was is lost", hint=hint)
    if not text.isprintable():
        return Cell(problem="has a line break or a control character in a code", hint="remove it")
    decimal = _DECIMAL_CODE.fullmatch(text)
    if decimal:
        return Cell(decimal[1], repair="written as decimal numbers (110.0) read without the decimals (110)")
    return Cell(text)


def _text(column: Column, text: str) -> Cell:
    return Cell(text)


def _choice(column: Column, text: str) -> Cell:
    plain = _plain(text)
    for choice in column.choices:
        if plain == _plain(choice):
            return Cell(choice)
    near = maybe(plain, [_plain(choice) for choice in column.choices])
    return Cell(problem="is not one of the choices", hint=f"one of {', '.join(column.choices)}.{near}")


def _plain(text: str) -> str:
    return text.casefold().replace(" ", "_").replace("-", "_")


def _tags(column: Column, text: str) -> Cell:
    tags = (tag.strip() for tag in text.split(";"))
    return Cell(";".join(dict.fromkeys(tag for tag in tags if tag.casefold() not in EMPTY)))


def _clock(column: Column, text: str) -> Cell:
    time = _time_of_day(text)
    if time is None:
        return Cell(problem="is not a time of day", hint="write it like 08:30")
    return Cell(f"{time:%H:%M}")


def _time_of_day(text: str) -> dt.time | None:
    found = _TIME.fullmatch(text)
    if not found:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    zone = None
    if found[4] and found[4] != "Z":
        offset = dt.timedelta(hours=int(found[4][1:3]), minutes=int(found[4][-2:]))
        if offset >= dt.timedelta(hours=24):
            return None
        zone = dt.timezone(offset if found[4][0] == "+" else -offset)
    return dt.time(hour, minute, second, tzinfo=zone)


def _moment(column: Column, text: str) -> Cell:
    british = _BRITISH.fullmatch(text)
    found = british or _ISO.fullmatch(text)
    wanted = "write it like 2026-02-03"
    if not found:
        if _DAY_NUMBER.fullmatch(text):
            return Cell(
                problem="is a spreadsheet's day number, not a date", hint=f"{wanted}; format the column as date"
            )
        return Cell(problem="is not a date", hint=wanted)
    day, month, year = (found[1], found[2], found[3]) if british else (found[3], found[2], found[1])
    time = _time_of_day(found[4].strip()) if found[4] else dt.time()
    if time is None:
        return Cell(problem="has no time that can be read", hint="write it like 2026-02-03T14:30:00")
    try:
        moment = dt.datetime.combine(dt.date(int(year), int(month), int(day)), time)
    except ValueError:
        return Cell(problem="is a day that does not exist", hint=wanted)
    last_year = LAST_RECORDED_YEAR if column.kind == "moment" else LAST_YEAR
    if not FIRST_YEAR <= moment.year <= last_year:
        return Cell(problem=f"is not between {FIRST_YEAR} and {last_year}", hint="maybe a slip in the year")
    repair = "written dd/mm/yyyy read as day/month/year" if british else ""
    if column.kind == "date":
        return Cell(np.datetime64(moment.date(), "s"), repair=repair)
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return Cell(np.datetime64(moment, "s"), repair=repair)


def _number(column: Column, text: str) -> Cell:
    plain = text.removeprefix("£") if column.name.endswith("_gbp") else text
    plain = plain.replace(",", "") if _THOUSANDS.fullmatch(plain) else plain
    if not _NUMBER.fullmatch(plain):
        return Cell(problem=f"is not {_unit(column)}", hint=f"wanted {_bounds(column)}, digits only")
    value = float(plain) + 0.0  # -0 becomes 0
    if column.kind == "whole" and not value.is_integer():
        return Cell(problem="is not whole", hint=f"wanted {_bounds(column)}")
    if column.low is not None and value < column.low:
        return Cell(problem=f"is below {column.low:g}", hint=f"wanted {_bounds(column)}")
    if value > _high(column):
        return Cell(problem=f"is above {_high(column):,.10g}", hint=f"wanted {_bounds(column)}")
    return Cell(value)


def _unit(column: Column) -> str:
    return "a whole number" if column.kind == "whole" else "a number"


def _high(column: Column) -> float:
    return MAX_NUMBER if column.high is None else column.high


def _bounds(column: Column) -> str:
    return f"{_unit(column)} from {column.low or 0:,.10g} to {_high(column):,.10g}"


def _flag(column: Column, text: str) -> Cell:
    value = _FLAGS.get(text.casefold())
    if value is None:
        return Cell(problem="is neither true nor false", hint="write true or false")
    return Cell(value)


_PARSERS: dict[Kind, Callable[[Column, str], Cell]] = {
    "code": _code,
    "text": _text,
    "choice": _choice,
    "tags": _tags,
    "clock": _clock,
    "date": _moment,
    "moment": _moment,
    "whole": _number,
    "number": _number,
    "flag": _flag,
}
