"""Stamps: what tells that a file is still the one it was, without reading it.

A stamp is settled when the clock that file times come from has moved on since: whoever changes the file from then on gives
it another time. Only settled stamps may stand for a content. This module reads times and nothing else.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[int, int, int, int, int]
"""Kind and permissions, size in bytes, times of the last change of content and of anything (nanoseconds), inode."""

_COARSE_CLOCK = 5
"""``CLOCK_REALTIME_COARSE`` of Linux, which Python has no name for: the clock that files get their times from."""
_TICK = 20_000_000
"""Nanoseconds; more than one tick of any kernel where that clock cannot be asked."""
_MILLISECOND = 1_000_000
_COARSE = 2_000_000_000
"""Nanoseconds; the coarsest file times there are (FAT)."""


def now() -> int:
    """The moment before which a stamp is settled, in nanoseconds of the epoch; to be asked before the files."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(_COARSE_CLOCK)
    return time.time_ns() - _TICK


def of(status: os.stat_result) -> Stamp:
    """The stamp in what ``lstat`` said."""
    return (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def stamp(path: Path | str) -> Stamp | None:
    """The stamp of a file; ``None`` where there is none."""
    try:
        return of(os.lstat(path))
    except OSError:
        return None


def settled(found: Stamp | None, moment: int) -> bool:
    """Whether the stamp, read after ``moment``, can stand for the content. A file that is not there always can."""
    if found is None:
        return True
    changed = max(found[2], found[3])
    # Some file systems keep whole milliseconds or seconds only.
    return changed < (moment if changed % _MILLISECOND else moment - _COARSE)


def all_settled(found: Iterable[Stamp | None], moment: int) -> bool:
    """Whether each of the stamps is settled."""
    return all(settled(one, moment) for one in found)


def is_file(found: Stamp | None) -> bool:
    """Whether it is a regular file or a symbolic link: what git keeps the content of."""
    return found is not None and (stat.S_ISREG(found[0]) or stat.S_ISLNK(found[0]))
