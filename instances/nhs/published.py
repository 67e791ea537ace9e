"""From the published files to margins: the RTT full extract, DM01 by provider, sites, areas.

Provider view: every organisation that the extract places under the board (its `Provider Parent Org Code`),
NHS or independent, with whoever it treats. Part_2 is the whole list, Part_2A those with a decision to
admit (only they need theatre), Part_1A admitted completions in the month. C_999 rows are totals: dropped.
Sources: NHS England, RTT waiting times full extract and DM01 diagnostics, Open Government Licence v3.0.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from allocator.errors import InputError
from instances.nhs.margins import OPEN_BAND_TO, Margins

BOARD = "QYG"
FIRST_WEEK = 18
LICENCE = "Crown copyright, Open Government Licence v3.0"
# Southport and Ormskirk merged in July 2023; Fairfield changed hands and code.
PROVIDER_NOW = {"RVY": "RBN", "NVG01": "Y9S1N"}
SITE_CODES_MADE_UP = {
    "Royal Liverpool University Hospital": "REM-RLUH",
    "Broadgreen Hospital": "REM-BGH",
    "Clatterbridge Cancer Centre Liverpool": "REN-CCCL",
}
DIAGNOSTIC_CODES = {
    1: "MRI",
    2: "CT",
    3: "ULTRASOUND",
    4: "BARIUM_ENEMA",
    5: "DEXA",
    6: "AUDIOLOGY",
    7: "ECHOCARDIOGRAPHY",
    8: "ELECTROPHYSIOLOGY",
    9: "NEUROPHYSIOLOGY",
    10: "SLEEP_STUDY",
    11: "URODYNAMICS",
    12: "COLONOSCOPY",
    13: "FLEXI_SIGMOIDOSCOPY",
    14: "CYSTOSCOPY",
    15: "GASTROSCOPY",
}
_KEY = ["provider_code", "service_code"]


def derive_margins(rtt_zip: Path, dm01_csv: Path, sites_csv: Path, areas_csv: Path, board: str = BOARD) -> Margins:
    """Margins of the month of the extract; InputError where a file is not what it should be."""
    extract = read_extract(rtt_zip)
    sites = read_sites(sites_csv)
    month = _month_of(extract)
    census = last_day(month)
    on_board = extract[extract["parent_code"] == board]
    if on_board.empty:
        raise InputError([f'No provider in {rtt_zip.name} is under the board "{board}". Maybe a code like "QYG".'])
    neighbours = extract[extract["provider_code"].isin(sites["provider_code"]) & (extract["parent_code"] != board)]
    nearby = pd.concat([on_board, neighbours])
    providers = _providers(nearby, board, sites)
    waits, lists = read_diagnostics(dm01_csv, census, providers)
    totals = _totals(on_board)
    return Margins(
        month=month,
        census=census,
        theatre_waits=_theatre_waits(on_board),
        theatre_lists=_theatre_lists(on_board),
        theatre_completed=_completed(nearby),
        diagnostic_waits=waits,
        diagnostic_lists=lists,
        providers=providers,
        sites=sites,
        areas=read_areas(areas_csv),
        source={
            "census": census.isoformat(),
            "board": board,
            "view": "provider: organisations that the extract places under the board",
            "publisher": "NHS England: RTT waiting times full extract; DM01 diagnostics by provider",
            "licence": LICENCE,
            "files": {path.name: sha256(path) for path in (rtt_zip, dm01_csv, sites_csv, areas_csv)},
            "totals": totals,
        },
    )


def read_extract(path: Path) -> pd.DataFrame:
    """The RTT full extract: parent_code, provider_code, provider_name, part, service_code, total, weeks 0 to 104."""
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.lower().endswith(".csv")), None)
        if name is None:
            raise InputError([f"{path.name} holds no CSV file; the RTT full extract is one CSV in a ZIP."])
        with archive.open(name) as file:
            raw = pd.read_csv(file, low_memory=False)
    names = {
        "Period": "period",
        "Provider Parent Org Code": "parent_code",
        "Provider Org Code": "provider_code",
        "Provider Org Name": "provider_name",
        "RTT Part Type": "part",
        "Treatment Function Code": "service_code",
        "Total All": "total",
    }
    missing = [column for column in names if column not in raw.columns]
    if missing:
        raise InputError([f'{path.name} has no column "{column}"; the RTT full extract has.' for column in missing])
    bands = [column for column in raw.columns if column.startswith("Gt ")]
    weeks = {column: int(column.split()[1]) for column in bands}
    kept = raw[[*names, *bands]].rename(columns={**names, **weeks})
    kept = kept[kept["service_code"] != "C_999"]
    labels = ["period", "parent_code", "provider_name", "part"]
    codes = pd.DataFrame(
        {
            "service_code": kept["service_code"].str.removeprefix("C_"),
            "provider_code": kept["provider_code"].replace(PROVIDER_NOW),
        }
    )
    counts = kept[["total", *weeks.values()]].fillna(0).astype("int64")
    return pd.concat([kept[labels], codes, counts], axis=1)


def read_sites(path: Path) -> pd.DataFrame:
    """The site list; sites without an ODS code get one of ours (SITE_CODES_MADE_UP)."""
    raw = pd.read_csv(path, dtype="str", keep_default_na=False)
    codes = raw["site_code"].where(raw["site_code"] != "", raw["site_name"].map(SITE_CODES_MADE_UP))
    if codes.isna().any():
        unnamed = ", ".join(raw.loc[codes.isna(), "site_name"])
        raise InputError([f"{path.name} has sites without a code: {unnamed}. Give them one."])
    frame = pd.DataFrame(
        {
            "site_code": codes,
            "provider_code": raw["provider_code"].replace(PROVIDER_NOW),
            "name": raw["site_name"].str.strip(),
            "sector": raw["sector"].map({"NHS": "nhs", "IS": "independent"}),
            "latitude": raw["lat"].astype(float).round(5),
            "longitude": raw["lon"].astype(float).round(5),
        }
    )
    return frame.sort_values("site_code", ignore_index=True)


def read_areas(path: Path) -> pd.DataFrame:
    """Small areas (LSOA 2011): people, deprivation fifth (IMD 2019, 1 = most deprived), centroid."""
    raw = pd.read_csv(path)
    adults = raw["pop_16_59"] + raw["pop_60plus"]
    frame = pd.DataFrame(
        {
            "area_code": raw["lsoa11_code"],
            "local_authority": raw["ltla22_name"],
            "imd_quintile": ((raw["IMD_decile"] + 1) // 2).astype(int),
            "people_0_15": raw["pop_0_15"].astype(int),
            "people_16_over": adults.astype(int),
            "latitude": raw["lat"].round(5),
            "longitude": raw["lon"].round(5),
        }
    )
    return frame.sort_values("area_code", ignore_index=True)


def last_day(month: str) -> dt.date:
    """The last day of a month given as '2026-01'."""
    year, number = (int(part) for part in month.split("-"))
    return dt.date(year, number, calendar.monthrange(year, number)[1])


def sha256(path: Path) -> str:
    """SHA-256 of a file, so that margins can be traced to what they came from."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _month_of(extract: pd.DataFrame) -> str:
    periods = sorted(set(extract["period"]))
    months = [name.lower() for name in calendar.month_name]
    if len(periods) == 1:
        parts = str(periods[0]).lower().replace("rtt-", "").split("-")
        if len(parts) == 2 and parts[0] in months and parts[1].isdigit():
            return f"{parts[1]}-{months.index(parts[0]):02d}"
    raise InputError([f'The extract should cover one month written as "RTT-January-2026"; it says {periods}.'])


