"""HEAD, refs, reflogs and loose commits, read from their files where these are plain.

Asking git costs a process each time; these files have one meaning, which git documents (gitrepository-layout). Whatever is
not plain (a symbolic link, reftable, a packed commit, a linked work tree, a damaged file) gives ``None``: then git has to be
asked. A commit is believed only if its content has the hash that its name says. This module never writes.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zlib
from pathlib import Path

_LIMIT = 16 * 1024 * 1024
"""Bytes; longer files are git's business."""
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_LOG_LINE = re.compile(rb"^([0-9a-f]{40}(?:[0-9a-f]{24})?) ([0-9a-f]{40}(?:[0-9a-f]{24})?) ", re.MULTILINE)
_BRANCHES = "refs/heads/"


def read(path: Path | str, limit: int = _LIMIT) -> bytes | None:
    """The content of a regular file of at most ``limit`` bytes, not through a symbolic link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        try:
            content = file.read(limit + 1)
        except OSError:
            return None
    return content if len(content) <= limit else None


def head(git_dir: Path, common_dir: Path) -> tuple[str, str] | None:
    """Commit and branch that HEAD names, if it names a branch with a loose commit."""
    target = _symbolic(read(git_dir / "HEAD"))
    if target is None or not target.startswith(_BRANCHES) or ".." in target:
        return None
    sha = _name(read(common_dir / target))
    if sha is None or commit(common_dir, sha) is None:
        return None
    return sha, target.removeprefix(_BRANCHES)


def commit(common_dir: Path, sha: str) -> bytes | None:
    """The content of a loose commit (headers, an empty line, the message)."""
    if not _SHA.match(sha):
        return None
    packed = read(common_dir / "objects" / sha[:2] / sha[2:])
    if packed is None:
        return None
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, _LIMIT)
    except zlib.error:
        return None
    kind, _, content = raw.partition(b"\0")
    if not unpacker.eof or kind != b"commit %d" % len(content):
        return None
    digest = hashlib.sha1(raw, usedforsecurity=False) if len(sha) == 40 else hashlib.sha256(raw)
    return content if digest.hexdigest() == sha else None


def parents(content: bytes) -> list[str]:
    """The parents that a commit's content names."""
    lines = content.partition(b"\n\n")[0].split(b"\n")
    return [line[7:].decode("ascii", "replace") for line in lines if line.startswith(b"parent ")]


def chain(common_dir: Path, base: str, tip: str, limit: int = 200) -> list[str] | None:
    """The commits from ``base`` (without it) to ``tip``, oldest first, if it is one line of at most ``limit`` loose ones."""
    if os.path.lexists(common_dir / "info" / "grafts"):
        return None
    found: list[str] = []
    at = tip
    while at != base:
        content = commit(common_dir, at)
        above = parents(content) if content is not None else []
        if len(above) != 1 or len(found) == limit:
            return None
        found.append(at)
        at = above[0]
    return found[::-1]


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
        content = read(path)
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
        content = read(path)
        if content is None:
            return None
        for pair in _LOG_LINE.findall(content):
            found.update(pair)
    return {sha.decode("ascii") for sha in found if sha.strip(b"0")}


def _packed(path: Path) -> dict[str, str] | None:
    if not os.path.lexists(path):
        return {}
    content = read(path)
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
