"""How much likelier a deprived area is the home of somebody who waits over a year.

Waits over a year are 1.8 times likelier in the most than in the least deprived fifth (cited in the data notes). Living
near busy hospitals makes part of that by itself, so the weight of areas is solved for: the expected rates of the whole
cohort differ by 1.8, not those of each hospital.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from allocator.instance import Floats
from instances.nhs.figures import DEPRIVATION_RATIO
from instances.nhs.places import Places

STEPS = 50


def area_weights(entries: pd.Series[int], places: Places) -> Floats:
    """Weight of every area, shape (n_areas,), for adults who wait over a year; `entries` are counted by provider."""
    areas = places.margins.areas
    people = areas["people_16_over"].to_numpy(dtype=float)
    fifth = areas["imd_quintile"].to_numpy(dtype=float)
    most, least = fifth == 1, fifth == 5
    catchments = np.array([places.attraction(str(code)) * people for code in entries.index])
    counts = entries.to_numpy(dtype=float)

    def ratio(weights: Floats) -> float:
        drawn = catchments * weights
        expected = (counts / drawn.sum(axis=1)) @ drawn
        rates = [expected[pick].sum() / people[pick].sum() for pick in (most, least)]
        return float(rates[0] / rates[1])

    low, high = 0.1, 10.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if ratio(_ladder(fifth, middle)) < DEPRIVATION_RATIO else (low, middle)
    return _ladder(fifth, low)


def _ladder(fifth: Floats, top: float) -> Floats:
    """1 for the least deprived fifth, `top` for the most, even steps between."""
    weights: Floats = 1 + (top - 1) * (5 - fifth) / 4
    return weights