def _weeks(frame: pd.DataFrame, first: int) -> list[Any]:
    columns: list[Any] = list(frame.columns)
    return [column for column in columns if isinstance(column, int) and column >= first]


def _bands(counts: pd.DataFrame) -> pd.DataFrame:
    """Counts by provider and service, a column a week, as rows of one band each; empty bands are left out."""
    rows = counts.reset_index().melt(id_vars=_KEY, var_name="week_from", value_name="entries")
    rows = rows[rows["entries"] > 0].sort_values([*_KEY, "week_from"], ignore_index=True)
    return rows.astype({"week_from": "int64", "entries": "int64"})


def _theatre_waits(on_board: pd.DataFrame) -> pd.DataFrame:
    waiting = on_board[on_board["part"] == "Part_2A"]
    weeks = _weeks(waiting, FIRST_WEEK)
    rows = _bands(waiting.groupby(_KEY)[weeks].sum())
    ends = (rows["week_from"] + 1).where(rows["week_from"] < max(weeks), OPEN_BAND_TO)
    return rows.assign(week_to=ends)[[*_KEY, "week_from", "week_to", "entries"]]


def _theatre_lists(on_board: pd.DataFrame) -> pd.DataFrame:
    whole = on_board[on_board["part"] == "Part_2"]
    admit = on_board[on_board["part"] == "Part_2A"]
    over = whole.groupby(_KEY)[_weeks(whole, 52)].sum().sum(axis=1)
    lists = pd.DataFrame(
        {
            "list_size": whole.groupby(_KEY)["total"].sum(),
            "decision_to_admit": admit.groupby(_KEY)["total"].sum(),
            "over_52": over,
        }
    )
    return lists.fillna(0).astype(int).reset_index()


