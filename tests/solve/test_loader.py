"""The loader against the rows themselves, on every set of random tiny instances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from allocator.instance import Bools, Ints
from allocator.solve.loader import Loader, complete, feasible
from allocator.solve.obstacles import barriers
from tests.contract.harness import auxiliary_ranges
from tests.models_of_arrays import random_model
from tests.solve.tiny import Case, random_cases

BOTH = pytest.mark.parametrize("daily", [True, False], ids=["daily", "every rule"])


def newly_broken(case: Case, before: Bools, option: int) -> set[int]:
    """Rows without auxiliaries that a plan with one option more breaks, or breaks worse than without."""
    formulation = case.formulation
    rows = formulation.rows
    after = before.copy()
    after[option] = True
    old, new = (rows.matrix @ complete(formulation, chosen) for chosen in (before, after))
    broken = ((new > rows.upper) & (new > old)) | ((new < rows.lower) & (new < old))
    n_others = len(before) + len(formulation.columns.opening_session)
    broken[np.diff(rows.matrix[:, n_others:].tocsr().indptr) > 0] = False
    return set(np.flatnonzero(broken).tolist())


def is_minimum(case: Case) -> Bools:
    """(n_rows,) rows that ask for enough cases in an open session."""
    return np.array([key.endswith("has enough cases") for key in case.formulation.rows.keys], dtype=bool)


def loaded(case: Case, chosen: Bools) -> Loader:
    """A loader with a set in it, feasible or not."""
    loader = Loader(case.formulation)
    for option in np.flatnonzero(chosen & ~case.formulation.options.fixed):
        loader.add(int(option))
    return loader


def partial_plans(case: Case, random: np.random.Generator) -> list[Loader]:
    """Plans on the way, each option added where the loader let it: short sessions are among them."""
    loader, found = Loader(case.formulation), []
    for option in random.permutation(loader.n_options):
        found.append(loaded(case, loader.chosen))
        if not loader.chosen[option] and loader.can_add(int(option)):
            loader.add(int(option))
    return [*found, loader]


@BOTH
def test_addable_and_obstacles_are_what_the_rows_say(daily: bool) -> None:
    seen: dict[str, int] = {"addable": 0, "row": 0, "opening": 0, "minimum": 0}
    for number, case in enumerate(random_cases(0, 16, daily=daily)):
        minimum = is_minimum(case)
        for loader in partial_plans(case, np.random.default_rng(number)):
            n = loader.n_options
            addable = loader.addable(0, n)
            position, row = loader.obstacles(0, n)
            for option in np.flatnonzero(~loader.chosen):
                broken = newly_broken(case, loader.chosen, int(option))
                assert set(row[position == option].tolist()) == broken
                hard = {found for found in broken if not minimum[found]}
                assert addable[option] == (not hard)
                assert loader.can_add(int(option)) == (not hard)
                seen["addable"] += not broken
                seen["row"] += bool(hard)
                seen["minimum"] += bool(broken - hard)
            assert not addable[loader.chosen].any()
    assert min(seen["addable"], seen["row"], seen["minimum"]) > 20


@BOTH
def test_barriers_are_the_rules_of_all_obstacles(daily: bool) -> None:
    seen = 0
    for number, case in enumerate(random_cases(0, 16, daily=daily)):
        blocks = case.formulation.blocks
        rule = np.repeat(np.arange(len(blocks)), [block.stop - block.start for block in blocks])
        for loader in partial_plans(case, np.random.default_rng(number)):
            position, row = loader.obstacles(0, loader.n_options)
            wanted = np.zeros(loader.n_options, dtype=np.int64)
            np.bitwise_or.at(wanted, position, 1 << rule[row])
            assert np.array_equal(barriers(loader, rule), wanted)
            seen += int((wanted > 0).sum())
    assert seen > 100


def test_a_column_has_in_a_row_what_it_has_there_by_itself_and_in_groups() -> None:
    for seed in range(40):
        model = random_model(np.random.default_rng(seed))
        column = Loader(model).by_column
        found = sparse.csc_array((column.coefficient, column.row, column.start), shape=model.rows.matrix.shape)
        assert np.array_equal(found.toarray(), model.rows.matrix.toarray())
        assert found.has_sorted_indices


@BOTH
def test_adding_and_removing_leaves_everything_as_it_was(daily: bool) -> None:
    for number, case in enumerate(random_cases(0, 16, daily=daily)):
        random = np.random.default_rng(number)
        for loader in partial_plans(case, random):
            before = (loader.activity.copy(), loader.chosen.copy(), loader.short_sessions())
            added = random.permutation(np.flatnonzero(~loader.chosen))[:3]
            for option in added:
                loader.add(int(option))
            for option in random.permutation(added):
                loader.remove(int(option))
            assert np.array_equal(loader.activity, before[0])
            assert np.array_equal(loader.chosen, before[1])
            assert loader.short_sessions() == before[2]


@BOTH
def test_the_order_in_which_options_were_added_does_not_matter(daily: bool) -> None:
    for number, case in enumerate(random_cases(0, 16, daily=daily)):
        random = np.random.default_rng(number)
        chosen = case.sets[random.integers(len(case.sets))]
        first, second = Loader(case.formulation), Loader(case.formulation)
        free = np.flatnonzero(chosen & ~case.formulation.options.fixed)
        for loader, order in ((first, free), (second, random.permutation(free))):
            for option in order:
                loader.add(int(option))
        assert np.array_equal(first.activity, second.activity)


def test_short_sessions_are_those_open_with_too_few_cases() -> None:
    found = 0
    for case in random_cases(0, 16):
        rows, minimum = case.formulation.rows, is_minimum(case)
        names = case.facts.instance.column("sessions", "session_id")
        for chosen in case.sets[:: max(1, len(case.sets) // 50)]:
            activity = rows.matrix @ complete(case.formulation, chosen)
            short = {rows.keys[row].split()[0] for row in np.flatnonzero(minimum & (activity < rows.lower))}
            assert {names[row] for row in loaded(case, chosen).short_sessions()} == short
            found += bool(short)
    assert found > 20


def test_opening_that_costs_money_is_charged_once() -> None:
    """A cap of 1,500 pounds: two cases of 700 in a session that costs 100 to open fit, exactly."""
    charged = [case for case in random_cases(0, 16, daily=False) if _charges(case)]
    assert len(charged) >= 3
    for case in charged:
        for chosen in case.sets[:: max(1, len(case.sets) // 30)]:
            rows = _charges(case)
            wanted = case.formulation.rows.matrix @ complete(case.formulation, chosen)
            assert np.array_equal(loaded(case, chosen).activity[rows], wanted[rows])


def _charges(case: Case) -> list[int]:
    first = len(case.formulation.options)
    openings = case.formulation.rows.matrix[:, first : first + len(case.formulation.columns.opening_session)]
    return sorted(set(openings.maximum(0).tocoo().row.tolist()))


@BOTH
def test_complete_is_feasible_where_any_completion_is(daily: bool) -> None:
    allowed = forbidden = 0
    for case in random_cases(0, 16, daily=daily):
        some = slice(None, None, max(1, len(case.sets) // 300))
        found = np.array([feasible(case.formulation, complete(case.formulation, chosen)) for chosen in case.sets[some]])
        assert np.array_equal(found, case.allowed[some])
        allowed, forbidden = allowed + int(found.sum()), forbidden + int((~found).sum())
    assert min(allowed, forbidden) > 20


def test_complete_gives_every_auxiliary_the_least_that_its_rows_allow() -> None:
    above_zero = 0
    for case in random_cases(0, 16):
        formulation = case.formulation
        n_options = len(formulation.options)
        n_others = n_options + len(formulation.columns.opening_session)
        for plan in case.plans:
            chosen, opened = plan[None, :n_options].astype(bool), plan[n_options:n_others]
            least, _ = auxiliary_ranges(formulation, chosen, opened)
            assert np.array_equal(plan[n_others:], least[0])
            above_zero += int((plan[n_others:] > 0).any())
    assert above_zero > 50


def test_complete_opens_exactly_the_sessions_in_use() -> None:
    opened = 0
    for case in random_cases(0, 16):
        columns = case.formulation.columns
        n_options = len(columns.options)
        for plan in case.plans:
            used = set(columns.options.session[plan[:n_options].astype(bool)].tolist())
            openings: Ints = plan[n_options : n_options + len(columns.opening_session)]
            assert openings.tolist() == [int(session in used) for session in columns.opening_session.tolist()]
            opened += int(openings.sum())
    assert opened > 10
