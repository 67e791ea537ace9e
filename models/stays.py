"""Nights in hospital, with what an unknown stay counts as."""

from __future__ import annotations

import numpy as np

from allocator.instance import Instance, Ints


def nights_of_entries(instance: Instance, unknown_stays_theatre: int) -> Ints:
    """Nights after the procedure, shape (n_entries,).

    An unknown stay counts as `unknown_stays_theatre` nights for theatre and none for diagnostics.
    """
    given = instance.column("patients", "overnight_stays")
    unknown = np.where(instance.column("patients", "care_kind") == "theatre", unknown_stays_theatre, 0)
    nights: Ints = np.where(np.isnan(given), unknown, given).astype(np.int64)
    return nights
