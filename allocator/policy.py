"""Policy: the rules and ordered goals in force, with their parameters; TOML in, TOML and JSON schema out.

    name = "daily"
    [rules.max_travel]
    car_minutes = 60
    [[goals]]
    name = "urgent_delay"

Rules that are left out keep their defaults; `enabled = false` takes a rule out. Goals that are listed
replace the whole list, in the order they stand. The engine is told which rules exist: it knows none.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from allocator.errors import UsageError, maybe
from allocator.rule import Goal, Limit, Rule, Screen

INDISPENSABLE = ("one_place", "commitments")
"""Taken for granted by every bound and search: one place an entry, and what is fixed stays."""

AnyRule = TypeVar("AnyRule", bound=Rule)


@dataclass(frozen=True)
class Policy:
    """Rules (screens and limits, in order) and goals (strictly ordered)."""

    name: str
    rules: tuple[Screen | Limit, ...]
    goals: tuple[Goal, ...]

    @property
    def screens(self) -> tuple[Screen, ...]:
        """The rules that remove options."""
        return tuple(rule for rule in self.rules if isinstance(rule, Screen))

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The rules that add rows."""
        return tuple(rule for rule in self.rules if isinstance(rule, Limit))

    @property
    def ordered_goals(self) -> tuple[Goal, ...]:
        """The goals with each part (wait band) a goal of its own."""
        return tuple(part for goal in self.goals for part in goal.parts())


@dataclass(frozen=True)
class Catalogue:
    """Every rule and goal that exists, and the policies that ship. Made by `models`."""

    rules: tuple[type[Screen] | type[Limit], ...]
    goals: tuple[type[Goal], ...]
    policies: Mapping[str, Policy]


def read_policy(catalogue: Catalogue, toml: str = "", overrides: Sequence[str] = ()) -> Policy:
    """The policy that `toml` and `NAME.PARAMETER=VALUE` overrides describe, on top of a shipped one.

    `base` in the TOML names the shipped policy to start from (default: daily); "none" has only the rules
    that cannot be taken out. Raises UsageError: what was given, what was wanted, what was probably meant.
    """
    try:
        given = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The policy is not valid TOML: {error}") from error
    _known(given, ("name", "base", "rules", "goals"), "policy setting")
    shipped = {**catalogue.policies, "none": _bare(catalogue)}
    base = _chosen(shipped, given.get("base", "daily"), "policy")
    rules, goals = _settings_of(base)
    rule_types = {rule.name: rule for rule in catalogue.rules}
    goal_types = {goal.name: goal for goal in catalogue.goals}
    for name, settings in _table(given.get("rules", {}), "rules").items():
        _chosen(rule_types, name, "rule")
        rules[name] = {**rules.get(name, {}), **_table(settings, f"rules.{name}")}
    if "goals" in given:
        goals = [_goal_settings(item) for item in given["goals"]]
    for override in overrides:
        _apply(override, rules, goals, rule_types, goal_types)
    policy = Policy(
        name=str(given.get("name", base.name)),
        rules=tuple(
            _built(rule_types[name], settings)
            for name in rule_types
            if name in rules and (settings := _enabled(name, rules[name])) is not None
        ),
        goals=tuple(_built(_chosen(goal_types, name, "goal"), settings) for name, settings in goals),
    )
    labels = Counter(goal.label for goal in policy.ordered_goals)
    twice = sorted(label for label, count in labels.items() if count > 1)
    if twice:
        raise UsageError(f"A goal may stand once in a policy; these stand more often: {', '.join(twice)}.")
    return policy


def policy_toml(policy: Policy) -> str:
    """The policy as resolved, every parameter written out; `read_policy` gives it back."""
    lines = [f"name = {_toml(policy.name)}", 'base = "none"', ""]
    for rule in policy.rules:
        lines += [f"[rules.{rule.name}]", *_settings_lines(rule), ""]
    for goal in policy.goals:
        lines += ["[[goals]]", f"name = {_toml(goal.name)}", *_settings_lines(goal), ""]
    return "\n".join(lines)


