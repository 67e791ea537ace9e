"""Pieces of a plan: what is free in them, apart from each other, and what solving them brings."""

from __future__ import annotations

import numpy as np
import pytest

from allocator.backends.process import Worker
from allocator.formulation import Model
from allocator.instance import Bools
from allocator.solve import pieces as pieces_module
from allocator.solve import sweep
from allocator.solve.construct import construct, own_gains
from allocator.solve.loader import complete, feasible
from allocator.solve.pace import Pace
from allocator.solve.pieces import Pieces
from allocator.solve.plan import Plan
from allocator.solve.sweep import and_the_others, keeping, scale_of, sweep_concerned
from tests.solve.towns import city

PIECE = 60
NOBODY = np.zeros(0, dtype=np.int64)


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A greedy plan of a city, in which nothing that hangs together is a piece."""
    monkeypatch.setattr(pieces_module, "PIECE", PIECE)
    model = city()[2]
    return Plan(model, complete(model, construct(model)), [])


def nothing(model: Model) -> np.ndarray:
    return np.zeros(model.n_rows)


def placed_in(model: Model, chosen: Bools) -> np.ndarray:
    """(n_entries,) session of each entry, -1 without a place."""
    where = np.full(model.n_entries, -1)
    where[model.entry[chosen]] = model.session[chosen]
    return where


def test_free_in_a_piece_are_those_with_a_place_in_it_or_none(plan: Plan) -> None:
    model, found = plan.model, Pieces(plan, [], nothing(plan.model), 0)
    where = placed_in(model, plan.chosen)
    for _ in range(20):
        free = found.drawn(NOBODY)
        inside = np.unique(model.session[free])
        assert len(free)
        assert not model.fixed[free].any()
        assert np.isin(where[model.entry[free]], [-1, *inside]).all()
        # Whoever has a place there is free to lose it.
        here = plan.chosen & np.isin(model.session, inside) & ~model.fixed
        assert np.isin(np.flatnonzero(here), free).all()
        assert len(free) <= PIECE or len(inside) == 1


def test_pieces_side_by_side_share_no_session_and_no_entry(plan: Plan) -> None:
    model, found = plan.model, Pieces(plan, [], nothing(plan.model), 1)
    for _ in range(20):
        busy = found.drawn(NOBODY)
        free = found.drawn(busy)
        assert len(free)
        assert not np.isin(model.session[free], model.session[busy]).any()
        assert not np.isin(model.entry[free], model.entry[busy]).any()


def test_a_small_part_is_one_piece_and_is_not_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    model = city()[2]
    plan = Plan(model, complete(model, model.fixed.copy()), [])
    monkeypatch.setattr(pieces_module, "PIECE", model.n_options)
    found = Pieces(plan, [], nothing(model), 0)
    parts = list(found.whole())
    assert parts
    together = np.concatenate(parts)
    assert len(np.unique(together)) == len(together)
    assert len(found.drawn(NOBODY)) == 0
    monkeypatch.setattr(pieces_module, "PIECE", 0)
    assert not list(Pieces(plan, [], nothing(model), 0).whole())


def test_losses_at_zero_prices_are_what_sessions_lack_of_their_best(plan: Plan) -> None:
    """At prices of nothing a session that has its best pattern lost nothing but what all are given."""
    model, found = plan.model, Pieces(plan, [], nothing(plan.model), 0)
    empty = found.losses(np.zeros(model.n_options, dtype=bool))
    full = found.losses(plan.chosen)
    assert (full >= 0).all()
    assert full.sum() < empty.sum()


def test_a_goal_piece_by_piece_gains_and_keeps_every_row(plan: Plan) -> None:
    model = plan.model
    before = model.goals[0].value(plan.columns)
    with Worker() as worker:
        sweep_concerned(plan, [], nothing(model), Pace(60, 12), 0, [worker])
    assert feasible(model, plan.columns)
    assert sign(model) * model.goals[0].value(plan.columns) > sign(model) * before


def sign(model: Model) -> int:
    return 1 if model.goals[0].sense == "max" else -1


def test_a_place_kept_weighs_less_than_the_goal_and_more_than_nothing(plan: Plan) -> None:
    model, scale = plan.model, scale_of(plan.model, 0)
    costs = keeping(model, 0, scale, plan.chosen)
    has_place = placed_in(model, plan.chosen)[model.entry] >= 0
    own = -scale * own_gains(model, 0)
    assert np.array_equal(costs[: model.n_options], own[: model.n_options] - has_place)
    assert np.array_equal(costs[model.n_options :], own[model.n_options :])
    gains = np.abs(own_gains(model, 0))
    assert scale == max(1, round(sweep.KEPT / gains[gains > 0].mean()))


def test_those_left_out_are_placed_again_where_they_were_first(plan: Plan) -> None:
    model, before = plan.model, plan.chosen
    taken_out = before & (model.session % 2 == 0) & ~model.fixed
    after = and_the_others(model, before & ~taken_out, before)
    assert np.array_equal(after[: model.n_options].astype(bool) & before, before)
