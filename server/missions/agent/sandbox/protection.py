"""The protected entries that no mount can guard: names that did not exist, links, and git's redirect files.

Taken at the start of a run and compared after each command. What appeared is moved aside (never deleted), what was a
link and is no more is put back; each is reported. Existing files and folders are guarded by read-only mounts.
"""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from missions.agent.sandbox.policy import GIT_READ_ONLY, Policy


@dataclass(frozen=True)
class _Was:
    path: Path
    link: str | None
    """The link's text; None when there was nothing."""


class Protection:
    """The watched entries of one run."""

    def __init__(self, policy: Policy) -> None:
        self._aside = policy.aside
        self._count = itertools.count(1)
        folders = [
            folder for folder in dict.fromkeys((policy.common_dir, policy.git_dir)) if folder is not None
        ]
        candidates = [policy.workspace / name for name in policy.protected]
        candidates += [folder / name for folder in folders for name in GIT_READ_ONLY]
        self._watched = [
            _Was(path, str(path.readlink()) if path.is_symlink() else None)
            for path in candidates
            if path.is_symlink() or not path.exists()
        ]

    def restore(self) -> list[str]:
        """Undo what changed; one sentence for each entry."""
        found: list[str] = []
        for was in self._watched:
            path = was.path
            now = str(path.readlink()) if path.is_symlink() else None
            if now == was.link and (was.link is not None or not os.path.lexists(path)):
                continue
            found.append(self._undo(was))
        return found

    def _undo(self, was: _Was) -> str:
        name = was.path.name
        if self._aside is None and was.link is None:
            return f"`{name}` is protected and was created; it is still there."
        try:
            if os.path.lexists(was.path):
                place = (self._aside or was.path.parent) / f"{next(self._count):03d}-{name.lstrip('.')}"
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(was.path, place)
            if was.link is not None:
                was.path.symlink_to(was.link)
        except OSError as error:
            return f"`{name}` is protected, was changed and could not be put back ({error.strerror})."
        return f"`{name}` is protected: the change was undone."
