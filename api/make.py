"""Making instances and model files: generate, import-nhs, export-model."""

from __future__ import annotations

from pathlib import Path

from allocator.backends.cbc import built
from allocator.errors import UsageError, maybe
from allocator.formulation import formulate
from allocator.instance import Instance
from allocator.intake import read_instance
from allocator.options import Facts, build_options
from allocator.rule import closed_sessions, find_conflicts
from allocator.solve.exact import goal_problem
from api.daily import policy_of, refuse_unusable, say
from api.settings import Cohort, ExportFormat, Settings, Size
from instances.generate import generate, write


def generate_instance(size: Size, seed: int, out: Path, *, as_json: bool) -> None:
    """Make a synthetic instance and say what is in it."""
    refuse_unusable(out)
    instance = generate(size.value, seed)
    write(instance, out)
    say_made(instance, out, as_json=as_json)


def import_published(out: Path, cohort: Cohort, published: Path | None, *, as_json: bool) -> None:
    """Build an instance from the published figures and say what is in it."""
    from instances.nhs import CAPACITY_SHARE, import_nhs

    refuse_unusable(out)
    instance = import_nhs(
        out,
        cohort_weeks=cohort.weeks,
        month=cohort.month,
        seed=cohort.seed,
        population=cohort.population,
        capacity_share=CAPACITY_SHARE if cohort.capacity_share is None else cohort.capacity_share,
        published=published,
    )
    say_made(instance, out, as_json=as_json)


def say_made(instance: Instance, out: Path, *, as_json: bool) -> None:
    """Counts of what was written."""
    counts = {name: len(frame) for name, frame in instance.frames.items()}
    line = f"{out}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()) + "."
    say({"path": str(out), "fingerprint": instance.fingerprint, "rows": counts} if as_json else [line])


def write_model(
    instance: Path, policy: Path | None, goal: str | None, format_: ExportFormat, out: Path, *, as_json: bool
) -> None:
    """Write one goal of the whole model as an LP or MPS file, the goals before it not held."""
    chosen = policy_of(Settings(policy=policy))
    facts = Facts(read_instance(instance).instance)
    conflicts = find_conflicts(chosen.limits, facts)
    formulation = formulate(build_options(facts, chosen.screens, closed_sessions(facts, conflicts)), chosen)
    labels = [vector.label for vector in formulation.goals]
    wanted = labels[0] if goal is None else goal
    if wanted not in labels:
        raise UsageError(f'No goal of this policy is called "{wanted}"; it has {labels}.{maybe(wanted, labels)}')
    model, _ = built(goal_problem(formulation, labels.index(wanted), []))
    (model.writeLP if format_ is ExportFormat.LP else model.writeMPS)(str(out))
    counts = {"columns": len(model.variables()), "rows": model.numConstraints()}
    line = f"{out}: {counts['columns']:,} columns, {counts['rows']:,} rows, goal {wanted}."
    say({"path": str(out), "goal": wanted, **counts} if as_json else [line])
