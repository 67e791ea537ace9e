"""`allocator serve`: the API in this process, workers in others that end with it."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import uvicorn

from api.commands import first_key, opened, tell
from api.http.access import Service
from api.http.app import make_app
from api.service_settings import ServiceSettings

STOP_SECONDS = 15.0
RESTART_SECONDS = 2.0
says = logging.getLogger("allocator.serve")


def serve(host: str, port: int, data: Path | None, *, workers: int, as_json: bool) -> None:
    """API and workers until Ctrl-C or SIGTERM; prints an address and, the first time, a first key."""
    settings, database = opened(data, upgrade=True)
    key = first_key(database)
    stop = threading.Event()
    keepers = [threading.Thread(target=keep_worker, args=(settings, stop), daemon=True) for _ in range(workers)]
    for keeper in keepers:
        keeper.start()
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    line = f"Serving on {url} (data in {settings.data})"
    line += f"\nFirst key, for the hub, shown this once: {key}" if key else ""
    tell({"url": url, "data": str(settings.data), "first_key": key}, line, as_json=as_json)
    config = uvicorn.Config(
        make_app(Service(settings, database)),
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # addresses hold ids of entries
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run()
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join(STOP_SECONDS)
        database.engine.dispose()


def keep_worker(settings: ServiceSettings, stop: threading.Event) -> None:
    """One worker in a process of its own, started again whenever it ends, until `stop`."""
    command = [sys.executable, "-m", "api.cli", "worker", "--data", str(settings.data), "--with-parent"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    while not stop.is_set():
        # It ends when its standard input does, so also when this process is killed.
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, start_new_session=True
        )
        while child.poll() is None and not stop.wait(0.2):
            pass
        if stop.is_set():
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            child.kill()
        else:
            says.warning("a worker ended with %s; starting another", child.returncode)
            stop.wait(RESTART_SECONDS)
        child.wait()
        assert child.stdin is not None
        child.stdin.close()
