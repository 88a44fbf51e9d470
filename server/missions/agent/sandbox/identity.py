"""Which process is meant: boot, pid and start time; and ending what a dead engine left behind.

With bubblewrap the kernel ends everything; without it, a killed supervisor may leave processes. Their record, kept by
the runner, lets the next start end exactly those. A pid alone never counts as an identity.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RUN_MARK = "MISSIONS_SANDBOX"
"""Environment name that every process of a run carries, with the run's own random value."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    startTicks: int
    bootId: str
    mark: str

    def as_json(self) -> dict[str, Any]:
        """For the runner's record of the run."""
        return asdict(self)


def boot_id() -> str:
    """This boot of this machine; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none (or no /proc)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes()
        return int(fields[fields.rindex(b")") + 2 :].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def identify(pid: int, mark: str) -> ProcessIdentity:
    """The identity of a live process."""
    return ProcessIdentity(pid, start_ticks(pid) or 0, boot_id(), mark)


def end_survivors(record: ProcessIdentity) -> int:
    """Kill the recorded process, if it is still that one, and everything that carries its run's mark.

    Returns how many processes were killed. Processes of other users are left alone.
    """
    if record.bootId != boot_id():
        return 0
    killed: set[int] = set()
    if record.startTicks and start_ticks(record.pid) == record.startTicks:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(record.pid, signal.SIGKILL)
            killed.add(record.pid)
    for _ in range(20):
        marked = [pid for pid in _marked(record.mark) if pid not in killed]
        if not marked:
            break
        for pid in marked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    return len(killed)


def survivors(record: ProcessIdentity) -> list[int]:
    """The live processes that :func:`end_survivors` would kill; nothing is done to them."""
    if record.bootId != boot_id():
        return []
    found = set(_marked(record.mark))
    if record.startTicks and start_ticks(record.pid) == record.startTicks:
        found.add(record.pid)
    return sorted(found)


def _marked(mark: str) -> list[int]:
    if not mark:
        return []
    wanted = f"{RUN_MARK}={mark}".encode()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
