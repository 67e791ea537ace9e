"""Rows on standard output as soon as they are known: CSV with a header, or one JSON object a line."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

Printer = Callable[[Sequence[object]], None]
"""Prints one row, its values in the order of the columns; None is a blank, in JSON null."""


def printer(columns: Sequence[str], *, as_json: bool = False, out: TextIO | None = None) -> Printer:
    """Prints the header at once (not with `as_json`), and hands back what prints a row."""
    stream = out or sys.stdout
    writer = csv.writer(stream, lineterminator="\n")

    def show(row: Sequence[object]) -> None:
        if as_json:
            print(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False), file=stream)
        else:
            writer.writerow(row)
        stream.flush()

    if not as_json:
        writer.writerow(columns)
    return show
