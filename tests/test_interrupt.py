"""Ctrl-C while compiled code runs is a KeyboardInterrupt for whoever called it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MANY = """
import json, os, random, signal, threading, time
from collections import Counter

import numpy as np

from allocator.interrupt import interrupt
from allocator.session_bound import session_values
from tests.solve.tiny import random_cases

model = next(case for case in random_cases(1000, 1040) if len(case.plans) > 2).formulation
prices = np.arange(model.n_columns, dtype=np.int64)
session_values(model.sessions, prices)
armed, done, seen = False, False, Counter()

def send():
    while not done:
        time.sleep(random.uniform(0.002, 0.006))
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, lambda number, frame: interrupt(number, frame) if armed else None)
sender = threading.Thread(target=send)
sender.start()
begun = time.monotonic()
while sum(seen.values()) < 200 and time.monotonic() < begun + 100:
    try:
        armed = True
        while True:
            session_values(model.sessions, prices)
    except BaseException as error:
        armed = False
        seen[type(error).__name__] += 1
done = True
sender.join()
print(json.dumps(seen))
"""


DROPPED = """
import ctypes, os, signal, sys, time

from allocator.interrupt import heard, interrupt
from api.solving import Interruption

interruption = Interruption()
for handler, hook in ((interrupt, heard), (interruption.come, interruption.dropped)):
    signal.signal(signal.SIGINT, handler)
    sys.unraisablehook = hook
    interruption.arm()
    try:
        ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGINT))()
        time.sleep(10)
        print("lost")
    except KeyboardInterrupt:
        print("heard")
"""


def test_an_interrupt_that_nobody_could_be_told_of_comes_again() -> None:
    """As in what numba has called back while it reads compiled code from disk: there it is dropped."""
    ran = subprocess.run(
        [sys.executable, "-c", DROPPED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == ["heard", "heard"]


def test_an_interrupt_in_a_compiled_call_is_never_a_system_error() -> None:
    """Without the handler two in five are."""
    ran = subprocess.run(
        [sys.executable, "-c", MANY], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    seen: Counter[str] = Counter(json.loads(ran.stdout))
    assert set(seen) == {"KeyboardInterrupt"}
    assert seen["KeyboardInterrupt"] == 200
