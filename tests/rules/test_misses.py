"""What a screen says of a pair that it removes, and the change that would let the pair through, on random instances."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from allocator.allocation import Allocation, Placement
from allocator.change import KINDS, changed
from allocator.options import Facts
from models.rules.dates import Dates
from models.rules.max_travel import MaxTravel
from tests.build import make_facts
from tests.rules.agreement import all_pairs, named_pairs
from tests.rules.boundary import tiny_facts
from tests.rules.test_screens_agree import EXAMPLES, SCREENS


def test_change_of_a_miss_lets_the_pair_through_by_the_screen_and_by_its_check() -> None:
    seen = Counter[str]()

    @EXAMPLES
    @given(tiny_facts())
    def compare(facts: Facts) -> None:
        pairs = all_pairs(facts)
        for screen in SCREENS:
            missed = pairs.take(~screen.keep(pairs))
            for entry_id, session_id in named_pairs(missed):
                miss = screen.miss(facts, entry_id, session_id)
                assert miss.words
                assert "nan" not in miss.words.lower()
                if miss.change is None:
                    continue
                assert miss.change.kind in KINDS
                after = Facts(changed(facts.instance, miss.change))
                (row,) = [k for k, pair in enumerate(named_pairs(all_pairs(after))) if pair == (entry_id, session_id)]
                assert screen.keep(all_pairs(after))[row], (screen.name, miss)
                assert screen.check(after, Allocation.of([Placement(entry_id, session_id)])) == [], (screen.name, miss)
                seen[screen.name] += 1

    compare()
    assert {name for name, number in seen.items() if number >= 5} >= {
        "max_travel",
        "dates",
        "consent",
        "site_accepts",
        "session_accepts",
        "needs_met",
        "not_declined",
    }


def test_travel_is_missed_by_minutes_and_mended_by_exactly_as_many() -> None:
    facts = make_facts([{"max_travel_minutes": 25}], [{"site_code": "RBB01"}])
    miss = MaxTravel().miss(facts, "e1", "s1")
    assert (miss.words, miss.figure) == ("{} minutes away; the limit is 25", 30)
    assert miss.change is not None
    assert (miss.change.kind, miss.change.size) == ("travel", 5)
    capped = MaxTravel(hard_cap_minutes=29).miss(facts, "e1", "s1")
    assert capped.change is None, "nobody accepts more than the hard cap"


def test_two_reasons_against_a_day_are_no_single_change() -> None:
    day = {"date": "2026-02-10"}
    one = Dates().miss(make_facts([{"earliest_date": "2026-02-01"}], [day]), "e1", "s1")
    assert (one.words, one.figure) == ("{} days too soon for 14 days' notice from 2026-02-02", 6)
    assert one.change is not None
    assert one.change.size == 6
    both = Dates().miss(make_facts([{"earliest_date": "2026-02-12"}], [day]), "e1", "s1")
    assert both.change is None
    assert "before the patient is free (2026-02-12)" in both.words
