"""Which folders a command needs to use the tools on PATH: their install roots, as narrow as possible.

A tool outside the system folders (version managers, virtual environments, `~/.cargo/bin`) works only if its libraries
are visible too, but its surroundings may hold credentials. So a whole root is shown only when it is recognisably an
installation; otherwise just the folder on PATH. Only looks; never changes a file.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

SYSTEM_ROOTS: tuple[str, ...] = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
)
"""Always visible, read-only."""

_MANAGERS = frozenset(
    (
        ".pyenv",
        ".rbenv",
        ".nodenv",
        ".goenv",
        ".jenv",
        ".nvm",
        ".fnm",
        ".asdf",
        ".volta",
        ".rustup",
        ".sdkman",
        ".rye",
    )
)
"""Folders of version managers: nothing but tools in them."""
_COMPANIONS = {".cargo": (".rustup",)}
"""Shims in the first folder run tools that lie in the others."""
_PREFIX_SIGNS = ("lib", "lib64", "libexec", "conda-meta", "pyvenv.cfg")
_NEVER_A_ROOT = frozenset((".local", ".cargo", ".config", ".npm", ".yarn"))
_MOST_LINKS = 4000
_VALID = 60
"""Seconds for which the roots that were found are believed: each run asks, and hundreds of links are looked at."""


def path_folders(path: str) -> list[Path]:
    """The absolute, existing folders of a PATH value, each once, in order."""
    found: list[Path] = []
    for item in path.split(os.pathsep):
        folder = Path(item)
        if item and folder.is_absolute() and folder not in found and folder.is_dir():
            found.append(folder)
    return found


def readable_roots(path: str, home: Path, forbidden: Iterable[Path] = ()) -> list[Path]:
    """Folders to show read-only so that the tools on ``path`` and this interpreter work, outermost first.

    A root is left out when it would show a forbidden place (the home directory itself, the store).
    """
    barred = tuple(place.resolve() for place in forbidden)
    stamps = tuple(_stamp(item) for item in path.split(os.pathsep))
    return list(_found(path, home.resolve(), barred, stamps, int(time.monotonic() / _VALID)))


def _stamp(folder: str) -> tuple[int, int]:
    """Changes when a tool is put into the folder or taken away."""
    try:
        status = Path(folder).stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)


@functools.lru_cache(maxsize=8)
def _found(
    path: str, home: Path, forbidden: tuple[Path, ...], _stamps: tuple[tuple[int, int], ...], _minute: int
) -> list[Path]:
    barred = [home, *forbidden]
    roots: set[Path] = set()
    for folder in [*path_folders(path), Path(sys.base_prefix) / "bin", Path(sys.executable).parent]:
        _add(folder, home, roots)
        for link in _outward_links(folder):
            _add(link.parent, home, roots)
    usable = [root for root in roots if not any(root == place or root in place.parents for place in barred)]
    usable = [root for root in usable if not _in_any(root, [Path(item) for item in SYSTEM_ROOTS])]
    usable.sort(key=lambda root: len(root.parts))
    outermost: list[Path] = []
    for root in usable:
        if not _in_any(root, outermost):
            outermost.append(root)
    return outermost


def _in_any(path: Path, roots: Iterable[Path]) -> bool:
    return any(root == path or root in path.parents for root in roots)


def _add(folder: Path, home: Path, roots: set[Path]) -> None:
    # The unresolved name is kept as well: PATH names it, and bubblewrap binds to the name it is given.
    for place in {folder, folder.resolve()}:
        root = _install_root(place, home)
        roots.add(root)
        for companion in _COMPANIONS.get(place.parent.name, ()):
            if (place.parent.parent / companion).is_dir():
                roots.add(place.parent.parent / companion)
        base = root / "pyvenv.cfg"
        if base.is_file():
            for line in base.read_text(encoding="utf-8", errors="replace").splitlines():
                key, _, value = line.partition("=")
                if key.strip() == "home" and Path(value.strip()).is_dir():
                    roots.add(_install_root(Path(value.strip()).resolve(), home))


def _install_root(folder: Path, home: Path) -> Path:
    for place in (folder, *folder.parents):
        if place.name in _MANAGERS:
            return place
    parent = folder.parent
    if parent in (home, Path("/")) or parent in home.parents or parent.name in _NEVER_A_ROOT:
        return folder
    return parent if any((parent / sign).exists() for sign in _PREFIX_SIGNS) else folder


def _outward_links(folder: Path) -> list[Path]:
    """Where links in ``folder`` point, when that is outside the folder and outside the system."""
    if _in_any(folder.resolve(), [Path("/usr"), Path("/nix/store")]):
        return []
    found: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_LINKS:
                    break
                if entry.is_symlink():
                    target = Path(entry.path).resolve()
                    if target.is_file() and target.parent != folder.resolve():
                        found.append(target)
    except OSError:
        return found
    return found
