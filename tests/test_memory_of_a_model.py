"""What a model takes in memory, a country of it: bytes an option, and whole numbers that are never cut short."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from allocator.formulation import Formulation, formulate
from allocator.instance import Array
from allocator.options import Facts, build_options
from allocator.rows import Rows
from benchmarks.sketch import sketch_instance, sketch_policy

MOST_BYTES = 90
"""An option: 33.6 million of them stand in 3 GB."""


def model_of_m() -> Formulation:
    instance = sketch_instance("M", 11)
    policy = sketch_policy(instance)
    return formulate(build_options(Facts(instance), policy.screens), policy)


def arrays_of(model: Formulation) -> list[Array]:
    matrices = (model.rows.direct, model.rows.members)
    parts = [array for matrix in matrices for array in (matrix.data, matrix.indices, matrix.indptr)]
    return [
        *parts,
        *(model.entry, model.session, model.fixed, model.column_lower, model.column_upper),
        *(goal.values for goal in model.goals),
    ]


def test_an_option_takes_few_bytes_and_nothing_is_kept_of_its_columns() -> None:
    model = model_of_m()
    assert sum(array.nbytes for array in arrays_of(model)) < MOST_BYTES * model.n_options
    kept = vars(model.options)
    others = [name for name, value in kept.items() if isinstance(value, np.ndarray) and value.itemsize > 4]
    assert others == []


def test_coefficients_that_32_bits_cannot_hold_are_kept_whole() -> None:
    large = 2**40
    rows = Rows.stacked(
        [
            Rows.of(2, ["small"], np.array([0, 0]), np.array([0, 1]), np.array([1, -1])),
            Rows.of(2, ["large"], np.array([0, 0]), np.array([0, 1]), np.array([large, -1])),
        ]
    )
    assert rows.matrix.toarray().tolist() == [[1, -1], [large, -1]]
    assert rows.activity(np.array([3, 1])).tolist() == [2, 3 * large - 1]


def test_coefficients_of_one_place_are_added_up_beyond_32_bits() -> None:
    half = 2**31 - 1
    rows = Rows.of(1, ["twice"], np.array([0, 0]), np.array([0, 0]), np.array([half, half]))
    assert rows.matrix.toarray().tolist() == [[2 * half]]


def test_products_of_narrow_numbers_are_wide() -> None:
    ones = np.ones(1000, dtype=np.int8)
    rows = Rows.of_groups(
        1000,
        ["sum"],
        (np.zeros(1000, dtype=np.int64), np.arange(1000), np.full(1000, 2**30)),
        (np.zeros(1000, dtype=np.int64), np.arange(1000)),
        (np.zeros(1), np.zeros(1), np.ones(1)),
    )
    assert isinstance(rows.direct, sparse.csr_array)
    for z in (ones, ones.astype(bool), ones.astype(np.int64), ones.astype(np.float64)):
        assert rows.activity(z).tolist() == [1000 * 2**30 + 1000]
