"""The committed Cheshire and Merseyside instances: exact margins, possible bookings, nothing in quarantine."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from allocator.errors import UsageError
from allocator.instance import Instance
from allocator.intake import read_instance
from allocator.options import Facts, build_options
from allocator.rule import find_conflicts
from api.cli import app
from instances import names, path
from instances.nhs import build_instance, import_nhs
from instances.nhs.build import write_folder
from instances.nhs.capacity import wanted_minutes
from instances.nhs.cohort import diagnostic_weeks
from instances.nhs.deprivation import area_weights
from instances.nhs.margins import read_margins
from instances.nhs.places import Places
from models.daily import DAILY

COMMITTED = {  # name: month, weeks, theatre entries, diagnostic entries, fewest and most sessions
    "cm-2026-01-52w": ("2026-01", 52, 3_091, 871, 400, 600),
    "cm-2026-01-40w": ("2026-01", 40, 9_827, 1_611, 1_200, 1_800),
    "cm-2024-03-65w": ("2024-03", 65, 829, 863, 120, 250),
}
_KEY = ["home_provider", "service_code"]


@pytest.fixture(scope="module", params=COMMITTED)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def intake(name):
    return read_instance(path(name))


@pytest.fixture(scope="module")
def instance(intake):
    return intake.instance


@pytest.fixture(scope="module")
def demo():
    return read_instance(path("cm-2026-01-52w")).instance


def waits_by_band(instance: Instance, kind: str) -> pd.DataFrame:
    """Provider, service and days waited at the census of every entry of a kind, straight from the tables."""
    patients = instance.patients[instance.patients["care_kind"] == kind]
    census = pd.Timestamp(instance.info.assumptions["census"])
    return patients[_KEY].assign(days=(census - patients["clock_start"]).dt.days)


def counts_of(bands: pd.DataFrame, week_from: pd.Series) -> dict[tuple[str, str, int], int]:
    return bands.assign(week_from=week_from).groupby([*_KEY, "week_from"]).size().to_dict()


def published(waits: pd.DataFrame, weeks: int) -> dict[tuple[str, str, int], int]:
    kept = waits[waits["week_from"] >= weeks]
    keys = zip(kept["provider_code"], kept["service_code"], kept["week_from"], strict=True)
    return dict(zip(keys, kept["entries"], strict=True))


def test_the_three_instances_are_shipped():
    assert set(COMMITTED) <= set(names())


def test_an_unknown_instance_is_refused_with_the_likely_one():
    with pytest.raises(UsageError, match='Maybe "cm-2026-01-52w"'):
        path("cm-2026-01-52")


def test_nothing_is_in_quarantine(intake):
    assert intake.quarantine.empty
    assert intake.rows_read == intake.rows_accepted


def test_it_says_that_its_people_are_synthetic_and_where_the_figures_come_from(instance, name):
    assert instance.info.name == name
    assert instance.info.synthetic
    assert any("Open Government Licence" in source for source in instance.info.sources)
    assert instance.info.assumptions["capacity_share"] == 0.43
    assert "decision to admit" in instance.info.notes


def test_theatre_entries_equal_the_published_margins(instance, name):
    month, weeks, theatre, _, _, _ = COMMITTED[name]
    margins = read_margins(month)
    found = waits_by_band(instance, "theatre")
    week = (found["days"] - 1) // 7
    if month == "2024-03":
        week = week.where(week >= 78, 65).where(week < 78, 78)
        assert (found["days"] > 7 * 65).all()
    assert len(found) == theatre
    assert counts_of(found, week) == published(margins.theatre_waits, weeks)


def test_diagnostic_entries_equal_the_published_margins(instance, name):
    month, weeks, _, diagnostic, _, _ = COMMITTED[name]
    found = waits_by_band(instance, "diagnostic")
    week = (found["days"] // 7).clip(upper=13)
    assert len(found) == diagnostic
    assert counts_of(found, week) == published(read_margins(month).diagnostic_waits, diagnostic_weeks(weeks))


def test_sessions_cover_30_to_60_percent_of_the_minutes_with_and_without_turnaround(instance):
    for kind in ("theatre", "diagnostic"):
        patients = instance.patients[instance.patients["care_kind"] == kind]
        sessions = instance.sessions[instance.sessions["care_kind"] == kind]
        cases = patients["expected_minutes"].sum()
        turnaround = len(patients) * sessions["turnaround_minutes"].mean()
        assert 0.30 <= sessions["minutes"].sum() / cases <= 0.60
        assert 0.30 <= sessions["minutes"].sum() / (cases + turnaround) <= 0.60


def test_sessions_are_half_and_whole_days_within_the_horizon(instance, name):
    *_, fewest, most = COMMITTED[name]
    sessions = instance.sessions
    assert fewest <= len(sessions) <= most
    assert set(sessions["minutes"]) == {240, 480}
    assert sessions["date"].between(str(instance.info.horizon_start), str(instance.info.horizon_end)).all()
    assert (sessions["date"].dt.day_of_week < 6).all()


def test_bookings_and_offers_fit_what_is_there(instance):
    conflicts = find_conflicts(DAILY.limits, Facts(instance))
    assert conflicts == ()
    states = set(instance.commitments["state"])
    assert states == {"booked", "offered", "proposed", "declined", "host_refused"}


def test_children_wait_at_trusts_only_and_everyone_at_the_childrens_hospital_is_one(instance):
    patients = instance.patients
    sector = instance.provider_sector
    child = patients["age_years"] < 18
    assert {sector[code] for code in patients.loc[child, "home_provider"]} == {"nhs"}
    assert child[patients["home_provider"] == "RBS"].all()
    assert set(patients.loc[child & (patients["home_provider"] != "RBS"), "service_code"]) <= {"X04", "120", "140"}


def test_day_cases_and_answers_to_another_hospital_are_near_the_cited_shares(instance):
    theatre = instance.patients[instance.patients["care_kind"] == "theatre"]
    answers = instance.patients["transfer_consent"].value_counts()
    assert 0.78 <= (theatre["overnight_stays"] == 0).mean() <= 0.86
    assert answers["yes"] / (answers["yes"] + answers["no"]) == pytest.approx(0.67, abs=0.04)


def test_some_things_are_not_known(instance):
    patients = instance.patients
    for column in ("asa_grade", "bmi"):
        assert 0.02 < patients[column].isna().mean() < 0.15
    assert 0.01 < (patients["transfer_consent"] == "").mean() < 0.06


def test_every_journey_of_everybody_is_known(instance):
    travel = set(zip(*(instance.column("travel", name) for name in ("home_area", "travel_mode")), strict=True))
    patients = instance.patients
    assert set(zip(patients["home_area"], patients["travel_mode"], strict=True)) <= travel
    assert len(instance.table("travel")) == len(travel) * len(instance.sites)


def test_some_people_have_two_entries_and_some_treatments_wait_for_a_test(instance):
    patients = instance.patients.set_index("entry_id")
    assert patients["patient_id"].duplicated().sum() > 0.02 * len(patients)
    chained = patients[patients["requires_entry_id"] != ""]
    tests = patients.loc[chained["requires_entry_id"]]
    assert len(chained) >= 5
    assert (tests["care_kind"] == "diagnostic").all()
    assert (tests["patient_id"].to_numpy() == chained["patient_id"].to_numpy()).all()


def test_expected_rates_over_a_year_differ_by_1_8_between_the_most_and_the_least_deprived_fifth():
    margins = read_margins("2026-01")
    places, areas = Places(margins), margins.areas
    entries = pd.Series({"RBL": 300, "RBN": 900, "RJR": 370})
    homes = np.array([places.attraction(code) for code in entries.index]) * areas["people_16_over"].to_numpy()
    homes = homes * area_weights(entries, places)
    expected = pd.Series((entries.to_numpy() / homes.sum(axis=1)) @ homes)
    rate = expected.groupby(areas["imd_quintile"]).sum() / areas.groupby("imd_quintile")["people_16_over"].sum()
    assert rate[1] / rate[5] == pytest.approx(1.8)


def test_waits_over_a_year_are_likelier_in_the_most_deprived_fifth_of_the_demo(demo):
    areas = read_margins("2026-01").areas
    people = (areas["people_0_15"] + areas["people_16_over"]).groupby(areas["imd_quintile"]).sum()
    theatre = demo.patients[demo.patients["care_kind"] == "theatre"]
    rate = theatre.groupby("imd_quintile").size() / people
    assert 1.4 < rate[1] / rate[5] < 2.2


def test_most_entries_have_options_and_some_have_none(demo):
    facts = Facts(demo)
    options = build_options(facts, DAILY.screens, frozenset())
    with_option = len(np.unique(options.entry)) / len(demo.patients)
    assert 0.80 < with_option < 0.97


def test_beds_are_fewer_than_full_lists_could_use_and_not_absent(demo):
    nights = demo.patients["overnight_stays"].sum()
    beds = demo.table("beds")
    ward = beds.loc[beds["bed_kind"] == "ward", "spare_beds"].sum()
    assert 0.2 < ward / nights < 1.0


def test_independent_sites_refuse_children_heavy_patients_and_intensive_care(demo):
    sites = demo.sites
    independent = sites[sites["provider_code"].map(demo.provider_sector) == "independent"]
    assert (independent["min_age_years"] == 18).all()
    assert (independent["max_asa"] <= 3).all()
    assert (independent["max_bmi"] <= 45).all()
    assert not independent["has_hdu"].any()


@pytest.mark.parametrize("name", ["cm-2026-01-52w", "cm-2024-03-65w"], scope="function")
def test_the_committed_folder_is_what_the_command_builds(name, tmp_path):
    month, weeks, *_ = COMMITTED[name]
    built = import_nhs(tmp_path / "built", cohort_weeks=weeks, month=month)
    assert read_instance(tmp_path / "built").instance.fingerprint == built.fingerprint
    assert built.fingerprint == read_instance(path(name)).instance.fingerprint


def test_another_seed_gives_other_people_and_sessions_and_the_same_margins(tmp_path):
    other = import_nhs(tmp_path / "other", cohort_weeks=65, month="2024-03", seed=8)
    committed = read_instance(path("cm-2024-03-65w")).instance
    for table in ("patients", "sessions", "beds"):
        assert not other.frames[table].equals(committed.frames[table])
    assert other.patients.groupby(_KEY).size().equals(committed.patients.groupby(_KEY).size())


def test_populations_of_one_seed_differ_in_people_and_share_their_sessions(tmp_path):
    second = import_nhs(tmp_path / "second", cohort_weeks=65, month="2024-03", population=2)
    committed = read_instance(path("cm-2024-03-65w")).instance
    pd.testing.assert_frame_equal(second.sessions, committed.sessions)
    assert not second.patients.equals(committed.patients)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    info, frames = build_instance(read_margins("2024-03"), 65)
    for folder in ("first", "second"):
        write_folder(info, frames, tmp_path / folder)
    for file in sorted((tmp_path / "first").iterdir()):
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


def test_wanted_minutes_follow_the_capacity_share():
    margins = read_margins("2024-03")
    minutes = [wanted_minutes(margins, 65, share)["minutes"].sum() for share in (0.2, 0.4)]
    assert minutes[0] == pytest.approx(minutes[1] / 2)


def test_a_provider_with_less_backlog_has_more_to_spare_for_each_completion():
    margins = read_margins("2026-01")
    spare = wanted_minutes(margins, 52, 0.43).merge(margins.theatre_completed).merge(margins.theatre_lists)
    orthopaedics = spare[spare["service_code"] == "110"]
    months = orthopaedics["decision_to_admit"] / orthopaedics["completed"]
    per_completion = orthopaedics["minutes"] / orthopaedics["completed"]
    assert per_completion[months.idxmin()] > 2 * per_completion[months.idxmax()]


def test_wanted_minutes_are_only_where_there_is_a_site_and_a_completion():
    margins = read_margins("2026-01")
    wanted = wanted_minutes(margins, 52, 0.43)
    done = set(zip(margins.theatre_completed["provider_code"], margins.theatre_completed["service_code"], strict=True))
    theatre = wanted[wanted["care_kind"] == "theatre"]
    assert set(zip(theatre["provider_code"], theatre["service_code"], strict=True)) <= done
    assert set(wanted["provider_code"]) <= set(margins.sites["provider_code"])


@pytest.mark.parametrize(
    ("weeks", "month", "message"),
    [
        (10, "2026-01", "wanted 18 to 104"),
        (52, "2024-03", "Maybe --cohort-weeks 65"),
        (90, "2026-01", "nobody in a published band"),
    ],
)
def test_a_cohort_that_the_margins_do_not_hold_is_refused(tmp_path, weeks, month, message):
    with pytest.raises(UsageError, match=message):
        import_nhs(tmp_path / "out", cohort_weeks=weeks, month=month)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_18_week_instance_is_built_from_the_shipped_margins(tmp_path):
    instance = import_nhs(tmp_path / "out", cohort_weeks=18)
    intake = read_instance(tmp_path / "out")
    found = waits_by_band(intake.instance, "theatre")
    assert len(found) == 29_339
    assert counts_of(found, (found["days"] - 1) // 7) == published(read_margins("2026-01").theatre_waits, 18)
    assert intake.quarantine.empty
    share = instance.sessions["minutes"].sum() / instance.patients["expected_minutes"].sum()
    assert 0.30 <= share <= 0.60


def test_command_line_passes_population_and_capacity_share_on(tmp_path):
    cohort = ("--month", "2024-03", "--cohort-weeks", "65", "--seed", "3")
    more = ("--population", "2", "--capacity-share", "0.35")
    done = CliRunner().invoke(app, ["import-nhs", *cohort, *more, "--out", str(tmp_path / "told")])
    assert done.exit_code == 0, done.output
    wanted = import_nhs(
        tmp_path / "wanted", cohort_weeks=65, month="2024-03", seed=3, population=2, capacity_share=0.35
    )
    assert read_instance(tmp_path / "told").instance.fingerprint == wanted.fingerprint
