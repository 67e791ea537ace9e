"""Upload, submit, follow, download: python docs/client.py URL KEY instance.zip plan.xlsx  (pip install httpx)."""

import json
import sys
from pathlib import Path

import httpx

url, key, instance, plan = sys.argv[1:]
with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=600) as client:
    uploaded = client.post("/v1/instances", content=Path(instance).read_bytes()).raise_for_status().json()
    print(*uploaded["report"]["lines"], sep="\n")
    wanted = {"instance_id": uploaded["id"], "seconds": 60}
    run = client.post("/v1/runs", json=wanted).raise_for_status().json()
    with client.stream("GET", f"/v1/runs/{run['id']}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                told = event.get("stage") or event["state"], event.get("goal"), event.get("value")
                print(*(part for part in told if part is not None))
    table = client.get(f"/v1/runs/{run['id']}/allocation", params={"format": "xlsx"}).raise_for_status()
    Path(plan).write_bytes(table.content)
    print(client.get(f"/v1/runs/{run['id']}").json()["accounts"])
