"""exports/PROVIDER: who comes to a provider and who leaves it, as CSV and one Excel workbook each."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import xlsxwriter

from allocator.answer import Run
from allocator.report.safe import plain_value, safe_text, write_csv

EXPORT_COLUMNS = (
    "entry_id",
    "patient_id",
    "home_provider",
    "home_name",
    "provider_code",
    "provider_name",
    "site_code",
    "site_name",
    "session_id",
    "date",
    "start_time",
    "team",
    "care_kind",
    "service_code",
    "procedure_code",
    "laterality",
    "clinical_priority",
    "due_date",
    "waited_weeks",
    "expected_minutes",
    "overnight_stays",
    "age_years",
    "asa_grade",
    "bmi",
    "needs_hdu",
    "needs",
    "state",
    "next_step",
    "act_by",
    "reasonable_offer",
)
_OF_PATIENT = ("expected_minutes", "overnight_stays", "age_years", "asa_grade", "bmi", "needs_hdu", "needs")


def export_table(run: Run, allocation: pd.DataFrame) -> pd.DataFrame:
    """Places away from home, with what the two providers need to arrange them, by date, site and session."""
    instance = run.facts.instance
    organisations, sites = instance.organisations, instance.sites
    providers = dict(zip(organisations["provider_code"], organisations["name"], strict=True))
    site_names = dict(zip(sites["site_code"], sites["name"], strict=True))
    away = allocation[
        allocation["provider_code"].notna() & (allocation["provider_code"] != allocation["home_provider"])
    ]
    rows = [instance.entry_row[entry_id] for entry_id in away["entry_id"]]
    wide = away.assign(
        home_name=away["home_provider"].map(providers),
        provider_name=away["provider_code"].map(providers),
        site_name=away["site_code"].map(site_names),
        **{name: instance.patients[name].iloc[rows].to_numpy() for name in _OF_PATIENT},
    )
    order = ["date", "site_code", "session_id", "entry_id"]
    return wide.sort_values(order, kind="stable")[list(EXPORT_COLUMNS)].reset_index(drop=True)


def write_exports(run: Run, allocation: pd.DataFrame, folder: Path, cover: Mapping[str, str]) -> None:
    """One folder a provider in `folder`: incoming.csv, outgoing.csv and a workbook with both and `cover`."""
    table = export_table(run, allocation)
    created = dt.datetime.combine(run.facts.instance.info.plan_date, dt.time())
    organisations = run.facts.instance.organisations
    for code, name in zip(organisations["provider_code"], organisations["name"], strict=True):
        here = folder / folder_name(code)
        here.mkdir(parents=True)
        incoming = table[table["provider_code"] == code]
        outgoing = table[table["home_provider"] == code]
        write_csv(incoming, here / "incoming.csv")
        write_csv(outgoing, here / "outgoing.csv")
        about = {"Provider": f"{name} ({code})", **cover}
        about |= {"Incoming places": str(len(incoming)), "Outgoing places": str(len(outgoing))}
        write_workbook(here / f"{here.name}.xlsx", about, {"Incoming": incoming, "Outgoing": outgoing}, created)


def folder_name(provider_code: str) -> str:
    """The code as a folder name: anything but letters, digits, - and _ is written as its number."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda match: f"%{ord(match[0]):x}", provider_code)


def write_workbook(
    path: Path, cover: Mapping[str, str], sheets: Mapping[str, pd.DataFrame], created: dt.datetime
) -> None:
    """An Excel workbook: a cover sheet and a sheet a table, nothing in it a formula or a link.

    `created` is written as the time of creation, so that equal content gives equal bytes.
    """
    settings = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), settings) as book:
        book.set_properties({"title": "Mutual aid plan", "created": created})
        head = book.add_format({"bold": True, "font_color": "#ffffff", "bg_color": "#005eb8", "border": 1})
        bold = book.add_format({"bold": True})
        first = book.add_worksheet("Cover")
        first.set_column(0, 0, 28)
        first.set_column(1, 1, 90)
        for row, (name, text) in enumerate(cover.items()):
            first.write_string(row, 0, name, bold)
            first.write_string(row, 1, safe_text(text))
        for title, table in sheets.items():
            sheet = book.add_worksheet(title)
            sheet.freeze_panes(1, 1)
            for column, name in enumerate(table.columns):
                texts = [plain_value(value) for value in table[name]]
                sheet.write_string(0, column, name, head)
                sheet.set_column(column, column, min(40, max([len(name), *(len(str(text)) for text in texts)]) + 2))
                for row, value in enumerate(texts, 1):
                    if isinstance(value, bool):
                        sheet.write_boolean(row, column, value)
                    elif isinstance(value, (int, float)):
                        sheet.write_number(row, column, value)
                    elif value is not None:
                        sheet.write_string(row, column, safe_text(value))
            if len(table):
                sheet.autofilter(0, 0, len(table), len(table.columns) - 1)
