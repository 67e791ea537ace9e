"""Whatever is damaged: no row is lost, nothing but InputError is raised, nobody is freed, no room is given away."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocator.errors import InputError
from allocator.intake import read_instance, summary_lines, write_instance
from allocator.standing import standing
from tests.intake import build

ODD = (
    "", "-", "NULL", "#REF!", "???", "-1", "0", "1", "1e400", "9.43477E+09", "110.0", "2026-02-30", "30/02/2026",
    "2026-03-01", "yes", "P1a", "D1", "booked", "treated", "cancelled", "e1", "e2", "s1", "s2", "RAA", "RBB", "RBB01",
    "9434765919", "=1+1", 'a "quoted", text', "two\nlines", "\u2028", "\x00", "٣", "é" * 300, "x" * 6_000, "nan", "inf",
)  # fmt: skip
ILLEGAL = ("#REF!", "#N/A", "x" * 6_000)
SETTINGS = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def full() -> dict[str, list[dict[str, str]]]:
    """An instance with every table, in which e1 is booked, e2 offered, e3 away, e4 waits for e3."""
    return build.tables(
        ({}, {}, {}, {"requires_entry_id": "e3"}),
        ({}, {"site_code": "RAA01"}),
        commitments=[
            {"state": "proposed", "recorded_on": "2026-01-20"},
            {},
            {"entry_id": "e2", "session_id": "s2", "site_code": "", "state": "offered", "expires_on": "2026-02-20"},
            {"entry_id": "e3", "state": "declined"},
        ],
        overrides=[{"entry_id": "e4"}],
        unavailable=[{"entry_id": "e3", "from": "2026-03-01", "to": "2026-03-09"}],
        beds=[{"site_code": "RBB01", "night": "2026-03-10", "bed_kind": "ward", "spare_beds": "2"}],
        travel=[{"home_area": "A", "site_code": "RBB01", "travel_mode": "car", "minutes": "20"}],
        waiting_lists=[{"provider_code": "RAA", "care_kind": "theatre", "service_code": "110", "list_size": "9"}],
    )


CELLS = [(table, row, column) for table, rows in full().items() for row, cells in enumerate(rows) for column in cells]
SPEAK_OF_E1_OR_E2 = [
    (table, row, column)
    for table, row, column in CELLS
    if (table == "commitments" and row in (1, 2)) or (table == "patients" and row in (0, 1))
]


@SETTINGS
@given(
    damage=st.dictionaries(st.sampled_from(CELLS), st.sampled_from(ODD) | st.text(max_size=12), max_size=8),
    copied=st.lists(st.sampled_from([(table, row) for table, row, _ in CELLS]), max_size=2),
)
def test_damage_loses_no_row_and_raises_nothing_but_input_errors(
    damage: dict[tuple[str, int, str], str], copied: list[tuple[str, int]]
) -> None:
    rows = full()
    for table, row in copied:
        rows[table].append(dict(rows[table][row]))
    for (table, row, column), text in damage.items():
        rows[table][row][column] = text.encode("utf-8", "replace").decode()
    with tempfile.TemporaryDirectory() as name:
        folder = build.write(Path(name) / "in", rows)
        try:
            intake = read_instance(folder)
        except InputError as error:
            if error.problems:
                return
            raise
        build.accounted_for(intake)
        assert set(intake.quarantine["effect"]) <= {"row_refused", "value_blanked", "entry_held"}
        assert summary_lines(intake)
        write_instance(intake.instance, Path(name) / "out")
        assert read_instance(Path(name) / "out").instance.fingerprint == intake.instance.fingerprint


@SETTINGS
@given(cell=st.sampled_from(SPEAK_OF_E1_OR_E2), text=st.sampled_from(ILLEGAL))
def test_one_damaged_cell_frees_nobody_and_gives_no_room_away(cell: tuple[str, int, str], text: str) -> None:
    """Only the id in a commitment cannot be guessed: its room is kept, whose it is stays unknown."""
    table, row, column = cell
    rows = full()
    rows[table][row][column] = text
    with tempfile.TemporaryDirectory() as name:
        intake = build.read(Path(name), rows)
    ids = list(intake.instance.column("patients", "entry_id"))
    found = standing(intake.instance)
    waiting = {entry for entry, waits in zip(ids, found.waiting, strict=True) if waits}
    fixed = {(ids[place.entry], place.session_id) for place in found.fixed}
    for entry, session in (("e1", "s1"), ("e2", "s2")):
        if (table, column) != ("commitments", "entry_id"):
            assert entry not in waiting
        if (table, column) != ("commitments", "session_id"):
            assert (entry, session) in fixed or session in build.closed(intake)


@SETTINGS
@given(
    cell=st.sampled_from([cell for cell in CELLS if cell[0] in ("unavailable", "overrides") and cell[2] != "entry_id"]),
    text=st.sampled_from(ILLEGAL),
)
def test_one_damaged_cell_of_a_constraint_holds_its_entry(cell: tuple[str, int, str], text: str) -> None:
    table, row, column = cell
    rows = full()
    rows[table][row][column] = text
    with tempfile.TemporaryDirectory() as name:
        intake = build.read(Path(name), rows)
    assert build.held(intake) == {rows[table][row]["entry_id"]}


@SETTINGS
@given(
    cell=st.sampled_from(
        [cell for cell in CELLS if cell[0] in ("sessions", "sites", "organisations", "beds", "travel")]
    ),
    text=st.sampled_from(ILLEGAL),
)
def test_one_damaged_cell_of_a_place_frees_nobody(cell: tuple[str, int, str], text: str) -> None:
    table, row, column = cell
    rows = full()
    rows[table][row][column] = text
    with tempfile.TemporaryDirectory() as name:
        folder = build.write(Path(name), rows)
        try:
            intake = read_instance(folder)
        except InputError:
            return
    build.accounted_for(intake)
    ids = intake.instance.column("patients", "entry_id")
    waiting = set(ids[standing(intake.instance).waiting])
    assert not waiting & {"e1", "e2"}
