"""Where the generator's care happens: providers, sites, homes and journeys."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Floats, Ints
from instances.generate_parameters import (
    ACUTE,
    AREAS_A_REGION,
    CLINIC,
    CLINIC_SITES,
    HORIZON_START,
    HUB,
    NHS_SITES,
    PLAN_DATE,
    QUINTILE_SHARES,
    REGION_KM,
    SITES_A_REGION,
    THEATRE_SERVICES,
    TRUSTS,
    Parameters,
)

FARTHEST_LISTED_MINUTES = 150
SERVICE_CODES = np.array([service.code for service in THEATRE_SERVICES])
SERVICE_SHARES = np.array([service.share for service in THEATRE_SERVICES])
CASE_MINUTES = np.array([service.case_minutes for service in THEATRE_SERVICES])


def working_date(day: Ints) -> Array:
    """The date of a working day of the horizon, 0 = its first, shape as given."""
    dates: Array = np.datetime64(HORIZON_START) + 7 * (day // 5) + day % 5
    return dates


@dataclass(frozen=True)
class Sites:
    """Sites of all regions, shape (n_sites,): km east and north, kind, number of the provider.

    `accepts_sick` are clinics that take ASA 3; `offers` (n_sites, n_services) who can run what.
    NHS trusts are numbered 0 to n_trusts - 1, independent providers on from there.
    """

    east: Floats
    north: Floats
    kind: Ints
    provider: Ints
    region: Ints
    n_trusts: int
    accepts_sick: Bools
    overnight: Bools
    offers: Bools

    @property
    def provider_codes(self) -> Array:
        """Code of every provider, shape (n_providers,)."""
        width = max(2, len(str(self.n_trusts)))
        trusts = [f"G{number + 1:0{width}d}" for number in range(self.n_trusts)]
        clinics = [f"N{number + 1:0{width}d}" for number in range(int(self.provider.max()) + 1 - self.n_trusts)]
        return np.array(trusts + clinics)

    @property
    def codes(self) -> Array:
        """Code of every site: its provider and a letter, shape (n_sites,)."""
        order = pd.Series(self.provider).groupby(self.provider).cumcount()
        return np.array([f"{self.provider_codes[p]}{chr(65 + n)}" for p, n in zip(self.provider, order, strict=True)])


@dataclass(frozen=True)
class Areas:
    """Homes, shape (n_areas,); minutes (n_areas, n_sites) by car."""

    east: Floats
    north: Floats
    region: Ints
    trust: Ints
    quintile: Ints
    weight: Floats
    minutes: Ints

    @property
    def codes(self) -> Array:
        """Code of every area."""
        return np.array([f"A{number + 1:04d}" for number in range(len(self.east))])

    @property
    def unlisted(self) -> Bools:
        """Areas without a row in the travel table: their journeys are estimated from coordinates."""
        return np.arange(len(self.east)) % 50 == 49


def draw_sites(rng: np.random.Generator, regions: int, parameters: Parameters) -> Sites:
    """All sites: the map of one region, repeated with a little noise where there are several."""
    one = np.array([*NHS_SITES, *((x, y, TRUSTS + n // 2, CLINIC) for n, (x, y) in enumerate(CLINIC_SITES))])
    region = np.repeat(np.arange(regions), SITES_A_REGION)
    east, north, provider, kind = (np.tile(one[:, column], regions) for column in range(4))
    noise = rng.normal(0, 4.0 if regions > 1 else 0.0, (2, len(region)))
    nhs = provider < TRUSTS
    clinics = len(CLINIC_SITES) // 2
    provider = np.where(nhs, provider + TRUSTS * region, provider - TRUSTS + TRUSTS * regions + clinics * region)
    offers = rng.random((len(region), len(THEATRE_SERVICES))) < np.array([0.7, 0.45, 0.4])[kind][:, None]
    offers[:, :6] |= rng.random((len(region), 6)) < 0.35
    for number in range(regions):
        acute = np.flatnonzero((region == number) & (kind == ACUTE))
        for service in np.flatnonzero(offers[acute].sum(axis=0) < 2):
            offers[rng.choice(acute, 2, replace=False), service] = True
    return Sites(
        east=east + (region % 5) * REGION_KM + noise[0],
        north=north + (region // 5) * REGION_KM + noise[1],
        kind=kind,
        provider=provider,
        region=region,
        n_trusts=TRUSTS * regions,
        accepts_sick=(kind == ACUTE) | ((kind == CLINIC) & (rng.random(len(region)) < 0.4)),
        overnight=(kind == ACUTE) | (rng.random(len(region)) >= parameters.day_case_sites),
        offers=offers,
    )


def draw_areas(rng: np.random.Generator, sites: Sites, regions: int) -> Areas:
    """Homes around the NHS sites, and minutes by car to every site."""
    n = AREAS_A_REGION * regions
    region = np.repeat(np.arange(regions), AREAS_A_REGION)
    base = region * SITES_A_REGION + rng.integers(0, len(NHS_SITES), n)
    east, north = sites.east[base] + rng.normal(0, 6, n), sites.north[base] + rng.normal(0, 6, n)
    km = np.hypot(east[:, None] - sites.east, north[:, None] - sites.north)
    return Areas(
        east=east,
        north=north,
        region=region,
        trust=sites.provider[base],
        quintile=rng.choice(5, n, p=QUINTILE_SHARES) + 1,
        weight=rng.lognormal(0, 0.4, n),
        minutes=np.rint(5 + 1.7 * km * rng.uniform(0.9, 1.25, km.shape)).astype(np.int64),
    )


def coordinates(east: Floats, north: Floats, regions: int) -> tuple[Floats, Floats]:
    """Latitude and longitude of kilometres on the map, around the middle of it."""
    middle_east = (min(regions, 5) - 1) / 2 * REGION_KM
    latitude = 53.4 + north / 111.2 - (regions > 1) * 0.8
    longitude = -2.95 + (east - middle_east) / 66.3
    return latitude.round(5), longitude.round(5)


def sites_table(sites: Sites, regions: int, parameters: Parameters) -> pd.DataFrame:
    """The sites with what they accept and provide."""
    n = len(sites.kind)
    latitude, longitude = coordinates(sites.east, sites.north, regions)
    acute, clinic = sites.kind == ACUTE, sites.kind == CLINIC
    kinds = np.array(["General Hospital", "Elective Hub", "Clinic"])
    robot = acute & (np.arange(n) % 3 == 0)
    slow = clinic & (np.arange(n) % 4 == 0)
    hub_tags = np.where((sites.kind == HUB) & (np.arange(n) % 2 == 0), "ga;ld", "ga")
    tags = np.where(acute, "ga;interpreter:polish;ld;paediatric", hub_tags)
    return pd.DataFrame(
        {
            "site_code": sites.codes,
            "provider_code": sites.provider_codes[sites.provider],
            "name": [f"Synthetic {kinds[kind]} {code}" for kind, code in zip(sites.kind, sites.codes, strict=True)],
            "latitude": latitude,
            "longitude": longitude,
            "max_asa": np.where(sites.accepts_sick, np.nan, 2.0),
            "max_bmi": np.where(acute, np.nan, 40.0),
            "min_age_years": np.where(acute, np.nan, 18.0),
            "max_age_years": np.where(clinic, 95.0, np.nan),
            "has_hdu": acute,
            "has_overnight": sites.overnight,
            "provides": np.where(robot, np.char.add(tags, ";robot"), tags),
            "lead_days": np.where(slow, parameters.lead_days, np.where(clinic, parameters.lead_days // 2, 0)),
        }
    )


def organisations_table(rng: np.random.Generator, sites: Sites, home: Ints, sessions: pd.DataFrame) -> pd.DataFrame:
    """Providers with caps on flows: out by the length of the list, in by the cases that sessions hold."""
    codes, trusts = sites.provider_codes, sites.n_trusts
    n = len(codes)
    nhs = np.arange(n) < trusts
    cases = sessions.groupby("provider")["cases"].sum().reindex(range(n), fill_value=0).to_numpy()
    outgoing = np.ceil(np.bincount(home, minlength=n) * rng.uniform(0.15, 0.45, n))
    incoming = np.ceil(cases * rng.uniform(0.35, 0.9, n))
    days_old = rng.integers(0, 7, n)
    days_old[0] = 49
    names = ["Synthetic Trust " if is_nhs else "Synthetic Clinic Group " for is_nhs in nhs]
    table = pd.DataFrame(
        {
            "provider_code": codes,
            "name": [name + code for name, code in zip(names, codes, strict=True)],
            "sector": np.where(nhs, "nhs", "independent"),
            "max_outgoing": np.where(nhs, outgoing, np.nan),
            "max_incoming": np.where(nhs, incoming, np.nan),
            "list_as_of": np.datetime64(PLAN_DATE) - days_old,
        }
    )
    closed = {"provider_code": "GZZ", "name": "Synthetic Trust GZZ (closed)", "sector": "nhs"}
    closed |= {"valid_from": "2010-04-01", "valid_to": "2024-03-31", "successor_code": codes[0]}
    return pd.concat([table, pd.DataFrame([closed])], ignore_index=True)


def travel_table(sites: Sites, areas: Areas) -> pd.DataFrame:
    """Journeys by car and by public transport, as far as people go."""
    listed = (areas.minutes <= FARTHEST_LISTED_MINUTES) & ~areas.unlisted[:, None]
    area, site = np.nonzero(listed)
    car = areas.minutes[area, site]
    both = {"car": car, "public_transport": 10 + (8 * car) // 5}
    tables = [
        pd.DataFrame(
            {
                "home_area": areas.codes[area],
                "site_code": sites.codes[site],
                "travel_mode": mode,
                "minutes": minutes,
            }
        )
        for mode, minutes in both.items()
    ]
    return pd.concat(tables, ignore_index=True)


def dates_after(date: dt.date, days: Ints | Floats) -> Array:
    """`date` plus whole days; NaT where the days are NaN."""
    known = ~np.isnan(days)
    return np.where(known, np.datetime64(date) + np.where(known, days, 0).astype(np.int64), np.datetime64("NaT"))
