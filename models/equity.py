"""Shares in whole numbers: what hard and elastic equity have in common.

A group g with n_g of the N entries that count gets at least floor((1 - tolerance) x P x n_g / N) of the
P new placements that count. With (1 - tolerance) n_g / N = a / b in lowest terms, and s the shortfall:
    floor(a P / b) <= p_g + s   <=>   b p_g - a P + b s >= 1 - b,   all whole numbers.
Equal rates hold both sides: with n_g / N = a / b in lowest terms, and t the places that a group may be off,
    abs(p_g - P n_g / N) <= t   <=>   abs(b p_g - a P) <= floor(t b).
Fixed placements are left out of both sides; entries count that have a new option.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from allocator.errors import UsageError, maybe
from allocator.instance import Array, Instance, Ints
from allocator.options import Options
from allocator.rows import Rows
from allocator.rule import Columns
from models.numbering import numbered

UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Floor:
    """One group's floor: at least floor(share x placements among `base`) placements among `members`.

    share    (1 - tolerance) x entries of the group / entries of the base
    size     entries of the group with an option: no shortfall is larger
    members  (n_members,) new options of the group, ascending
    base     (n_base,) new options of everybody the group is compared with, the members included, ascending
    """

    key: str
    share: Fraction
    size: int
    members: Ints
    base: Ints


def group_label(value: Any) -> str:
    """A group's name for people: "3" for 3.0, "unknown" for an empty cell."""
    if value is None or value is pd.NA or value == "" or value != value:
        return UNKNOWN
    if isinstance(value, (float, np.floating)) and value == int(value):
        return str(int(value))
    return str(value)


def group_labels(instance: Instance, column: str) -> Array:
    """The group of every entry, shape (n_entries,). UsageError where patients has no such column."""
    known = list(instance.frames["patients"].columns)
    if column not in known:
        raise UsageError(f'patients has no column "{column}" to group by.{maybe(column, known)}')
    code, values = pd.factorize(instance.column("patients", column))
    labels = np.array([*(group_label(value) for value in values), UNKNOWN], dtype=object)
    return labels[code]  # an empty cell has -1, the last one


def kept_share(tolerance: float) -> Fraction:
    """1 - tolerance, exactly as the decimal was written."""
    return 1 - Fraction(str(tolerance))


def group_floors(options: Options, column: str, tolerance: float, min_size: int) -> tuple[Floor, ...]:
    """A floor for every group of `column` with at least `min_size` entries that have a new option."""
    groups = group_labels(options.instance, column)
    return floors_within(options, groups, new_options(options), tolerance, min_size)


def access_floors(options: Options, tolerance: float, min_size: int) -> tuple[Floor, ...]:
    """A floor for every home provider within every service, over new places at independent providers."""
    instance = options.instance
    kinds, codes = instance.column("patients", "care_kind"), instance.column("patients", "service_code")
    services = np.array([f"{kind} {code}" for kind, code in zip(kinds, codes, strict=True)], dtype=object)
    homes = np.array(instance.column("patients", "home_provider") + ", " + services, dtype=object)
    base = np.flatnonzero(~options.fixed & instance.session_independent[options.session] & ~options.at_home)
    service = np.unique(services.astype("str"), return_inverse=True)[1][options.entry[base]]
    return tuple(
        floor
        for within in split_by(base, service)
        for floor in floors_within(options, homes, within, tolerance, min_size)
    )


def new_options(options: Options) -> Ints:
    """Numbers of the options that are not fixed, int32: a few groups hold every one of millions."""
    return np.flatnonzero(~options.fixed).astype(np.int32)


def split_by(values: Ints, code: Ints) -> list[Ints]:
    """The values with each code (n_values,), in the order of the codes, each part in the order given."""
    order = np.argsort(code, kind="stable")
    return np.split(values[order], np.flatnonzero(np.diff(code[order])) + 1)


def floors_within(options: Options, groups: Array, base: Ints, tolerance: float, min_size: int) -> tuple[Floor, ...]:
    """A floor for every group among the options `base`; `groups` (n_entries,) names the group of each entry."""
    names, group = np.unique(groups.astype("str"), return_inverse=True)
    entries, _ = numbered(options.entry[base])
    sizes = np.bincount(group[entries], minlength=len(names))
    of_base = group[options.entry[base]]
    kept = kept_share(tolerance)
    return tuple(
        Floor(
            str(names[code]),
            kept * Fraction(int(sizes[code]), len(entries)),
            int(sizes[code]),
            base[of_base == code],
            base,
        )
        for code in np.flatnonzero(sizes >= max(1, min_size))
    )


def floor_rows(columns: Columns, floors: Sequence[Floor], shortfalls: Ints | None = None) -> Rows:
    """One row a floor; `shortfalls` (n_floors,) are the columns of the elastic form's shortfalls."""
    b = np.array([floor.share.denominator for floor in floors], dtype=np.int64)
    short = None if shortfalls is None else (np.arange(len(floors)), shortfalls, b)
    return _share_rows(columns, floors, (1 - b).astype(np.float64), np.inf, short)


def rate_rows(columns: Columns, shares: Sequence[Floor], slacks: Sequence[Fraction]) -> Rows:
    """One row a share, without tolerance: it is met but for so many places, one too many or one too few."""
    reach = [math.floor(slack * share.share.denominator) for share, slack in zip(shares, slacks, strict=True)]
    most = np.array(reach, dtype=np.float64)
    return _share_rows(columns, shares, -most, most)


def _share_rows(
    columns: Columns,
    shares: Sequence[Floor],
    lower: Array,
    upper: Array | float,
    direct: tuple[Ints, Ints, Ints] | None = None,
) -> Rows:
    """lower <= b placed among members - a placed among base <= upper, with a / b the share; a row a share."""
    if not shares:
        return Rows.none(columns.n)
    bases = {id(share.base): share.base for share in shares}
    everybody = {key: len(shares) + number for number, key in enumerate(bases)}
    groups = [share.members for share in shares] + list(bases.values())
    number = np.arange(len(shares))
    a, b = np.array([share.share.as_integer_ratio() for share in shares], dtype=np.int64).T
    nothing = np.zeros(0, dtype=np.int64)
    return Rows.of_groups(
        columns.n,
        [share.key for share in shares],
        direct or (nothing, nothing, nothing),
        (np.repeat(np.arange(len(groups), dtype=np.int32), [len(group) for group in groups]), np.concatenate(groups)),
        (np.tile(number, 2), np.append(number, [everybody[id(share.base)] for share in shares]), np.append(b, -a)),
        lower=lower,
        upper=upper,
    )
