"""Minutes from a patient's home to a site: from the travel table, else estimated from coordinates.

Estimate (car only): 0.16 + 0.260 km + 5.809 sqrt(km), km in a straight line, rounded up to a whole minute.
Source: fitted to road times of seven Cheshire and Merseyside hospitals, mean absolute error 4.3 minutes.
It does not know about rivers; an instance that does (see `instances`) brings a travel table.
Public transport is never guessed: no row means unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from allocator.instance import Bools, Floats, Instance, Ints, read_only

EARTH_RADIUS_KM = 6371.0088


def straight_line_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Great-circle distance in km (haversine)."""
    a, b = math.radians(latitude_a), math.radians(latitude_b)
    half_chord = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(longitude_b - longitude_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(half_chord))


def estimated_car_minutes(km: float) -> int:
    """Whole car minutes for a straight-line distance, rounded up."""
    return math.ceil(0.16 + 0.260 * km + 5.809 * math.sqrt(km))


@dataclass(frozen=True, eq=False)
class TravelTimes:
    """Minutes from every distinct home to every site; build with `travel_times(instance)`.

    place      (n_entries,) row of `minutes` of each entry's home
    minutes    (n_places, n_sites) whole minutes, NaN where unknown
    estimated  (n_places, n_sites) was it estimated from coordinates
    """

    place: Ints
    minutes: Floats
    estimated: Bools


def travel_times(instance: Instance) -> TravelTimes:
    """Travel of every entry to every site, by distinct home (area, coordinates, mode)."""
    homes = list(
        zip(*(instance.column("patients", name) for name in _HOME_COLUMNS), strict=True),
    )
    rows = {home: row for row, home in enumerate(dict.fromkeys(map(_home_key, homes)))}
    sites = instance.column("sites", "site_code")
    minutes = np.full((len(rows), len(sites)), np.nan)
    estimated = np.zeros((len(rows), len(sites)), dtype=bool)
    finder = TravelFinder(instance)
    for home, row in rows.items():
        for column, site in enumerate(sites):
            found = finder.find(home, site)
            if found is not None:
                minutes[row, column], estimated[row, column] = found
    place = np.array([rows[_home_key(home)] for home in homes], dtype=np.int64)
    return TravelTimes(read_only(place), read_only(minutes), read_only(estimated))


_HOME_COLUMNS = ("home_area", "home_latitude", "home_longitude", "travel_mode")
_Home = tuple[str, float | None, float | None, str]


def _home_key(home: tuple[Any, ...]) -> _Home:
    area, latitude, longitude, mode = home
    known = not (math.isnan(latitude) or math.isnan(longitude))
    return (area, float(latitude), float(longitude), mode) if known else (area, None, None, mode)


@dataclass(frozen=True, eq=False)
class TravelFinder:
    """Looks one journey up, from the tables alone."""

    instance: Instance

    def minutes(self, entry_id: str, site_code: str) -> tuple[int, bool] | None:
        """(minutes, was it estimated) from an entry's home to a site; None where it is not known."""
        patient = self.instance.patient[entry_id]
        return self.find(_home_key(tuple(patient[name] for name in _HOME_COLUMNS)), site_code)

    @cached_property
    def _listed(self) -> Mapping[tuple[str, str, str], int]:
        names = ("home_area", "site_code", "travel_mode")
        keys = zip(*(self.instance.column("travel", name) for name in names), strict=True)
        return dict(zip(keys, map(int, self.instance.column("travel", "minutes")), strict=True))

    def find(self, home: tuple[str, float | None, float | None, str], site_code: str) -> tuple[int, bool] | None:
        """The same for a home given as (area, latitude, longitude, mode)."""
        area, latitude, longitude, mode = home
        listed = self._listed.get((area, site_code, mode))
        if listed is not None:
            return listed, False
        site = self.instance.site_row[site_code]
        there = [float(self.instance.column("sites", name)[site]) for name in ("latitude", "longitude")]
        if mode != "car" or latitude is None or longitude is None or any(map(math.isnan, there)):
            return None
        return estimated_car_minutes(straight_line_km(latitude, longitude, *there)), True
