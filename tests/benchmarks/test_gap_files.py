"""Files in the OR-Library format: what is read, and that a broken one is told as such, whatever is broken."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.errors import InputError
from benchmarks import gap_files
from benchmarks.gap_files import GapInstance, read_gap, read_gap_files

HERE = Path(__file__).parent / "gap"


def read(text: str | bytes) -> list[GapInstance]:
    """What is read from a file any.txt with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_gap(path)


def outcome(text: str | bytes) -> tuple[list[GapInstance], tuple[str, ...]]:
    """(instances, problems); any error but InputError goes through."""
    try:
        return read(text), ()
    except InputError as error:
        return [], error.problems


def problem(text: str | bytes) -> str:
    with pytest.raises(InputError) as refused:
        read(text)
    assert all("any.txt" in problem for problem in refused.value.problems)
    return str(refused.value)


def numbers(instance: GapInstance) -> list[int]:
    parts = (instance.costs, instance.weights, instance.capacities)
    return [instance.n_agents, instance.n_items, *(int(n) for part in parts for n in part.ravel())]


@st.composite
def instances(draw: st.DrawFn) -> GapInstance:
    n_agents, n_items = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    whole = st.integers(0, 99)
    costs, weights = (
        np.array(draw(st.lists(whole, min_size=n_agents * n_items, max_size=n_agents * n_items))).reshape(
            n_agents, n_items
        )
        for _ in range(2)
    )
    return GapInstance("any", costs, weights, np.array(draw(st.lists(whole, min_size=n_agents, max_size=n_agents))))


def test_one_instance_is_named_after_its_file() -> None:
    (found,) = read_gap(HERE / "three.txt")
    assert found.name == "three"
    assert found.costs.tolist() == [[4, 1, 5], [2, 3, 4]]
    assert found.weights.tolist() == [[3, 2, 2], [2, 2, 2]]
    assert found.capacities.tolist() == [4, 4]


def test_several_instances_are_numbered_from_one() -> None:
    first, second = read_gap(HERE / "pair.txt")
    assert (first.name, second.name) == ("pair-1", "pair-2")
    assert (first.costs.tolist(), first.weights.tolist(), first.capacities.tolist()) == ([[7, 8]], [[3, 4]], [7])
    assert (second.n_agents, second.n_items, second.capacities.tolist()) == (3, 4, [7, 4, 4])


@settings(max_examples=60, deadline=None)
@given(instances())
def test_what_is_written_is_read_whatever_the_line_ends(given: GapInstance) -> None:
    words = [str(number) for number in numbers(given)]
    for text in (" ".join(words), "\n".join(words), "\r\n\t".join(words) + "\r\n"):
        (found,) = read(text)
        assert numbers(found) == numbers(given)


@settings(max_examples=60, deadline=None)
@given(st.lists(instances(), min_size=2, max_size=4))
def test_several_that_are_written_are_read(given: list[GapInstance]) -> None:
    words = [len(given), *(number for instance in given for number in numbers(instance))]
    found = read(" ".join(map(str, words)))
    if len(found) == len(given):
        assert [numbers(instance) for instance in found] == [numbers(instance) for instance in given]
    else:  # by chance the length of one instance
        assert len(found) == 1
        assert numbers(found[0]) == words


@settings(max_examples=200, deadline=None)
@given(instances(), st.data())
def test_damaged_file_is_read_whole_or_refused_with_its_name(given: GapInstance, data: st.DataObject) -> None:
    words = [str(number) for number in numbers(given)]
    at = data.draw(st.integers(0, len(words) - 1))
    kind = data.draw(st.sampled_from(("drop", "double", "replace", "cut")))
    odd = data.draw(st.sampled_from(("-1", "0", "1.5", "x", "NaN", "1e3", "99999999999", "--", "+", "½", "1_0")))
    damaged = {
        "drop": words[:at] + words[at + 1 :],
        "double": [*words[: at + 1], *words[at:]],
        "replace": [*words[:at], odd, *words[at + 1 :]],
        "cut": words[:at],
    }[kind]
    found, problems = outcome(" ".join(damaged))
    there = [number for instance in found for number in numbers(instance)]
    assert bool(found) != bool(problems)
    assert problems or there in (list(map(int, damaged)), list(map(int, damaged[1:])))
    assert all("any.txt" in problem for problem in problems)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    found, problems = outcome(content)
    assert bool(found) != bool(problems)


def test_word_that_is_no_number_is_told_with_its_line() -> None:
    assert 'line 3: given "5.5", wanted a whole number' in problem("2 1\n3 4\n5.5 6\n7 8\n")


def test_number_of_a_size_that_sums_could_not_hold_is_refused() -> None:
    assert "1,000,000,000" in problem("1 1 1000000001 1 1")


def test_file_that_is_too_short_says_what_was_wanted() -> None:
    assert "As one instance of 2 agents and 3 items it would have 16 numbers; 15 are there." in problem(
        "2 3 4 1 5 2 3 4 3 2 2 2 2 2 4"
    )


def test_empty_file_is_refused() -> None:
    assert "0 numbers given" in problem("")


@pytest.mark.parametrize("text", ["0 5", "5 0 1 1 1 1 1", "-1 -1 5", "1 0 5 1", "0"])
def test_no_agents_or_no_items_are_refused(text: str) -> None:
    assert "wanted" in problem(text)


def test_weights_and_capacities_below_zero_are_refused() -> None:
    assert "weights below 0 (the lowest is -3)" in problem("1 1 5 -3 4")
    assert "capacities below 0 (the lowest is -4)" in problem("1 1 5 3 -4")


def test_costs_below_zero_are_read() -> None:
    (found,) = read("1 1 -5 3 4")
    assert found.costs.tolist() == [[-5]]


def test_text_that_is_no_text_is_refused() -> None:
    assert "not a text of whole numbers" in problem(b"\xff\xfe\x00\x01")


def test_too_many_pairs_are_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap_files, "MOST_PAIRS", 5)
    with pytest.raises(InputError, match="at most 5 pairs"):
        read_gap(HERE / "three.txt")


def test_too_large_a_file_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap_files, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="more bytes given than the 10 that are wanted at most"):
        read_gap(HERE / "three.txt")


def test_every_broken_file_is_told_at_once(tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_text("1 x")
    with pytest.raises(InputError) as refused:
        read_gap_files([HERE / "three.txt", tmp_path / "missing", broken, tmp_path])
    missing, words, folder = refused.value.problems
    assert "No such file" in missing
    assert '"x"' in words
    assert "Is a directory" in folder
