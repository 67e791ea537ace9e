"""From the trust series and the board series to margins, for months whose full extract is not at hand.

The board series gives over 65 and over 78 weeks by treatment function; the trust series gives over 52 weeks
by trust and treatment function. Over-65s are shared among the trusts in proportion to their over-52s, so that
every treatment function keeps the board's exact total. Neither series knows who has a decision to admit: the
share comes from the base month (the full extract of January 2026), by treatment function, among those over 52
weeks. Completions, sites and areas are those of the base month.
Sources: RTT series by trust and by integrated care board, DM01; NHS England, Open Government Licence v3.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from allocator.errors import InputError
from allocator.instance import Floats, Ints
from instances.nhs.margins import Margins
from instances.nhs.published import LICENCE, PROVIDER_NOW, last_day, read_diagnostics, sha256

BANDS = ((65, 78), (78, 104))
_KEY = ["provider_code", "service_code"]


def derive_series_margins(trust_csv: Path, board_csv: Path, dm01_csv: Path, base: Margins, month: str) -> Margins:
    """Margins of `month`: over 65 weeks by trust and service, of whom `theatre_waits` have a decision to admit."""
    board_code = str(base.source["board"])
    trusts = _trust_series(trust_csv, month)
    board = _board_series(board_csv, month, board_code)
    lists = _share_among_trusts(trusts, board)
    census = last_day(month)
    waits, tests = read_diagnostics(dm01_csv, census, base.providers)
    shares = admit_shares(base)
    return Margins(
        month=month,
        census=census,
        theatre_waits=_theatre_waits(lists, shares),
        theatre_lists=lists,
        theatre_completed=base.theatre_completed,
        diagnostic_waits=waits,
        diagnostic_lists=tests,
        providers=base.providers,
        sites=base.sites,
        areas=base.areas,
        source={
            "census": census.isoformat(),
            "board": board_code,
            "view": "board (commissioner) totals over 65 weeks, shared among trusts by their over-52s",
            "publisher": "NHS England: RTT series by trust and by board; DM01 diagnostics by provider",
            "licence": LICENCE,
            "files": {path.name: sha256(path) for path in (trust_csv, board_csv, dm01_csv)},
            "base_month": base.month,
            "totals": {
                "pathways": int(lists["list_size"].sum()),
                "pathways_over_52": int(lists["over_52"].sum()),
                "board_over_52": int(board["over_52"].sum()),
                "pathways_over_65": int(board["over_65"].sum()),
                "pathways_over_78": int(board["over_78"].sum()),
            },
            "board_over_65": {str(code): int(count) for code, count in board["over_65"].items() if count},
            "admit_share": {str(code): round(float(share), 4) for code, share in shares.items()},
        },
    )


def apportion(total: int, weights: Floats) -> Ints:
    """Whole numbers in proportion to `weights` that add up to `total` (largest remainders, earlier first)."""
    if total and not weights.sum() > 0:
        raise InputError([f"{total} people cannot be shared out: every weight is zero."])
    exact = weights * (total / weights.sum()) if total else np.zeros(len(weights))
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole


def admit_shares(base: Margins) -> pd.Series[float]:
    """Share of those over 52 weeks who have a decision to admit, by service, in the base month."""
    over = base.theatre_waits[base.theatre_waits["week_from"] >= 52].groupby("service_code")["entries"].sum()
    whole = base.theatre_lists.groupby("service_code")["over_52"].sum()
    return (over.reindex(whole.index).fillna(0) / whole.where(whole > 0)).fillna(0.0)


def _trust_series(path: Path, month: str) -> pd.DataFrame:
    raw = pd.read_csv(path)
    rows = raw[raw["month"] == f"{month}-01"]
    if rows.empty:
        raise InputError([f"{path.name} has no rows for {month}; it ends in {raw['month'].max()}."])
    rows = rows[rows["treatment_function_code"] != "C_999"]
    named = pd.DataFrame(
        {
            "provider_code": rows["provider_org_code"].replace(PROVIDER_NOW),
            "service_code": rows["treatment_function_code"].str.removeprefix("C_"),
            "list_size": rows["waiting_list_size"].fillna(0).astype(int),
            "over_52": rows["over52"].fillna(0).astype(int),
        }
    )
    return named.groupby(_KEY, as_index=False).sum()


def _board_series(path: Path, month: str, board: str) -> pd.DataFrame:
    raw = pd.read_csv(path)
    rows = raw[(raw["Period"] == month) & (raw["ICB_Code"] == board) & (raw["TF_Code"] != "C_999")]
    if rows.empty:
        raise InputError([f'{path.name} has no rows for "{board}" in {month} (April 2023 was not published).'])
    names = {"Waiters_52plus": "over_52", "Waiters_65plus": "over_65", "Waiters_78plus": "over_78"}
    services = rows["TF_Code"].str.removeprefix("C_").rename("service_code")
    return rows.set_index(services)[list(names)].rename(columns=names).astype(int).sort_index()


def _share_among_trusts(trusts: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    lists = trusts.assign(over_65=0, over_78=0)
    for service, published in board.iterrows():
        rows = lists.index[lists["service_code"] == service]
        over_65 = apportion(int(published["over_65"]), lists.loc[rows, "over_52"].to_numpy(dtype=float))
        lists.loc[rows, "over_65"] = over_65
        lists.loc[rows, "over_78"] = apportion(int(published["over_78"]), over_65.astype(float))
    return lists


def _theatre_waits(lists: pd.DataFrame, shares: pd.Series[float]) -> pd.DataFrame:
    counts = {BANDS[0]: lists["over_65"] - lists["over_78"], BANDS[1]: lists["over_78"]}
    cells = pd.concat(
        [lists[_KEY].assign(week_from=low, week_to=high, whole=whole) for (low, high), whole in counts.items()]
    )
    cells = cells[cells["whole"] > 0].sort_values([*_KEY, "week_from"], ignore_index=True).assign(entries=0)
    for service, rows in cells.groupby("service_code").groups.items():
        whole = cells.loc[rows, "whole"].to_numpy(dtype=float)
        admitted = round(float(shares.get(service, 0.0)) * whole.sum())
        cells.loc[rows, "entries"] = apportion(admitted, whole)
    return cells.loc[cells["entries"] > 0, [*_KEY, "week_from", "week_to", "entries"]].reset_index(drop=True)
