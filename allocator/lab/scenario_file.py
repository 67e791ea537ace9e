"""A scenario file (TOML): a base policy, named variants of policy or tables, sweeps of one parameter, grids of two.

    name = "How far should people travel?"
    seconds = 60                     # for each run
    populations = 3                  # the people as they are, and two more draws
    policy = "my-policy.toml"        # beside this file; the daily policy unless given
    set = ["consent.offer_to_not_asked=false"] # changes of the base

    [[variants]]
    name = "Strike at Leighton"
    close = [{ site = "RBT20", from = 2026-02-16, to = 2026-02-22 }]

    [[sweeps]]
    name = "Journey by car"
    parameter = "max_travel.car_minutes"
    from = 20
    to = 90
    by = 10

    [[grids]]
    name = "Journey and nights"
    rows = { parameter = "max_travel.car_minutes", values = [30, 60] }
    columns = { parameter = "session_minutes.theatre_utilisation", values = [0.8, 0.85] }

    [[curves]]
    title = "Travel against long waits"
    sweep = "Journey by car"
    x = "travel"
    y = "longest_waits_52w"

A variant takes what stands in `allocator.lab.changes.Changes` beside `set`; the parameter of a sweep is
NAME.PARAMETER of a rule or goal, or `hold_back`.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from allocator.errors import UsageError, maybe
from allocator.lab.changes import AddedBeds, AddedLists, Changes, Closing, Scaling
from allocator.policy import Catalogue, Policy, read_policy

BASE = "base"
HOLD_BACK = "hold_back"
MOST_SCENARIOS = 500


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


class Steps(_Part):
    """Values of one parameter: listed, or from, to (included) and by."""

    parameter: str
    values: tuple[int | float | bool | str, ...] = ()
    start: int | float | None = Field(None, alias="from")
    end: int | float | None = Field(None, alias="to")
    by: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Steps:
        given = [side is not None for side in (self.start, self.end, self.by)]
        if bool(self.values) == all(given) or (self.values and any(given)):
            raise ValueError("wanted either values = [...], or from, to and by")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"from is above to. Maybe from = {self.end} and to = {self.start}")
        if self.parameter == HOLD_BACK and not all(
            is_share(value) for value in (self.values or (self.start, self.end))
        ):
            raise ValueError("hold_back is a share of each list: wanted values from 0 to 1")
        return self

    @property
    def number(self) -> int:
        """How many values there are."""
        if self.start is None or self.end is None or self.by is None:
            return len(self.values)
        return math.floor(min((self.end - self.start) / self.by, 1e12) + 1e-9) + 1

    def steps(self) -> tuple[int | float | bool | str, ...]:
        """The values in order."""
        if self.start is None or self.by is None:
            return self.values
        found = (round(self.start + step * self.by, 9) for step in range(self.number))
        return tuple(int(value) if isinstance(self.start, int) and value == int(value) else value for value in found)


class Sweep(Steps):
    """One parameter, value by value."""

    name: str


class Grid(_Part):
    """Two parameters, every pair of values."""

    name: str
    rows: Steps
    columns: Steps

    @model_validator(mode="after")
    def _two_parameters(self) -> Grid:
        if self.rows.parameter == self.columns.parameter:
            raise ValueError("wanted two parameters: rows and columns have the same")
        return self


class Variant(Changes):
    """A named variant: settings of the policy, changes of the tables, or both."""

    name: str
    set: tuple[str, ...] = ()


class Curve(_Part):
    """A figure against another along a sweep: goals by label, or `parameter`, `people`, `places`."""

    title: str
    sweep: str
    x: str
    y: str


class ScenarioFile(_Part):
    """The file as it stands."""

    name: str
    seconds: float = Field(60.0, ge=0.1, le=86_400)
    populations: int = Field(1, ge=1, le=50)
    seed: int = Field(0, ge=0)
    policy: str | None = None
    set: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    grids: tuple[Grid, ...] = ()
    curves: tuple[Curve, ...] = ()


SETTINGS = sorted(
    {
        field.alias or name
        for kind in (ScenarioFile, Variant, Sweep, Grid, Curve, AddedLists, AddedBeds, Closing, Scaling)
        for name, field in kind.model_fields.items()
    }
)
"""Every setting that some part of a file has."""


@dataclass(frozen=True)
class Scenario:
    """One policy on one state of the tables. `at` are the values of a sweep or grid, in order; `of` is its name."""

    name: str
    policy: Policy
    changes: Changes
    of: str = ""
    at: tuple[int | float | bool | str, ...] = ()


@dataclass(frozen=True)
class Study:
    """Everything a scenario file asks for: the base comes first."""

    file: ScenarioFile
    scenarios: tuple[Scenario, ...]


def read_study(path: Path, catalogue: Catalogue) -> Study:
    """Read a scenario file. Raises UsageError: what was given, what was wanted."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f'The scenario file "{path}" cannot be read as TOML: {error}.') from error
    try:
        file = ScenarioFile.model_validate(given)
    except ValidationError as error:
        raise UsageError("\n".join(f"{path.name}: {wrong_words(item, given)}." for item in error.errors())) from error
    toml = ""
    if file.policy is not None:
        policy_path = path.parent / file.policy
        if not policy_path.is_file():
            raise UsageError(f'{path.name}: policy: there is no file "{policy_path}".')
        try:
            toml = policy_path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f'{path.name}: policy: "{policy_path}" is not UTF-8 text: {error}.') from error
    refuse_too_many(file)
    study = Study(file, tuple(scenarios_of(file, toml, catalogue)))
    refuse_wrong_names(study)
    return study


