"""Removing what nobody needs any more: old snapshots and backups of finished missions, answers, torn files, logs.

Never touches the journal, the artifacts, an unfinished mission's snapshots, or the only copy of a commit: a backup stays
as long as a branch in it is merged nowhere.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.repo.names import fields
from missions.repo.objects import existing
from missions.repo.repository import Repository
from missions.repo.shadow import Shadow
from missions.repo.snapshot import list_snapshots
from missions.store.catalog import MissionSummary, list_missions, view_mission
from missions.store.files import TEMPORARY, remove_tree, rename, unlink
from missions.store.layout import MissionDir, Store
from missions.store.lock import MissionLock

OLDER_THAN_DAYS = 30
HALF_MADE_AFTER = 3600.0
"""Seconds after which what a dead process left half-made belongs to nobody."""

_GONE = ".gone-git-"
"""A backup that is being removed; the rest of the name is when, in nanoseconds since the epoch."""

ItemKind = Literal["backup", "answer", "torn", "log", "half-made"]


@dataclass(frozen=True)
class GcItem:
    """One thing that goes."""

    kind: ItemKind
    path: Path
    size: int
    mission: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "path": str(self.path), "bytes": self.size, "mission": self.mission}


@dataclass
class GcResult:
    """What went, or would go with ``dry_run``; ``kept`` says of which mission the backup stays, and why."""

    dry_run: bool
    items: list[GcItem] = field(default_factory=list[GcItem])
    kept: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.items)

    def as_json(self) -> dict[str, Any]:
        return {
            "dryRun": self.dry_run,
            "freedBytes": self.freed,
            "items": [item.as_json() for item in self.items],
            "kept": self.kept,
        }


def gc(
    store: Store, *, older_than_days: int = OLDER_THAN_DAYS, dry_run: bool = False, now: float | None = None
) -> GcResult:
    """Remove, or with ``dry_run`` only name, what ended more than ``older_than_days`` days before ``now`` (epoch seconds)."""
    now = time.time() if now is None else now
    limit = now - older_than_days * 86_400
    result = GcResult(dry_run)
    if not store.root.is_dir():
        return result
    store.ensure()
    for item in [*_half_made(store, now), *_logs(store, limit)]:
        _remove(item, result)
    for summary in list_missions(store):
        directory = store.mission(summary.id)
        for item in [*_answers(directory, limit), *_torn(directory, limit), *_half_removed(directory, now)]:
            _remove(item, result)
        if isinstance(summary, MissionSummary) and _is_over(summary, limit):
            _backup(store, directory, result)
    return result


def _remove(item: GcItem, result: GcResult) -> None:
    if not result.dry_run:
        if item.path.is_dir() and not item.path.is_symlink():
            remove_tree(item.path)
        else:
            unlink(item.path)
    result.items.append(item)


# Backups


def _is_over(summary: MissionSummary, limit: float) -> bool:
    ended = datetime.fromisoformat(summary.updatedAt).timestamp()
    return summary.status in ("complete", "failed") and ended < limit


def _backup(store: Store, directory: MissionDir, result: GcResult) -> None:
    if not directory.git.is_dir():
        return
    try:
        lock = MissionLock.acquire(directory)
    except MissionError as error:
        if error.code != "locked":
            raise
        result.kept[directory.id] = "Another process is using the mission."
        return
    try:
        # Only now nobody can change it, so only now what it says counts.
        mission = view_mission(store, directory.id)
        if not isinstance(mission, Mission) or mission.status not in ("complete", "failed"):
            return
        why = _only_copy(directory, mission)
        if why is not None:
            result.kept[directory.id] = why
            return
        item = GcItem("backup", directory.git, size_of(directory.git), directory.id)
        if not result.dry_run:
            # Renamed first: a backup is there as a whole or not at all.
            gone = directory.path / f"{_GONE}{time.time_ns()}"
            rename(directory.git, gone)
            remove_tree(gone)
        result.items.append(item)
    finally:
        lock.drop()


def _only_copy(directory: MissionDir, mission: Mission) -> str | None:
    """Why the backup is needed still; None if every branch in it is reachable in the user's repository."""
    try:
        tips = _tips(directory, mission)
        if not tips:
            return None
        repo = Repository.find(Path(mission.cwd))
    except (MissionError, ValueError, KeyError) as error:
        return f"Its commits cannot be compared with the repository: {error}"
    missing = sorted(set(tips) - set(existing(repo.git, tips)))
    if not missing:
        others = ("--not", "--branches", "--remotes", "--tags")
        missing = repo.git.run("rev-list", "--max-count=1", *tips, *others).line.split()
    if not missing:
        return None
    return (
        f"The commit {missing[0][:12]} ({tips.get(missing[0], 'and others')}) is on no branch of {repo.root}."
    )


