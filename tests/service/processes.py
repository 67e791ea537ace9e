"""The service as it runs in earnest: `allocator serve` and `allocator worker` in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PATIENCE_SECONDS = 300.0
"""Nothing here is timed: this only ends a test that would hang."""


@dataclass
class Served:
    """A running API: its address, its first key where it was printed, its process."""

    url: str
    key: str
    process: subprocess.Popen[str]

    def client(self, key: str = "") -> httpx.Client:
        """A client with this key, or the first one."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key or self.key}"}, timeout=60)

    def kill(self) -> None:
        """The API gone at once, as by a power cut."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def start_serving(data: Path, port: int, workers: int, **settings: str) -> Served:
    """`allocator serve`, once it answers."""
    command = [sys.executable, "-m", "api.cli", "serve", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)], stdout=subprocess.PIPE, text=True, env=os.environ | settings
    )
    assert process.stdout is not None
    address = process.stdout.readline()
    found = re.search(r"http://\S+", address)
    assert found, f"the service did not start: {address}"
    assert found[0].startswith("http://127.0.0.1:")
    url = found[0]
    until(lambda: answers(url), "the API answers")
    key = ""
    if not (data / "key").exists():
        key = process.stdout.readline().split()[-1]
        (data / "key").write_text(key, "utf-8")
    return Served(url, (data / "key").read_text("utf-8"), process)


def answers(url: str) -> bool:
    """Whether the API at this address is up."""
    try:
        return httpx.get(f"{url}/ready", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serving(data: Path, workers: int = 1, **settings: str) -> Iterator[Served]:
    """`allocator serve` for the length of a block, ended as an operator would."""
    served = start_serving(data, free_port(), workers, **settings)
    try:
        yield served
    finally:
        served.process.terminate()
        assert served.process.wait(60) in (0, -signal.SIGTERM)
        assert served.process.stdout is not None
        served.process.stdout.close()


def start_worker(data: Path, **settings: str) -> subprocess.Popen[bytes]:
    """`allocator worker`."""
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", "worker", "--data", str(data)],
        env=os.environ | settings,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` gives once it is true; fails where that never happens."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError(f"never happened: {what}")


def upload(client: httpx.Client, content: bytes) -> str:
    """The id of an uploaded instance."""
    found = client.post("/v1/instances", content=content)
    assert found.status_code == 201, found.text
    return str(found.json()["id"])


def submit(client: httpx.Client, instance_id: str, **wanted: Any) -> str:
    """The id of a submitted run."""
    found = client.post("/v1/runs", json={"instance_id": instance_id, **wanted})
    assert found.status_code == 202, found.text
    return str(found.json()["id"])


def state(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """A run as the API shows it."""
    return dict(client.get(f"/v1/runs/{run_id}").raise_for_status().json())


def ended(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """A run once it has ended."""
    return dict(
        until(lambda: (found := state(client, run_id))["state"] in ("done", "failed", "cancelled") and found, run_id)
    )
