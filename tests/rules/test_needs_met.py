from __future__ import annotations

import pytest

from allocator.allocation import Allocation, Placement
from models.rules.needs_met import NeedsMet
from tests.build import SITES, make_facts
from tests.rules.agreement import kept_sessions

ALPHA = [{**row, "provides": "ga; interpreter:bsl" if row["site_code"] == "RAA01" else ""} for row in SITES]
SESSIONS = (
    {"provides": "sub:hand"},
    {"provides": ""},
    {"site_code": "RBB01", "provides": "ga;sub:hand"},
)


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ("", ["s1", "s2", "s3"]),
        (" ; ", ["s1", "s2", "s3"]),
        ("ga", ["s1", "s2", "s3"]),
        ("sub:hand", ["s1", "s3"]),
        ("ga;sub:hand", ["s1", "s3"]),
        ("interpreter:bsl ; sub:hand", ["s1"]),
        ("ga;robot", []),
        ("sub", []),
    ],
)
def test_every_need_must_be_provided_by_the_site_or_the_session(needs: str, expected: list[str]) -> None:
    sites = [{**row, "provides": "ga"} if row["site_code"] == "RBB01" else row for row in ALPHA]
    sessions = [*SESSIONS[:2], {"site_code": "RBB01", "provides": "sub:hand"}]
    assert kept_sessions(NeedsMet(), make_facts([{"needs": needs}], sessions, sites=sites)) == expected


def test_other_entries_needs_do_not_matter() -> None:
    facts = make_facts([{"needs": "robot"}, {"needs": "ga"}, {}], SESSIONS, sites=ALPHA)
    assert kept_sessions(NeedsMet(), facts, "e2") == ["s1", "s2", "s3"]
    assert kept_sessions(NeedsMet(), facts, "e3") == ["s1", "s2", "s3"]


def test_nobody_needs_anything_in_an_instance_without_tags() -> None:
    assert kept_sessions(NeedsMet(), make_facts([{}], [{}, {}])) == ["s1", "s2"]


def test_check_names_what_is_missing() -> None:
    facts = make_facts([{"needs": "robot;ga;ld"}], SESSIONS, sites=ALPHA)
    (violation,) = NeedsMet().check(facts, Allocation.of([Placement("e1", "s1")]))
    assert violation.message == "needs ld, robot, which neither the site nor s1 provides"


def test_reason_shows_the_session_that_lacks_least() -> None:
    facts = make_facts([{"needs": "interpreter:bsl;sub:hand;robot"}], SESSIONS, sites=ALPHA)
    assert NeedsMet().reason(facts, "e1") == (
        "All 3 sessions of this service lack something this patient needs: "
        "the nearest match, s1, lacks robot (missing at 3)."
    )
