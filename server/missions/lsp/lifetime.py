"""The end of the process: when it comes, and that it comes at once.

State is durable before every effect, so leaving needs no farewell: flush the log, let the last answer out, end.
A normal interpreter exit would wait for threads that read or write; ``os._exit`` does not. Nothing here saves
anything, and nothing important may depend on it: some editors kill the server without a word.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

GRACE = 0.05
"""Seconds between the decision to leave and the end, whatever hangs."""
PATIENCE = 2.0
"""Seconds that a client has after ``shutdown`` to say ``exit``."""
PARENT_POLL = 10.0
"""Seconds between two looks at the client's process."""

_log = logging.getLogger(__name__)


class Lifetime:
    """Ends the process exactly once, from whichever thread asks first."""

    def __init__(self) -> None:
        self.polite = False
        """``shutdown`` was received: the end is expected and its status 0."""
        self.farewells: list[Callable[[], object]] = []
        """Called before the end, in order: short, never blocking (kill own children, flush, unlock)."""
        self._leaving = threading.Lock()

    def leave(self, reason: str, status: int | None = None) -> None:
        """End the process within :data:`GRACE` seconds. Returns only if another thread is already doing it."""
        if not self._leaving.acquire(blocking=False):
            return
        code = 0 if self.polite else 1 if status is None else status
        threading.Thread(target=_end_after, args=(GRACE, code), daemon=True).start()
        _log.info("leaving: %s (status %d)", reason, code)
        for farewell in self.farewells:
            try:
                farewell()
            except Exception:
                _log.exception("a farewell failed")
        for handler in logging.getLogger().handlers:
            handler.flush()
        os._exit(code)

    def leave_on_signals(self) -> None:
        """SIGTERM, SIGINT and SIGHUP end the process like the end of input does."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, self._signalled)

    def shutdown_received(self) -> None:
        """``shutdown`` was answered; some clients end there and never say ``exit``."""
        self.polite = True
        self._later(PATIENCE, "nobody followed up on shutdown")

    def input_ended(self) -> None:
        """Called by the reading thread after it told the loop: leave even if the loop hangs."""
        self._later(GRACE, "end of input")

    def parent_gone(self, pid: int) -> bool:
        """Look for the client's process; end of input is the first sign of its death, this is the second."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.leave(f"signal {signal.Signals(number).name}", 128 + number)

    def _later(self, seconds: float, reason: str) -> None:
        timer = threading.Timer(seconds, self.leave, (reason,))
        timer.daemon = True
        timer.start()


def _end_after(seconds: float, code: int) -> None:
    time.sleep(seconds)
    os._exit(code)
