"""Products with sparse rows that copy nothing: on hundreds of millions of coefficients a copy is gigabytes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import sparse

from allocator.compiled import compiled
from allocator.instance import Array
from allocator.memory import put_away

STRETCH = 50_000_000
"""Coefficients read before what stands in files is let go of: a matrix of a country is never in memory whole."""


def activities(matrix: sparse.csr_array, z: Array) -> Array:
    """matrix @ z, (n_rows,), in 64 bits: whole numbers where z is whole (or flags), else floats."""
    found = np.zeros(matrix.shape[0], dtype=np.result_type(z, np.int64))
    ends = np.append(np.searchsorted(matrix.indptr, np.arange(0, matrix.nnz, STRETCH)), matrix.shape[0])
    for first, last in pairwise(ends.tolist()):
        _activities(matrix.indptr[first : last + 1], matrix.indices, matrix.data, z, found[first:last])
        if matrix.nnz > STRETCH:
            put_away()
    return found


def add_prices(matrix: sparse.csr_array, prices: Array, found: Array) -> None:
    """Add matrix^T @ prices to `found` (n_columns,), both whole numbers or both floats."""
    _add(matrix.indptr, matrix.indices, matrix.data, np.ascontiguousarray(prices), found)


def add_sizes(matrix: sparse.csr_array, prices: Array, found: Array) -> None:
    """The same with every coefficient without its sign."""
    _add_sizes(matrix.indptr, matrix.indices, matrix.data, np.ascontiguousarray(prices), found)


@compiled
def _activities(indptr: Array, indices: Array, data: Array, z: Array, found: Array) -> None:
    for row in range(len(indptr) - 1):
        total = found[row]
        for k in range(indptr[row], indptr[row + 1]):
            total += data[k] * z[indices[k]]
        found[row] = total


@compiled
def _add(indptr: Array, indices: Array, data: Array, prices: Array, found: Array) -> None:
    for row in range(len(indptr) - 1):
        if prices[row] != 0:
            for k in range(indptr[row], indptr[row + 1]):
                found[indices[k]] += data[k] * prices[row]


@compiled
def _add_sizes(indptr: Array, indices: Array, data: Array, prices: Array, found: Array) -> None:
    for row in range(len(indptr) - 1):
        if prices[row] != 0:
            for k in range(indptr[row], indptr[row + 1]):
                found[indices[k]] += abs(data[k]) * prices[row]
