"""The command line: parse, call, say. Every command takes --json; progress goes to standard error.

Exit codes: 0 done; 2 wrong usage; 3 the input cannot be run; 4 pins or bookings contradict what is
possible; 5 the audit failed; 6 a limit was reached before any plan stood; 130 cancelled.
Imports of solvers and tables stand inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from allocator.errors import AllocatorError, UsageError
from allocator.interrupt import heard, interrupt
from api.admin import DataOption, admin_app
from api.lab_commands import lab
from api.settings import Backend, Cohort, ExportFormat, Settings, Size

app = typer.Typer(
    name="allocator",
    help="Places waiting-list entries in spare sessions, proves how good the plan is, says why anyone is left out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

InstanceArgument = Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder or workbook of an instance.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of an earlier run.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder to write; it must not hold anything yet.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("runs/demo"),
    seconds: Annotated[float, typer.Option(min=1, help="Seconds from options to audited plan.")] = 90.0,
    as_json: JsonOption = False,
) -> None:
    """Plan a shipped instance on real Cheshire and Merseyside figures, and say where to look."""
    typer.echo("Starting", err=True)  # what is imported here takes some seconds
    from api.daily import plan_day
    from instances import path

    plan_day(path("cm-2026-01-52w"), out, Settings(seconds=seconds), as_json=as_json)


@app.command()
def check(instance: InstanceArgument, as_json: JsonOption = False) -> None:
    """Read an instance and say what would be refused or held, and why; nothing is planned."""
    from api.daily import check_instance

    check_instance(instance, as_json=as_json)


@app.command()
def run(
    instance: InstanceArgument,
    out: OutOption,
    policy: Annotated[Path | None, typer.Option(help="Policy file (TOML); without it the daily policy.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAMETER=VALUE", help="Change one parameter.")
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option(help="Folder of the run before: this one begins from it, and changes.csv says what moved."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds from options to audited plan; 120 unless --work is given.")
    ] = None,
    work: Annotated[int | None, typer.Option(min=1, help="Work instead of seconds: the same on every machine.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, max=64, help="Threads; all cores unless given.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop where a booking does not fit.")] = False,
    backend: Annotated[Backend, typer.Option(help="Solver; auto chooses by size.")] = Backend.AUTO,
    executor: Annotated[
        str, typer.Option(help="Who solves the regions of a country: local, or a Dask scheduler at tcp://HOST:PORT.")
    ] = "local",
    as_json: JsonOption = False,
) -> None:
    """Plan an instance: an audited plan, its proof, reasons, exports and a report."""
    typer.echo("Starting", err=True)  # what is imported here takes some seconds
    from api.daily import plan_day

    settings = Settings(policy, tuple(changes or ()), previous, seconds, work, seed, threads, strict, backend, executor)
    plan_day(instance, out, settings, as_json=as_json)


@app.command()
def carry(
    run_folder: RunArgument,
    into: Annotated[Path, typer.Option("--into", help="Tomorrow's instance folder.")],
    decisions: Annotated[Path | None, typer.Option(help="CSV of what people decided.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write tomorrow's commitments from yesterday's run and what people decided."""
    from api.daily import carry_over

    carry_over(run_folder, decisions, into, as_json=as_json)


@app.command()
def verify(
    run_folder: RunArgument,
    instance: Annotated[Path | None, typer.Option(help="The instance, to compare fingerprints.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a run folder again, without any solver: fingerprints, rules, goal values, certified bounds."""
    from api.daily import verify_run

    verify_run(run_folder, instance, as_json=as_json)


@app.command()
def explain(
    run_folder: RunArgument,
    entry_id: Annotated[str | None, typer.Argument(metavar="ENTRY_ID", help="Entry of a waiting list.")] = None,
    everybody: Annotated[
        Path | None, typer.Option("--everybody", metavar="FILE.csv", help="Funnel and outranked for all unplaced.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say why an entry has no place (or why this one), who took it, and what would change it."""
    from allocator.errors import UsageError
    from api.explain import explain_entry, explain_everybody

    if (entry_id is None) == (everybody is None):
        raise UsageError("Give one of ENTRY_ID and --everybody FILE.csv.")
    if everybody is not None:
        explain_everybody(run_folder, everybody, as_json=as_json)
    elif entry_id is not None:
        explain_entry(run_folder, entry_id, as_json=as_json)


@app.command()
def generate(
    size: Annotated[Size, typer.Option(help="S 500 entries, M 5,000, L 30,000, XL 300,000.")],
    out: OutOption,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make a synthetic instance."""
    from api.make import generate_instance

    generate_instance(size, seed, out, as_json=as_json)


@app.command("import-nhs")
def import_nhs(
    out: OutOption,
    cohort_weeks: Annotated[int, typer.Option(min=0, max=104, help="Shortest wait of a theatre entry.")] = 52,
    month: Annotated[str, typer.Option(help="Month of the figures: 2026-01 or 2024-03.")] = "2026-01",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic people and of the spare sessions.")] = 1,
    population: Annotated[int, typer.Option(min=1, help="Which people of the seed: the sessions stay the same.")] = 1,
    capacity_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Spare minutes as a share of the cohort's; the usual unless given."),
    ] = None,
    published: Annotated[
        Path | None, typer.Option(help="Folder with the published files; without it the shipped figures are used.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build an instance from the published NHS figures: exact margins, synthetic people."""
    from api.make import import_published

    import_published(out, Cohort(cohort_weeks, month, seed, population, capacity_share), published, as_json=as_json)


@app.command("export-model")
def export_model(
    instance: InstanceArgument,
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="lp or mps.")] = ExportFormat.LP,
    goal: Annotated[str | None, typer.Option(help="Goal to export; the first unless given.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file (TOML).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole-number model of one goal for other solvers."""
    from api.make import write_model

    write_model(instance, policy, goal, format_, out, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8765,
    data: DataOption = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Workers on this machine.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Serve the API, with a worker that solves, over one data folder."""
    from api.serve import serve

    serve(host, port, data, workers=workers, as_json=as_json)


@app.command()
def worker(
    data: DataOption = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a worker, on any machine that reaches the database and the artefact folder."""
    from api.commands import run_worker

    run_worker(data, with_parent=with_parent, as_json=as_json)


app.add_typer(admin_app)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
    add_help_option=False,
)
def bench(context: typer.Context, as_json: JsonOption = False) -> None:
    """Run a benchmark: gap, scale or daily. CSV on standard output; `bench gap --help` says more."""
    from importlib.metadata import entry_points

    # Found by name, for benchmarks may import the ways in, never the other way round.
    found = tuple(entry_points(group="allocator.commands", name="bench"))
    if not found:
        raise UsageError("The benchmarks are not installed. Maybe install the package anew (uv sync).")
    found[0].load()([*(["--json"] if as_json else []), *context.args])


app.add_typer(lab)


def main() -> None:
    """Run the command line; errors become one plain message and an exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever started this ignores it
        signal.signal(signal.SIGINT, interrupt)
        sys.unraisablehook = heard
    try:
        app(standalone_mode=True)
    except AllocatorError as error:
        print(f"allocator: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
