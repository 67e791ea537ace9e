"""Stray NHS numbers become pseudonyms before anything else is read, so that nothing later can show them.

One person has one pseudonym in every table and on every morning: commitments and decisions that name the
number still mean the entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from allocator import schema
from allocator.intake.nhs_number import is_nhs_number, pseudonymous
from allocator.intake.raw import RawTable, schema_table

OF_PEOPLE = ("patients", "unavailable", "commitments", "overrides")
IDENTITIES = ("entry_id", "patient_id", "requires_entry_id")


def without_nhs_numbers(raw: RawTable) -> RawTable:
    """The table with pseudonyms for valid NHS numbers: in ids, in free text and in columns that are not ours."""
    if raw.name not in OF_PEOPLE:
        return raw
    changed, notices = {}, []
    for name in map(str, raw.frame.columns):
        if not may_hold_numbers(schema_table(raw.name), name):
            continue
        codes, distinct = pd.factorize(raw.frame[name])
        texts = [pseudonymous(text) for text in distinct.tolist()]
        replaced = [number for number, (text, given) in enumerate(zip(texts, distinct, strict=True)) if text != given]
        if not replaced:
            continue
        changed[name] = pd.array(texts, dtype="str").take(codes)
        count = int(pd.Series(codes).isin(replaced).sum())
        notices.append(
            f"{raw.name}.{name}: {count} {'value reads' if count == 1 else 'values read'} as a valid NHS number; "
            "each stands as masked-... in everything that comes out. "
            "Maybe pseudonyms of ten digits: one in eleven passes the check."
        )
    if not changed:
        return raw
    return replace(raw, frame=raw.frame.assign(**changed), notices=(*raw.notices, *notices))


def numbers_of_entries(patients: RawTable) -> Mapping[str, tuple[str, ...]]:
    """Pseudonym -> the numbers that it stands for among the entry ids, for references that a spreadsheet shortened."""
    found: dict[str, tuple[str, ...]] = {}
    for text in patients.frame["entry_id"].str.strip().unique().tolist():
        if is_nhs_number(text):
            name = pseudonymous(text)
            found[name] = (*found.get(name, ()), "".join(sign for sign in text if sign.isdigit()))
    return found


def may_hold_numbers(table: schema.Table, name: str) -> bool:
    """Is a column one of ids of people, of free text, or one that the contract does not name."""
    known = {column.name: column.kind for column in table.columns}
    return name in IDENTITIES or known.get(name, "text") == "text"
