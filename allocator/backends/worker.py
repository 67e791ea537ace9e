"""The child process that solves: reads calls from standard input, writes messages to standard output.

Run as `python -m allocator.backends.worker`; `process.Worker` is its other end. A call is a pickled
(function, arguments); it is answered by ("started", None) once its imports are done, any number of
("incumbent", payload) and one ("done", result) or ("failed", text). Native solvers print where they
like, so the real output is put out of their reach.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from typing import IO, Any

from allocator.memory import give_back


def main() -> None:
    """Serve calls until standard input ends."""
    calls = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send(kind: str, payload: Any) -> None:
        pickle.dump((kind, payload), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()

    while (call := received(calls)) is not None:
        function, arguments = call
        send("started", None)
        try:
            result = function(*arguments, lambda *found: send("incumbent", found))
        except Exception:
            send("failed", traceback.format_exc())
        else:
            send("done", result)
        # Who waits for the next call holds nothing of the last.
        del call, function, arguments
        result = None
        give_back()


def received(stream: IO[bytes]) -> Any:
    """The next pickled object; None at the end of the stream."""
    try:
        return pickle.load(stream)
    except EOFError:
        return None


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        # Whoever called has gone, and closed its end: nobody is left to tell, and the exit would try to once more.
        os._exit(1)
