"""Snapshots: the files, the ignored files up to a limit, and the history, kept under a private ref in the shadow.

A snapshot is one commit in the shadow at ``refs/missions/<mission>/<name>``, so it is complete or absent. Taking
one writes nothing to the user's repository: no index, no stash, no ref (a ref there would carry ignored files such as
``.env`` into the user's object store, and out with the next mirror push). Putting files back is
:mod:`missions.repo.restore`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from missions.model.errors import MissionError
from missions.model.ids import check_mission_id
from missions.repo import stamps
from missions.repo.history import History, save
from missions.repo.index import look, stage
from missions.repo.names import check_ref, fields
from missions.repo.repository import Head, Repository
from missions.repo.shadow import Shadow
from missions.repo.stream import Stream
from missions.repo.survey import Survey, Surveyor
from missions.repo.tree import TreeState

IGNORED_LIMIT = 50 * 1024 * 1024
"""Bytes of ignored files that a snapshot takes."""

_IGNORED_COUNT = 20_000
_NAMED_LEFT_OUT = 50
_IGNORED_INDEX = "ignored"
_GIT_FILES = "git"


@dataclass(frozen=True)
class Snapshot:
    """A stored snapshot. ``ignored`` is the tree of ignored files, ``modes`` their unusual permissions, ``left_out``
    names ignored files and folders beyond the limit (at most 50 of them), ``taken_at`` is in epoch seconds."""

    mission_id: str
    name: str
    commit: str
    state: TreeState
    ignored: str
    head: Head
    history: History
    taken_at: int
    modes: dict[str, int]
    left_out: tuple[str, ...]
    root: str = ""
    """Top of the work tree that it was taken of."""


def take(
    repo: Repository,
    shadow: Shadow,
    mission_id: str,
    name: str,
    at: int,
    *,
    ignored_limit: int = IGNORED_LIMIT,
    survey: Survey | None = None,
) -> Snapshot:
    """Take a snapshot now; ``at`` is the time to record (epoch seconds), ``ignored_limit`` is in bytes, ``survey`` is what
    was found at this moment, if anybody looked. The same name again replaces it."""
    if survey is None:
        survey = Surveyor(repo, shadow).survey()
    paths, left_out = _ignored_paths(shadow, survey.ignored, ignored_limit)
    modes, ignored = _keep_ignored(shadow, paths)
    head = repo.head()
    saved = save(repo, shadow, head.sha, staged=survey.staged)
    head_json = {"sha": head.sha, "branch": head.branch}
    # An empty tree is no part of the commit, so the trees are named as well.
    trees = {"files": survey.state.tree, "ignored": ignored}
    meta = {
        "head": head_json,
        "history": saved.as_json(),
        "modes": modes,
        "leftOut": left_out,
        "trees": trees,
        "root": str(repo.root),
    }
    stream = Stream(_ref(mission_id, name), f"{name}\n", at)
    stream.tree("files", survey.state.tree)
    stream.tree("ignored", ignored)
    stream.file("meta.json", json.dumps(meta).encode())
    for file in saved.files:
        path = f"{_GIT_FILES}/{file.name}"
        if file.content is None:
            stream.blob(path, file.sha, executable=file.executable)
        else:
            stream.file(path, file.content, executable=file.executable)
    commit, git_files = stream.write(shadow.git, _GIT_FILES)
    shadow.blobs = {file.path: (file.stamp, file.sha) for file in saved.files if file.stamp is not None}
    history = History(saved.refs, git_files, saved.pointer)
    return Snapshot(
        mission_id,
        name,
        commit,
        survey.state,
        ignored,
        head,
        history,
        at,
        modes,
        tuple(left_out),
        str(repo.root),
    )


def list_snapshots(shadow: Shadow, mission_id: str) -> list[Snapshot]:
    """The mission's snapshots, oldest first; none if there is no shadow."""
    if not shadow.exists:
        return []
    prefix = f"refs/missions/{check_mission_id(mission_id)}/"
    output = shadow.git.run(
        "for-each-ref", "--format=%(objectname) %(committerdate:unix) %(refname)", prefix
    ).out
    found: list[Snapshot] = []
    for line in output.splitlines():
        commit, at, ref = os.fsdecode(line).split(" ", 2)
        found.append(_read(shadow, mission_id, ref.removeprefix(prefix), commit, int(at)))
    return sorted(found, key=lambda snapshot: (snapshot.taken_at, snapshot.name))


def find_snapshot(shadow: Shadow, mission_id: str, name: str) -> Snapshot:
    """The snapshot of that name, or ``not_found``."""
    for snapshot in list_snapshots(shadow, mission_id):
        if snapshot.name == name:
            return snapshot
    raise MissionError(
        "not_found",
        f"There is no snapshot {name!r}.",
        "`missions restore --list` shows the snapshots there are.",
    )


