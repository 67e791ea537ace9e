"""From nothing to a downloaded plan, over HTTP, with the client of the documentation as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from python_calamine import CalamineWorkbook

from tests.service.processes import ended, serving, submit
from tests.service.sample import zip_of

ROOT = Path(__file__).parents[2]


def test_from_nothing_to_a_plan_and_to_the_next_morning(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "instance.zip").write_bytes(zip_of(sample / "tables"))
    with serving(tmp_path / "data") as served:
        arguments = [served.url, served.key, tmp_path / "instance.zip", tmp_path / "plan.xlsx"]
        said = subprocess.run(
            [sys.executable, ROOT / "docs" / "client.py", *map(str, arguments)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "patients: 5 rows read, 5 accepted, 0 refused." in said
        assert "urgent_delay" in said
        book = CalamineWorkbook.from_path(str(tmp_path / "plan.xlsx"))
        plan = book.get_sheet_by_name("allocation").to_python()

        with served.client() as client:
            monday = client.get("/v1/runs").json()["runs"][0]
            assert (monday["state"], monday["has_plan"], monday["accounts"]["placed"]) == ("done", True, len(plan) - 1)
            place = client.get(f"/v1/runs/{monday['id']}/allocation").json()["rows"][0]
            decision = {"entry_id": place["entry_id"], "session_id": place["session_id"], "state": "booked"}
            url = f"/v1/runs/{monday['id']}/decisions"
            assert client.post(url, json={"decisions": [decision]}).status_code == 201

            tuesday = submit(client, monday["instance_id"], previous_id=monday["id"], work=50)
            assert ended(client, tuesday)["state"] == "done"
            after = {row["entry_id"]: row for row in client.get(f"/v1/runs/{tuesday}/allocation").json()["rows"]}
            assert (after[place["entry_id"]]["state"], after[place["entry_id"]]["session_id"]) == (
                "booked",
                place["session_id"],
            )
            assert client.get(f"/v1/runs/{tuesday}/changes").status_code == 200

            assert client.get("/v1/log/check").json()["holds"] is True


def test_the_client_in_the_readme_is_the_one_that_is_run_and_is_short() -> None:
    client = (ROOT / "docs" / "client.py").read_text("utf-8")
    assert f"<!-- client -->\n```python\n{client}```\n" in (ROOT / "README.md").read_text("utf-8")
    assert len([line for line in client.splitlines() if line.strip()]) <= 25
