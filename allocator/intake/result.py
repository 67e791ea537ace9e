"""Intake: what came in, what was refused, blanked or held, and what people should know about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from allocator import schema
from allocator.instance import Instance
from allocator.words import plural

MOST_FAULTS = 20


@dataclass(frozen=True, eq=False)
class Intake:
    """The result of reading an instance. Every row is accepted or refused, exactly once.

    quarantine     table, row, column, value, problem, hint, effect; row as a spreadsheet numbers it,
                   header = 1; a refused row has a line for each of its faults
    notices        what was mended or ignored: counts and columns, nobody's data
    emergencies    entry_id, home_provider, priority of rows refused as P1a, P1b or D1
    rows_read      table -> rows in the file, 0 where there is no file
    rows_accepted  table -> rows that are in the instance; read less accepted were refused
    """

    instance: Instance
    quarantine: pd.DataFrame
    notices: tuple[str, ...]
    emergencies: pd.DataFrame
    rows_read: Mapping[str, int]
    rows_accepted: Mapping[str, int]

    def rows_refused(self, table: str) -> int:
        """Rows of a table that are left out."""
        return self.rows_read[table] - self.rows_accepted[table]


def summary_lines(intake: Intake) -> list[str]:
    """What an intake found, in plain English, worst first."""
    info = intake.instance.info
    lines = [f"{info.name}: plan of {info.plan_date}, places from {info.horizon_start} to {info.horizon_end}."]
    for provider, count in intake.emergencies.groupby("home_provider").size().items():
        trust = str(provider) or "an unknown trust"
        lines.append(f"EMERGENCIES at {trust}: {count} entries refused; treat them at once, outside of this plan.")
    for table in schema.TABLES:
        read, refused = intake.rows_read[table.name], intake.rows_refused(table.name)
        if read:
            lines.append(f"{table.name}: {plural(read, 'row')} read, {read - refused:,} accepted, {refused:,} refused.")
    held = int(intake.instance.column("patients", "held").sum())
    blanked = int((intake.quarantine["effect"] == "value_blanked").sum())
    if held:
        lines.append(f"{held:,} entries are held: they keep the places they have and get no new one.")
    if blanked:
        lines.append(f"{blanked:,} values could not be read and count as not known, or as the most cautious value.")
    stays = intake.instance.patients["overnight_stays"]
    operations = intake.instance.patients["care_kind"] == "theatre"
    staying = int(((stays > 0) | (stays.isna() & operations)).sum())
    if staying and not intake.rows_read["beds"]:
        lines.append(
            f"beds: there is no such table, so no bed is spare for {staying:,} entries that stay overnight or may. "
            "Maybe give beds, or overnight_stays = 0 for day cases."
        )
    lines += [_fault_line(*group) for group in _grouped(intake.quarantine)]
    return lines + list(intake.notices)


def _grouped(quarantine: pd.DataFrame) -> list[tuple[str, str, str, str, int]]:
    """The commonest faults: effect, table, column, problem, count. Those alike but for a number are one."""
    problem = quarantine["problem"].astype("str")
    alike = problem.str.replace(r"\d[\d,.]*", "N", regex=True)
    columns = (quarantine[name].astype("str") for name in ("effect", "table", "column"))
    told: dict[tuple[str, str, str, str], Counter[str]] = {}
    for *key, text in zip(*columns, alike, problem, strict=True):
        told.setdefault((key[0], key[1], key[2], key[3]), Counter())[text] += 1
    found = []
    for (effect, table, column, _), texts in told.items():
        ((commonest, _),) = texts.most_common(1)
        like_it = ", or like it" if len(texts) > 1 else ""
        found.append((effect, table, column, commonest + like_it, texts.total()))
    return sorted(found, key=lambda fault: -fault[-1])[:MOST_FAULTS]


def _fault_line(effect: str, table: str, column: str, problem: str, count: int) -> str:
    done = {"row_refused": "refused", "value_blanked": "blanked", "entry_held": "held"}[effect]
    return f"{done}: {count:,} x {table}{'.' + column if column else ''} {problem}."
