"""interrupt: Ctrl-C as KeyboardInterrupt, and never in the middle of a call of compiled code.

Compiled code runs without the interpreter's lock. A signal that came meanwhile is answered in the first Python that
runs after it, and that is numba's own, between the compiled function and whoever called it: what is raised there
becomes a SystemError, at which nobody knows that a plan is to be kept. So it is sent once more, a moment later.

A signal may also come while Python runs for C code that can pass no exception on, as when compiled code is read from
disk, or an object is given back. What is raised there is dropped, and only `sys.unraisablehook` hears of it: it is sent
once more then too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

OF_NUMBA = "_numba_unpickle"
"""numba's function in which a signal is answered that came while compiled code ran."""
LATER_SECONDS = 0.005


def interrupt(number: int, frame: FrameType | None) -> None:
    """A handler of signals that raises KeyboardInterrupt, where that can be answered."""
    if not put_off(number, frame):
        raise KeyboardInterrupt


def put_off(number: int, frame: FrameType | None) -> bool:
    """Did the signal come where nothing may be raised; then it comes again in a moment."""
    while frame is not None and frame.f_code.co_name != OF_NUMBA:
        frame = frame.f_back
    if frame is None:
        return False
    send_again(number)
    return True


def send_again(number: int) -> None:
    """The same signal to this process, in a moment."""
    threading.Timer(LATER_SECONDS, os.kill, (os.getpid(), number)).start()


def heard(unraisable: sys.UnraisableHookArgs) -> None:
    """For `sys.unraisablehook`: a KeyboardInterrupt that was dropped is sent again, anything else told as usual."""
    if unraisable.exc_type is KeyboardInterrupt:
        send_again(signal.SIGINT)
    else:
        sys.__unraisablehook__(unraisable)
