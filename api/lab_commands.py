"""The commands of the planner's laboratory: audit, compare, scenarios, prices. Each parses and calls `api.lab`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

lab = typer.Typer()

InstanceArgument = Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder or workbook of an instance.")]
PolicyOption = Annotated[Path | None, typer.Option(help="Policy file (TOML); without it the daily policy.")]
ChangesOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME.PARAMETER=VALUE", help="Change one parameter.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, max=64, help="Threads; all cores unless given.")]
WorkOption = Annotated[
    int | None, typer.Option(min=1, help="Work instead of seconds for a run: the same on every machine.")
]
PageOption = Annotated[Path | None, typer.Option("--page", help="File to write one HTML page to.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@lab.command()
def audit(
    instance: InstanceArgument,
    plan: Annotated[Path, typer.Argument(metavar="PLAN.csv", help="CSV with entry_id and session_id.")],
    policy: PolicyOption = None,
    changes: ChangesOption = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds for a plan to compare with; as many for the proof.")
    ] = 20.0,
    work: WorkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a plan made by hand: every rule, every goal, how far from the best, and what would improve it."""
    from api.lab import audit_plan
    from api.settings import Settings

    settings = Settings(policy, tuple(changes or ()), None, seconds, work, seed, threads)
    audit_plan(instance, plan, settings, as_json=as_json)


@lab.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a run; with --instance a policy file.")],
    b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of a run; with --instance a policy file.")],
    instance: Annotated[
        Path | None, typer.Option(help="Instance to plan under two policies: RUN_A and RUN_B are then policy files.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="With --instance: seconds for each of the two.")] = 60.0,
    work: WorkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    page: PageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs, or two policies on one instance: who moves, gains, loses, and what each goal gains or pays."""
    from api.lab import compare_two
    from api.settings import Settings

    settings = Settings(seconds=seconds, work=work, seed=seed, threads=threads)
    compare_two(a, b, instance, settings, page, as_json=as_json)


@lab.command()
def scenarios(
    instance: InstanceArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file (TOML), see docs/planner.md.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; an unfinished study there goes on.")],
    executor: Annotated[str, typer.Option(help="local, or tcp://HOST:PORT of a dask.distributed cluster.")] = "local",
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes side by side; 0: all cores.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Plan a base policy and its variants, sweeps and grids, side by side: table, trade-off curves, one page."""
    from api.scenarios import run_scenarios

    run_scenarios(instance, file, out, executor, workers, as_json=as_json)


@lab.command()
def prices(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    goal: Annotated[str | None, typer.Option(help="Rank by this goal; by all goals in order unless given.")] = None,
    top: Annotated[int, typer.Option(min=0, max=50, help="So many of the best are planned again; 0: none.")] = 10,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds for better prices, and for each plan made again.")
    ] = 30.0,
    work: WorkOption = None,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes side by side; 0: all cores.")] = 0,
    page: PageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price tags: what each rule, one more list and one more bed is worth on each goal, and the best planned again."""
    from allocator.answer import Limits
    from api.prices import price_run

    price_run(run_folder, goal, top, Limits(seconds=seconds, work=work), workers, page, as_json=as_json)
