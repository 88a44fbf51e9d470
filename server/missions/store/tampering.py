"""Noticing that commands without a sandbox changed a mission's files: stamps of what nobody has a reason to touch.

It compares names, sizes and times; it reads no content and changes nothing. The journal itself is compared byte for byte by
its writer (``store/journal.py``), which also puts it right.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from missions.store.layout import MissionDir, RunDir

_GUARDED = ("runs", "recovery-packets", "blobs")


@dataclass(frozen=True)
class Stamps:
    """How finished artifacts looked before a run whose commands could reach them."""

    root: Path
    current: Path
    """The directory of the run itself, which the engine is writing."""
    seen: dict[str, tuple[int, int, int]]

    @classmethod
    def take(cls, directory: MissionDir, run: RunDir) -> Stamps:
        """Stamp everything finished now."""
        return cls(directory.path, run.path, _stamps(directory.path, run.path))

    def changed(self) -> list[str]:
        """Artifacts that were changed or removed since; new ones are the engine's own."""
        now = _stamps(self.root, self.current)
        return sorted(name for name, stamp in self.seen.items() if now.get(name) != stamp)


def _stamps(root: Path, current: Path) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for part in _GUARDED:
        for directory, folders, names in os.walk(root / part):
            folders[:] = [name for name in folders if Path(directory, name) != current]
            for name in names:
                path = Path(directory, name)
                look = path.lstat()
                found[path.relative_to(root).as_posix()] = (look.st_ino, look.st_size, look.st_ctime_ns)
    return found
