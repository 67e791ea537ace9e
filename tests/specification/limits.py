"""Limits, as the policy says them: constraints over x[e, s] and opened[s]. One function a rule.

What is fixed is never thrown out: `at_most` and `at_least` give way as far as the fixed places alone need.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Any

import pulp

from allocator.errors import ContradictionError
from tests.specification.reading import Case, Pair, Row

DAY = dt.timedelta(days=1)


@dataclass
class Model:
    """x[e, s] is 1 where entry e is placed in session s; opened[s] for sessions with a minimum or a cost."""

    case: Case
    problem: pulp.LpProblem
    x: dict[Pair, pulp.LpVariable] = field(default_factory=dict)
    opened: dict[str, pulp.LpVariable] = field(default_factory=dict)

    def of_entry(self, e: str) -> list[Pair]:
        return [pair for pair in self.x if pair[0] == e]

    def of_session(self, s: str) -> list[Pair]:
        return [pair for pair in self.x if pair[1] == s]

    def new(self) -> list[Pair]:
        """The pairs that are not fixed."""
        return [pair for pair in self.x if pair not in self.case.fixed]

    def placed(self, pairs: list[Pair]) -> pulp.LpAffineExpression:
        """How many of the pairs are chosen."""
        return pulp.lpSum(self.x[pair] for pair in pairs)

    def room(self, s: str, most: int) -> Any:
        """`most`, once the session is open."""
        return most * self.opened[s] if s in self.opened else most


def at_most(model: Model, total: Any, limit: int) -> None:
    """total <= limit, or what is fixed where that alone is more."""
    settled = sum(coefficient * variable.lowBound for variable, coefficient in total.items())
    touched = any(coefficient and variable.lowBound for variable, coefficient in total.items())
    limit = round(limit - total.constant)
    if len(total):
        model.problem += total - total.constant <= (max(limit, round(settled)) if touched else limit)
    elif limit < 0:
        raise ContradictionError("a limit below 0 on nobody")


def at_least(model: Model, total: Any, limit: int) -> None:
    """total >= limit, or what is fixed where that alone is less."""
    at_most(model, -total, -limit)


def one_place(model: Model, rule: Any) -> None:
    """Nobody has two places for the same procedure or test."""
    for e in model.case.entries:
        at_most(model, model.placed(model.of_entry(e)), 1)


def one_place_at_a_time(model: Model, rule: Any) -> None:
    """Two entries of one person: the second begins max(1, gap) days after the first has left, or later.

    With a gap of 0 two day cases at one site on one day are one visit.
    """
    entries, sessions = model.case.entries, model.case.sessions
    people = defaultdict(list)
    for e, s in model.x:
        people[entries[e]["patient_id"]].append((e, s))
    for pairs in people.values():
        for one, other in combinations(pairs, 2):
            if one[0] == other[0]:
                continue
            first, second = sorted((one, other), key=lambda pair: sessions[pair[1]]["date"])
            leaves = sessions[first[1]]["date"] + nights(rule, entries[first[0]]) * DAY
            gap = (sessions[second[1]]["date"] - leaves).days
            same_day = sessions[first[1]]["date"] == sessions[second[1]]["date"]
            same_site = sessions[first[1]]["site_code"] == sessions[second[1]]["site_code"]
            nobody_stays = nights(rule, entries[first[0]]) == nights(rule, entries[second[0]]) == 0
            one_visit = rule.min_gap_days == 0 and same_day and same_site and nobody_stays
            if gap < max(1, rule.min_gap_days) and not one_visit:
                at_most(model, model.x[one] + model.x[other], 1)


def session_minutes(model: Model, rule: Any) -> None:
    """Cases, a margin and turnarounds fit the utilised minutes; no turnaround follows the last case."""
    for s, session in model.case.sessions.items():
        theatre = session["care_kind"] == "theatre"
        share = Fraction(str(rule.theatre_utilisation if theatre else rule.diagnostic_utilisation))
        room = math.floor(share * session["minutes"]) + session["turnaround_minutes"]
        used = []
        for e, _ in model.of_session(s):
            expected, sd = model.case.entries[e]["expected_minutes"], model.case.entries[e]["minutes_sd"]
            sd = rule.unknown_sd_share * expected if sd is None else sd
            margin = math.ceil(round(rule.safety_sds * sd, 9))
            used.append((expected + margin + session["turnaround_minutes"]) * model.x[e, s])
        if used:
            at_most(model, pulp.lpSum(used) - model.room(s, room), 0)


def session_cases(model: Model, rule: Any) -> None:
    """At most max_cases, the host's own included."""
    for s, session in model.case.sessions.items():
        if session["max_cases"] is not None and model.of_session(s):
            room = max(0, int(session["max_cases"]) - session["host_cases"])
            at_most(model, model.placed(model.of_session(s)) - model.room(s, room), 0)


