"""The Mersey is crossed by tunnels and bridges only."""

import numpy as np
import pytest

from instances.nhs.margins import read_margins
from instances.nhs.mersey import CROSSINGS, RIVER, car_minutes, minutes_of, on_south_bank, road_km, straight_km

ROYAL_LIVERPOOL = (53.4095, -2.9648)
WALLASEY = (53.4220, -3.0500)
ELLESMERE_PORT = (53.2790, -2.8970)
SPEKE = (53.3430, -2.8400)
WIDNES = (53.3650, -2.7330)
RUNCORN = (53.3300, -2.7100)


def points(*places: tuple[float, float]) -> np.ndarray:
    return np.array(places)


def test_wallasey_to_the_royal_liverpool_goes_by_the_kingsway_tunnel():
    home, site = points(WALLASEY), points(ROYAL_LIVERPOOL)
    north, south = (points(end) for end in CROSSINGS["Kingsway tunnel"])
    by_tunnel = straight_km(home, south) + straight_km(south, north) + straight_km(north, site)
    assert road_km(home, site) == pytest.approx(by_tunnel)
    assert 0 < car_minutes(home, site)[0, 0] - minutes_of(straight_km(home, site))[0, 0] < 2


def test_ellesmere_port_to_speke_goes_round_by_runcorn():
    home, site = points(ELLESMERE_PORT), points(SPEKE)
    assert straight_km(home, site)[0, 0] < 9
    assert road_km(home, site)[0, 0] > 24
    assert car_minutes(home, site)[0, 0] > 1.7 * minutes_of(straight_km(home, site))[0, 0]


def test_widnes_and_runcorn_lie_on_two_banks_and_are_close_by_the_bridge():
    banks = on_south_bank(*np.array([WIDNES, RUNCORN]).T)
    assert banks.tolist() == [False, True]
    assert road_km(points(WIDNES), points(RUNCORN))[0, 0] < 6


def test_a_journey_on_one_bank_is_the_straight_line():
    assert road_km(points(ELLESMERE_PORT), points(WALLASEY)) == pytest.approx(
        straight_km(points(ELLESMERE_PORT), points(WALLASEY))
    )


def test_going_by_a_crossing_is_never_shorter_than_the_straight_line():
    margins = read_margins("2026-01")
    homes, sites = (frame[["latitude", "longitude"]].to_numpy() for frame in (margins.areas, margins.sites))
    assert (road_km(homes, sites) >= straight_km(homes, sites) - 1e-9).all()


def test_every_crossing_joins_the_two_banks():
    for name, (north, south) in CROSSINGS.items():
        assert on_south_bank(*np.array([north, south]).T).tolist() == [False, True], name


def test_every_local_authority_but_halton_and_warrington_lies_on_one_bank():
    areas = read_margins("2026-01").areas
    south = on_south_bank(areas["latitude"].to_numpy(), areas["longitude"].to_numpy())
    share = areas.assign(south=south).groupby("local_authority")["south"].mean()
    both_banks = set(share.index[(share > 0) & (share < 1)])
    assert both_banks == {"Halton", "Warrington"}
    assert set(share.index[share == 1]) == {"Wirral", "Cheshire East", "Cheshire West and Chester"}


def test_the_river_runs_from_the_sea_to_the_east():
    longitudes = [longitude for _, longitude in RIVER]
    assert longitudes == sorted(longitudes)
