"""Work in a forked process: quick to start, and killed for real.

The child reports through a pipe, line by line; what it reported before it died is what it had promised.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

from missions import failpoints

Say = Callable[[str], None]


class Forked:
    """A child process that runs ``work(say)`` and ends with its result, or with 70 after an exception."""

    def __init__(self, work: Callable[[Say], int | None], failpoint: str = "", trace: str = "") -> None:
        self._reader, writer = os.pipe()
        self._received = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            _child(work, writer, failpoint, trace)
        os.close(writer)

    def line(self) -> str:
        """The next line it says; empty when it has ended."""
        while b"\n" not in self._received:
            piece = os.read(self._reader, 65536)
            if not piece:
                break
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end: exit code (negative: the signal) and the lines that were not read yet."""
        while piece := os.read(self._reader, 65536):
            self._received += piece
        os.close(self._reader)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), self._received.decode().splitlines()


def _child(work: Callable[[Say], int | None], writer: int, failpoint: str, trace: str) -> None:
    code = 70
    try:
        os.environ["MISSIONS_FAILPOINT"], os.environ["MISSIONS_FAILPOINT_TRACE"] = failpoint, trace
        failpoints.reload()
        code = work(lambda text: os.write(writer, text.encode() + b"\n") and None) or 0
    except BaseException:
        traceback.print_exc()
    finally:
        # Never back into pytest.
        os._exit(code)