def drop(shadow: Shadow, mission_id: str, name: str) -> None:
    """Forget a snapshot; dropping one that is not there is harmless."""
    shadow.git.run("update-ref", "-d", _ref(mission_id, name))


def _ref(mission_id: str, name: str) -> str:
    return check_ref(f"refs/missions/{check_mission_id(mission_id)}/{name}")


def _read(shadow: Shadow, mission_id: str, name: str, commit: str, at: int) -> Snapshot:
    meta: dict[str, Any] = json.loads(shadow.git.run("cat-file", "blob", f"{commit}:meta.json").out)
    trees: dict[str, str] = dict(meta.get("trees", {}))
    names = [name for name in ("files", "ignored", _GIT_FILES) if name not in trees]
    found = shadow.git.run("rev-parse", *(f"{commit}:{name}" for name in names)).line.split("\n")
    trees |= dict(zip(names, found, strict=True))
    head = meta["head"]
    return Snapshot(
        mission_id,
        name,
        commit,
        TreeState(trees["files"]),
        trees["ignored"],
        Head(head["sha"], head["branch"]),
        History(dict(meta["history"]["refs"]), trees[_GIT_FILES], meta["history"]["pointer"]),
        at,
        dict(meta["modes"]),
        tuple(meta["leftOut"]),
        str(meta.get("root", "")),
    )


def _ignored_paths(shadow: Shadow, names: Iterable[str], limit: int) -> tuple[list[str], list[str]]:
    """Ignored files worth keeping (single files first, then whole folders that fit), and what was left out."""
    names = [name for name in names if not _is_cache(name, shadow.caches)]
    presence = look(shadow.root, [name.rstrip("/") for name in names])
    sized = sorted((os.lstat(shadow.root / path).st_size, path) for path in presence.files)
    groups = [[(size, path)] for size, path in sized] + [
        list(_walk(shadow, folder, limit)) for folder in presence.folders
    ]
    room, taken, left_out = limit, list[str](), list[str]()
    labels = [path for _, path in sized] + presence.folders
    for label, group in zip(labels, groups, strict=True):
        size = sum(size for size, _ in group)
        if size <= room and len(taken) + len(group) <= _IGNORED_COUNT:
            room -= size
            taken += [path for _, path in group]
        else:
            left_out.append(label)
    return taken, left_out[:_NAMED_LEFT_OUT]


def _walk(shadow: Shadow, folder: str, limit: int) -> Iterator[tuple[int, str]]:
    """Files below an ignored folder, up to the point where it is too much anyway."""
    size = count = 0
    for directory, folders, names in os.walk(shadow.root / folder):
        relative = os.path.relpath(directory, shadow.root)
        folders[:] = [
            name
            for name in folders
            if name.lower() != ".git" and not _is_cache(f"{relative}/{name}", shadow.caches)
        ]
        links = [name for name in folders if Path(directory, name).is_symlink()]
        for name in [*names, *links]:
            path = f"{relative}/{name}"
            status = os.lstat(shadow.root / path)
            if name.lower() == ".git" or not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                continue
            yield status.st_size, path
            size, count = size + status.st_size, count + 1
            if size > limit or count > _IGNORED_COUNT:
                return


def _is_cache(path: str, patterns: tuple[str, ...]) -> bool:
    parts = path.rstrip("/").split("/")
    for pattern in patterns:
        bare = pattern.strip("/")
        if "/" in bare:
            if f"/{bare}/" in f"/{path.rstrip('/')}/":
                return True
        elif any(fnmatchcase(part, bare) for part in parts):
            return True
    return False


def _keep_ignored(shadow: Shadow, paths: list[str]) -> tuple[dict[str, int], str]:
    """Permissions that git does not keep, such as 0600 of a file with secrets; and the tree of these files."""
    git, index, moment = shadow.git, shadow.index(_IGNORED_INDEX), stamps.now()
    found = {path: seen for path in paths if (seen := stamps.stamp(shadow.root / path)) is not None}
    modes: dict[str, int] = {}
    for path, (mode, *_) in found.items():
        if stat.S_ISREG(mode) and stat.S_IMODE(mode) not in (0o644, 0o755):
            modes[path] = stat.S_IMODE(mode)
    known = shadow.trees.get(_IGNORED_INDEX)
    if known is not None and known[0] == found:
        return modes, known[1]
    kept_before = fields(git.run("ls-files", "-z", index=index).out)
    stage(git, index, paths, set(kept_before) - set(paths))
    tree = git.run("write-tree", index=index).line
    if stamps.all_settled(found.values(), moment):
        shadow.trees[_IGNORED_INDEX] = (found, tree)
    else:
        shadow.trees.pop(_IGNORED_INDEX, None)
    return modes, tree
