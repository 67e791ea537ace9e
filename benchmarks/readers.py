"""Fifty clients that read for a minute while a large run solves: `python -m benchmarks.readers`.

Starts `allocator serve` on a folder of its own, uploads and plans a small instance, submits a large run, then
reads run states, lists and pages of people. Prints errors, the distribution of read times, and the memory of the API.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path

import httpx

from api.settings import Size
from instances import path as shipped
from instances.generate import generate, write


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", type=Size, default=Size.M)
    parser.add_argument("--pause", type=float, default=1.0, help="Seconds a client waits between reads.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), given.clients, given.seconds, given.size, given.pause))


def measure(folder: Path, clients: int, seconds: float, size: Size, pause: float) -> str:
    """One measurement, as a line."""
    command = [sys.executable, "-m", "api.cli", "serve", "--data", str(folder / "data"), "--port", "8799"]
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        url, key = served.stdout.readline().split()[2], served.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=600) as client:
            small, large = prepared(client, folder, size)
            times, errors = read_together(url, key, small, large, clients, seconds, pause)
            state = client.get(f"/v1/runs/{large}").json()["state"]
        memory = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{served.pid}/status").read_text("utf-8"))
        assert memory is not None
        cuts = statistics.quantiles(times, n=100)
        p50, p95, p99 = (round(1000 * cuts[share - 1]) for share in (50, 95, 99))
        return (
            f"{clients} clients, {seconds:g} s, run of size {size} {state} at the end: {len(times)} reads, "
            f"{errors} errors, p50 {p50} ms, p95 {p95} ms, p99 {p99} ms, API at most {int(memory[1]) // 1024} MB"
        )
    finally:
        served.terminate()
        served.wait()


def prepared(client: httpx.Client, folder: Path, size: Size) -> tuple[str, str]:
    """Ids of a small run that is done and of a large one that is running."""
    write(generate(size.value, 1), folder / "large")
    ids: list[str] = []
    for source, seconds in ((shipped("tiny-bookings"), 30), (folder / "large", 900)):
        instance = client.post("/v1/instances", content=zipped(source)).raise_for_status().json()["id"]
        wanted = {"instance_id": instance, "seconds": seconds}
        run = client.post("/v1/runs", json=wanted).raise_for_status().json()["id"]
        while client.get(f"/v1/runs/{run}").json()["state"] not in (("done",) if not ids else ("running",)):
            time.sleep(0.5)
        ids.append(run)
    return ids[0], ids[1]


def zipped(folder: Path) -> bytes:
    """A folder as a zip."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return buffer.getvalue()


def read_together(
    url: str, key: str, small: str, large: str, clients: int, seconds: float, pause: float
) -> tuple[list[float], int]:
    """Seconds of every read, and how many did not answer 200."""
    reads = (f"/v1/runs/{large}", "/v1/runs", f"/v1/runs/{small}/allocation", f"/v1/runs/{small}/summary")
    times: list[float] = []
    errors = 0
    end = time.monotonic() + seconds

    def read(number: int) -> None:
        nonlocal errors
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            turn = number
            while time.monotonic() < end:
                begun = time.monotonic()
                try:
                    errors += client.get(reads[turn % len(reads)]).status_code != 200
                except httpx.TransportError:
                    errors += 1
                times.append(time.monotonic() - begun)
                turn += 1
                time.sleep(pause)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, errors


if __name__ == "__main__":
    main()
