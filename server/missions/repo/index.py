"""Private indexes: which paths of a work tree exist, and bringing an index file of ours up to date with them.

It never opens the user's own index and never looks into a submodule (that would run git with foreign settings).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from missions.model.errors import MissionError
from missions.repo.git import Git
from missions.repo.names import lines_of


@dataclass
class Presence:
    """How paths look on the disk. ``folders`` are real folders, ``gone`` is everything that is no file, link or folder."""

    files: list[str] = field(default_factory=list[str])
    folders: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])


def look(root: Path, paths: Iterable[str]) -> Presence:
    """Sort ``paths`` by what is there now. A path below a symbolic link is gone: it names another place's file."""
    real: dict[str, bool] = {"": True}
    base = str(root)

    def is_real_folder(folder: str) -> bool:
        known = real.get(folder)
        if known is None:
            known = is_real_folder(folder.rpartition("/")[0]) and stat.S_ISDIR(_mode(base, folder))
            real[folder] = known
        return known

    found = Presence()
    for path in paths:
        mode = _mode(base, path) if is_real_folder(path.rpartition("/")[0]) else 0
        if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            found.files.append(path)
        elif stat.S_ISDIR(mode):
            found.folders.append(path)
        else:
            found.gone.append(path)
    return found


def _mode(base: str, path: str) -> int:
    try:
        return os.lstat(f"{base}/{path}").st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except PermissionError as error:
        raise MissionError(
            "repository",
            f"{path} cannot be read.",
            "Give yourself access to it, or have git ignore it.",
            path=path,
        ) from error


def stage(git: Git, index: Path, present: Iterable[str], gone: Iterable[str] = ()) -> None:
    """Record in the private ``index`` that ``present`` paths are as on the disk and ``gone`` ones are not there.

    Paths whose times and inode the index already knows are not read again.
    """
    removed = lines_of(gone)
    if removed:
        git.run("update-index", "-z", "--force-remove", "--stdin", data=removed, index=index)
    added = lines_of(present)
    if added:
        arguments = ("-z", "--add", "--remove", "--replace", "--stdin")
        git.run("update-index", *arguments, data=added, index=index, timeout=600)


def set_submodule(git: Git, index: Path, path: str, sha: str) -> None:
    """Record a submodule at the commit ``sha``."""
    git.run("update-index", "--add", "--replace", "--cacheinfo", f"160000,{sha},{path}", index=index)


def has_git(folder: Path) -> bool:
    """Whether a folder is a work tree of its own."""
    return os.path.lexists(folder / ".git")
