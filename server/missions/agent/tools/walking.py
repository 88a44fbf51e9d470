"""The files below a folder that git does not ignore, without following links or leaving the root.

Folders are opened one below the other by descriptor, so a folder swapped for a link during the walk leads nowhere. It
reads only `.gitignore` files and never changes anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import pathspec

from missions.agent.tools.workspace import Place, Workspace

ALWAYS_SKIPPED = frozenset(
    (
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        "__pycache__",
        ".venv",
        ".tox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
    )
)
_MOST_ENTRIES = 200_000
_LARGEST_IGNORE_FILE = 1 << 20


@dataclass(frozen=True)
class Found:
    """A regular file below the place where the walk began."""

    relative: str
    """From the root, with `/`."""
    size: int
    modified: float


class Ignores:
    """The ignore rules that hold in one folder: its own and those of the folders above."""

    def __init__(self, above: Ignores | None, prefix: str, text: str) -> None:
        self._above = above
        self._prefix = prefix
        self._spec = pathspec.GitIgnoreSpec.from_lines(text.splitlines())

    def ignore(self, relative: str, folder: bool) -> bool:
        """Whether git ignores the path (from the root)."""
        inner = relative[len(self._prefix) :] + ("/" if folder else "")
        decided = self._spec.check_file(inner).include
        if decided is not None:
            return decided
        return self._above.ignore(relative, folder) if self._above is not None else False


def walk(workspace: Workspace, place: Place, everything: bool = False) -> Iterator[Found]:
    """Files below ``place`` (a folder), in the order of their paths. ``everything`` includes ignored ones."""
    with workspace.opened(place, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        ignores = None if everything else _ignores_above(workspace, place)
        prefix = "" if place.relative == "." else f"{place.relative}/"
        yield from _walk(descriptor, prefix, ignores, everything, [0])


def _ignores_above(workspace: Workspace, place: Place) -> Ignores | None:
    ignores: Ignores | None = None
    parts = [] if place.relative == "." else place.relative.split("/")
    for depth in range(len(parts)):
        above = "/".join(parts[:depth])
        try:
            with workspace.opened(
                Place(place.root, above or ".", False), os.O_RDONLY | os.O_DIRECTORY
            ) as folder:
                ignores = _own_ignores(folder, f"{above}/" if above else "", ignores)
        except OSError:
            return ignores
    return ignores


def _own_ignores(folder: int, prefix: str, above: Ignores | None) -> Ignores | None:
    try:
        descriptor = os.open(
            ".gitignore", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
        )
    except OSError:
        return above
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_LARGEST_IGNORE_FILE).decode("utf-8", errors="replace")
    return Ignores(above, prefix, text)


def _walk(
    folder: int, prefix: str, ignores: Ignores | None, everything: bool, count: list[int]
) -> Iterator[Found]:
    if not everything:
        ignores = _own_ignores(folder, prefix, ignores)
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        count[0] += 1
        if count[0] > _MOST_ENTRIES:
            return
        relative = prefix + name
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        if name.casefold() == ".git" or (not everything and (name in ALWAYS_SKIPPED and is_folder)):
            continue
        if ignores is not None and ignores.ignore(relative, is_folder):
            continue
        if is_folder:
            try:
                inner = os.open(
                    name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
                )
            except OSError:
                continue
            try:
                yield from _walk(inner, f"{relative}/", ignores, everything, count)
            finally:
                os.close(inner)
        elif stat.S_ISREG(status.st_mode):
            yield Found(relative, status.st_size, status.st_mtime)
