"""instance.json, or the sheet that stands for it, to InstanceInfo, with every problem listed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from allocator.errors import InputError
from allocator.instance import InstanceInfo
from allocator.intake.binary_files import sheet_rows
from allocator.intake.parse import parse_cell
from allocator.intake.sources import Found
from allocator.schema import Column

MAX_INFO_BYTES = 10_000_000
MAX_HORIZON_DAYS = 3 * 366
WANTED = "a date like 2026-02-03"
REQUIRED = ("name", "plan_date", "horizon_start", "horizon_end")
KNOWN = (*REQUIRED, "reporting_dates", "synthetic", "sources", "assumptions", "notes")
_DATE = Column("date", "date")


def read_info(found: Found) -> InstanceInfo:
    """What the instance says of itself. Raises InputError with every problem."""
    if found.info is not None:
        given = _from_json(found.info)
    elif found.info_sheet is not None:
        given = _from_sheet(*found.info_sheet)
    else:
        raise InputError([f"instance.json is missing; wanted a file with {', '.join(REQUIRED)}."])
    return _checked(given)


def _from_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_INFO_BYTES + 1)
        if len(content) > MAX_INFO_BYTES:
            raise InputError([f"instance.json is larger than {MAX_INFO_BYTES:,} bytes."])
        given = json.loads(content.decode("utf-8-sig"))
        json.dumps(given, ensure_ascii=False).encode("utf-8")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError([f"instance.json cannot be read as JSON: {error}."]) from error
    if not isinstance(given, dict):
        raise InputError([f"instance.json holds a {type(given).__name__}; wanted names and values in braces."])
    return given


def _from_sheet(workbook: Any, sheet: str, source: str) -> dict[str, Any]:
    """Rows of name and value; lists are separated by semicolons, a heading row is left out."""
    given: dict[str, Any] = {}
    for row in sheet_rows(workbook, sheet, source):
        name, value = ([text.strip() for text in row] + ["", ""])[:2]
        name = name.lower()
        if not name or (name, value.lower()) == ("name", "value"):
            continue
        if name in ("reporting_dates", "sources"):
            given[name] = [part.strip() for part in value.split(";") if part.strip()]
        elif name == "assumptions":
            given[name] = {"text": value} if value else {}
        elif name == "synthetic":
            given[name] = value or "false"
        else:
            given[name] = value
    return given


def _checked(given: Mapping[str, Any]) -> InstanceInfo:
    problems = []
    strangers = [name for name in given if name not in KNOWN]
    for name in REQUIRED:
        if given.get(name) in (None, ""):
            near = difflib.get_close_matches(name, strangers, n=1, cutoff=0.6)
            problems.append(
                f'instance.json: "{name}" is missing.' + (f' Maybe "{near[0]}" is meant; rename it.' if near else "")
            )
    read = {name: value for name, value in given.items() if value is not None}
    for name in ("plan_date", "horizon_start", "horizon_end"):
        if name in read and read[name] != "":
            read[name] = _date(name, read[name], problems)
    if isinstance(read.get("reporting_dates"), list | tuple):
        read["reporting_dates"] = [_date("reporting_dates", value, problems) for value in read["reporting_dates"]]
    if problems:
        raise InputError(problems)
    try:
        info = InstanceInfo(**{str(name): value for name, value in read.items()})
    except ValidationError as error:
        found = [(".".join(map(str, item["loc"])), item["msg"], item["input"]) for item in error.errors()]
        raise InputError([f'instance.json: "{name}" is {value!r}: {text}.' for name, text, value in found]) from error
    return _sensible(info)


def _date(name: str, value: Any, problems: list[str]) -> str:
    cell = parse_cell(_DATE, str(value))
    if cell.value is None:
        problems.append(
            f'instance.json: "{name}" is {str(value)[:100]!r}: it {cell.problem or "is empty"}; wanted {WANTED}.'
        )
        return ""
    return str(cell.value.astype("datetime64[D]"))


def _sensible(info: InstanceInfo) -> InstanceInfo:
    problems = []
    if info.horizon_end < info.horizon_start:
        problems.append(
            f'instance.json: "horizon_end" {info.horizon_end} is before "horizon_start" {info.horizon_start}. '
            "Maybe the two are swapped."
        )
    if info.horizon_end < info.plan_date:
        problems.append(f'instance.json: "horizon_end" {info.horizon_end} is before "plan_date" {info.plan_date}.')
    if (info.horizon_end - info.horizon_start).days > MAX_HORIZON_DAYS:
        problems.append(
            f"instance.json: the horizon from {info.horizon_start} to {info.horizon_end} is longer than "
            f"{MAX_HORIZON_DAYS} days. Maybe a slip in the year."
        )
    if not info.name.strip():
        problems.append('instance.json: "name" is empty.')
    if problems:
        raise InputError(problems)
    return info
