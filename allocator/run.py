"""The whole story: from an instance and a policy to an audited run. Read this first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from allocator.allocation import Allocation
from allocator.answer import Limits, Memory, Reporter, Run, Start, silent
from allocator.audit import audit
from allocator.baseline import baseline
from allocator.explain import explain_sessions, explain_unplaced, obstacles_to
from allocator.formulation import Formulation, formulate
from allocator.gap import gap_splits
from allocator.instance import Instance
from allocator.memory import give_back
from allocator.options import Facts, build_options
from allocator.peak_memory import PeakMemory
from allocator.policy import Policy
from allocator.rule import closed_sessions, find_conflicts
from allocator.solve.crew import Crew, crew_for
from allocator.solve.lexicographic import solve
from allocator.solve.loader import complete
from allocator.solve.partition import CUT_FROM
from allocator.solve.ready import compile_for, needs_compiling
from allocator.solve.regions import solve_by_region
from allocator.stopwatch import Stopwatch
from allocator.warm import memory_of, pairs_of, start_of


def allocate(
    instance: Instance,
    policy: Policy,
    limits: Limits | None = None,
    report: Reporter = silent,
    memory: Memory | None = None,
    crew: Crew | None = None,
) -> Run:
    """Place the entries of `instance` under `policy`, within `limits`, and audit the plan.

    `memory` is what an earlier run, or an interrupted one, left: this one begins from it.
    What is too large to be laid out at once is solved by region: by this crew, or by workers of two threads each.
    """
    limits = limits or Limits()
    with PeakMemory() as memory_used:
        run = planned(instance, policy, limits, report, memory, crew)
    return replace(run, peak_megabytes=memory_used.megabytes)


def planned(
    instance: Instance, policy: Policy, limits: Limits, report: Reporter, memory: Memory | None, crew: Crew | None
) -> Run:
    """The stages of a run, one after the other."""
    watch = Stopwatch(limits.seconds, report)
    facts = Facts(instance)
    conflicts = find_conflicts(policy.limits, facts, strict=limits.strict)
    with watch.stage("options"):
        options = build_options(facts, policy.screens, closed_sessions(facts, conflicts))
    with watch.stage("formulate"):
        formulation = formulate(options, policy)
    if needs_compiling(formulation, limits):
        with watch.outside("compile"):
            compile_for(formulation, limits)
    with watch.stage("solve"):
        watch.named = partial(pairs_of, formulation)
        if limits.backend == "auto" and formulation.n_options > CUT_FROM:
            answer = solve_by_region(formulation, limits, watch, crew or crew_for(limits.threads))
        else:
            answer = solve(formulation, limits, watch, start_of(memory, formulation) if memory else Start())
    with watch.stage("audit"):
        allocation = Allocation.from_options(options, answer.chosen)
        audited = audit(facts, policy, allocation, answer.goals, conflicts)
    with watch.stage("explain"):
        spare_memory(formulation)
        obstacles = obstacles_to(formulation, allocation)
        unplaced, kept_out = explain_unplaced(obstacles, policy, conflicts), explain_sessions(obstacles, policy)
        del obstacles
        spare_memory(formulation)
        without_us = baseline(formulation)
        gap_parts = gap_splits(formulation, answer.certificate, complete(formulation, answer.chosen))
    return Run(
        facts=facts,
        policy=policy,
        limits=limits,
        allocation=allocation,
        goals=answer.goals,
        baseline=without_us,
        baseline_scores={goal.label: goal.score(facts, without_us) for goal in policy.ordered_goals},
        audit=audited,
        unplaced=unplaced,
        kept_out=kept_out,
        conflicts=conflicts,
        ending=answer.ending,
        certificate=answer.certificate,
        trace=answer.trace,
        memory=memory_of(formulation, answer.chosen, answer.left),
        entries_with_option=options.entries_with_option,
        n_options=len(options),
        seconds=watch.seconds,
        gap_parts=gap_parts,
    )


def spare_memory(formulation: Formulation) -> None:
    """Give back what the stage before needed, where the model is large enough for that to matter."""
    if formulation.n_options > CUT_FROM:
        give_back()
