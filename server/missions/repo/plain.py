"""HEAD, refs, reflogs and the index, read from their files where these are plain.

Asking git costs a process each time; these files have one meaning, which git documents (gitrepository-layout). Whatever is
not plain (a symbolic link, reftable, a packed commit, a linked work tree, a damaged file) gives ``None``: then git has to be
asked. This module never writes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from missions.repo import loose

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_LOG_LINE = re.compile(rb"^([0-9a-f]{40}(?:[0-9a-f]{24})?) ([0-9a-f]{40}(?:[0-9a-f]{24})?) ", re.MULTILINE)
_BRANCHES = "refs/heads/"
_INDEX_LIMIT = 256 * 1024
"""Bytes, for some thousand files; git reads a longer index faster."""


def head(git_dir: Path, common_dir: Path) -> tuple[str, str] | None:
    """Commit and branch that HEAD names, if it names a branch with a loose commit."""
    target = _symbolic(loose.read(git_dir / "HEAD"))
    if target is None or not target.startswith(_BRANCHES) or ".." in target:
        return None
    sha = _name(loose.read(common_dir / target))
    if sha is None or loose.commit(common_dir, sha) is None:
        return None
    return sha, target.removeprefix(_BRANCHES)


def index(git_dir: Path) -> dict[str, str | None] | None:
    """Paths in the index of a repository with SHA-1 names, and the commit of those that are submodules (gitformat-index)."""
    content = loose.read(git_dir / "index", _INDEX_LIMIT)
    if content is None or content[:4] != b"DIRC" or int.from_bytes(content[4:8], "big") not in (2, 3):
        return None
    found: dict[str, str | None] = {}
    at, end = 12, len(content) - 20
    for _ in range(int.from_bytes(content[8:12], "big")):
        flags = int.from_bytes(content[at + 60 : at + 62], "big")
        start = at + (64 if flags & 0x4000 else 62)
        stop = content.find(b"\0", start)
        if not start < stop < end:
            return None
        mode = int.from_bytes(content[at + 24 : at + 28], "big")
        found[os.fsdecode(content[start:stop])] = (
            content[at + 40 : at + 60].hex() if mode == 0o160000 else None
        )
        at += (stop - at) // 8 * 8 + 8
    while at < end:
        # An extension that must be understood begins with a small letter: a split or a sparse index.
        if not content[at : at + 1].isupper():
            return None
        at += 8 + int.from_bytes(content[at + 4 : at + 8], "big")
    return found if at == end else None


def refs(git_dir: Path, common_dir: Path) -> dict[str, str] | None:
    """Every ref with the object it names; symbolic refs are followed."""
    if git_dir != common_dir or (common_dir / "reftable").exists():
        return None
    found = _packed(common_dir / "packed-refs")
    if found is None:
        return None
    symbolic: dict[str, str] = {}
    files = _files(common_dir / "refs")
    if files is None:
        return None
    for path in files:
        name = path.relative_to(common_dir).as_posix()
        if name.endswith(".lock"):
            continue
        content = loose.read(path)
        target, sha = _symbolic(content), _name(content)
        if target is not None:
            symbolic[name] = target
        elif sha is not None:
            found[name] = sha
        else:
            return None
    for name, target in symbolic.items():
        if target not in found:
            return None
        found[name] = found[target]
    return found


def logged(git_dir: Path, common_dir: Path) -> set[str] | None:
    """Every object that a reflog names."""
    if git_dir != common_dir:
        return None
    found: set[bytes] = set()
    files = _files(common_dir / "logs")
    if files is None:
        return None
    for path in files:
        content = loose.read(path)
        if content is None:
            return None
        for pair in _LOG_LINE.findall(content):
            found.update(pair)
    return {sha.decode("ascii") for sha in found if sha.strip(b"0")}


def _packed(path: Path) -> dict[str, str] | None:
    if not os.path.lexists(path):
        return {}
    content = loose.read(path)
    if content is None:
        return None
    found: dict[str, str] = {}
    for line in content.splitlines():
        if line.startswith((b"#", b"^")):
            continue
        sha, _, name = os.fsdecode(line).partition(" ")
        if not _SHA.match(sha) or not name.startswith("refs/"):
            return None
        found[name] = sha
    return found


def _files(folder: Path) -> list[Path] | None:
    """Every file below, none if the folder is not there; ``None`` if one cannot be listed."""
    failed: list[OSError] = []
    found = [
        Path(directory, name)
        for directory, _, names in os.walk(folder, onerror=failed.append)
        for name in names
    ]
    return found if all(isinstance(error, FileNotFoundError) for error in failed) else None


def _symbolic(content: bytes | None) -> str | None:
    if content is None or not content.startswith(b"ref: "):
        return None
    return os.fsdecode(content[5:].strip())


def _name(content: bytes | None) -> str | None:
    text = content.strip().decode("ascii", "replace") if content is not None else ""
    return text if _SHA.match(text) else None
