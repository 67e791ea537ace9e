"""rows: lower <= matrix @ columns <= upper in whole numbers, as limits and goals hand them over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from allocator.instance import Array, Floats, Ints
from allocator.memory import put_away, room_for
from allocator.row_products import activities, add_prices, add_sizes

NARROW = 2**31 - 1
"""What 32 bits hold, with either sign."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows lower <= matrix @ columns <= upper, whole numbers, infinite where open.

    matrix = direct + weights @ members: a row over whole groups of columns (everybody of one fifth) is kept as
    a few weights of groups, so that nobody stores a coefficient for every column.

    direct   (n_rows, n_columns) int32, int64 where a coefficient needs that
    lower, upper (n_rows,); keys name each row for people
    members  (n_groups, n_columns) int8, 1 where the column is in the group
    weights  (n_rows, n_groups) int64
    """

    direct: sparse.csr_array
    lower: Floats
    upper: Floats
    keys: tuple[str, ...]
    members: sparse.csr_array
    weights: sparse.csr_array

    @classmethod
    def of(
        cls,
        n_columns: int,
        keys: Sequence[str],
        row: Array,
        column: Array,
        coefficient: Array,
        *,
        lower: Array | float = -np.inf,
        upper: Array | float = np.inf,
    ) -> Rows:
        """From triplets (row, column, coefficient); entries of the same place are added up."""
        return cls.of_groups(
            n_columns, keys, (row, column, coefficient), (_NONE, _NONE), (_NONE, _NONE, _NONE), lower=lower, upper=upper
        )

    @classmethod
    def of_groups(
        cls,
        n_columns: int,
        keys: Sequence[str],
        direct: tuple[Array, Array, Array],
        members: tuple[Array, Array],
        weights: tuple[Array, Array, Array],
        *,
        lower: Array | float = -np.inf,
        upper: Array | float = np.inf,
    ) -> Rows:
        """From triplets (row, column, coefficient), pairs (group, column) and triplets (row, group, weight)."""
        group, column = members
        n_groups = int(max(np.max(group, initial=-1), np.max(weights[1], initial=-1))) + 1
        bounds = [np.broadcast_to(np.asarray(side, dtype=np.float64), (len(keys),)) for side in (lower, upper)]
        return cls(
            _whole_matrix(*direct, (len(keys), n_columns)),
            bounds[0],
            bounds[1],
            tuple(keys),
            _members(group, column, (n_groups, n_columns)),
            _whole_matrix(*weights, (len(keys), n_groups)).astype(np.int64),
        )

    @classmethod
    def none(cls, n_columns: int) -> Rows:
        """No rows."""
        return cls.of(n_columns, (), _NONE, _NONE, _NONE)

    @classmethod
    def stacked(cls, blocks: Iterable[Rows]) -> Rows:
        """All rows of all blocks, in order (at least one block).

        A block that nobody else holds is free as soon as it is copied, so that two of a country never stand.
        """
        parts = list(blocks)
        lower, upper = (np.concatenate([getattr(part, side) for part in parts]) for side in ("lower", "upper"))
        keys = tuple(key for part in parts for key in part.keys)
        weights = sparse.block_diag([part.weights for part in parts], format="csr", dtype=np.int64)
        direct, members = [part.direct for part in parts], [part.members for part in parts]
        parts.clear()
        return cls(_one_below_another(direct), lower, upper, keys, _one_below_another(members), weights)

    def take(self, rows: Ints) -> Rows:
        """The rows with these numbers."""
        keys = tuple(self.keys[row] for row in rows)
        return Rows(self.direct[rows], self.lower[rows], self.upper[rows], keys, self.members, self.weights[rows])

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """(n_rows, n_columns), every coefficient spelt out: for small models and single looks."""
        return sparse.csr_array(self.direct + self.weights @ self.members) if self.weights.nnz else self.direct

    @property
    def sizes(self) -> Floats:
        """(n_rows,) sum of the coefficients of each row without their signs; in several groups, once for each."""
        direct, weights = abs(self.direct).sum(axis=1), abs(self.weights)
        found: Floats = np.asarray(direct + weights @ self.members.sum(axis=1, dtype=np.int64), dtype=np.float64)
        return found

    @cached_property
    def by_column(self) -> tuple[sparse.csc_array, sparse.csc_array]:
        """direct and members, column by column."""
        return sparse.csc_array(self.direct), sparse.csc_array(self.members)

    def columns(self, which: Ints) -> sparse.csr_array:
        """(n_rows, len(which)) the matrix of some columns, every coefficient spelt out."""
        direct, members = self.by_column
        found = sparse.csr_array(direct[:, which])
        return (
            sparse.csr_array(found + self.weights @ sparse.csr_array(members[:, which])) if self.weights.nnz else found
        )

    def activity(self, z: Array) -> Array:
        """matrix @ z, (n_rows,)."""
        found = activities(self.direct, z)
        put_away()  # of a country only one of the two matrices is in memory
        if self.weights.nnz:
            found += self.weights @ activities(self.members, z)
        return found

    def column_prices(self, prices: Array) -> Array:
        """matrix^T @ prices, (n_columns,)."""
        found: Array = np.zeros(self.direct.shape[1], dtype=np.result_type(prices, np.int64))
        add_prices(self.direct, prices, found)
        put_away()
        add_prices(self.members, self.weights.T @ prices, found)
        return found

    def column_sizes(self, prices: Floats) -> Floats:
        """The same with every coefficient without its sign (see `magnitudes`), prices none below 0."""
        found = np.zeros(self.direct.shape[1])
        add_sizes(self.direct, prices, found)
        add_sizes(self.members, abs(self.weights).T @ prices, found)
        return found

    def magnitudes(self) -> Rows:
        """The same rows with every coefficient without its sign, for questions of size.

        Never too small; exact where no column stands twice in a row, in two groups or in one and beside it.
        """
        return replace(self, direct=abs(self.direct), weights=abs(self.weights))


_NONE = np.zeros(0, dtype=np.int64)


def _whole_matrix(row: Array, column: Array, coefficient: Array, shape: tuple[int, int]) -> sparse.csr_array:
    """A sparse matrix of whole numbers from triplets; entries of the same place are added up.

    Numbers of rows and columns, and coefficients, have 32 bits where they fit: scipy keeps what it is given.
    """
    given, n = np.asarray(coefficient), np.size(row)
    where = np.asarray(row, dtype=np.int32), np.asarray(column, dtype=np.int32)
    narrow = np.abs(given).max(initial=0) <= NARROW
    whole: Ints = np.broadcast_to(given, (n,)).astype(np.int32 if narrow else np.int64)
    matrix = sparse.coo_array((whole, where), shape=shape).tocsr()
    if narrow and matrix.nnz < n:
        # What is added up may need more room than what was given.
        wide = sparse.coo_array((whole.astype(np.int64), where), shape=shape).tocsr()
        matrix = matrix if np.abs(wide.data).max(initial=0) <= NARROW else wide
    matrix.sum_duplicates()
    return matrix


def _members(group: Array, column: Array, shape: tuple[int, int]) -> sparse.csr_array:
    """(n_groups, n_columns) 1 where the column is in the group; each pair is given once."""
    where = np.asarray(group, dtype=np.int32), np.asarray(column, dtype=np.int32)
    members = sparse.coo_array((np.ones(len(group), dtype=np.int8), where), shape=shape).tocsr()
    members.sum_duplicates()
    return members


def _one_below_another(matrices: list[sparse.csr_array]) -> sparse.csr_array:
    """All rows of all matrices, in order, which are taken out of the list as they are copied."""
    n_rows, n_columns = sum(matrix.shape[0] for matrix in matrices), matrices[0].shape[1]
    nnz = sum(matrix.nnz for matrix in matrices)
    ends = [np.zeros(1, dtype=np.int64)]
    data = room_for(nnz, np.result_type(*(matrix.data.dtype for matrix in matrices)))
    indices = room_for(nnz, np.dtype(np.int32))
    at = 0
    while matrices:
        matrix = matrices.pop(0)
        data[at : at + matrix.nnz], indices[at : at + matrix.nnz] = matrix.data, matrix.indices
        ends.append(at + matrix.indptr[1:].astype(np.int64))
        at += matrix.nnz
        del matrix
    indptr = np.concatenate(ends).astype(np.int32 if nnz <= NARROW else np.int64)
    return sparse.csr_array((data, indices, indptr), shape=(n_rows, n_columns))
