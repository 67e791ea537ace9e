"""allocator explain: one entry of a run in three layers, or layers one and two of everybody without a place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from allocator.backends.process import Worker
from allocator.errors import UsageError
from allocator.report.safe import write_csv
from allocator.why.case import Case
from allocator.why.explained import explained
from allocator.why.funnel import funnels
from allocator.why.outranked import outranked, standings
from allocator.why.read import read_case
from api.daily import say
from api.scenarios import tell
from models import CATALOGUE


def explain_entry(run_folder: Path, entry_id: str, *, as_json: bool) -> None:
    """Say why an entry has no place, or why this one, and what would change it."""
    tell("Reading the run")
    case = read_case(run_folder, CATALOGUE)
    tell("Looking for what keeps it out, and for the nearest change")
    with Worker() as worker:
        found = explained(case, standings(case), entry_id, worker)
    say(found.figures() if as_json else found.lines())


def explain_everybody(run_folder: Path, out: Path, *, as_json: bool) -> None:
    """Write the funnel and what outranks every entry without a place, as CSV."""
    if out.exists():
        raise UsageError(f'"{out}" is there already. Maybe choose another --everybody.')
    tell("Reading the run, and looking at everybody without a place")
    table = layers(read_case(run_folder, CATALOGUE))
    write_csv(table, out)
    line = f"{out}: {len(table):,} entries without a place (those treated or held are not among them)."
    say({"path": str(out), "entries": len(table)} if as_json else [line])


def layers(case: Case) -> pd.DataFrame:
    """A row an entry without a place: entry_id, funnel, outranked."""
    entry_ids = case.unplaced()
    rows = np.array([case.facts.instance.entry_row[entry_id] for entry_id in entry_ids], dtype=np.int64)
    options = np.flatnonzero(np.isin(case.formulation.entry, rows))
    screened = {item.entry_id: " ".join(item.sentences()) for item in funnels(case, rows)}
    others = {item.entry_id: " ".join(item.sentences()) for item in outranked(standings(case), options)}
    found = [(entry_id, screened[entry_id], others.get(entry_id, "")) for entry_id in entry_ids]
    return pd.DataFrame(found, columns=["entry_id", "funnel", "outranked"])
