"""Loose objects, read, compared and copied file by file: a commit that was just made consists of them.

Then there is no need of git, whose process costs more than the answer. An object is believed only if its content has the
hash that its name says; where anything is not loose the answer is that git has to be asked
(:mod:`missions.repo.objects` moves packs). It writes new objects into the target of a copy and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from missions import failpoints
from missions.model.errors import raise_if_scarce

FAILPOINTS = ("repo.loose.write", "repo.loose.rename")

_LIMIT = 16 * 1024 * 1024
"""Bytes; longer files are git's business."""
_COPIED = 200
"""Objects of one copy; more are a matter for packs."""
_COMPARED = 5_000
"""Folders of one comparison; a few small trees can name each other as endlessly many."""
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_TREE = "40000"


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


def commit(common_dir: Path, sha: str) -> bytes | None:
    """The content of a loose commit (headers, an empty line, the message)."""
    found = read_object(common_dir, sha, "commit")
    return found[1] if found is not None else None


def read_object(common_dir: Path, sha: str, kind: str) -> tuple[bytes, bytes] | None:
    """A loose object of this kind: its file as it is, and its content."""
    if not _SHA.match(sha):
        return None
    packed = read(path_of(common_dir, sha))
    if packed is None:
        return None
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, _LIMIT)
    except zlib.error:
        return None
    header, _, content = raw.partition(b"\0")
    if not unpacker.eof or header != b"%s %d" % (kind.encode("ascii"), len(content)):
        return None
    digest = hashlib.sha1(raw, usedforsecurity=False) if len(sha) == 40 else hashlib.sha256(raw)
    return (packed, content) if digest.hexdigest() == sha else None


def path_of(git_dir: Path, sha: str) -> Path:
    """Where a loose object lies, if it is there."""
    return git_dir / "objects" / sha[:2] / sha[2:]


@dataclass(frozen=True)
class Entry:
    """A line of a tree: git's mode (``100644``, ``40000`` …) and the object."""

    mode: str
    sha: str

    @property
    def is_tree(self) -> bool:
        return self.mode == _TREE

    @property
    def is_file(self) -> bool:
        """A regular file, program or not."""
        return self.mode in ("100644", "100755")

    @property
    def is_submodule(self) -> bool:
        """It names a commit of another repository."""
        return self.mode == "160000"


def tree(common_dir: Path, sha: str) -> dict[str, Entry] | None:
    """The entries of a loose tree by name."""
    found = read_object(common_dir, sha, "tree")
    return _entries(found[1], len(sha) // 2) if found is not None else None


def _entries(content: bytes, size: int) -> dict[str, Entry] | None:
    entries: dict[str, Entry] = {}
    at = 0
    while at < len(content):
        end = content.find(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        at = end + 1 + size
        if end < 0 or at > len(content) or not name:
            return None
        entries[os.fsdecode(name)] = Entry(mode.decode("ascii", "replace"), content[end + 1 : at].hex())
    return entries


def tree_of(content: bytes) -> str:
    """The tree that a commit's content names."""
    return content.partition(b"\n")[0].removeprefix(b"tree ").decode("ascii", "replace")


def differing(common_dir: Path, before: str, after: str) -> set[str] | None:
    """Every path that is not the same in two loose commits."""
    contents = [commit(common_dir, sha) for sha in (before, after)]
    trees = [tree_of(content) for content in contents if content is not None]
    found = differing_entries(common_dir, trees[0], trees[1]) if len(trees) == 2 else None
    return set(found) if found is not None else None


def differing_entries(
    git_dir: Path, before: str, after: str
) -> dict[str, tuple[Entry | None, Entry | None]] | None:
    """Every path that is not the same in two loose trees, with what it is in each; trees themselves are no paths."""
    found: dict[str, tuple[Entry | None, Entry | None]] = {}
    pending: list[tuple[str, Entry | None, Entry | None]] = [("", _root(before), _root(after))]
    looked = 0
    while pending:
        prefix, one, other = pending.pop()
        left, right = (_below(git_dir, entry) for entry in (one, other))
        looked += 1
        if left is None or right is None or looked > _COMPARED:
            return None
        for name in left.keys() | right.keys():
            old, new = left.get(name), right.get(name)
            if old == new:
                continue
            path = prefix + name
            files = tuple(entry if entry is not None and not entry.is_tree else None for entry in (old, new))
            if files != (None, None):
                found[path] = files[0], files[1]
            if any(entry is not None and entry.is_tree for entry in (old, new)):
                pending.append((f"{path}/", old, new))
    return found


def _root(sha: str) -> Entry:
    return Entry(_TREE, sha)


def _below(git_dir: Path, entry: Entry | None) -> dict[str, Entry] | None:
    return tree(git_dir, entry.sha) if entry is not None and entry.is_tree else {}


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


def copy_new(source: Path, target: Path, tips: Iterable[str], known: set[str]) -> bool:
    """Copy what the commits ``tips`` reach and ``known`` (whose all is in the target) do not, between two git directories;
    false if that takes git. Raises ``OSError``."""
    found = _new_objects(source, [tip for tip in tips if tip not in known], known)
    if found is None:
        return False
    for sha, content in found.items():
        _write(path_of(target, sha), content)
    return True


def _new_objects(source: Path, tips: list[str], known: set[str]) -> dict[str, bytes] | None:
    """The files of the new objects, those that others name first."""
    commits: dict[str, bytes] = {}
    parts: dict[str, bytes] = {}
    while tips:
        sha = tips.pop()
        if sha in known or sha in commits:
            continue
        found = read_object(source, sha, "commit")
        if found is None:
            return None
        commits[sha], content = found
        above = parents(content)
        parent = commit(source, above[0]) if above else None
        if parent is None or not _collect(source, tree_of(content), tree_of(parent), parts):
            return None
        if len(commits) + len(parts) > _COPIED:
            return None
        tips += above
    return parts | commits


def _collect(source: Path, new: str, old: str, parts: dict[str, bytes]) -> bool:
    """Add what the tree ``new`` has and ``old`` has not in the same place; whether all of it was loose."""
    pending = [(new, tree(source, old))] if new != old else []
    while pending:
        sha, before = pending.pop()
        found = read_object(source, sha, "tree")
        entries = _entries(found[1], len(sha) // 2) if found is not None else None
        if found is None or entries is None or before is None or len(parts) > _COPIED:
            return False
        parts[sha] = found[0]
        for name, entry in entries.items():
            if entry == before.get(name) or entry.is_submodule:
                continue
            if entry.is_tree:
                pending.append((entry.sha, _tree_before(source, before.get(name))))
                continue
            blob = read_object(source, entry.sha, "blob")
            if blob is None:
                return False
            parts[entry.sha] = blob[0]
    return True


def _tree_before(source: Path, entry: Entry | None) -> dict[str, Entry] | None:
    return tree(source, entry.sha) if entry is not None and entry.is_tree else {}


def _write(path: Path, content: bytes) -> None:
    """Durably and whole or not at all; what is there already is the same."""
    if path.exists():
        return
    failpoints.hit("repo.loose.write")
    making = path.with_name(f"tmp_obj_{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(descriptor)
        failpoints.hit("repo.loose.rename")
        making.rename(path)
    except OSError as error:
        making.unlink(missing_ok=True)
        raise_if_scarce(error)
        raise