def session_opening(model: Model, rule: Any) -> None:
    """At least min_cases, the host's own included, or nobody. Who is placed opens the session."""
    for s, is_open in model.opened.items():
        session, placed = model.case.sessions[s], model.placed(model.of_session(s))
        at_most(model, placed - len(model.of_session(s)) * is_open, 0)
        missing = session["min_cases"] - session["host_cases"]
        if missing > 0:
            at_least(model, placed - missing * is_open, 0)


def overnight_beds(model: Model, rule: Any) -> None:
    """Every night of every stay has a spare bed of its kind; no figure means none."""
    sleepers = defaultdict(list)
    for e, s in model.x:
        for night in nights_away(model.case, rule, e, s):
            sleepers[night].append((e, s))
    for night, pairs in sleepers.items():
        at_most(model, model.placed(pairs), model.case.beds.get(night, 0))


def provider_flow(model: Model, rule: Any) -> None:
    """No provider sends or receives more people than agreed; no figure is no cap."""
    away = [pair for pair in model.x if not model.case.at_home(*pair)]
    for provider in model.case.organisations:
        code = provider["provider_code"]
        sent = [(e, s) for e, s in away if model.case.entries[e]["home_provider"] == code]
        received = [(e, s) for e, s in away if model.case.sessions[s]["host"] == code]
        for pairs, cap in ((sent, provider["max_outgoing"]), (received, provider["max_incoming"])):
            if cap is not None:
                at_most(model, model.placed(pairs), int(cap))


def independent_spend(model: Model, rule: Any) -> None:
    """Prices and openings at independent providers within the budget, in pence."""
    if rule.budget_gbp is None:
        return
    case = model.case
    spent = [price(case, rule, e, s) * model.x[e, s] for e, s in model.x if case.bought(e, s)]
    for s, is_open in model.opened.items():
        if case.sessions[s]["independent"]:
            spent.append(pence(case.sessions[s]["opening_cost_gbp"]) * is_open)
    at_most(model, pulp.lpSum(spent), pence(rule.budget_gbp))
    openings_are_paid(model)


def test_before_treatment(model: Model, rule: Any) -> None:
    """Who waits for a test is placed once its result is there: done, or placed early enough."""
    entries, sessions = model.case.entries, model.case.sessions
    for e, s in model.x:
        test, done = entries[e]["requires_entry_id"], entries[e]["required_done_on"]
        if not test or (done is not None and sessions[s]["date"] >= done):
            continue
        if done is None and test in model.case.treated:
            continue
        in_time = [
            (r, t)
            for r, t in model.of_entry(test)
            if sessions[t]["date"] + sessions[t]["result_days"] * DAY <= sessions[s]["date"]
        ]
        at_most(model, model.x[e, s] - model.placed(in_time if done is None else []), 0)


test_before_treatment.__test__ = False  # type: ignore[attr-defined]  # the rule's name, not a test


def commitments(model: Model, rule: Any) -> None:
    """What is offered or booked stays: x of a fixed place is 1 (its lower bound says so already)."""
    for pair in sorted(model.case.fixed):
        model.problem += model.x[pair] >= 1


def overrides(model: Model, rule: Any) -> None:
    """The latest pin or veto of an entry for a session, a site, or any place, is kept; of one moment both."""
    places = [(row["entry_id"], row["session_id"], row["site_code"]) for row in model.case.overrides]
    moments = [row["recorded_on"] for row in model.case.overrides]
    last = dict(zip(places, moments, strict=True))
    actions = [row["action"] for row in model.case.overrides]
    for (e, session_id, site_code), moment, action in zip(places, moments, actions, strict=True):
        if moment != last[e, session_id, site_code]:
            continue
        if e not in model.case.entries or e in model.case.treated:
            continue
        meant = [
            (e, s)
            for _, s in model.of_entry(e)
            if (s == session_id if session_id else site_code in ("", model.case.sessions[s]["site_code"]))
        ]
        if action == "must":
            at_least(model, model.placed(meant), 1)
        else:
            at_most(model, model.placed(meant), 0)


def group_equity(model: Model, rule: Any) -> None:
    """Each group has its share of the new places, rounded down, less the tolerance."""
    for group, everybody in equity_groups(model, rule):
        floor_on_share(model, rule, group, everybody)


def independent_access(model: Model, rule: Any) -> None:
    """Within each service, each home trust has its share of the new independent places."""
    for group, everybody in access_groups(model, rule):
        floor_on_share(model, rule, group, everybody)


