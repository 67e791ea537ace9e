"""Nights in hospital, with what an unknown stay counts as."""

from __future__ import annotations

import numpy as np

from allocator.instance import Ints
from allocator.options import Options


def nights_of_options(options: Options, unknown_stays_theatre: int) -> Ints:
    """Nights after the procedure, shape (n_options,).

    An unknown stay counts as `unknown_stays_theatre` nights for theatre and none for diagnostics.
    """
    given = options.of_entry("overnight_stays")
    unknown = np.where(options.of_entry("care_kind") == "theatre", unknown_stays_theatre, 0)
    nights: Ints = np.where(np.isnan(given), unknown, given).astype(np.int64)
    return nights
