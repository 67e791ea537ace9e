"""Organisations, sites, sessions, beds, travel and whole lists: codes that have to exist, trusts that merged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from allocator.errors import maybe
from allocator.instance import Array, Ints
from allocator.intake.draft import Draft
from allocator.intake.duplicates import without_duplicates
from allocator.intake.effects import REFUSE

OLD_LIST_DAYS = 7
"""Hubs exchange lists weekly; an older list may hold people who were treated since."""
MAX_HINTS = 50


def unknown_codes(draft: Draft, column: str, known: Collection[str], what: str) -> Draft:
    """Refuse the rows whose code is given and not known."""
    codes = draft.column(column)
    here = pd.Series(codes).isin(list(known)).to_numpy()
    wrong = np.flatnonzero(~draft.refused & ~here & (codes != ""))
    distinct = list(dict.fromkeys(codes[wrong]))
    near = {code: _near(code, known) for code in distinct[:MAX_HINTS]}
    hints = [near.get(code, "") or f"wanted a code of the table {what}s" for code in codes[wrong]]
    return draft.fault(wrong, column, f"is not a known {what}", hints, effect=REFUSE)


def _near(code: str, known: Iterable[str]) -> str:
    same = [name for name in known if name.casefold() == code.casefold()]
    return f'Maybe "{same[0]}".' if same else maybe(code, known).strip()


def checked_organisations(draft: Draft, plan_date: dt.date) -> Draft:
    """Without doubles, named, and with old lists noted."""
    draft, _ = without_duplicates(draft)
    draft = _named(draft, "provider_code")
    old = draft.column("list_as_of") < np.datetime64(plan_date - dt.timedelta(days=OLD_LIST_DAYS), "s")
    shown = [
        f"{code} ({str(as_of)[:10]})"
        for code, as_of in zip(draft.column("provider_code")[old], draft.column("list_as_of")[old], strict=True)
    ]
    notice = f"organisations: lists older than {OLD_LIST_DAYS} days: {', '.join(shown)}." if shown else ""
    return draft.noted(notice)


def _named(draft: Draft, code: str) -> Draft:
    """An organisation or site without a name goes by its code."""
    nameless = np.flatnonzero(draft.column("name") == "")
    return draft.with_value("name", nameless, draft.column(code)[nameless])


def successors(organisations: Draft, plan_date: dt.date) -> Mapping[str, str]:
    """Code of every organisation that ended before the plan date -> the one that took over, if it is there."""
    rows = organisations.accepted
    codes, follow = organisations.column("provider_code"), organisations.column("successor_code")
    ended = organisations.column("valid_to") < np.datetime64(plan_date, "s")
    here = set(codes[rows])
    step = {codes[row]: follow[row] for row in rows if ended[row] and follow[row] in here and follow[row] != codes[row]}
    found = {}
    for code in step:
        seen, last = {code}, step[code]
        while last in step and last not in seen:
            seen.add(last)
            last = step[last]
        if last not in step:
            found[code] = last
    return found


def mapped_to_successors(draft: Draft, column: str, successor: Mapping[str, str]) -> Draft:
    """Codes of organisations that merged become those of their successors, with one notice each."""
    codes = draft.column(column)
    for old, new in successor.items():
        rows = np.flatnonzero(codes == old)
        if len(rows):
            draft = draft.with_value(column, rows, new)
            draft = draft.noted(
                f"{draft.table.name}.{column}: {len(rows)} of {old}, which became {new}, read as {new}."
            )
    return draft


def known(draft: Draft, column: str) -> frozenset[str]:
    """The codes of the rows that stay."""
    return frozenset(draft.column(column)[draft.accepted])


def checked_sites(draft: Draft, providers: Collection[str]) -> Draft:
    """At known providers, without doubles; a site whose two rows differ takes nobody new."""
    draft, unsure = without_duplicates(unknown_codes(draft, "provider_code", providers, "organisation"))
    return _named(draft.close(unsure), "site_code")


def checked_sessions(draft: Draft, sites: Draft) -> Draft:
    """At known sites, without doubles; closed where a row or its site cannot be trusted to take anybody new."""
    draft, unsure = without_duplicates(unknown_codes(draft, "site_code", known(sites, "site_code"), "site"))
    closed_sites = sites.column("site_code")[sites.closed & ~sites.refused]
    at_closed = np.flatnonzero(np.isin(draft.column("site_code").astype("str"), closed_sites.astype("str")))
    draft = draft.close(np.concatenate([unsure, at_closed]))
    count = int((draft.closed & ~draft.refused).sum())
    return draft.noted(f"sessions: {count} take nobody new, because a limit of theirs is damaged." if count else "")


def checked_beds(draft: Draft, sites: Draft) -> Draft:
    """At known sites, the fewest beds where two rows differ."""
    kinds = draft.column("bed_kind")
    draft = draft.with_value("bed_kind", np.flatnonzero(kinds == ""), "ward") if "bed_kind" in draft.values else draft
    return without_duplicates(unknown_codes(draft, "site_code", known(sites, "site_code"), "site"))[0]


def checked_travel(draft: Draft, sites: Draft) -> Draft:
    """The longest journey where two rows differ; journeys to sites that are not here do no harm."""
    elsewhere = ~np.isin(
        draft.column("site_code").astype("str"), np.array(sorted(known(sites, "site_code")), dtype="str")
    )
    count = int((elsewhere & ~draft.refused).sum())
    draft = draft.noted(f"travel: {count} journeys are to sites that are not in the table sites." if count else "")
    return without_duplicates(draft)[0]


def checked_waiting_lists(draft: Draft, providers: Collection[str], successor: Mapping[str, str]) -> tuple[Draft, Ints]:
    """Of known providers. Lists of trusts that merged are added up: returns the rows that went into others."""
    draft, _ = without_duplicates(unknown_codes(draft, "provider_code", providers, "organisation"))
    draft = mapped_to_successors(draft, "provider_code", successor)
    first: dict[tuple[str, ...], int] = {}
    merged: list[int] = []
    sizes: Array = draft.column("list_size").copy()
    for row in draft.accepted:
        key = tuple(str(draft.column(name)[row]) for name in draft.table.key)
        kept = first.setdefault(key, row)
        if kept != row:
            merged.append(row)
            sizes[kept] += sizes[row]
    draft = draft.with_value("list_size", np.arange(len(draft)), sizes) if merged else draft
    return draft, np.array(merged, dtype=np.int64)
