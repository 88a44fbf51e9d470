"""Diffs of a commit range for people and programs: text within a limit, hunks with line numbers, counts.

It reads commits only, never the work tree, and runs no external diff and no text conversion. Text is as stored in
the repository and untrusted; faces clean it before they show it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from missions.repo.changes import PathChange, parse_raw
from missions.repo.names import check_path, check_sha
from missions.repo.repository import Repository

TEXT_LIMIT = 400_000
"""Bytes of diff text by default."""

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")


@dataclass(frozen=True)
class DiffText:
    """A unified diff; ``truncated`` if it was cut (at a line) to the limit, ``size`` is that of the whole in bytes."""

    text: str
    truncated: bool
    size: int


@dataclass(frozen=True)
class Hunk:
    """One hunk. ``lines`` start with `` ``, ``+``, ``-`` or ``\\``; line numbers count from 1."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class FileDiff:
    """The diff of one file; ``binary`` files have no hunks."""

    change: PathChange
    binary: bool
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class FileCount:
    """Added and removed lines of one file; None for binary files. ``old_path`` is set for renames."""

    path: str
    old_path: str | None
    added: int | None
    removed: int | None


def diff_text(
    repo: Repository,
    base: str,
    tip: str,
    paths: Iterable[str] = (),
    *,
    limit: int = TEXT_LIMIT,
    context: int = 3,
) -> DiffText:
    """The unified diff ``base..tip``, of all files or of ``paths``, cut to ``limit`` bytes."""
    whole = _patch(repo, base, tip, paths, context)
    if len(whole) <= limit:
        return DiffText(whole.decode("utf-8", "replace"), False, len(whole))
    kept = whole[:limit]
    kept = kept[: kept.rfind(b"\n") + 1]
    return DiffText(kept.decode("utf-8", "replace"), True, len(whole))


def file_diffs(
    repo: Repository, base: str, tip: str, paths: Iterable[str] = (), *, context: int = 3
) -> list[FileDiff]:
    """The diff ``base..tip`` as hunks, file by file."""
    chosen = tuple(paths)
    changes = parse_raw(_run(repo, base, tip, chosen, "--raw", "-z", "--no-abbrev"))
    sections = _sections(_patch(repo, base, tip, chosen, context))
    found: list[FileDiff] = []
    for change in changes:
        # Git shows a change of type (a file became a link) as a removal and an addition.
        parts = [next(sections) for _ in range(2 if change.kind == "type_changed" else 1)]
        hunks = [hunk for part in parts for hunk in _hunks(part)]
        binary = any(
            line.startswith("Binary files ")
            for part in parts
            for line in part
            if not line.startswith((" ", "+", "-"))
        )
        found.append(FileDiff(change, binary and not hunks, tuple(hunks)))
    return found


def counts(repo: Repository, base: str, tip: str, paths: Iterable[str] = ()) -> list[FileCount]:
    """Added and removed lines per file of ``base..tip``."""
    parts = iter(_run(repo, base, tip, tuple(paths), "--numstat", "-z").split(b"\0"))
    found: list[FileCount] = []
    for entry in parts:
        if not entry:
            continue
        added, removed, name = entry.split(b"\t", 2)
        old = None if name else os.fsdecode(next(parts))
        path = os.fsdecode(name or next(parts))
        found.append(FileCount(path, old, _number(added), _number(removed)))
    return found


def _number(text: bytes) -> int | None:
    return None if text == b"-" else int(text)


def _patch(repo: Repository, base: str, tip: str, paths: Iterable[str], context: int) -> bytes:
    arguments = (
        "-p",
        f"--unified={context}",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--no-color",
        "--submodule=short",
    )
    return _run(repo, base, tip, paths, *arguments)


def _run(repo: Repository, base: str, tip: str, paths: Iterable[str], *arguments: str) -> bytes:
    chosen = [check_path(path) for path in paths]
    return repo.git.run(
        "diff-tree", "-r", "-M", *arguments, check_sha(base), check_sha(tip), "--", *chosen
    ).out


def _sections(patch: bytes) -> Iterator[list[str]]:
    """The patch file by file. Lines are counted, because a removed line can itself read ``diff --git``."""
    section: list[str] = []
    old = new = 0
    for line in patch.decode("utf-8", "replace").split("\n"):
        if old <= 0 and new <= 0 and line.startswith("diff --git "):
            if section:
                yield section
            section = []
        match = _HUNK.match(line) if old <= 0 and new <= 0 else None
        if match:
            old, new = int(match[2] or 1), int(match[4] or 1)
        else:
            old -= line.startswith((" ", "-"))
            new -= line.startswith((" ", "+"))
        section.append(line)
    if section:
        yield section


def _hunks(section: list[str]) -> Iterator[Hunk]:
    position = 0
    while position < len(section):
        match = _HUNK.match(section[position])
        position += 1
        if not match:
            continue
        old_left, new_left = int(match[2] or 1), int(match[4] or 1)
        counted = (int(match[1]), old_left, int(match[3]), new_left, match[5])
        lines: list[str] = []
        while position < len(section) and (
            old_left > 0 or new_left > 0 or section[position].startswith("\\")
        ):
            line = section[position]
            old_left -= line.startswith((" ", "-"))
            new_left -= line.startswith((" ", "+"))
            lines.append(line)
            position += 1
        yield Hunk(*counted, tuple(lines))
