"""Results as people take them away: four formats, exports, figures without small numbers, one entry explained."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fhir.resources.R4B.bundle import Bundle
from python_calamine import CalamineWorkbook
from starlette.testclient import TestClient

from allocator.report.exports import EXPORT_COLUMNS
from api import fhir
from api.artefacts import result_name
from api.http.access import Service
from tests.service.sample import Keys, add_run, queue_job, with_key


@pytest.fixture
def get(client: TestClient, keys: Keys) -> Any:
    return lambda url, **options: client.get(url, headers=with_key(keys.hub), **options)


def test_the_four_formats_of_a_table_say_the_same(get: Any, planned: str) -> None:
    url = f"/v1/runs/{planned}/allocation"
    page = get(url).json()
    wanted = [str(row["entry_id"]) for row in page["rows"]]
    assert page["total"] == len(wanted) > 0
    lines = list(csv.DictReader(io.StringIO(get(url, params={"format": "csv"}).text)))
    assert [line["entry_id"] for line in lines] == wanted
    table = pq.read_table(io.BytesIO(get(url, params={"format": "parquet"}).content)).to_pydict()
    assert table["entry_id"] == wanted
    assert table["travel_minutes"] == [row["travel_minutes"] for row in page["rows"]]
    book = CalamineWorkbook.from_filelike(io.BytesIO(get(url, params={"format": "xlsx"}).content))
    assert book.sheet_names == ["Cover", "allocation"]
    assert [row[0] for row in book.get_sheet_by_name("allocation").to_python()[1:]] == wanted
    cover = dict(row[:2] for row in book.get_sheet_by_name("Cover").to_python())
    assert (cover["Run"], cover["Policy"], cover["Audit"]) == (planned, "daily", "passed")
    assert len(cover["Fingerprint of the instance"]) == 64


def test_numbers_and_flags_are_numbers_and_flags_in_json(get: Any, planned: str) -> None:
    row = get(f"/v1/runs/{planned}/allocation").json()["rows"][0]
    assert isinstance(row["travel_minutes"], int)
    assert isinstance(row["is_new"], bool)
    assert row["team"] is None
    assert isinstance(row["service_code"], str)


def test_pages_of_a_table_follow_each_other(get: Any, planned: str) -> None:
    url = f"/v1/runs/{planned}/allocation"
    everything = get(url).json()
    pages = [get(url, params={"limit": 1, "offset": n}).json() for n in range(everything["total"] + 1)]
    assert [row for page in pages for row in page["rows"]] == everything["rows"]
    assert {page["total"] for page in pages} == {everything["total"]}


def test_an_export_is_the_list_of_the_run_folder_with_a_cover(get: Any, planned: str, sample: Path) -> None:
    url = f"/v1/runs/{planned}/exports/NCC/incoming"
    assert get(url).text == (sample / "run" / "exports" / "NCC" / "incoming.csv").read_text("utf-8")
    book = CalamineWorkbook.from_filelike(io.BytesIO(get(url, params={"format": "xlsx"}).content))
    cover = dict(row[:2] for row in book.get_sheet_by_name("Cover").to_python())
    assert (cover["Provider"], cover["List"], cover["Run"]) == ("NCC", "incoming", planned)
    assert get(f"/v1/runs/{planned}/exports/XXX/incoming").status_code == 404
    assert get(f"/v1/runs/{planned}/exports/..%2F..%2Finstance/incoming").status_code == 404


def test_no_cell_of_an_export_is_a_formula(get: Any, service: Service, planned: str) -> None:
    folder = service.settings.artefact_folder / result_name(planned, 1)
    evil = '=HYPERLINK("http://x","y")'
    lines = (folder / "exports" / "NCC" / "incoming.csv").read_text("utf-8").splitlines()
    columns = lines[0].split(",")
    row = [
        "'" + evil if name in ("site_name", "team") else cell
        for name, cell in zip(columns, lines[1].split(","), strict=True)
    ]
    with (folder / "exports" / "NCC" / "incoming.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, row])
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    summary["instance"]["name"] = evil
    (folder / "summary.json").write_text(json.dumps(summary), "utf-8")
    url = f"/v1/runs/{planned}/exports/NCC/incoming"
    (line,) = csv.DictReader(io.StringIO(get(url).text))
    assert (line["team"], line["site_name"]) == ("'" + evil, "'" + evil)
    content = get(url, params={"format": "xlsx"}).content
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheets = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) == 2
    assert not any(b"<f>" in sheet or b"<hyperlink" in sheet for sheet in sheets)
    cover = dict(
        row[:2] for row in CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("Cover").to_python()
    )
    assert cover["Instance"].startswith("'=")
    assert (cover["Policy"], len(cover["Fingerprint of the policy"])) == ("daily", 64)
    assert get(url, params={"format": "json"}).json()["rows"][0]["team"] == evil


def test_appointments_of_people_with_odd_names_are_valid_fhir() -> None:
    row = dict.fromkeys(EXPORT_COLUMNS, "x") | {"date": "2026-03-27", "start_time": "", "expected_minutes": ""}
    rows = [
        row | {"state": state, "entry_id": entry} for state in fhir.STATUS_OF for entry in ("a b", "=1", "é", "a|b")
    ]
    rows += [row | {"state": "booked", "site_name": "", "team": "", "expected_minutes": "12.5", "start_time": "23:59"}]
    text = fhir.bundle(rows, "r-1", dt.datetime(2026, 2, 2, tzinfo=dt.UTC))
    assert len(Bundle.model_validate_json(text).entry) == len(rows)


def test_appointments_are_valid_fhir_and_claim_no_profile(get: Any, planned: str, sample: Path) -> None:
    found = get(f"/v1/runs/{planned}/fhir/RAA")
    assert found.headers["content-type"] == "application/fhir+json"
    bundle = Bundle.model_validate_json(found.text)
    lists = [sample / "run" / "exports" / "RAA" / f"{direction}.csv" for direction in ("incoming", "outgoing")]
    wanted = [row["entry_id"] for path in lists for row in csv.DictReader(io.StringIO(path.read_text("utf-8")))]
    assert [entry.resource.identifier[0].value for entry in bundle.entry] == wanted
    assert {entry.resource.status for entry in bundle.entry} == {"proposed"}
    assert "profile" not in found.text
    assert get(f"/v1/runs/{planned}/fhir/XXX").status_code == 404


@pytest.mark.parametrize(
    ("date", "start"), [("2026-03-27", "2026-03-27T08:30:00Z"), ("2026-03-30", "2026-03-30T08:30:00+01:00")]
)
def test_an_appointment_starts_at_the_time_in_london(date: str, start: str) -> None:
    row = dict.fromkeys(EXPORT_COLUMNS, "x") | {"date": date, "start_time": "08:30", "expected_minutes": "45"}
    text = fhir.bundle([row | {"state": "booked"}], "r-1", dt.datetime(2026, 2, 2, tzinfo=dt.UTC))
    found = json.loads(text)["entry"][0]["resource"]
    assert dt.datetime.fromisoformat(found["start"]) == dt.datetime.fromisoformat(start)
    assert found["minutesDuration"] == 45
    day_only = fhir.bundle(
        [row | {"state": "offered", "start_time": ""}], "r-1", dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
    )
    found = json.loads(day_only)["entry"][0]["resource"]
    assert ("start" in found, found["requestedPeriod"], found["status"]) == (
        False,
        [{"start": date, "end": date}],
        "pending",
    )


def test_a_cell_that_looks_like_a_formula_stays_text(get: Any, planned: str) -> None:
    url = "/v1/instances/i-sample/quarantine"
    assert get(url).json()["rows"][0]["value"] == "=1+1"
    assert ",'=1+1," in get(url, params={"format": "csv"}).text
    book = CalamineWorkbook.from_filelike(io.BytesIO(get(url, params={"format": "xlsx"}).content))
    assert book.get_sheet_by_name("quarantine").to_python()[1][3] == "'=1+1"


def test_an_entry_is_explained_with_its_place_or_its_reason(get: Any, planned: str) -> None:
    placed = get(f"/v1/runs/{planned}/allocation").json()["rows"][0]
    found = get(f"/v1/runs/{planned}/entries/{placed['entry_id']}").json()
    assert found["placed"] == [placed]
    assert found["unplaced"] is None
    left = get(f"/v1/runs/{planned}/unplaced").json()["rows"][0]
    found = get(f"/v1/runs/{planned}/entries/{left['entry_id']}").json()
    assert (found["placed"], found["unplaced"]) == ([], left)
    assert left["reason"]
    assert get(f"/v1/runs/{planned}/entries/nobody").status_code == 404


def test_documents_are_those_of_the_run_folder(get: Any, planned: str, sample: Path) -> None:
    run = sample / "run"
    assert get(f"/v1/runs/{planned}/report").content == (run / "report.html").read_bytes()
    assert "default-src 'none'" in get(f"/v1/runs/{planned}/report").headers["content-security-policy"]
    assert get(f"/v1/runs/{planned}/certificate").content == (run / "certificate.npz").read_bytes()
    assert get(f"/v1/runs/{planned}/audit").json() == json.loads((run / "audit.json").read_text("utf-8"))
    assert get(f"/v1/runs/{planned}/summary").json() == json.loads((run / "summary.json").read_text("utf-8"))
    with zipfile.ZipFile(io.BytesIO(get(f"/v1/runs/{planned}/download").content)) as archive:
        assert set(archive.namelist()) == {
            path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()
        }
    assert get(f"/v1/runs/{planned}/changes").status_code == 404


def test_a_run_without_a_result_says_so(get: Any, service: Service, planned: str) -> None:
    waiting = queue_job(service)
    found = get(f"/v1/runs/{waiting}/allocation")
    assert (found.status_code, found.json()["detail"]) == (409, f"{waiting} is queued and has no result yet.")
    assert get("/v1/runs/r-0000/allocation").status_code == 404
    shutil.rmtree(service.settings.artefact_folder / "runs" / planned)
    assert get(f"/v1/runs/{planned}/allocation").status_code == 410


def test_a_failed_audit_shows_on_the_cover(get: Any, service: Service, planned: str, sample: Path) -> None:
    failed = add_run(service, sample, state="failed")
    book = CalamineWorkbook.from_filelike(
        io.BytesIO(get(f"/v1/runs/{failed}/allocation", params={"format": "xlsx"}).content)
    )
    cover = dict(row[:2] for row in book.get_sheet_by_name("Cover").to_python())
    assert cover["Audit"].startswith("FAILED")
    assert failed in result_name(failed, 1)


def test_reading_people_is_logged_and_reading_figures_is_not(get: Any, planned: str) -> None:
    get(f"/v1/runs/{planned}/allocation")
    get(f"/v1/runs/{planned}/summary")
    get(f"/v1/runs/{planned}/entries/e1")
    rows = get("/v1/log", params={"limit": 1000}).json()["rows"]
    read = [(row["actor"].split(" ")[0], json.loads(row["detail"])) for row in rows if row["action"] == "run.read"]
    assert read == [("hub", {"format": "json", "table": "allocation"}), ("hub", {"entry": "e1"})]


def test_small_numbers_are_left_out_where_asked(get: Any, planned: str) -> None:
    found = get(f"/v1/runs/{planned}/summary", params={"suppress_below": 5}).json()
    shown = [
        value
        for rows in (*found["counts"].values(), found["flows"], found["unplaced_by_reason"])
        for row in rows
        for name, value in row.items()
        if isinstance(value, int)
    ]
    assert all(value == 0 or value >= 5 for value in shown)
    assert not {"headline", "urgent", "rules", "intake"} & set(found)
