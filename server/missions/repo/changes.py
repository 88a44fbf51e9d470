"""What differs between two trees, path by path, as git's raw diff says it. Pure: it reads no file and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal["added", "modified", "deleted", "renamed", "copied", "mode_changed", "type_changed"]

_KINDS: dict[str, ChangeKind] = {
    "A": "added",
    "M": "modified",
    "D": "deleted",
    "R": "renamed",
    "C": "copied",
    "T": "type_changed",
}

SUBMODULE_MODE = "160000"


@dataclass(frozen=True)
class PathChange:
    """One changed path. ``old_path`` is set for renames and copies; modes are git's (``100755``, ``120000`` …)."""

    kind: ChangeKind
    path: str
    old_path: str | None = None
    old_mode: str = ""
    new_mode: str = ""
    old_sha: str = ""
    new_sha: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every name that the change concerns: both names of a rename."""
        return (self.old_path, self.path) if self.kind == "renamed" and self.old_path else (self.path,)

    @property
    def submodule(self) -> bool:
        """Whether one side is the commit of a submodule."""
        return SUBMODULE_MODE in (self.old_mode, self.new_mode)


def parse_raw(output: bytes) -> list[PathChange]:
    """The output of ``git diff-tree --raw -r -z``."""
    changes: list[PathChange] = []
    parts = iter(output.split(b"\0"))
    for meta in parts:
        if not meta.startswith(b":"):
            continue
        old_mode, new_mode, old_sha, new_sha, letter = meta[1:].decode("ascii").split(" ")
        first = os.fsdecode(next(parts))
        kind = _KINDS[letter[0]]
        second = os.fsdecode(next(parts)) if kind in ("renamed", "copied") else None
        if kind == "modified" and old_sha == new_sha:
            kind = "mode_changed"
        path, old_path = (first, None) if second is None else (second, first)
        changes.append(PathChange(kind, path, old_path, old_mode, new_mode, old_sha, new_sha))
    return changes


def all_paths(changes: list[PathChange]) -> list[str]:
    """Every name in ``changes`` once, sorted."""
    return sorted(set(_names(changes)))


def _names(changes: list[PathChange]) -> Iterator[str]:
    for change in changes:
        yield from change.paths
