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
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from allocator.errors import UsageError, maybe
from allocator.lab.changes import Changes
from allocator.policy import Catalogue, Policy, read_policy

BASE = "base"
HOLD_BACK = "hold_back"
MOST_SCENARIOS = 500


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Steps(_Part):
    """Values of one parameter: listed, or from, to (included) and by."""

    parameter: str
    values: tuple[int | float | bool | str, ...] = ()
    start: int | float | None = Field(None, alias="from")
    end: int | float | None = Field(None, alias="to")
    by: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Steps:
        spans = (self.start, self.end, self.by)
        if bool(self.values) == all(side is not None for side in spans) or (self.values and any(spans)):
            raise ValueError("wanted either values = [...], or from, to and by")
        return self

    def steps(self) -> tuple[int | float | bool | str, ...]:
        """The values in order."""
        if self.start is None or self.end is None or self.by is None:
            return self.values
        number = int((self.end - self.start) / self.by + 1e-9) + 1
        if number > MOST_SCENARIOS:
            raise UsageError(f"{self.parameter}: {number:,} steps; wanted: {MOST_SCENARIOS} at most.")
        found = (round(self.start + step * self.by, 9) for step in range(number))
        return tuple(int(value) if isinstance(self.start, int) and value == int(value) else value for value in found)


class Sweep(Steps):
    """One parameter, value by value."""

    name: str


class Grid(_Part):
    """Two parameters, every pair of values."""

    name: str
    rows: Steps
    columns: Steps


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
        problems = [
            f"{path.name}: {'.'.join(map(str, item['loc']))}: given {item['input']!r}; {item['msg'].lower()}."
            for item in error.errors()
        ]
        raise UsageError("\n".join(problems)) from error
    toml = ""
    if file.policy is not None:
        policy_path = path.parent / file.policy
        if not policy_path.is_file():
            raise UsageError(f'{path.name}: policy: there is no file "{policy_path}".')
        toml = policy_path.read_text(encoding="utf-8")
    study = Study(file, tuple(scenarios_of(file, toml, catalogue)))
    refuse_wrong_names(study)
    return study


def scenarios_of(file: ScenarioFile, toml: str, catalogue: Catalogue) -> Iterator[Scenario]:
    """The base, then variants, sweeps and grids as they stand in the file."""

    def policy_with(*settings: str) -> Policy:
        return read_policy(catalogue, toml, (*file.set, *settings))

    def at(of: str, settings: Sequence[tuple[str, Any]]) -> Scenario:
        values = tuple(value for _, value in settings)
        held = tuple(float(value) for name, value in settings if name == HOLD_BACK)
        policy = policy_with(*(f"{name}={toml_value(value)}" for name, value in settings if name != HOLD_BACK))
        told = ", ".join(f"{name} = {value}" for name, value in settings)
        return Scenario(f"{of}: {told}", policy, Changes(hold_back=held), of, values)

    yield Scenario(BASE, policy_with(), Changes())
    for variant in file.variants:
        changes = Changes(**{name: getattr(variant, name) for name in Changes.model_fields})
        yield Scenario(variant.name, policy_with(*variant.set), changes)
    for sweep in file.sweeps:
        for value in sweep.steps():
            yield at(sweep.name, [(sweep.parameter, value)])
    for grid in file.grids:
        for row, column in itertools.product(grid.rows.steps(), grid.columns.steps()):
            yield at(grid.name, [(grid.rows.parameter, row), (grid.columns.parameter, column)])


def toml_value(value: int | float | bool | str) -> str:
    """A value as NAME.PARAMETER=VALUE takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_wrong_names(study: Study) -> None:
    """UsageError where a name stands twice, there are too many scenarios, or a curve is about no sweep."""
    names = Counter(scenario.name for scenario in study.scenarios)
    titles = Counter([*(item.name for item in study.file.sweeps), *(item.name for item in study.file.grids)])
    twice = sorted(name for name, number in (*names.items(), *titles.items()) if number > 1)
    if twice:
        raise UsageError(f"A name may stand once among scenarios; these stand more often: {', '.join(twice)}.")
    if len(names) > MOST_SCENARIOS:
        raise UsageError(f"{len(names):,} scenarios; wanted: {MOST_SCENARIOS} at most.")
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
