"""What is large and seldom read stands in a file, and comes back as it was."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from allocator import memory, row_products
from allocator.memory import FILED_FROM, give_back, room_for
from allocator.peak_memory import memory_in_use
from allocator.rows import Rows

MANY = FILED_FROM // 8


def in_use() -> float:
    found = memory_in_use(os.getpid())
    assert found is not None
    return found


def test_a_large_array_leaves_memory_and_comes_back_as_it_was() -> None:
    room = room_for(MANY, np.dtype(np.int64))
    room[:] = np.arange(MANY)
    full = in_use()
    give_back()
    assert in_use() < full - 0.8 * FILED_FROM / 2**20
    assert np.array_equal(room, np.arange(MANY))
    room[0] = -1
    give_back()
    assert room[0] == -1
    before = len(memory._filed)
    del room
    assert len(memory._filed) == before - 1


KEEPS = """
import os, sys
import numpy as np
from allocator.memory import give_back, keeping_free
from allocator.peak_memory import memory_in_use

def in_use():
    return int(memory_in_use(os.getpid()))

def let_go():
    before, full = in_use(), np.ones(30_000_000)
    del full
    return in_use() - before

before = in_use()
with keeping_free():
    print(let_go(), let_go())
print(in_use() - before, let_go())
"""


def test_what_is_let_go_stays_for_what_comes_next_until_it_is_given_back() -> None:
    """An array of 229 MiB, four times, in a process of its own: kept, used again, given back, and not kept any more."""
    ran = subprocess.run([sys.executable, "-c", KEEPS], capture_output=True, text=True, check=True)
    kept, again, given_back, afterwards = map(int, ran.stdout.split())
    assert kept > 200
    assert max(again, given_back, afterwards) < 30


def test_a_small_one_stays_in_memory() -> None:
    before = len(memory._filed)
    assert room_for(10, np.dtype(np.int32)).shape == (10,)
    assert len(memory._filed) == before


def test_where_the_disk_has_no_room_it_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = len(memory._filed)
    assert room_for(MANY, np.dtype(np.int64)).shape == (MANY,)
    assert len(memory._filed) == before


def test_an_error_of_the_disk_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "posix_fallocate", broken)
    with pytest.raises(OSError, match="Input/output"):
        room_for(MANY, np.dtype(np.int64))


@pytest.mark.parametrize("stretch", [1, 3, 7, 1_000])
def test_rows_in_files_are_the_rows(stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    parts = [
        Rows.of(9, ["a", "b"], rng.integers(0, 2, 12), rng.integers(0, 9, 12), rng.integers(1, 5, 12)) for _ in range(3)
    ]
    usual = Rows.stacked(parts)
    monkeypatch.setattr(memory, "FILED_FROM", 1)
    filed = Rows.stacked(parts)
    give_back()
    assert (filed.direct != usual.direct).nnz == 0
    assert isinstance(filed.direct, sparse.csr_array)
    z = rng.integers(0, 2, 9)
    monkeypatch.setattr(row_products, "STRETCH", stretch)
    assert filed.activity(z).tolist() == (filed.direct @ z).tolist()
    assert filed.activity(z).tolist() == usual.activity(z).tolist()