def _tips(directory: MissionDir, mission: Mission) -> dict[str, str]:
    """Commits that branches in the backup name, with the branch; half-done work of runs is not among them."""
    found: dict[str, str] = {}
    if mission.tipCommit is not None:
        found[mission.tipCommit] = mission.branch or "the mission's branch"
    shadow = Shadow(Path(mission.cwd), directory.git / "backup.git")
    taken = list_snapshots(shadow, mission.id)
    if taken:
        refs = taken[-1].history.refs
        found |= {sha: name for name, sha in refs.items() if name.startswith("refs/heads/")}
    tree = directory.git / "tree"
    if tree.is_dir():
        listing = Repository.find(tree).git.run(
            "for-each-ref", "--format=%(objectname)%00%(refname)%00", "refs/heads/"
        )
        parts = [part.lstrip("\n") for part in fields(listing.out)]
        found |= dict(zip(parts[0::2], parts[1::2], strict=False))
    return found


# Small things


def _answers(directory: MissionDir, limit: float) -> Iterator[GcItem]:
    for path in _old(directory.inbox / "done", limit):
        # While its request still waits, the answer is what keeps it from being applied again.
        if not (directory.inbox / "new" / path.name).exists():
            yield GcItem("answer", path, _size(path), directory.id)


def _torn(directory: MissionDir, limit: float) -> Iterator[GcItem]:
    folders = [directory.path, directory.chat, directory.orchestrator]
    with contextlib.suppress(OSError):
        folders += [run for run in directory.runs.iterdir() if run.is_dir() and not run.is_symlink()]
    for folder in folders:
        for path in _old(folder, limit):
            if ".torn-" in path.name:
                yield GcItem("torn", path, _size(path), directory.id)


def _half_removed(directory: MissionDir, now: float) -> Iterator[GcItem]:
    """Backups whose removal was cut short; the name says when, so another collector at work is left alone."""
    for path in sorted(directory.path.glob(f"{_GONE}*")):
        since = path.name.removeprefix(_GONE)
        if since.isdecimal() and int(since) / 1e9 < now - HALF_MADE_AFTER:
            yield GcItem("half-made", path, size_of(path), directory.id)


def _logs(store: Store, limit: float) -> Iterator[GcItem]:
    for path in _old(store.root / "logs", limit):
        if ".log" in path.name:
            yield GcItem("log", path, _size(path))


def _half_made(store: Store, now: float) -> Iterator[GcItem]:
    for path in half_made(store, now):
        yield GcItem("half-made", path, size_of(path))


def half_made(store: Store, now: float) -> list[Path]:
    """What processes that died left in the store's root: half-made or half-removed missions and temporary files."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        for path in sorted(store.root.iterdir()):
            left = path.name.startswith((".new-", ".gone-")) or bool(TEMPORARY.match(path.name))
            if left and path.lstat().st_mtime < now - HALF_MADE_AFTER:
                found.append(path)
    return found


def _old(folder: Path, limit: float) -> list[Path]:
    found: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if (
                    not entry.is_dir(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_mtime < limit
                ):
                    found.append(Path(entry.path))
    return sorted(found)


def size_of(path: Path) -> int:
    """Bytes on the disk of a file, or of a folder with everything in it; links are not followed."""
    total = _size(path)
    for folder, folders, files in os.walk(path):
        total += sum(_size(Path(folder, name)) for name in [*folders, *files])
    return total


def _size(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0
