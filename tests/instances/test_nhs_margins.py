"""The committed margins equal the published totals; deriving them knows the traps of the files."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocator.errors import InputError
from instances.nhs.files import find_and_derive
from instances.nhs.margins import read_margins, shipped_months, write_margins
from instances.nhs.published import derive_margins, read_extract
from instances.nhs.series import admit_shares, apportion


@pytest.fixture(scope="module")
def january():
    return read_margins("2026-01")


@pytest.fixture(scope="module")
def march():
    return read_margins("2024-03")


def test_two_months_ship_with_the_package():
    assert shipped_months() == ("2024-03", "2026-01")


def test_whole_lists_add_up_to_the_published_total(january):
    assert january.theatre_lists["list_size"].sum() == 375_708
    assert january.theatre_lists["decision_to_admit"].sum() == 54_717
    assert january.theatre_lists["over_52"].sum() == 8_300


@pytest.mark.parametrize(("weeks", "people"), [(18, 29_339), (40, 9_827), (52, 3_091)])
def test_waits_with_a_decision_to_admit_add_up_to_the_published_totals(january, weeks, people):
    waits = january.theatre_waits
    assert waits.loc[waits["week_from"] >= weeks, "entries"].sum() == people


def test_most_who_wait_over_a_year_have_no_decision_to_admit(january):
    waits = january.theatre_waits
    admitted = waits.loc[waits["week_from"] >= 52, "entries"].sum()
    assert admitted / january.theatre_lists["over_52"].sum() < 0.4


def test_completions_and_their_independent_share_are_the_published_ones(january):
    done = january.theatre_completed.merge(january.providers, on="provider_code")
    done = done[done["on_board"]]
    assert done["completed"].sum() == 13_233
    independent = done[done["sector"] == "independent"].groupby("service_code")["completed"].sum()
    share = (independent / done.groupby("service_code")["completed"].sum()).fillna(0)
    assert independent.sum() / done["completed"].sum() == pytest.approx(0.15, abs=0.005)
    assert [round(share[code], 2) for code in ("130", "100", "110", "502")] == [0.40, 0.30, 0.29, 0.0]


def test_no_total_row_and_no_former_code_is_among_the_margins(january, march):
    for margins in (january, march):
        for frame in (margins.theatre_waits, margins.theatre_lists, margins.theatre_completed):
            assert "999" not in set(frame["service_code"])
            assert not {"RVY", "NVG01"} & set(frame["provider_code"])


def test_every_provider_that_anybody_waits_at_is_named(january):
    known = set(january.providers["provider_code"])
    for frame in (january.theatre_waits, january.diagnostic_waits, january.theatre_completed):
        assert set(frame["provider_code"]) <= known


def test_areas_hold_the_published_share_of_the_most_deprived_fifth(january):
    people = january.areas["people_0_15"] + january.areas["people_16_over"]
    poorest = people[january.areas["imd_quintile"] == 1].sum() / people.sum()
    assert len(january.areas) == 1_562
    assert poorest == pytest.approx(0.347, abs=0.0005)


def test_over_65_weeks_in_march_2024_keep_the_boards_totals_by_service(march):
    by_service = march.theatre_lists.groupby("service_code")["over_65"].sum()
    board = pd.Series(march.source["board_over_65"])
    assert by_service.sum() == 2_194
    assert by_service[by_service > 0].to_dict() == board.to_dict()
    assert march.source["totals"]["board_over_52"] == 15_236


def test_only_trusts_with_waits_over_52_weeks_have_waits_over_65(march):
    lists = march.theatre_lists
    assert (lists["over_65"] <= lists["over_52"]).all()
    assert (lists["over_78"] <= lists["over_65"]).all()


def test_decisions_to_admit_in_march_2024_follow_the_share_of_the_base_month(january, march):
    shares = admit_shares(january)
    over_65 = march.theatre_lists.groupby("service_code")["over_65"].sum()
    entries = march.theatre_waits.groupby("service_code")["entries"].sum().reindex(over_65.index).fillna(0)
    assert (entries == (shares.reindex(over_65.index) * over_65).round()).all()
    assert entries.sum() == 829


def test_margins_written_and_read_again_are_the_same(january, tmp_path):
    write_margins(january, tmp_path)
    again = read_margins("2026-01", tmp_path)
    for name in ("theatre_waits", "theatre_lists", "diagnostic_waits", "providers", "sites", "areas"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(january, name))


def test_a_month_without_margins_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r'"2025-12".*2024-03, 2026-01'):
        read_margins("2025-12")


def test_apportioned_numbers_add_up_and_none_exceeds_its_share_rounded_up():
    weights = np.array([5.0, 3.0, 1.0, 0.0])
    parts = apportion(7, weights)
    assert parts.tolist() == [4, 2, 1, 0]
    with pytest.raises(InputError, match="every weight is zero"):
        apportion(1, np.zeros(2))


HEADER = {
    "Period": "RTT-January-2026",
    "Provider Parent Org Code": "QYG",
    "Provider Org Name": "SOUTHPORT AND ORMSKIRK NHS TRUST",
}
BANDS = [f"Gt {week:02d} To {week + 1:02d} Weeks SUM 1" for week in range(104)] + ["Gt 104 Weeks SUM 1"]


def extract_row(provider, part, service, counts, **changes):
    bands = {name: counts.get(week) for week, name in enumerate(BANDS)}
    row = {**HEADER, "Provider Org Code": provider, "RTT Part Type": part, "Treatment Function Code": service}
    return {**row, **bands, "Total All": sum(counts.values()), **changes}


def write_files(folder: Path, rows) -> Path:
    with zipfile.ZipFile(folder / "rtt_full_extract_2026-01.zip", "w") as archive:
        archive.writestr("extract.csv", pd.DataFrame(rows).to_csv(index=False))
    tests = {f"{week:02d} <{week + 1:02d} weeks": 0 for week in range(13)} | {"13+ weeks": 0}
    test = {"Reporting Period": "2026-01-31", "Provider Code": "RVY", "Diagnostic ID": 7, "Total Waiting List": 9}
    done = {"Waiting list tests / procedures (excluding planned)": 5}
    pd.DataFrame([{**test, **tests, "05 <06 weeks": 2, "13+ weeks": 7, **done}]).to_csv(
        folder / "dm01_provider_month.csv.gz", index=False
    )
    site = {"site_code": "", "site_name": "Broadgreen Hospital", "provider_code": "RBN", "sector": "NHS"}
    pd.DataFrame([{**site, "lat": 53.4, "lon": -2.9}]).to_csv(folder / "cm_sites.csv", index=False)
    area = {"lsoa11_code": "E01", "ltla22_name": "Sefton", "IMD_decile": 3.0, "pop_0_15": 2, "pop_16_59": 5}
    pd.DataFrame([{**area, "pop_60plus": 3, "lat": 53.6, "lon": -3.0}]).to_csv(folder / "lsoa11_area.csv", index=False)
    return folder


ROWS = (
    extract_row("RBN", "Part_2A", "C_110", {17: 5, 18: 2, 52: 1, 104: 1}),
    extract_row("RVY", "Part_2A", "C_110", {18: 3}),
    extract_row("RBN", "Part_2", "C_110", {18: 30, 60: 4}),
    extract_row("RBN", "Part_1A", "C_110", {3: 11}),
    extract_row("RBN", "Part_2A", "C_999", {18: 5, 52: 1}),
    extract_row("RXX", "Part_2A", "C_110", {52: 8}, **{"Provider Parent Org Code": "QOP"}),
)


def test_deriving_drops_totals_merges_trusts_and_keeps_other_boards_out(tmp_path):
    margins = find_and_derive(write_files(tmp_path, ROWS), "2026-01")
    waits = margins.theatre_waits.set_index(["provider_code", "service_code", "week_from"])
    assert waits["entries"].to_dict() == {("RBN", "110", 18): 5, ("RBN", "110", 52): 1, ("RBN", "110", 104): 1}
    assert waits["week_to"].to_list() == [19, 53, 130]
    lists = margins.theatre_lists.to_dict("records")
    assert lists == [
        {"provider_code": "RBN", "service_code": "110", "list_size": 34, "decision_to_admit": 12, "over_52": 4}
    ]
    assert margins.theatre_completed["completed"].to_list() == [11]
    assert margins.source["totals"]["decision_to_admit_over_18"] == 7


def test_deriving_reads_tests_under_the_trusts_code_of_today(tmp_path):
    margins = find_and_derive(write_files(tmp_path, ROWS), "2026-01")
    waits = margins.diagnostic_waits
    assert waits["provider_code"].unique().tolist() == ["RBN"]
    assert waits["service_code"].unique().tolist() == ["ECHOCARDIOGRAPHY"]
    assert waits["week_from"].to_list() == [5, 13]
    assert waits["week_to"].isna().to_list() == [False, True]


def test_a_site_without_a_code_gets_the_documented_one(tmp_path):
    margins = find_and_derive(write_files(tmp_path, ROWS), "2026-01")
    assert margins.sites["site_code"].to_list() == ["REM-BGH"]


def test_absent_files_are_all_named(tmp_path):
    with pytest.raises(InputError) as caught:
        find_and_derive(tmp_path, "2026-01")
    assert len(caught.value.problems) == 6
    assert "dm01*.csv*" in str(caught.value)


def test_an_extract_without_a_needed_column_is_refused_by_name(tmp_path):
    write_files(tmp_path, [{name: value for name, value in row.items() if name != "Total All"} for row in ROWS])
    with pytest.raises(InputError, match='no column "Total All"'):
        read_extract(tmp_path / "rtt_full_extract_2026-01.zip")


def test_an_unknown_board_is_refused(tmp_path):
    write_files(tmp_path, ROWS)
    names = ("rtt_full_extract_2026-01.zip", "dm01_provider_month.csv.gz", "cm_sites.csv", "lsoa11_area.csv")
    with pytest.raises(InputError, match='under the board "QQQ"'):
        derive_margins(*(tmp_path / name for name in names), board="QQQ")
