"""Providers, sites, areas: the tables of an instance that say where, and the minutes between them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from allocator.instance import Floats
from instances.nhs.figures import (
    CATCHMENT_MINUTES,
    PREDECESSORS,
    PUBLIC_TRANSPORT,
    SPECIALIST_TRUSTS,
    figures,
)
from instances.nhs.margins import Margins
from instances.nhs.mersey import car_minutes

OLD_LIST = ("RJN", 24)  # one trust's list is older, in days, so that runs have something to warn of


@dataclass(frozen=True)
class Places:
    """The sites and areas of some margins, and the car minutes between them."""

    margins: Margins

    @cached_property
    def sites(self) -> pd.DataFrame:
        """The sites table of the data contract, with two weights more: theatre_weight, diagnostic_weight."""
        known = self.margins.sites.merge(figures().sites, on="site_code", validate="1:1")
        return known.drop(columns="sector").sort_values("site_code", ignore_index=True)

    @cached_property
    def minutes(self) -> Floats:
        """Car minutes from every area to every site, rounded up, shape (n_areas, n_sites)."""
        coordinates = ["latitude", "longitude"]
        homes, sites = (frame[coordinates].to_numpy(dtype=float) for frame in (self.margins.areas, self.sites))
        return np.ceil(car_minutes(homes, sites))

    def attraction(self, provider: str) -> Floats:
        """How strongly each area sends people to a provider, by distance only, shape (n_areas,)."""
        independent = provider in self.independent
        kind = "independent" if independent else "specialist" if provider in SPECIALIST_TRUSTS else "acute"
        weights: Floats = np.exp(-self.minutes_to(provider) / CATCHMENT_MINUTES[kind])
        return weights

    def minutes_to(self, provider: str) -> Floats:
        """Car minutes from every area to the provider's nearest site, shape (n_areas,); 0 where it has no site."""
        mine = (self.sites["provider_code"] == provider).to_numpy()
        return self.minutes[:, mine].min(axis=1) if mine.any() else np.zeros(len(self.minutes))

    @cached_property
    def independent(self) -> frozenset[str]:
        """Provider codes of the independent sector."""
        providers = self.margins.providers
        return frozenset(providers.loc[providers["sector"] == "independent", "provider_code"])

    def travel_table(self, patients: pd.DataFrame) -> pd.DataFrame:
        """home_area, site_code, travel_mode, minutes: every area that somebody lives in, to every site."""
        factor, extra = PUBLIC_TRANSPORT
        codes = self.margins.areas["area_code"].to_numpy()
        tables = []
        for mode in ("car", "public_transport"):
            people = patients if mode == "car" else patients[patients["travel_mode"] == mode]
            lived_in = self.margins.areas["area_code"].isin(people["home_area"]).to_numpy()
            minutes = self.minutes[lived_in]
            if mode != "car":
                minutes = np.ceil(factor * minutes + extra)
            wide = pd.DataFrame(minutes.astype(int), index=codes[lived_in], columns=self.sites["site_code"])
            long = wide.rename_axis("home_area").reset_index().melt("home_area", value_name="minutes")
            tables.append(long.assign(travel_mode=mode))
        table = pd.concat(tables)[["home_area", "site_code", "travel_mode", "minutes"]]
        return table.sort_values(["travel_mode", "home_area", "site_code"], ignore_index=True)


def organisations(margins: Margins, entries: pd.Series[int], cases: pd.Series[float]) -> pd.DataFrame:
    """Providers with caps on flows, and the codes that went before them.

    `entries` and `cases` are by provider: its entries, and the cases its spare sessions can take. A trust sends
    at most 40% of its entries and receives at most 60% of its spare cases; ours. Independents have no cap.
    """
    codes = margins.providers["provider_code"]
    outgoing = (0.4 * codes.map(entries).fillna(0) + 0.5).round().clip(lower=10)
    incoming = (0.6 * codes.map(cases).fillna(0) + 0.5).round().clip(lower=5)
    nhs = margins.providers["sector"] == "nhs"
    old_code, old_days = OLD_LIST
    as_of = [margins.census - dt.timedelta(days=old_days if code == old_code else 0) for code in codes]
    current = pd.DataFrame(
        {
            "provider_code": codes,
            "name": margins.providers["name"],
            "sector": margins.providers["sector"],
            "max_outgoing": outgoing.where(nhs).astype("Int64"),
            "max_incoming": incoming.where(nhs).astype("Int64"),
            "list_as_of": as_of,
        }
    )
    sector = current.set_index("provider_code")["sector"]
    former = pd.DataFrame(
        [
            {"provider_code": code, "name": name, "sector": sector[now], "valid_to": last, "successor_code": now}
            for code, name, last, now in PREDECESSORS
            if now in sector.index
        ]
    )
    return pd.concat([current, former], ignore_index=True).sort_values("provider_code", ignore_index=True)


def waiting_lists(margins: Margins) -> pd.DataFrame:
    """Whole lists: RTT Part 2 (with or without a decision to admit) and DM01, of the board's own providers."""
    on_board = margins.providers.loc[margins.providers["on_board"], "provider_code"]
    tests = margins.diagnostic_lists[margins.diagnostic_lists["provider_code"].isin(on_board)]
    parts = [margins.theatre_lists.assign(care_kind="theatre"), tests.assign(care_kind="diagnostic")]
    names = ["provider_code", "care_kind", "service_code", "list_size"]
    return pd.concat(parts)[names].sort_values(names[:3], ignore_index=True)
