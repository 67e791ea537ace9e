"""The planner's laboratory: each function reads, asks the engine, and says what came."""

from __future__ import annotations

from pathlib import Path

from allocator.answer import Limits
from allocator.errors import AuditFailedError, CancelledError
from allocator.intake import read_instance
from allocator.lab.handmade import review, review_figures
from allocator.lab.plan_file import read_plan
from allocator.lab.words import review_lines
from allocator.options import Facts
from api.daily import policy_of, say
from api.progress import told
from api.settings import Settings


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
    except KeyboardInterrupt as error:
        raise CancelledError("Cancelled before the plan was judged.") from error
    say(review_figures(found) if as_json else review_lines(found, instance))
    if not found.passed:
        raise AuditFailedError(f"{plan_path} breaks rules: {len(found.violations)} finding(s), listed above.")
