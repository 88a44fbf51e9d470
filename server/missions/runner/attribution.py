"""Who changed a file during a run: the run itself, or somebody else meanwhile.

A run changes files only while one of its tool calls runs; what was changed outside of these times is somebody else's. It looks
at times and names only, never at content, and it changes nothing. Where it cannot tell, the change counts as the run's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from missions.agent.ledger import CommandEntry, CommandLedger

_SLACK = 0.05
"""Seconds around a call; the file system's clock is coarser than ours."""


class Trace:
    """The times at which a run was at work."""

    def __init__(self, ledger: CommandLedger, since: float, absent: Sequence[Sequence[str]] = ()) -> None:
        """``since``: when this sitting began (seconds of the epoch); ``absent``: pairs of times between earlier sittings,
        when nobody worked. Before ``since`` the run counts as at work all the time, because calls that a crash cut short
        are in no ledger."""
        self._ledger = ledger
        self._since = since
        self._absent = [(moment(start), moment(end)) for start, end in absent]

    def at_work(self, at: float) -> bool:
        """Whether the run could have made a change at this time."""
        if at < self._since:
            return not any(start + _SLACK < at < end - _SLACK for start, end in self._absent)
        return any(_within(entry, at) for entry in self._ledger.entries)

    def strangers(self, root: Path, paths: Iterable[str]) -> list[str]:
        """Those of ``paths`` that were last changed while the run was not at work."""
        edited = self._ledger.edited
        return [path for path in paths if path not in edited and not self._made(root / path)]

    def made(self, path: Path) -> bool:
        """Whether the run could have made the last change of this file."""
        return self._made(path)

    def _made(self, path: Path) -> bool:
        try:
            found = path.lstat()
        except OSError:
            return self.at_work(_nearest(path.parent).st_mtime)
        # An archive keeps old modification times, a backup touches inodes: one of the two in time is enough.
        return self.at_work(found.st_mtime) or self.at_work(found.st_ctime)

    def stale(self, root: Path, checks: Sequence[str], paths: Iterable[str]) -> list[str]:
        """The checks after whose last run another command changed one of ``paths``."""
        changed = [at for at in (_changed(root / path) for path in paths) if at is not None]
        same = {" ".join(check.split()) for check in checks}
        found: list[str] = []
        for check in checks:
            wanted = " ".join(check.split())
            entries = self._ledger.entries
            last = next((e for e in reversed(entries) if " ".join(e.command.split()) == wanted), None)
            if last is None:
                continue
            ended = moment(last.endedAt) + 0.002
            later = [e for e in entries if e.run > last.run and " ".join(e.command.split()) not in same]
            if any(at > ended and _within(entry, at) for entry in later for at in changed):
                found.append(check)
        return found


def moment(text: str) -> float:
    """Seconds of the epoch of a record's time."""
    return datetime.fromisoformat(text).timestamp()


def _within(entry: CommandEntry, at: float) -> bool:
    after = at >= moment(entry.startedAt) - _SLACK
    return after and (entry.background or at <= moment(entry.endedAt) + _SLACK)


def _changed(path: Path) -> float | None:
    try:
        return path.lstat().st_ctime
    except OSError:
        return None


def _nearest(path: Path) -> os.stat_result:
    while not path.exists():
        path = path.parent
    return path.stat()
