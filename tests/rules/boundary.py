"""Random tiny instances whose values lie on the boundaries of the screens, and unknown now and then."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from allocator.options import Facts
from tests.build import SITES, make_facts

DAYS = ("2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05", "2026-02-06", "2026-02-07", "2026-02-08")
INFO = {"plan_date": "2026-02-02", "horizon_start": "2026-02-03", "horizon_end": "2026-02-07"}
SHORT_NOTICE = [0, 1, 2, 3, 4]


def row(**columns: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows with one value a column from the given ones."""
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in columns.items()})


def sometimes(*values: Any) -> list[Any]:
    """The values, or not known."""
    return [None, *values]


PATIENT = row(
    home_provider=["RAA", "RBB", "NCC"],
    care_kind=["theatre", "theatre", "diagnostic"],
    service_code=["110", "110", "X02"],
    pathway=["", "rtt", "rtt", "planned", "cancer"],
    procedure_code=["", "W371", "W38.1", "H22"],
    clinical_priority=["P2", "P3", "P4", "P4", "P5", "D2"],
    due_date=sometimes(*DAYS[2:5]),
    overnight_stays=sometimes(0, 1, 2),
    asa_grade=sometimes(1, 2, 3),
    bmi=sometimes(39.9, 40, 40.1),
    age_years=sometimes(15, 16, 17, 70, 71),
    needs_hdu=sometimes(True, False),
    needs=["", "ga", "ga; sub:hand", "robot"],
    home_area=["HOME", "FAR", "NOWHERE"],
    travel_mode=["car", "public_transport"],
    max_travel_minutes=sometimes(29, 30, 31),
    earliest_date=sometimes(*DAYS[2:5]),
    min_notice_days=[0, 0, 1, *SHORT_NOTICE, None],
    transfer_consent=["yes", "no", "not_asked", ""],
    home_tci_date=sometimes(*DAYS[2:5]),
    poa_valid_until=sometimes(*DAYS[2:5]),
    held=[False, False, False, True],
)
SESSION = row(
    site_code=["RAA01", "RBB01", "NCC01"],
    date=list(DAYS),
    care_kind=["theatre", "theatre", "diagnostic"],
    service_code=["110", "110", "X02"],
    accepts_procedures=["", "W37", "w38.1; H22", ";"],
    min_age_years=sometimes(16),
    max_age_years=sometimes(70),
    provides=["", "ga", "ga;robot"],
    book_by=sometimes("2026-02-01", "2026-02-02"),
)
SITE = row(
    max_asa=sometimes(2),
    max_bmi=sometimes(40),
    min_age_years=sometimes(16),
    max_age_years=sometimes(70),
    has_hdu=[True, False],
    has_overnight=[True, False],
    provides=["", "sub:hand", "sub:hand; robot"],
    lead_days=sometimes(0, 2, 3),
)
COMMITMENT = row(
    entry_id=["e1", "e2", "e3", "e4", "e5"],
    session_id=["s1", "s2", "", "gone"],
    site_code=["RAA01", "RBB01"],
    state=["proposed", "offered", "booked", "declined", "declined", "host_refused", "cancelled", "treated"],
    recorded_on=["2026-01-10T09:00:00", "2026-01-11T09:00:00"],
    expires_on=sometimes("2026-02-01", "2026-02-02"),
)
UNAVAILABLE = st.tuples(
    st.sampled_from(["e1", "e2", "e3", "e4", "e5"]), st.sampled_from(DAYS), st.sampled_from(DAYS)
).map(lambda item: {"entry_id": item[0], "from": min(item[1:]), "to": max(item[1:])})
TRAVEL = tuple(
    {"home_area": area, "site_code": site, "travel_mode": mode, "minutes": minutes}
    for area, site, mode, minutes in (
        ("HOME", "RAA01", "car", 30),
        ("HOME", "RBB01", "car", 60),
        ("HOME", "NCC01", "car", 61),
        ("HOME", "RAA01", "public_transport", 31),
        ("HOME", "RBB01", "public_transport", 75),
        ("FAR", "RAA01", "car", 29),
        ("FAR", "NCC01", "public_transport", 76),
    )
)


@st.composite
def tiny_facts(draw: st.DrawFn) -> Facts:
    """Five entries, four sessions, three sites."""
    sites = [{**site, **draw(SITE)} for site in SITES]
    return make_facts(
        draw(st.lists(PATIENT, min_size=5, max_size=5)),
        draw(st.lists(SESSION, min_size=4, max_size=4)),
        info=INFO,
        sites=sites,
        travel=TRAVEL,
        commitments=draw(st.lists(COMMITMENT, max_size=4)),
        unavailable=draw(st.lists(UNAVAILABLE, max_size=3)),
    )
