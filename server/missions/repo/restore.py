"""Putting files back from a snapshot: all of them, some of them, or those that differ; and HEAD and index with them.

Only paths that differ are touched. Submodules and nested repositories are never changed, only named. A repository
whose ``.git`` was destroyed is built again first (:mod:`missions.repo.history`). Callers that want a way back take a
snapshot before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from missions import failpoints
from missions.model.errors import MissionError
from missions.repo.git import GitError
from missions.repo.history import bring_back
from missions.repo.index import look, stage
from missions.repo.names import check_branch, check_path, check_sha, fields, lines_of
from missions.repo.repository import Repository
from missions.repo.shadow import Shadow
from missions.repo.snapshot import Snapshot
from missions.repo.tree import TreeState, capture, differing_paths, paths_in

FAILPOINTS = ("repo.restore.unlink", "repo.restore.index")

_INDEX = "restore"
_NOTHING = "000000"


@dataclass(frozen=True)
class Restored:
    """What a restore did. ``skipped`` are submodules and nested repositories that differ."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    skipped: tuple[str, ...]


def recover_repository(root: Path, shadow: Shadow, snapshot: Snapshot) -> Repository:
    """The repository at ``root``; where ``.git``, refs or objects are missing they come back from the shadow."""
    return bring_back(root, shadow, snapshot.history)


def restore(
    repo: Repository,
    shadow: Shadow,
    snapshot: Snapshot,
    paths: Iterable[str] | None = None,
    *,
    ignored: bool = True,
) -> Restored:
    """Put the files back as they were in ``snapshot``.

    ``paths`` limits this to those files and folders (for instance to what a run changed). Files that did not exist
    then are removed. Ignored files that the snapshot holds are put back too, unless ``ignored`` is false; an ignored
    file is never removed.
    """
    wanted = None if paths is None else tuple(check_path(path).rstrip("/") for path in paths)
    now = capture(repo, shadow)
    write: list[str] = []
    remove: list[str] = []
    skipped: list[str] = []
    for change in differing_paths(shadow, now, snapshot.state):
        if _within(change.path, wanted):
            if change.submodule:
                skipped.append(change.path)
            elif change.new_mode == _NOTHING:
                remove.append(change.path)
            else:
                write.append(change.path)
    for path in look(repo.root, remove).files:
        failpoints.hit("repo.restore.unlink")
        (repo.root / path).unlink()
        _remove_empty_parents(repo.root, path)
    _check_out(shadow, snapshot.state.tree, write)
    extra = _restore_ignored(shadow, snapshot, wanted) if ignored else []
    return Restored((*write, *extra), tuple(remove), tuple(skipped))


def _within(path: str, wanted: tuple[str, ...] | None) -> bool:
    return wanted is None or any(path == one or path.startswith(one + "/") for one in wanted)


def _check_out(shadow: Shadow, tree: str, paths: list[str]) -> None:
    if paths:
        index = shadow.index(_INDEX)
        shadow.git.run("read-tree", check_sha(tree), index=index)
        shadow.git.run(
            "checkout-index", "-f", "-q", "-z", "--stdin", data=lines_of(paths), index=index, timeout=600
        )


def _restore_ignored(shadow: Shadow, snapshot: Snapshot, wanted: tuple[str, ...] | None) -> list[str]:
    kept = [path for path in paths_in(shadow, TreeState(snapshot.ignored)) if _within(path, wanted)]
    if not kept:
        return []
    index = shadow.index(_INDEX)
    shadow.git.run("read-tree", "--empty", index=index)
    stage(shadow.git, index, look(shadow.root, kept).files)
    now = TreeState(shadow.git.run("write-tree", index=index).line)
    changed = [
        change.path
        for change in differing_paths(shadow, now, TreeState(snapshot.ignored))
        if change.path in set(kept)
    ]
    _check_out(shadow, snapshot.ignored, changed)
    for path in changed:
        if path in snapshot.modes:
            (shadow.root / path).chmod(snapshot.modes[path])
    return changed


def _remove_empty_parents(root: Path, path: str) -> None:
    folder = (root / path).parent
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def restore_position(repo: Repository, shadow: Shadow, snapshot: Snapshot, expected: str) -> None:
    """Put the branch and the index back to where they were in ``snapshot``; files are not touched.

    ``expected`` is the commit the branch is at now (compare-and-swap). Another branch checked out, or another commit,
    is ``MissionError("repository_changed")``: somebody else works here. The commits stay in the shadow's snapshots.
    """
    head, then = repo.head(), snapshot.head
    if then.sha is None or then.branch is None or head.branch != then.branch:
        raise _moved(then.branch or "a detached HEAD", head.branch or "a detached HEAD")
    if head.sha != then.sha:
        if head.sha != expected:
            raise _moved(expected, str(head.sha))
        try:
            repo.git.run(
                "update-ref",
                "-m",
                "missions: back to the start of the run",
                check_branch(then.branch),
                then.sha,
                check_sha(expected),
            )
        except GitError as error:
            if error.lock_exists:
                raise
            raise _moved(expected, str(repo.head().sha)) from error
    _restore_index(repo, shadow, snapshot)


def _restore_index(repo: Repository, shadow: Shadow, snapshot: Snapshot) -> None:
    place = "common" if repo.git_dir == repo.common_dir else "own"
    entries = fields(
        shadow.git.run("ls-tree", "-z", "--full-tree", snapshot.history.files, f"{place}/index").out
    )
    if not entries:
        return
    content = shadow.git.run("cat-file", "blob", entries[0].split("\t")[0].split(" ")[2]).out
    lock = repo.git_dir / "index.lock"
    failpoints.hit("repo.restore.index")
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError as error:
        raise MissionError(
            "locked",
            "Another git process holds the repository's index.",
            f"Wait for it to end; if none runs, remove {lock}.",
        ) from error
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    lock.replace(repo.git_dir / "index")


def _moved(expected: str, found: str) -> MissionError:
    return MissionError(
        "repository_changed",
        f"The repository is at {found}, not at {expected} as the mission left it.",
        "Look at what changed; then go on, or start the unit again.",
        expected=expected,
        found=found,
    )
