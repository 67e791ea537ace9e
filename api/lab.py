"""The planner's laboratory: each function reads, asks the engine, and says what came."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from allocator.answer import Limits
from allocator.compare import Side, compared, comparison_figures, side_of
from allocator.errors import AuditFailedError, CancelledError, ContradictionError, UsageError
from allocator.intake import read_instance
from allocator.lab.compare_words import comparison_lines, comparison_page
from allocator.lab.ground import stored_run
from allocator.lab.handmade import review, review_figures
from allocator.lab.page import Page, html
from allocator.lab.plan_file import read_plan
from allocator.lab.words import review_lines
from allocator.options import Facts
from allocator.report.write import write_text
from allocator.why.impossible import explained
from api.daily import planned, policy_of, say
from api.progress import told
from api.settings import Settings
from models import CATALOGUE


def limits_of(settings: Settings) -> Limits:
    """What one run of the engine may cost."""
    return Limits(seconds=settings.time_limit, work=settings.work, seed=settings.seed, threads=settings.cores)


def audit_plan(instance_path: Path, plan_path: Path, settings: Settings, *, as_json: bool) -> None:
    """Judge a plan made by hand; AuditFailedError where it breaks a rule."""
    policy = policy_of(settings)
    instance = read_instance(instance_path).instance
    plan = read_plan(plan_path, Facts(instance))
    try:
        with told() as report:
            found = review(instance, policy, plan, limits_of(settings), report)
    except ContradictionError as error:
        raise explained(error, instance, policy, strict=False) from error
    except KeyboardInterrupt as error:
        raise CancelledError("Cancelled before the plan was judged.") from error
    say(review_figures(found) if as_json else review_lines(found, instance))
    if not found.passed:
        raise AuditFailedError(f"{plan_path} breaks rules: {len(found.violations)} finding(s), listed above.")


def compare_two(
    a: Path, b: Path, instance: Path | None, settings: Settings, page: Path | None, *, as_json: bool
) -> None:
    """Two run folders side by side; with `instance`, two policy files, each planned first."""
    refuse_page(page)
    if instance is None:
        left, right = (stored_run(run_folder(path), CATALOGUE).side for path in (a, b))
    else:
        left, right = planned_sides(a, b, instance, settings)
    found = compared(left, right)
    if page is not None:
        organisations = left.facts.instance.organisations
        names = dict(zip(organisations["provider_code"], organisations["name"], strict=True))
        write_page(comparison_page(found, names), page)
    say(comparison_figures(found) if as_json else comparison_lines(found))


def planned_sides(a: Path, b: Path, instance: Path, settings: Settings) -> tuple[Side, Side]:
    """Two policies planned on one instance, one after the other."""
    policies = [policy_of(replace(settings, policy=path)) for path in (a, b)]
    tables = read_instance(instance).instance
    sides = []
    try:
        with told() as report:
            for path, policy in zip((a, b), policies, strict=True):
                sides.append(side_of(path.stem, planned(tables, policy, limits_of(settings), report)))
    except KeyboardInterrupt as error:
        raise CancelledError("Cancelled before both policies were planned.") from error
    return sides[0], sides[1]


def run_folder(path: Path) -> Path:
    """The path of a run; UsageError where a policy file was probably meant."""
    if path.is_file():
        raise UsageError(f'"{path}" is a file, wanted: the folder of a run. Maybe add --instance to compare policies.')
    return path


def refuse_page(page: Path | None) -> None:
    """UsageError, before any work, where a page cannot be written."""
    if page is not None and (page.is_dir() or not page.parent.is_dir()):
        raise UsageError(f'--page: "{page}" cannot be written; wanted: a file in a folder that is there.')


def write_page(page: Page, path: Path) -> None:
    """One HTML file."""
    write_text(path, html(page))
