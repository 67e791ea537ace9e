"""Why an entry is where it is, and the runner-up."""

from __future__ import annotations

from allocator.solve.loader import complete, merit
from allocator.why.placed import placed
from tests.build import make_facts
from tests.rules.placing import booked
from tests.solve.tiny import random_cases
from tests.why.cases import enumerated, planned


def test_runner_up_that_is_free_is_worse_on_the_first_goal_that_differs() -> None:
    tiny = enumerated(make_facts([{}], [{"date": "2026-03-10"}, {"date": "2026-03-20"}]))
    assert tiny is not None
    found = placed(planned(tiny), "e1")
    assert (found.session_id, found.runner_up, found.free, found.limits) == ("s1", "s2", True, ())
    assert found.worse is not None
    goal, worse, _ = found.worse
    assert goal == "weeks_of_waiting"
    assert worse > 0


def test_booked_place_is_kept_and_an_only_option_has_no_runner_up() -> None:
    tiny = enumerated(make_facts([{}, {}], [{}], commitments=[booked("e1", "s1")]))
    assert tiny is not None
    case = planned(tiny)
    assert placed(case, "e1").sentences() == ["It is booked in s1; such a place is kept, whatever else is planned."]
    assert placed(case, "e2").sentences()[-1] == "No other session was open to it."


def test_runner_up_is_the_best_of_the_free_options_and_the_plan_is_left_as_it_was() -> None:
    free = 0
    for case in [planned(case) for case in random_cases(0, 30) if len(case.plans)]:
        model = case.formulation
        before = case.loader.chosen.copy()
        for place in case.allocation.placements:
            if place.is_fixed:
                continue
            found = placed(case, place.entry_id)
            assert (case.loader.chosen == before).all()
            if found.free:
                moved = before.copy()
                mine = case.options_of(place.entry_id)
                moved[mine] = case.session_ids[model.session[mine]] == found.runner_up
                after, ours = merit(model, complete(model, moved)), merit(model, complete(model, before))
                assert after <= ours, "the plan is the best there is"
                free += 1
    assert free > 3
