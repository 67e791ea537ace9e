"""`allocator prices`: price a run, plan the best relaxations again, write lines, JSON and a page."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from allocator.answer import Limits
from allocator.errors import CancelledError, UsageError, maybe
from allocator.lab.ground import stored_run
from allocator.lab.parts import part_of, run_parts
from allocator.lab.price_words import price_lines, prices_page
from allocator.lab.prices import planned_again, price_list, prices_figures, scenario_of, to_plan_again
from allocator.run_folder import stored_memory
from api.daily import say
from api.lab import refuse_page, write_page
from api.scenarios import executor_of, tell
from models import CATALOGUE


def price_run(
    run_folder: Path, goal: str | None, top: int, limits: Limits, workers: int, page: Path | None, *, as_json: bool
) -> None:
    """Price tags of a run, the best `top` of rules and of rooms planned again within `limits` each."""
    refuse_page(page)
    stored = stored_run(run_folder, CATALOGUE)
    labels = [item.label for item in stored.goals]
    if goal is not None and goal not in labels:
        raise UsageError(f'--goal: no goal of this run is called "{goal}"; it has {labels}.{maybe(goal, labels)}')
    instance, memory = stored.ground.facts.instance, stored_memory(run_folder)
    try:
        with executor_of("local", workers) as pool, tempfile.TemporaryDirectory() as drafts:
            sharpening = replace(limits, threads=os.cpu_count() or 1)
            prices = price_list(run_folder, CATALOGUE, goal, sharpening, pool, tell)
            parts = [part_of(scenario_of(item), 0, instance, limits, 0) for item in to_plan_again(prices, top)]
            results = run_parts(parts, instance, limits, 0, Path(drafts), pool, tell, memory)
            prices = replace(prices, again=planned_again(stored, prices.bounds, parts, results))
    except KeyboardInterrupt as error:
        raise CancelledError("Cancelled before the prices were known.") from error
    if page is not None:
        write_page(prices_page(prices), page)
    say(prices_figures(prices) if as_json else price_lines(prices))
