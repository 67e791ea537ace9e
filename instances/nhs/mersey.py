"""Car minutes where the Mersey is in the way: only its tunnels and bridges cross it.

The river from Liverpool Bay to the edge of Greater Manchester is a line that parts the region into a north
and a south bank. A journey between banks goes by the crossing that makes it shortest; the published formula
(see `allocator.travel`) is then applied to the length by way of the crossing. Coordinates are ours, read off
a map to about 200 m, which is well within the formula's own error; `instances/README.md` gives the error
against road times with and without the river.
"""

from __future__ import annotations

import numpy as np

from allocator.instance import Bools, Floats
from allocator.travel import EARTH_RADIUS_KM

# Mid-river, (latitude, longitude), from the sea to the east.
RIVER: tuple[tuple[float, float], ...] = (
    (53.70, -3.40),
    (53.50, -3.15),
    (53.452, -3.035),
    (53.425, -3.012),
    (53.403, -3.004),
    (53.385, -2.990),
    (53.358, -2.958),
    (53.335, -2.930),
    (53.318, -2.880),
    (53.312, -2.830),
    (53.316, -2.785),
    (53.334, -2.757),
    (53.3464, -2.738),
    (53.354, -2.705),
    (53.367, -2.690),
    (53.373, -2.645),
    (53.381, -2.615),
    (53.3855, -2.590),
    (53.388, -2.550),
    (53.391, -2.506),
    (53.398, -2.460),
    (53.420, -2.420),
    (53.470, -2.340),
)
# North end and south end of every crossing.
CROSSINGS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "Kingsway tunnel": ((53.4165, -2.9860), (53.4125, -3.0330)),
    "Queensway tunnel": ((53.4080, -2.9830), (53.3925, -3.0160)),
    "Runcorn bridges": ((53.3610, -2.7330), (53.3270, -2.7180)),
    "Warrington bridges": ((53.3900, -2.5930), (53.3770, -2.5900)),
    "Thelwall viaduct": ((53.4000, -2.5080), (53.3780, -2.5040)),
}
_SOUTH_EAST, _SOUTH_WEST = (52.5, -1.0), (52.5, -3.40)


def on_south_bank(latitude: Floats, longitude: Floats) -> Bools:
    """Is each point south of the river, shape as given (even-odd rule over the land south of `RIVER`)."""
    corners = np.array([*RIVER, (RIVER[-1][0], -1.0), _SOUTH_EAST, _SOUTH_WEST])
    inside = np.zeros(np.shape(latitude), dtype=bool)
    for (lat_a, lon_a), (lat_b, lon_b) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if lat_a == lat_b:
            continue
        spans = (latitude < lat_a) != (latitude < lat_b)
        at = lon_a + (latitude - lat_a) * (lon_b - lon_a) / (lat_b - lat_a)
        inside ^= spans & (longitude < at)
    return inside


def straight_km(points_a: Floats, points_b: Floats) -> Floats:
    """Great-circle km between every point of `points_a` (n, 2) and of `points_b` (m, 2): shape (n, m)."""
    a, b = np.radians(points_a)[:, None, :], np.radians(points_b)[None, :, :]
    half = (b - a) / 2
    chord = np.sin(half[..., 0]) ** 2 + np.cos(a[..., 0]) * np.cos(b[..., 0]) * np.sin(half[..., 1]) ** 2
    km: Floats = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(chord))
    return km


def road_km(homes: Floats, sites: Floats) -> Floats:
    """Km from every home (n, 2) to every site (m, 2), by the best crossing where the river lies between."""
    direct = straight_km(homes, sites)
    home_south, site_south = (on_south_bank(points[:, 0], points[:, 1]) for points in (homes, sites))
    by_crossing = np.full(direct.shape, np.inf)
    for ends in CROSSINGS.values():
        north, south = (np.array([end]) for end in ends)
        near = np.where(home_south, straight_km(homes, south)[:, 0], straight_km(homes, north)[:, 0])
        far = np.where(site_south, straight_km(south, sites)[0], straight_km(north, sites)[0])
        by_crossing = np.minimum(by_crossing, near[:, None] + straight_km(north, south) + far[None, :])
    return np.where(home_south[:, None] != site_south[None, :], by_crossing, direct)


def car_minutes(homes: Floats, sites: Floats) -> Floats:
    """Estimated car minutes, shape (n_homes, n_sites), not rounded."""
    return minutes_of(road_km(homes, sites))


def minutes_of(km: Floats) -> Floats:
    """The published formula of `allocator.travel`, for arrays and not rounded."""
    minutes: Floats = 0.16 + 0.260 * km + 5.809 * np.sqrt(km)
    return minutes