def _completed(nearby: pd.DataFrame) -> pd.DataFrame:
    done = nearby[nearby["part"] == "Part_1A"].groupby(_KEY)["total"].sum().rename("completed")
    return done[done > 0].reset_index()


def _providers(nearby: pd.DataFrame, board: str, sites: pd.DataFrame) -> pd.DataFrame:
    first = nearby.groupby("provider_code").agg(name=("provider_name", "first"), parent=("parent_code", "first"))
    sector = sites.drop_duplicates("provider_code").set_index("provider_code")["sector"]
    nhs_by_code = first.index.str.match(r"^R[A-Z0-9]{2}$")
    named = first["name"].map(_readable)
    return pd.DataFrame(
        {
            "provider_code": first.index,
            "name": named.to_numpy(),
            "sector": sector.reindex(first.index).fillna(
                pd.Series(nhs_by_code, index=first.index).map({True: "nhs", False: "independent"})
            ),
            "on_board": (first["parent"] == board).to_numpy(),
        }
    ).reset_index(drop=True)


def _readable(name: str) -> str:
    words = name.title()
    for shouted, written in _SPELLING.items():
        words = words.replace(shouted, written)
    return words.strip()


_SPELLING = {
    "Nhs": "NHS",
    "'S ": "'s ",
    " And ": " and ",
    " Of ": " of ",
    "Isight": "iSight",
    "Aces ": "ACES ",
    "Spamedica": "SpaMedica",
}


def read_diagnostics(path: Path, census: dt.date, providers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Waits (of the board's providers) and lists (of all `providers`) by provider and test on the day of the census."""
    raw = pd.read_csv(path, low_memory=False)
    month = raw[raw["Reporting Period"] == census.isoformat()]
    if month.empty:
        raise InputError([f"{path.name} has no rows for {census}; its last is {raw['Reporting Period'].max()}."])
    known = month["Provider Code"].replace(PROVIDER_NOW)
    month = month.assign(provider_code=known, service_code=month["Diagnostic ID"].map(DIAGNOSTIC_CODES))
    month = month[month["provider_code"].isin(providers["provider_code"])]
    done = "Waiting list tests / procedures (excluding planned)"
    lists = month.groupby(_KEY)[["Total Waiting List", done]].sum().astype(int)
    lists = lists.set_axis(["list_size", "tests_done"], axis=1)
    bands = {column: int(column[:2]) for column in month.columns if column.endswith(" weeks") and column[:2].isdigit()}
    rows = _bands(month.rename(columns=bands).groupby(_KEY)[list(bands.values())].sum())
    rows = rows[rows["provider_code"].isin(providers.loc[providers["on_board"], "provider_code"])]
    ends = (rows["week_from"] + 1).where(rows["week_from"] < max(bands.values())).astype("Int64")
    waits = rows.assign(week_to=ends)[[*_KEY, "week_from", "week_to", "entries"]]
    return waits.reset_index(drop=True), lists[lists.sum(axis=1) > 0].reset_index()


def _totals(on_board: pd.DataFrame) -> dict[str, int]:
    parts = dict(list(on_board.groupby("part")))
    admit, whole = parts["Part_2A"], parts["Part_2"]
    over = {
        f"{name}_over_{week}": int(frame[_weeks(frame, week)].to_numpy().sum())
        for name, frame in (("pathways", whole), ("decision_to_admit", admit))
        for week in (18, 40, 52, 65)
    }
    return {
        "pathways": int(whole["total"].sum()),
        "decision_to_admit": int(admit["total"].sum()),
        "admitted_completions": int(parts["Part_1A"]["total"].sum()),
        **over,
    }