def policy_schema(catalogue: Catalogue) -> dict[str, Any]:
    """JSON schema of every rule's and goal's parameters, with units and sentences."""
    return {
        "rules": {rule.name: {"sentence": rule.sentence, **rule.model_json_schema()} for rule in catalogue.rules},
        "goals": {goal.name: {"sentence": goal.sentence, **goal.model_json_schema()} for goal in catalogue.goals},
    }


def _bare(catalogue: Catalogue) -> Policy:
    return Policy("none", tuple(rule() for rule in catalogue.rules if rule.name in INDISPENSABLE), ())


def _settings_of(policy: Policy) -> tuple[dict[str, dict[str, Any]], list[tuple[str, dict[str, Any]]]]:
    rules = {rule.name: rule.model_dump() for rule in policy.rules}
    return rules, [(goal.name, goal.model_dump()) for goal in policy.goals]


def _goal_settings(item: Any) -> tuple[str, dict[str, Any]]:
    settings = _table(item, "goals")
    if not isinstance(settings.get("name"), str):
        raise UsageError(f'Every [[goals]] needs a name, for example name = "travel"; given: {settings}.')
    return settings["name"], {key: value for key, value in settings.items() if key != "name"}


def _apply(
    override: str,
    rules: dict[str, dict[str, Any]],
    goals: list[tuple[str, dict[str, Any]]],
    rule_types: Mapping[str, type[Rule]],
    goal_types: Mapping[str, type[Rule]],
) -> None:
    target, equals, text = override.partition("=")
    name, dot, setting = target.strip().partition(".")
    if not equals or not dot:
        raise UsageError(f'"{override}" is not NAME.PARAMETER=VALUE, for example max_travel.car_minutes=45.')
    _chosen({**rule_types, **goal_types}, name, "rule or goal")
    value = _value(text.strip())
    is_goal = any(goal_name == name for goal_name, _ in goals)
    # A goal's namesake among the rules is not switched on by the way.
    meant = name in rule_types and (name in rules or not is_goal or setting == "enabled")
    of_rule = {*rule_types[name].model_fields, "enabled"} if meant else set[str]()
    of_goal = set(goal_types[name].model_fields) if name in goal_types and (is_goal or not of_rule) else set[str]()
    if setting not in (of_rule | of_goal if is_goal else of_rule):
        fields = of_rule | of_goal
        why = "has no such parameter" if is_goal or name in rule_types else "is not a goal of this policy"
        raise UsageError(f'{name}.{setting}: "{name}" {why}; it has {sorted(fields)}.{maybe(setting, fields)}')
    if setting in of_rule:
        rules.setdefault(name, {})[setting] = value
    for goal_name, settings in goals:
        if goal_name == name and setting in of_goal:
            settings[setting] = value


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _enabled(name: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    enabled = settings.get("enabled", True)
    if not isinstance(enabled, bool):
        raise UsageError(f"rules.{name}.enabled: given {enabled!r}, wanted true or false.")
    if not enabled and name in INDISPENSABLE:
        raise UsageError(f'The rule "{name}" cannot be taken out: every plan and every bound rests on it.')
    return {key: value for key, value in settings.items() if key != "enabled"} if enabled else None


def _built(kind: type[AnyRule], settings: Mapping[str, Any]) -> AnyRule:
    _known(settings, kind.model_fields, f'parameter of "{kind.name}"')
    try:
        return kind(**settings)
    except ValidationError as error:
        problems = [
            f"{kind.name}.{'.'.join(map(str, item['loc']))}: given {item['input']!r}; {item['msg'].lower()}."
            for item in error.errors()
        ]
        raise UsageError("\n".join(problems)) from error


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: given {value!r}, wanted a table of settings.")
    return value


def _known(given: Iterable[str], known: Iterable[str], what: str) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            raise UsageError(f'No {what} is called "{name}".{maybe(name, known) or f" Known: {sorted(known)}."}')


def _chosen(known: Mapping[str, Any], name: Any, what: str) -> Any:
    if not isinstance(name, str):
        raise UsageError(f"A {what} is chosen by its name; given: {name!r}.")
    _known([name], known, what)
    return known[name]


def _settings_lines(rule: Rule) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in rule.model_dump().items() if value is not None]


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
