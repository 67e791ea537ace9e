"""The change that a limit offers for a pair that it keeps out lets the pair in, by the limit's own check."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.change import changed
from allocator.options import Facts
from allocator.rule import Limit
from models.daily import DAILY
from models.rules.overnight_beds import OvernightBeds
from models.rules.provider_flow import ProviderFlow
from tests.build import ORGANISATIONS, make_facts
from tests.contract.shapes import draw_facts
from tests.why.cases import SHAPE, greedy

CROWDED = replace(
    SHAPE,
    patients={**SHAPE.patients, "overnight_stays": (0, 0, 1, 2)},
    organisations={"max_outgoing": (None, 0, 1), "max_incoming": (None, 0, 1)},
    bookings=True,
)


def test_relief_lets_the_pair_in_and_is_offered_only_where_the_limit_is_in_the_way() -> None:
    offered, in_part = Counter[str](), Counter[str]()
    for seed in range(40):
        case = greedy(draw_facts(CROWDED, np.random.default_rng(seed)))
        pairs = [(entry_id, str(s)) for entry_id in case.unplaced() for s in case.session_ids]
        for limit in DAILY.limits:
            reliefs = limit.relief(case.facts, case.allocation, pairs)
            assert set(reliefs) <= set(pairs)
            for pair in pairs:
                plan = Allocation.of([*case.allocation.placements, Placement(*pair)], case.allocation.with_option)
                broken = bool(limit.check(case.facts, plan))
                if pair in reliefs:
                    assert broken, (limit.name, pair)
                    after = Facts(changed(case.facts.instance, reliefs[pair]))
                    assert limit.check(after, plan) == [], (limit.name, pair, reliefs[pair])
                    offered[limit.name] += 1
                    for part in limit.partial_relief(case.facts, case.allocation, pair):
                        in_part[limit.name] += 1
                        assert part.size == len(part.edits) < reliefs[pair].size
                        assert all(edit in reliefs[pair].edits for edit in part.edits)
                        assert limit.check(Facts(changed(case.facts.instance, part)), plan), "somebody has to make room"
                else:
                    assert not limit.partial_relief(case.facts, case.allocation, pair)
    assert set(offered) == {"overnight_beds", "provider_flow"}
    assert min(offered.values()) >= 5
    assert set(in_part) == set(offered)


def relief_words(limit: Limit, facts: Facts) -> str:
    (change,) = limit.relief(facts, Allocation.of([]), [("e1", "s1")]).values()
    return f"{change.kind} {change.size:g}: {change.words}"


def test_words_say_how_many_beds_and_who_sends() -> None:
    stay = make_facts([{"overnight_stays": 2, "needs_hdu": True}], [{"site_code": "RBB01"}])
    assert relief_words(OvernightBeds(), stay) == "bed 2: Beta General had one more hdu bed on 2 nights from 2026-03-10"
    between = [{"site_code": "RBB01", "night": "2026-03-11", "bed_kind": "hdu", "spare_beds": 1}]
    longer = make_facts([{"overnight_stays": 3, "needs_hdu": True}], [{"site_code": "RBB01"}], beds=between)
    assert relief_words(OvernightBeds(), longer) == (
        "bed 2: Beta General had one more hdu bed on the nights of 2026-03-10 and 2026-03-12"
    )
    organisations = [{**ORGANISATIONS[0], "max_outgoing": 0}, *ORGANISATIONS[1:]]
    sent = make_facts([{}], [{"site_code": "RBB01"}], organisations=organisations)
    assert relief_words(ProviderFlow(), sent) == "flow 1: one more person could be sent by RAA"
