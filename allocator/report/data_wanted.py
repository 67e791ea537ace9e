"""data_wanted.csv: which blanks, if filled in favourably, would open the most options to people without a place.

For each column in turn, every blank among waiting entries without a place is filled with the value that fits
most, the screens are run again on the tables so changed, and the new options are counted. It is what a blank
can cost at most: the true value may be less favourable.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from allocator.answer import Run
from allocator.instance import Bools, Instance, Ints
from allocator.options import Facts, Options, build_options
from allocator.rule import closed_sessions

DATA_WANTED_COLUMNS = ("column", "entry_id", "home_provider", "options_it_would_open")

WANTED = (
    "transfer_consent",
    "asa_grade",
    "bmi",
    "age_years",
    "needs_hdu",
    "poa_valid_until",
    "procedure_code",
)
ADULT_AGE_YEARS = 40


def data_wanted_table(run: Run, options: Options) -> pd.DataFrame:
    """A row a blank that could open options, ranked by column, then by entry, most options first.

    `options` are those of the run. A consent of `not_asked` counts as blank.
    """
    instance = run.facts.instance
    unplaced = unplaced_waiting(run)
    before = np.bincount(options.entry, minlength=len(unplaced))
    parts = []
    for name in WANTED:
        blank = unplaced & is_blank(instance, name)
        if blank.any():
            gained = np.maximum(_options_if_filled(run, name, blank) - before, 0)
            rows = np.flatnonzero(blank & (gained > 0))
            parts.append(
                pd.DataFrame(
                    {
                        "column": name,
                        "entry_id": instance.column("patients", "entry_id")[rows],
                        "home_provider": instance.column("patients", "home_provider")[rows],
                        "options_it_would_open": gained[rows],
                    }
                )
            )
    found = [part for part in parts if len(part)]
    if not found:
        return pd.DataFrame(columns=list(DATA_WANTED_COLUMNS))
    table = pd.concat(found, ignore_index=True)
    totals = table.groupby("column")["options_it_would_open"].transform("sum")
    ranked = table.assign(total=-totals, own=-table["options_it_would_open"])
    ranked = ranked.sort_values(["total", "column", "own", "entry_id"], kind="stable")
    return ranked[list(DATA_WANTED_COLUMNS)].reset_index(drop=True)


def unplaced_waiting(run: Run) -> Bools:
    """(n_entries,) may be given a place, and has none."""
    waiting = run.facts.standing.waiting.copy()
    waiting[[run.facts.instance.entry_row[entry_id] for entry_id in run.allocation.of_entry]] = False
    return waiting


def is_blank(instance: Instance, name: str) -> Bools:
    """(n_entries,) is the value of a column of patients unknown, or a question not yet asked."""
    values = instance.patients[name]
    if isinstance(values.dtype, pd.StringDtype):
        return values.isin(["", "not_asked"]).to_numpy(dtype=bool)
    return values.isna().to_numpy(dtype=bool)


def _options_if_filled(run: Run, name: str, blank: Bools) -> Ints:
    """(n_entries,) options of the blank entries, were the column filled in favourably; 0 for all others."""
    instance = run.facts.instance
    # Entries that are not asked about are held, so that no options are made for them. Nobody moves house.
    patients = instance.patients.assign(held=~blank)
    if name == "procedure_code":
        instance = instance.replacing(sessions=instance.sessions.assign(accepts_procedures=""))
    else:
        filled = patients[name].copy()
        filled[blank] = favourable(instance)[name]
        patients = patients.assign(**{name: filled})
    facts = Facts(instance.replacing(patients=patients), run.facts.travel)
    options = build_options(facts, run.policy.screens, closed_sessions(run.facts, run.conflicts))
    return np.bincount(options.entry[~options.fixed], minlength=len(blank))


def favourable(instance: Instance) -> Mapping[str, object]:
    """The value of each wanted column that fits the most sites and sessions.

    A procedure code has none: sessions are taken to accept every procedure instead.
    """
    return {
        "transfer_consent": "yes",
        "asa_grade": 1.0,
        "bmi": 25.0,
        "age_years": float(ADULT_AGE_YEARS),
        "needs_hdu": False,
        "poa_valid_until": pd.Timestamp(instance.info.horizon_end),
    }
