"""Rows that are taken as one where like sessions are: those that options use in turn, not those that all use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocator.certificate import UNPRICED, goal_rows
from allocator.formulation import Block, Model
from allocator.instance import Ints
from allocator.solve.coarse import blocks_of_live, by_column, coarse_terms, columns_of_kinds, like_rows
from allocator.solve.construct import own_gains
from allocator.solve.pricing import Pricing
from allocator.solve.window import live_rows, terms_of
from tests.models_of_arrays import RowList, model_of

PEOPLE, LISTS = 3, 4
"""People 0 and 1 of one trust, 2 of another; lists 0 to 3 are alike, one a day, at a host, and suit everybody."""
ONE_PLACE, MINUTES, NIGHTS, FLOWS = (slice(0, 3), slice(3, 7), slice(7, 12), slice(12, 15))
SENT_BY_FIRST, SENT_BY_SECOND, TAKEN = 12, 13, 14


def ward() -> Model:
    """Rows: one place each, 100 minutes of each list, two nights' beds from the day on, two senders and one host."""
    pairs = [(person, number) for person in range(PEOPLE) for number in range(LISTS)]
    found = RowList()
    for person in range(PEOPLE):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == person], upper=1)
    for number in range(LISTS):
        found.add([(option, 60) for option, (_, at) in enumerate(pairs) if at == number], upper=100)
    for night in range(LISTS + 1):
        found.add([(option, 1) for option, (_, at) in enumerate(pairs) if night - 1 <= at <= night], upper=1)
    found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of < 2], upper=1)
    found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == 2], upper=1)
    found.add([(option, 1) for option in range(len(pairs))], upper=2)
    rows = found.rows(len(pairs))
    model = model_of(pairs, LISTS, rows, [[5] * len(pairs)], n_one_place=PEOPLE)
    labels = [(UNPRICED, ONE_PLACE), ("minutes", MINUTES), ("nights", NIGHTS), ("flows", FLOWS)]
    blocks = tuple(Block(label, part.start, part.stop) for label, part in labels)
    return replace(model, blocks=blocks, alike=np.zeros(LISTS, dtype=np.int64))


def pricing_of(model: Model) -> Pricing:
    return Pricing(model, own_gains(model, 0), goal_rows(model, ()))


def coarse_row(model: Model) -> Ints:
    """(n_rows,) the number of the coarse row of each, -1 where a row has no price."""
    pricing = pricing_of(model)
    fine = terms_of(pricing, np.arange(len(pricing.option)))
    columns = by_column(*columns_of_kinds(pricing.entry_start, model.alike[model.session[pricing.option]]))
    found = np.full(model.n_rows, -1)
    found[live_rows(pricing)] = like_rows(fine, columns, blocks_of_live(pricing))
    return found


def test_rows_that_options_use_in_turn_are_one() -> None:
    row = coarse_row(ward())
    assert len(set(row[MINUTES])) == 1
    assert len(set(row[NIGHTS])) == 1
    assert row[MINUTES][0] != row[NIGHTS][0]


def test_rows_that_every_option_of_a_person_uses_stay_by_themselves() -> None:
    # Who sends somebody and who takes them count the same placement: with their room together nobody would be held.
    row = coarse_row(ward())
    assert len({row[SENT_BY_FIRST], row[SENT_BY_SECOND], row[TAKEN]}) == 3


def test_a_coarse_row_has_the_room_of_the_rows_that_it_stands_for() -> None:
    terms = coarse_terms(pricing_of(ward()))
    assert terms is not None
    row = coarse_row(ward())
    assert terms.upper[row[SENT_BY_FIRST]] == 1
    assert terms.upper[row[TAKEN]] == 2
    assert terms.upper[row[MINUTES][0]] == 4 * 100
    assert terms.upper[row[NIGHTS][0]] == 5
