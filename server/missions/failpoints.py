"""Named places where a test can make the machine fail.

Every durable operation calls :func:`hit` with its name just before it happens (and, for writes, may ask for half of
it). Without the environment variable ``MISSIONS_FAILPOINT`` this is one comparison. With it —
``name:action[@n]``, several joined by commas; ``*`` matches every name — the n-th hit (counted per rule, from 1)
acts: ``kill`` (SIGKILL to this process), ``raise`` (RuntimeError), ``enospc`` and ``eio`` (OSError), ``delay``
(sleeps 50 ms). ``MISSIONS_FAILPOINT_TRACE=<file>`` appends each name as it is hit, for generating the list.

It never changes behaviour unless one of the two variables is set when the process starts.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

_ACTIONS = ("kill", "raise", "enospc", "eio", "delay")


class _Rule:
    def __init__(self, text: str) -> None:
        name, _, action = text.strip().partition(":")
        action, _, count = action.partition("@")
        if action not in _ACTIONS:
            raise SystemExit(f"MISSIONS_FAILPOINT: unknown action {action!r} in {text!r}")
        self.name, self.action, self.left = name, action, int(count or 1)

    def matches(self, name: str) -> bool:
        return self.name in ("*", name) or (self.name.endswith("*") and name.startswith(self.name[:-1]))


def _rules() -> list[_Rule]:
    return [_Rule(part) for part in os.environ.get("MISSIONS_FAILPOINT", "").split(",") if part.strip()]


_active = _rules()
_trace = os.environ.get("MISSIONS_FAILPOINT_TRACE", "")


def reload() -> None:
    """Read the two variables again (a preloaded parent forks children with different rules)."""
    global _active, _trace
    _active = _rules()
    _trace = os.environ.get("MISSIONS_FAILPOINT_TRACE", "")


def hit(name: str) -> None:
    """Say that the operation ``name`` is about to happen."""
    if not _active and not _trace:
        return
    if _trace:
        with Path(_trace).open("a", encoding="ascii") as out:
            out.write(name + "\n")
    for rule in _active:
        if rule.matches(name):
            rule.left -= 1
            if rule.left == 0:
                _act(rule.action, name)


def _act(action: str, name: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "raise":
        raise RuntimeError(f"fail point {name}")
    elif action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    elif action == "eio":
        raise OSError(errno.EIO, os.strerror(errno.EIO), name)
    else:
        time.sleep(0.05)