def wrong_words(problem: ErrorDetails, file: Mapping[str, Any]) -> str:
    """What is wrong in a file: where, what was given, what was wanted, what was probably meant."""
    where: list[str] = []
    here: Any = file
    for part in problem["loc"]:
        known = here if isinstance(here, Mapping) else range(len(here)) if isinstance(here, list) else ()
        here = here[part] if part in known else None
        name = here.get("name") if isinstance(here, Mapping) else None
        where.append(part if isinstance(part, str) else f'"{name}"' if name else f"number {part + 1}")
    place, last = " ".join(where), str(problem["loc"][-1]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such setting.{maybe(last, SETTINGS)}".removesuffix(".")
    wanted = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else problem["msg"].lower()
    given = "" if isinstance(problem["input"], Mapping) else f"given {problem['input']!r}; "
    return f"{place}: {given}{wanted}"


def scenarios_of(file: ScenarioFile, toml: str, catalogue: Catalogue) -> Iterator[Scenario]:
    """The base, then variants, sweeps and grids as they stand in the file."""

    def policy_with(name: str, *settings: str) -> Policy:
        try:
            return read_policy(catalogue, toml, (*file.set, *settings))
        except UsageError as error:
            raise UsageError(f'In "{name}": {error}') from error

    def at(of: str, settings: Sequence[tuple[str, Any]]) -> Scenario:
        values = tuple(value for _, value in settings)
        held = tuple(float(value) for name, value in settings if name == HOLD_BACK)
        policy = policy_with(of, *(f"{name}={toml_value(value)}" for name, value in settings if name != HOLD_BACK))
        told = ", ".join(f"{name} = {value}" for name, value in settings)
        return Scenario(f"{of}: {told}", policy, Changes(hold_back=held), of, values)

    yield Scenario(BASE, policy_with(BASE), Changes())
    for variant in file.variants:
        changes = Changes(**{name: getattr(variant, name) for name in Changes.model_fields})
        yield Scenario(variant.name, policy_with(variant.name, *variant.set), changes)
    for sweep in file.sweeps:
        for value in sweep.steps():
            yield at(sweep.name, [(sweep.parameter, value)])
    for grid in file.grids:
        for row, column in itertools.product(grid.rows.steps(), grid.columns.steps()):
            yield at(grid.name, [(grid.rows.parameter, row), (grid.columns.parameter, column)])


def toml_value(value: int | float | bool | str) -> str:
    """A value as NAME.PARAMETER=VALUE takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_share(value: int | float | bool | str | None) -> bool:
    """Is it a number from 0 to 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def refuse_too_many(file: ScenarioFile) -> None:
    """UsageError, before any is made, where there are too many scenarios: each line says how many it asks for."""
    asked = {f"sweep {sweep.name}": sweep.number for sweep in file.sweeps}
    asked |= {f"grid {grid.name}": grid.rows.number * grid.columns.number for grid in file.grids}
    total = 1 + len(file.variants) + sum(asked.values())
    if total > MOST_SCENARIOS:
        told = ", ".join(f"{name} {number:,}" for name, number in asked.items())
        raise UsageError(
            f"{total:,} scenarios ({told or 'all of them variants'}); wanted: {MOST_SCENARIOS} at most. "
            "Maybe longer steps."
        )


def refuse_wrong_names(study: Study) -> None:
    """UsageError where a name stands twice, or a curve is about no sweep."""
    names = Counter(scenario.name for scenario in study.scenarios)
    titles = Counter([*(item.name for item in study.file.sweeps), *(item.name for item in study.file.grids)])
    twice = sorted(name for name, number in (*names.items(), *titles.items()) if number > 1)
    if twice:
        raise UsageError(f"A name may stand once among scenarios; these stand more often: {', '.join(twice)}.")
    sweeps = [sweep.name for sweep in study.file.sweeps]
    labels = [goal.label for goal in study.scenarios[0].policy.ordered_goals]
    axes = ["parameter", "people", "places", *labels]
    for curve in study.file.curves:
        if curve.sweep not in sweeps:
            raise UsageError(
                f'curves: no sweep is called "{curve.sweep}"; known: {sweeps}.{maybe(curve.sweep, sweeps)}'
            )
        for axis in (curve.x, curve.y):
            if axis not in axes:
                raise UsageError(f'curves: "{axis}" is no figure; known: {axes}.{maybe(axis, axes)}')
