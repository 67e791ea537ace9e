"""What could be loosened: every parameter of every rule by one step, every rule taken out, more lists, more beds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
from pydantic import ValidationError

from allocator.instance import Instance
from allocator.lab.changes import AddedBeds, AddedLists, Changes
from allocator.lab.price_tags import Relaxation
from allocator.options import Facts
from allocator.policy import INDISPENSABLE, Policy
from allocator.rule import Limit, Screen

STEPS = {"minutes": 5, "share": 0.05}
"""One step of a parameter by its unit; 1 for other whole numbers, a tenth for other fractions."""
LIST_MINUTES = 240


def of_rules(policy: Policy, facts: Facts) -> Iterator[Relaxation]:
    """Every parameter one step either way, and every rule taken out that can be.

    A rule that says who belongs together at all (same service) is not taken out: what would be left is another
    problem.
    """
    for rule in policy.rules:
        for name, unit in parameters(rule):
            for value in steps(getattr(rule, name), unit):
                changed = with_parameter(rule, name, value)
                if changed is not None:
                    what = f"{rule.name}.{name}: {getattr(rule, name)} to {value}" + (f" {unit}" if unit else "")
                    yield Relaxation("parameter", rule.name, what, replaced(policy, rule, changed))
        joins = isinstance(rule, Screen) and rule.join(facts) is not None
        if rule.name not in INDISPENSABLE and not joins:
            without = replace(policy, rules=tuple(other for other in policy.rules if other is not rule))
            yield Relaxation("rule", rule.name, f"without the rule {rule.name}", without)


def parameters(rule: Screen | Limit) -> Iterator[tuple[str, str]]:
    """(name, unit) of the parameters of a rule that are numbers or yes/no as they stand."""
    for name, field in type(rule).model_fields.items():
        if isinstance(getattr(rule, name), (bool, int, float)):
            extra: Any = field.json_schema_extra
            yield name, str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def steps(value: bool | int | float, unit: str) -> tuple[bool | int | float, ...]:
    """The value one step up and one down; the other way round for yes and no."""
    if isinstance(value, bool):
        return (not value,)
    usual = 1 if isinstance(value, int) else abs(value) / 10 or 0.1
    step = STEPS.get(unit, usual)
    return (value + step, value - step) if isinstance(value, int) else (round(value + step, 9), round(value - step, 9))


def with_parameter(rule: Screen | Limit, name: str, value: bool | int | float) -> Screen | Limit | None:
    """The rule with another value; None where that is beyond the parameter's bounds."""
    try:
        return type(rule)(**{**rule.model_dump(), name: value})
    except ValidationError:
        return None


def replaced(policy: Policy, rule: Screen | Limit, changed: Screen | Limit) -> Policy:
    """The policy with one rule exchanged."""
    return replace(policy, rules=tuple(changed if other is rule else other for other in policy.rules))


def of_lists(instance: Instance, policy: Policy) -> Iterator[Relaxation]:
    """One more four-hour list at every site for every service that it has lists for, on the middle of their days."""
    sessions = instance.frames["sessions"]
    names = dict(zip(instance.frames["sites"]["site_code"], instance.frames["sites"]["name"], strict=True))
    for (site, kind, service), here in sessions.groupby(["site_code", "care_kind", "service_code"], sort=True):
        days = here["date"].sort_values()
        day: dt.date = days.iloc[(len(days) - 1) // 2].date()
        lists = AddedLists(site=site, care_kind=kind, service=service, date=day, minutes=LIST_MINUTES)
        noun = "scanner or test session" if kind == "diagnostic" else "list"
        what = f"one more four-hour {noun} for {service} at {names[site]} on {day}"
        yield Relaxation("list", str(site), what, policy, Changes(add_lists=(lists,)))


def of_beds(instance: Instance, policy: Policy) -> Iterator[Relaxation]:
    """One more bed of every kind on every night of the horizon, at every site with beds over night."""
    info, sites = instance.info, instance.frames["sites"]
    for site, name, hdu in sites.loc[sites["has_overnight"], ["site_code", "name", "has_hdu"]].itertuples(index=False):
        for kind in ("ward", "hdu") if hdu else ("ward",):
            beds = AddedBeds.model_validate(
                {"site": site, "from": info.horizon_start, "to": info.horizon_end, "bed_kind": kind}
            )
            what = f"one more {kind} bed at {name} on every night"
            yield Relaxation("bed", site, what, policy, Changes(add_beds=(beds,)))


def of_night(beds: Relaxation, row: str) -> Relaxation | None:
    """Of one more bed on every night, the one on the night that a row is about: its date stands in the row's name.

    None where none does.
    """
    (added,) = beds.changes.add_beds
    night = next((night for night in pd.date_range(added.start, added.end) if str(night.date()) in row), None)
    if night is None:
        return None
    alone = added.model_copy(update={"start": night.date(), "end": night.date()})
    what = beds.what.replace("on every night", f"on the night of {night.date()}")
    return Relaxation("night", beds.of, what, beds.policy, Changes(add_beds=(alone,)))