def equal_rates(model: Model, rule: Any) -> None:
    """Of each group about the same share is placed as of everybody, or of everybody in its region."""
    for column, tolerance in zip(rule.group_columns, rule.tolerances, strict=True):
        everybody, groups = defaultdict(list), defaultdict(list)
        for e, s in model.new():
            row = model.case.entries[e]
            region = row[rule.within] or None if rule.within else None
            everybody[region].append((e, s))
            groups[region, row[column] or None].append((e, s))
        for (region, _), pairs in groups.items():
            n, N = people(pairs), people(everybody[region])
            # abs(placed in the group - n / N x placed in all) <= tolerance x max(n, smallest), times N
            above = N * model.placed(pairs) - n * model.placed(everybody[region])
            most = math.floor(Fraction(str(tolerance)) * max(n, rule.smallest) * N)
            at_most(model, above, most)
            at_least(model, above, -most)


LIMITS = {
    "one_place": one_place,
    "one_place_at_a_time": one_place_at_a_time,
    "session_minutes": session_minutes,
    "session_cases": session_cases,
    "session_opening": session_opening,
    "overnight_beds": overnight_beds,
    "provider_flow": provider_flow,
    "independent_spend": independent_spend,
    "test_before_treatment": test_before_treatment,
    "commitments": commitments,
    "overrides": overrides,
    "group_equity": group_equity,
    "independent_access": independent_access,
    "equal_rates": equal_rates,
}


def nights(rule: Any, row: Row) -> int:
    """Nights of a stay; unknown is the policy's figure for theatre and none for a test."""
    unknown = rule.unknown_stays_theatre if row["care_kind"] == "theatre" else 0
    return int(unknown if row["overnight_stays"] is None else row["overnight_stays"])


def nights_away(case: Case, rule: Any, e: str, s: str) -> list[tuple[str, dt.date, str]]:
    """(site, night, kind of bed) of every night of one placement."""
    kind = "hdu" if case.entries[e]["needs_hdu"] else "ward"
    first = case.sessions[s]["date"]
    return [(case.sessions[s]["site_code"], first + n * DAY, kind) for n in range(nights(rule, case.entries[e]))]


def pence(gbp: float) -> int:
    """Whole pence."""
    return round(gbp * 100)


def price(case: Case, rule: Any, e: str, s: str) -> int:
    """Pence of a place: the session's price, else the entry's tariff, else the policy's."""
    prices = (case.sessions[s]["case_price_gbp"], case.entries[e]["tariff_gbp"], rule.default_case_gbp)
    return pence(next(gbp for gbp in prices if gbp is not None))


def openings_are_paid(model: Model) -> None:
    """Nobody is placed in a session before it is opened."""
    for s, is_open in model.opened.items():
        for pair in model.of_session(s):
            at_most(model, model.x[pair] - is_open, 0)


def equity_groups(model: Model, rule: Any) -> list[tuple[list[Pair], list[Pair]]]:
    """(new pairs of one group, new pairs of everybody), for every group large enough."""
    groups = defaultdict(list)
    for e, s in model.new():
        groups[model.case.entries[e][rule.group_column] or None].append((e, s))
    return [(pairs, model.new()) for pairs in groups.values() if people(pairs) >= rule.min_size]


def access_groups(model: Model, rule: Any) -> list[tuple[list[Pair], list[Pair]]]:
    """(new independent pairs of one trust in one service, those of the service)."""
    services, trusts = defaultdict(list), defaultdict(list)
    for e, s in model.new():
        if model.case.bought(e, s):
            row = model.case.entries[e]
            service = (row["care_kind"], row["service_code"])
            services[service].append((e, s))
            trusts[service, row["home_provider"]].append((e, s))
    return [(pairs, services[key[0]]) for key, pairs in trusts.items() if people(pairs) >= rule.min_size]


def people(pairs: list[Pair]) -> int:
    """How many entries there are among the pairs: those who have an option."""
    return len({e for e, _ in pairs})


def floor_on_share(model: Model, rule: Any, group: list[Pair], everybody: list[Pair], short: Any = 0) -> None:
    """placed in the group + short >= floor(share x placed in all), with share = a / b, in whole numbers:

    placed + short >= floor(a P / b)  <=>  b (placed + short) - a P >= 1 - b.
    """
    share = (1 - Fraction(str(rule.equity_tolerance))) * Fraction(people(group), people(everybody))
    a, b = share.numerator, share.denominator
    at_least(model, b * (model.placed(group) + short) - a * model.placed(everybody), 1 - b)
