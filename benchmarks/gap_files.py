"""Generalised assignment in the OR-Library format: whole numbers between blanks, in this order.

    m n                agents, items
    m x n costs        a row an agent
    m x n weights      a row an agent
    m capacities

Line ends mean nothing. A file of several instances begins with how many there are. It is told from a file of one
by its length: what could be either is read as one instance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from allocator.errors import InputError
from allocator.instance import Ints, read_only

MOST_BYTES = 200_000_000
MOST_PAIRS = 5_000_000
"""Agents times items of one instance."""
LARGEST = 10**9
"""Largest cost, weight and capacity."""


@dataclass(frozen=True, eq=False)
class GapInstance:
    """Every item goes to exactly one agent, at the lowest cost.

    costs, weights  (n_agents, n_items)
    capacities      (n_agents,)
    """

    name: str
    costs: Ints
    weights: Ints
    capacities: Ints

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.capacities)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.costs[0])


def read_gap_files(paths: list[Path]) -> list[GapInstance]:
    """The instances of all files, in order. Raises InputError with the problem of every file that is broken."""
    found: list[GapInstance] = []
    problems: list[str] = []
    for path in paths:
        try:
            found += read_gap(path)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def read_gap(path: Path) -> list[GapInstance]:
    """The instances of one file: `NAME`, or `NAME-1`, `NAME-2` ... where it begins with their number."""
    numbers = _numbers(path)
    if len(numbers) < 2:
        raise InputError([f"{path}: {len(numbers)} numbers given; wanted at least the numbers of agents and items."])
    if len(numbers) == 2 + _length(int(numbers[0]), int(numbers[1])):
        return [_instance(path, path.stem, numbers, 0)]
    several = _several(path, numbers)
    return [
        _instance(path, path.stem if len(several) == 1 else f"{path.stem}-{number}", numbers, start)
        for number, start in enumerate(several, 1)
    ]


def _numbers(path: Path) -> Ints:
    """Every number of a file; InputError names the first word that is none, and its line."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # a pipe has no size to ask for
        if len(content) > MOST_BYTES:
            raise InputError([f"{path}: more bytes given than the {MOST_BYTES:,} that are wanted at most."])
        text = content.decode("ascii")
    except OSError as error:
        raise InputError([f"{path} cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        raise InputError([f"{path} is not a text of whole numbers; wanted the OR-Library format."]) from error
    for line, words in enumerate(text.splitlines(), 1):
        for word in words.split():
            sign = word[0] in "+-"
            if not word[sign:].isdecimal() or len(word) > 11 or abs(int(word)) > LARGEST:
                wanted = f"a whole number from -{LARGEST:,} to {LARGEST:,}"
                raise InputError([f'{path}, line {line}: given "{word[:40]}", wanted {wanted}.'])
    return np.array(text.split(), dtype=np.int64)


def _length(n_agents: int, n_items: int) -> int:
    """How many numbers follow the two of an instance."""
    return 2 * n_agents * n_items + n_agents


def _several(path: Path, numbers: Ints) -> list[int]:
    """Where each instance begins in a file that begins with their number; InputError where it does not add up."""
    count, starts, at = int(numbers[0]), [], 1
    as_one = f"As one instance of {numbers[0]} agents and {numbers[1]} items it would have "
    as_one += f"{2 + _length(int(numbers[0]), int(numbers[1])):,} numbers; {len(numbers):,} are there."
    for number in range(1, count + 1):
        if at + 2 > len(numbers):
            raise InputError([f"{path}: the file ends before instance {number} of {count}. {as_one}"])
        _refuse_size(path, int(numbers[at]), int(numbers[at + 1]), f"instance {number} of {count}", as_one)
        starts.append(at)
        at += 2 + _length(int(numbers[at]), int(numbers[at + 1]))
    if at != len(numbers) or not starts:
        wanted = f"with {count} instances it would have {at:,}"
        raise InputError([f"{path}: {len(numbers):,} numbers given; {wanted}. {as_one}"])
    return starts


def _refuse_size(path: Path, n_agents: int, n_items: int, which: str, hint: str = "") -> None:
    if n_agents < 1 or n_items < 1 or n_agents * n_items > MOST_PAIRS:
        wanted = f"1 or more of each and at most {MOST_PAIRS:,} pairs"
        given = f"{n_agents} agents and {n_items} items"
        raise InputError([f"{path}: {which} has {given}; wanted {wanted}. {hint}".rstrip()])


def _instance(path: Path, name: str, numbers: Ints, start: int) -> GapInstance:
    """The instance whose two first numbers stand at `start`; all of its numbers are there."""
    n_agents, n_items = int(numbers[start]), int(numbers[start + 1])
    _refuse_size(path, n_agents, n_items, name)
    pairs = n_agents * n_items
    costs, weights, capacities = np.split(
        numbers[start + 2 : start + 2 + _length(n_agents, n_items)], [pairs, 2 * pairs]
    )
    for what, values in (("weights", weights), ("capacities", capacities)):
        if values.min() < 0:
            raise InputError([f"{path}: {name} has {what} below 0 (the lowest is {values.min()}); wanted 0 or more."])
    shape = (n_agents, n_items)
    return GapInstance(
        name, read_only(costs.reshape(shape)), read_only(weights.reshape(shape)), read_only(capacities.copy())
    )
