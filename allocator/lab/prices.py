"""The price list of a run: what rules, lists and beds are worth, ranked, and the top ones planned again.

First every relaxation is priced from the certificate (`price_tags`), which takes a fraction of a second each. Then
the best are planned anew like scenarios, so that each gain is known as a range (`allocator.compare`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from allocator.answer import Certificate, Limits
from allocator.audit import beats
from allocator.instance import Ints
from allocator.lab.findings import Finding, finding
from allocator.lab.ground import Stored, stored_certificate, stored_run
from allocator.lab.parts import Part, Result, Told
from allocator.lab.price_tags import NO_CHANGES, Priced, Relaxation, RowTag, Tag, row_tags, tag
from allocator.lab.relaxations import of_beds, of_lists, of_night, of_rules
from allocator.lab.scenario_file import BASE, Scenario
from allocator.policy import Catalogue
from allocator.solve.prove import prove_all

SHARPEN = 4
"""Times the seconds of one plan for better prices: everything else rests on them, and they may end early."""
CHUNK = 20
"""Relaxations that one worker prices before it is asked again."""


@dataclass(frozen=True)
class Night:
    """One more bed on one night at one site, and what it is worth on each goal on which that night is the dearest."""

    relaxation: Relaxation
    rows: tuple[RowTag, ...]


@dataclass(frozen=True)
class Prices:
    """The price list of a run, each part best first.

    bounds  what its prices, sharpened, prove of each goal
    steps   parameters of rules, one step looser
    rules   rules taken out
    rooms   one more list or bed at each site
    nights  one more bed on one night at each site: the night that is worth most on each goal
    rows    the tightest row of each limit on each goal
    again   those that were planned anew, in the order of `steps`, `rooms` and `nights`
    """

    run: str
    bounds: tuple[int, ...]
    steps: tuple[Tag, ...]
    rules: tuple[Tag, ...]
    rooms: tuple[Tag, ...]
    nights: tuple[Night, ...]
    rows: tuple[RowTag, ...]
    again: tuple[Finding, ...] = ()


def priced_run(run_folder: Path, catalogue: Catalogue) -> tuple[Stored, Priced]:
    """A run folder with its prices."""
    stored = stored_run(run_folder, catalogue)
    return stored, Priced(stored.ground, stored.allocation, stored_certificate(run_folder))


def sharpened(priced: Priced, limits: Limits) -> Priced:
    """The same run with better prices where `limits` allow to find some: its own were a by-product of its plan."""
    model, own = priced.model, priced.certificate
    found, bounds = prove_all(model, priced.values, {}, SHARPEN * limits.seconds, limits)
    better = np.array(
        [beats(g.sense, old, new) for g, old, new in zip(model.goals, priced.bounds, bounds, strict=True)], dtype=bool
    )
    certificate = replace(
        own,
        prices=np.where(better[:, None], rescaled(found.prices, found.scale, own.scale), own.prices),
        proven=own.proven | better,
        by_session=np.where(better, found.by_session, own.by_session),
    )
    return Priced(priced.ground, priced.allocation, certificate)


def rescaled(prices: Ints, scale: int, wanted: int) -> Ints:
    """Prices in units of 1 / wanted; whatever is lost in rounding, they still prove a bound."""
    return prices if scale == wanted else prices * wanted // scale


def tags_of(
    run_folder: Path, catalogue: Catalogue, certificate: Certificate, relaxations: Sequence[Relaxation]
) -> list[Tag]:
    """Tags of these; what is no relaxation, or gains nothing on any goal, is left out. Runs in a worker."""
    stored, _ = priced_run(run_folder, catalogue)
    priced = Priced(stored.ground, stored.allocation, certificate)
    found = (tag(priced, relaxation) for relaxation in relaxations)
    return [item for item in found if item is not None and any(goal.estimate > 0 for goal in item.goals)]


def price_list(
    run_folder: Path, catalogue: Catalogue, goal: str | None, limits: Limits, pool: Executor, tell: Told
) -> Prices:
    """Every tag of a run, ranked by `goal`, or by all goals in their order; prices are sharpened within `limits`."""
    stored, kept = priced_run(run_folder, catalogue)
    tell("Sharpening the run's prices")
    priced = sharpened(kept, limits)
    facts, policy = stored.ground.facts, stored.ground.policy
    labels = [item.label for item in stored.goals]

    def tagged(of: str, relaxations: Iterator[Relaxation]) -> tuple[Tag, ...]:
        every = list(relaxations)
        chunks = [every[start : start + CHUNK] for start in range(0, len(every), CHUNK)]
        futures = [pool.submit(tags_of, run_folder, catalogue, priced.certificate, chunk) for chunk in chunks]
        found = []
        for start, future in zip(range(0, len(every), CHUNK), futures, strict=True):
            tell(f"Pricing {of}: {start} of {len(every)} done")
            found += future.result()
        return ranked(found, goal)

    beds = tagged("beds", of_beds(facts.instance, policy))
    rules = tagged("rules", of_rules(policy, facts))
    return Prices(
        run=stored.name,
        bounds=priced.bounds,
        steps=tuple(item for item in rules if item.relaxation.kind == "parameter"),
        rules=tuple(item for item in rules if item.relaxation.kind == "rule"),
        rooms=ranked([*tagged("lists", of_lists(facts.instance, policy)), *beds], goal),
        nights=dearest_nights(beds, labels, goal),
        rows=by_goal(tightest_rows(priced), labels),
    )


def ranked(tags: Sequence[Tag], goal: str | None) -> tuple[Tag, ...]:
    """Best first: by the estimate on one goal, or on all goals in their strict order."""

    def key(item: Tag) -> tuple[int, ...]:
        if goal is None:
            return item.worth
        return (next(found.estimate for found in item.goals if found.label == goal), *item.worth)

    return tuple(sorted(tags, key=key, reverse=True))


def tightest_rows(priced: Priced) -> Iterator[RowTag]:
    """The row of each limit with the largest price on each goal."""
    for block in priced.model.blocks:
        upper = priced.model.rows.upper[block.start : block.stop]
        yield from row_tags(priced, block.start + np.flatnonzero(np.isfinite(upper)))


def by_goal(rows: Iterable[RowTag], labels: Sequence[str], first: str | None = None) -> tuple[RowTag, ...]:
    """Rows by goal in its order, those of the goal `first` before all others, the dearest first."""
    return tuple(sorted(rows, key=lambda row: (row.goal != first, labels.index(row.goal), -row.price, row.row)))


def dearest_nights(beds: Sequence[Tag], labels: Sequence[str], first: str | None) -> tuple[Night, ...]:
    """Of one more bed on every night, the nights that are worth most on some goal, each alone, best first."""
    bed_of = {row: bed.relaxation for bed in beds for row in bed.rows}
    found: dict[str, list[RowTag]] = {}
    for row in by_goal(bed_of, labels, first):
        found.setdefault(row.row, []).append(row)
    alone = ((of_night(bed_of[rows[0]], rows[0].row), rows) for rows in found.values())
    return tuple(Night(night, tuple(rows)) for night, rows in alone if night is not None)


def to_plan_again(prices: Prices, top: int) -> tuple[Relaxation, ...]:
    """The best `top` of the steps, the rooms and the nights: a rule taken out altogether is another problem."""
    loosened = (item.relaxation for item in (*prices.steps[:top], *prices.rooms[:top]))
    return (*loosened, *(night.relaxation for night in prices.nights[:top]))


def scenario_of(relaxation: Relaxation) -> Scenario:
    """A relaxation as a scenario."""
    return Scenario(relaxation.what, relaxation.policy, relaxation.changes)


def planned_again(
    stored: Stored, bounds: Sequence[int], parts: Sequence[Part], results: Mapping[str, Result]
) -> tuple[Finding, ...]:
    """What came out of planning relaxations anew, against the run itself with these bounds on its goals."""
    base = Scenario(BASE, stored.ground.policy, NO_CHANGES)
    told = [
        {
            "label": g.label,
            "unit": g.unit,
            "sense": g.sense,
            "value": g.value,
            "base": g.base,
            "bound": g.certified_bound,
        }
        for g in stored.goals
    ]
    return tuple(finding(part.scenario, [results[part.key]], base, [{"goals": told}]) for part in parts)


def prices_figures(prices: Prices) -> dict[str, Any]:
    """The price list as plain JSON values."""
    return {
        "run": prices.run,
        "steps": [tag_figures(item) for item in prices.steps],
        "rules": [tag_figures(item) for item in prices.rules],
        "rooms": [tag_figures(item) for item in prices.rooms],
        "nights": [
            {
                **about_figures(item.relaxation),
                "goals": [{"label": r.goal, "unit": r.unit, "price": r.price, "high": r.high} for r in item.rows],
            }
            for item in prices.nights
        ],
        "rows": [asdict(item) for item in prices.rows],
        "planned_again": [
            {
                "what": item.scenario.name,
                "goals": [{**asdict(change), "label": goal.label} for goal in item.goals for change in goal.changes],
            }
            for item in prices.again
        ],
    }


def tag_figures(item: Tag) -> dict[str, Any]:
    """One tag as plain JSON values."""
    return {**about_figures(item.relaxation), "goals": [asdict(goal) for goal in item.goals]}


def about_figures(relaxation: Relaxation) -> dict[str, str]:
    """What is loosened."""
    return {"kind": relaxation.kind, "of": relaxation.of, "what": relaxation.what}
