"""`allocator bench`: the benchmark suites. Results are CSV on standard output, a row as soon as it is known.

allocator bench gap FILE... --seconds 60
allocator bench scale --sizes M L --seeds 11 12 --peers highs scip
allocator bench daily cm-2026-01-40w --seconds 90
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from api.settings import Backend, Size

BACKENDS = tuple(backend.value for backend in Backend)
PEERS = tuple(backend for backend in BACKENDS if backend != Backend.AUTO.value)
SIZES = tuple(size.value for size in Size)
MOST_THREADS = 64


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    value = float(text)
    if not 0 < value <= 1e6:
        raise ValueError
    return value


def seed(text: str) -> int:
    """A whole number from 0."""
    value = int(text)
    if not 0 <= value < 2**31:
        raise ValueError
    return value


def threads(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if not 1 <= value <= MOST_THREADS:
        raise ValueError
    return value


def parser() -> argparse.ArgumentParser:
    """What may be given, with every default."""
    as_json = argparse.ArgumentParser(add_help=False)
    shown = "print a JSON object a row instead of CSV"
    as_json.add_argument("--json", dest="as_json", action="store_true", default=argparse.SUPPRESS, help=shown)
    found = argparse.ArgumentParser(
        prog="allocator bench", description="Benchmarks: CSV on standard output.", parents=[as_json]
    )
    suites = found.add_subparsers(dest="suite", required=True)

    gap = suites.add_parser(
        "gap", parents=[as_json], help="generalised assignment, files in the OR-Library format (minimised)"
    )
    gap.add_argument("files", nargs="+", type=Path, metavar="FILE")
    gap.add_argument("--seconds", type=seconds, default=60.0, help="for each instance (default: 60)")
    gap.add_argument("--seed", type=seed, default=0)
    gap.add_argument("--threads", type=threads, default=1)
    gap.add_argument("--backend", choices=BACKENDS, default=Backend.AUTO.value)

    scale = suites.add_parser(
        "scale", parents=[as_json], help="the sketch's instances, its weighted policy; the whole model beside it"
    )
    scale.add_argument("--sizes", nargs="+", choices=SIZES, default=["S", "M"])
    scale.add_argument("--seeds", nargs="+", type=seed, default=list(range(11, 16)), help="(default: 11 to 15)")
    scale.add_argument("--seconds", type=seconds, help="for each run (default: S 10, M 30, L 60, XL 900)")
    scale.add_argument("--peers", nargs="*", choices=PEERS, default=[], help="solvers that get the whole model")
    scale.add_argument("--peer-seconds", type=seconds, default=300.0, help="for each of them (default: 300)")
    scale.add_argument("--threads", type=threads, default=2)

    daily = suites.add_parser(
        "daily", parents=[as_json], help="the daily policy on shipped or generated instances, a row a goal"
    )
    daily.add_argument("instances", nargs="*", metavar="INSTANCE", help="a shipped instance, or a folder")
    daily.add_argument("--sizes", nargs="+", default=[], help="generated: S, M, L, XL or ENTRIESxSESSIONS")
    daily.add_argument("--seeds", nargs="+", type=seed, default=[1], help="of the search, and of generated instances")
    daily.add_argument("--seconds", type=seconds, default=90.0, help="for each run (default: 90)")
    daily.add_argument("--threads", type=threads, default=2)
    return found


def main(arguments: Sequence[str]) -> None:
    """Run one suite. Imports of solvers stand here, so that --help answers at once."""
    chosen = parser().parse_args(list(arguments), argparse.Namespace(as_json=False))
    if chosen.suite == "gap":
        from allocator.answer import Limits
        from benchmarks.gap import run_gap

        limits = Limits(seconds=chosen.seconds, seed=chosen.seed, threads=chosen.threads, backend=chosen.backend)
        run_gap(chosen.files, limits, as_json=chosen.as_json)
    elif chosen.suite == "scale":
        from benchmarks.scale import Scale, run_scale

        run_scale(
            Scale(
                tuple(chosen.sizes),
                tuple(chosen.seeds),
                chosen.seconds,
                tuple(chosen.peers),
                chosen.peer_seconds,
                chosen.threads,
            ),
            as_json=chosen.as_json,
        )
    else:
        from benchmarks.daily import run_daily

        run_daily(chosen.instances, chosen.sizes, chosen.seeds, chosen.seconds, chosen.threads, as_json=chosen.as_json)
