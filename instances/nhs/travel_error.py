"""How wrong the estimated car minutes are, against the road times of seven hospitals.

Run: python -m instances.nhs.travel_error MINUTES.csv METHOD.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from instances.nhs.margins import read_margins
from instances.nhs.mersey import car_minutes, minutes_of, on_south_bank, straight_km
from instances.nhs.published import SITE_CODES_MADE_UP


def travel_error(minutes_csv: Path, method_json: Path, month: str = "2026-01") -> pd.DataFrame:
    """Mean absolute error and bias (estimate less road) in minutes, by journey and by estimate.

    Columns: journeys ("all", "between banks", a site ...), n, error_straight, bias_straight, error_mersey,
    bias_mersey. Only the columns that the method file says are road times count.
    """
    margins = read_margins(month)
    method = json.loads(method_json.read_text(encoding="utf-8"))
    road_columns = [name for name, how in method.items() if how.startswith("road")]
    road = pd.read_csv(minutes_csv).set_index("lsoa11_code")[road_columns]
    codes = [SITE_CODES_MADE_UP.get(name.replace("_", " "), name) for name in road_columns]
    sites = margins.sites.set_index("site_code").loc[codes]
    areas = margins.areas.set_index("area_code").loc[road.index]
    home, site = (frame[["latitude", "longitude"]].to_numpy(dtype=float) for frame in (areas, sites))
    straight = minutes_of(straight_km(home, site)) - road.to_numpy()
    mersey = car_minutes(home, site) - road.to_numpy()
    across = on_south_bank(home[:, 0], home[:, 1])[:, None] != on_south_bank(site[:, 0], site[:, 1])[None, :]
    wirral = (areas["local_authority"] == "Wirral").to_numpy()[:, None]
    picks = {"all": np.ones_like(across), "same bank": ~across, "between banks": across}
    picks |= {"between banks, home in Wirral": across & wirral}
    picks |= {
        name: np.broadcast_to(np.arange(len(sites)) == column, across.shape)
        for column, name in enumerate(sites["name"])
    }
    rows = [
        {
            "journeys": name,
            "n": int(pick.sum()),
            "error_straight": np.abs(straight[pick]).mean(),
            "bias_straight": straight[pick].mean(),
            "error_mersey": np.abs(mersey[pick]).mean(),
            "bias_mersey": mersey[pick].mean(),
        }
        for name, pick in picks.items()
    ]
    return pd.DataFrame(rows).round(1)


if __name__ == "__main__":
    print(travel_error(Path(sys.argv[1]), Path(sys.argv[2])).to_string(index=False))
