"""Workers of a Dask scheduler, for whoever names one with --executor; without it nothing of Dask is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from allocator.errors import UsageError
from allocator.solve.crew import Crew

CONNECT_SECONDS = 10


@contextmanager
def crew_at(address: str) -> Iterator[Crew | None]:
    """The workers of the scheduler at tcp://HOST:PORT, one task a worker; None for "local".

    The workers need this package in the same version. Raises UsageError where nobody answers.
    """
    if address == "local":
        yield None
        return
    if not address.startswith(("tcp://", "tls://")):
        raise UsageError(
            f'--executor: given "{address}", wanted local, or the address of a scheduler, as tcp://10.0.0.5:8786.'
        )
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise UsageError('--executor needs Dask. Maybe install "mutual-aid-allocator[cluster]".') from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        message = f"No Dask scheduler answers at {address}. Maybe it is not started, or on another port."
        raise UsageError(message) from error
    with client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise UsageError(f"The Dask scheduler at {address} has no workers. Maybe start some: dask worker {address}")
        yield Crew(lambda: client.get_executor(pure=False), workers)
