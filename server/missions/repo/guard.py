"""Hashes of the files in a git directory that decide what git executes or where it looks (G09).

A worker that changes one of them could make a later git run a program. The runner takes a guard at the start of a
run and compares before any of the engine's git runs again. This module only reads; it judges nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from missions.model.errors import raise_if_scarce

_COMMON_FILES = (
    "info/attributes",
    "info/exclude",
    "info/grafts",
    "info/sparse-checkout",
    "objects/info/alternates",
    "shallow",
)
_OWN_FILES = ("config.worktree", "commondir", "gitdir")
_HARMLESS_SECTIONS = (
    "branch.",
)  # tracking data; editors write it while a mission runs, and it names no program


@dataclass(frozen=True)
class Guard:
    """Item name → hash. JSON-ready through ``items``."""

    items: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def take(
        cls, root: Path, git_dir: Path, common_dir: Path, config: Callable[[], list[tuple[str, str]]]
    ) -> Guard:
        """Read the items now. ``config`` (which runs git) is called last, after the plain files were read."""
        items = {".git": _hash(root / ".git")}
        for name in _COMMON_FILES:
            items[name] = _hash(common_dir / name)
        for name in _OWN_FILES:
            items[name] = _hash(git_dir / name)
        items["hooks"] = _hash_tree(common_dir / "hooks")
        for module in _submodules(common_dir / "modules"):
            name = module.relative_to(common_dir).as_posix()
            items[f"{name}/config"] = _hash(module / "config")
            items[f"{name}/hooks"] = _hash_tree(module / "hooks")
        items["config file"] = _kind(common_dir / "config")
        items["config"] = _hash_config(config)
        return cls(items)

    def changed(self, previous: Guard) -> list[str]:
        """Names of the items that differ from ``previous``, sorted."""
        names = self.items.keys() | previous.items.keys()
        return sorted(name for name in names if self.items.get(name) != previous.items.get(name))


def _hash_config(config: Callable[[], list[tuple[str, str]]]) -> str:
    digest = hashlib.sha256()
    for key, value in config():
        if not key.startswith(_HARMLESS_SECTIONS):
            digest.update(os.fsencode(f"{key}\n{value}\0"))
    return digest.hexdigest()


def _kind(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return "absent"
    if stat.S_ISLNK(mode):
        return "link " + str(path.readlink())
    return "folder" if stat.S_ISDIR(mode) else f"file {mode & 0o111:o}" if stat.S_ISREG(mode) else "special"


def _hash(path: Path) -> str:
    kind = _kind(path)
    if not kind.startswith("file"):
        return kind
    try:
        return f"{kind} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise_if_scarce(error)
        return f"{kind} unreadable {error.errno}"


def _hash_tree(folder: Path) -> str:
    kind = _kind(folder)
    if kind != "folder":
        return kind
    digest = hashlib.sha256()
    for directory, subdirectories, names in os.walk(folder, onerror=raise_if_scarce):
        subdirectories.sort()
        for name in sorted([*names, *subdirectories]):
            path = Path(directory) / name
            digest.update(os.fsencode(f"{path.relative_to(folder)}\0{_hash(path)}\0"))
    return digest.hexdigest()


def _submodules(folder: Path) -> list[Path]:
    """Git directories below ``modules`` (their names may hold slashes)."""
    found: list[Path] = []
    for directory, subdirectories, names in os.walk(folder, onerror=raise_if_scarce):
        if "HEAD" in names and "objects" in subdirectories:
            found.append(Path(directory))
            subdirectories[:] = [name for name in subdirectories if name == "modules"]
    return sorted(found)
