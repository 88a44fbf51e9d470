"""What the doctor sees of the store as a whole: its safety, its permissions, its common files, what is half-made."""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from missions.control.finding import Finding
from missions.control.gc import half_made
from missions.model.errors import MissionError
from missions.store.bounded_json import read_json
from missions.store.files import failure, remove_tree, unlink
from missions.store.layout import Store
from missions.store.safety import check_root

_OTHERS = 0o077


def look_at_store(store: Store) -> list[Finding]:
    """Findings about the store's root and the files beside the missions."""
    if not os.path.lexists(store.root):
        return [Finding("store-new", "info", f"There is no store at {store.root} yet.")]
    return [*_root(store), *_common_files(store), *_half_made(store)]


def _root(store: Store) -> list[Finding]:
    try:
        check_root(store.root)
    except MissionError as error:
        mend = functools.partial(narrow, [store.root]) if _only_modes(store.root) else None
        return [Finding("store-unusable", "error", error.message, error.next_step, mend=mend)]
    if not os.access(store.root, os.W_OK):
        what = f"The store {store.root} cannot be written to."
        return [Finding("store-read-only", "error", what, "Make it writable for your user.")]
    return []


def _only_modes(root: Path) -> bool:
    """Whether all that is wrong with the root is who else may enter it."""
    found = root.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return stat.S_ISDIR(found.st_mode) and mine and bool(stat.S_IMODE(found.st_mode) & _OTHERS)


def _common_files(store: Store) -> list[Finding]:
    found: list[Finding] = []
    for path in (store.settings, store.cleared):
        if path.exists():
            try:
                read_json(path)
            except MissionError as error:
                found.append(Finding("file-unreadable", "warning", error.message, "Correct or remove it."))
    return found


def _half_made(store: Store) -> list[Finding]:
    found: list[Finding] = []
    for path in half_made(store, time.time()):
        what = f"{path.name} was left half-made or half-removed by a process that died."
        mend = functools.partial(remove_tree if path.is_dir() else unlink, path)
        found.append(Finding("half-made", "warning", what, "`missions doctor --fix` removes it.", mend=mend))
    return found


def too_open(paths: Iterable[Path]) -> list[Path]:
    """Those files and folders of this user that others may enter or read; links are not followed."""
    found: list[Path] = []
    for path in paths:
        try:
            status = path.lstat()
        except OSError:
            continue
        mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        if mine and not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(status.st_mode) & _OTHERS:
            found.append(path)
    return found


def narrow(paths: Iterable[Path]) -> None:
    """Take every right of others from ``paths``."""
    for path in paths:
        try:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OTHERS)
        except OSError as error:
            raise failure(error, path, "change the mode of") from error
