"""Bringing files of the repository back from a mission's snapshots, on request of a person.

A snapshot of how everything is now is taken first, so every restore can be undone by another. Files that were edited
since are named and need a yes of their own. It never moves a branch, and never works while a runner holds the mission.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.repo import snapshot as snapshots
from missions.repo.changes import PathChange
from missions.repo.commits import exists
from missions.repo.names import check_path, fields
from missions.repo.repository import Repository
from missions.repo.restore import Restored, recover_repository
from missions.repo.restore import restore as put_back
from missions.repo.shadow import Shadow
from missions.repo.snapshot import Snapshot
from missions.repo.tree import TreeState, differing_paths, paths_in
from missions.store.catalog import DamagedMission, view_mission
from missions.store.layout import MissionDir, Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog

SAFETY = "safety/"
"""Snapshots whose names begin so were taken by a restore."""

_SHOWN = 20


@dataclass(frozen=True)
class SnapshotLine:
    """One snapshot as it is listed."""

    name: str
    taken_at: str
    branch: str | None
    commit: str | None
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "takenAt": self.taken_at,
            "branch": self.branch,
            "commit": self.commit,
            "leftOut": list(self.left_out),
        }


@dataclass(frozen=True)
class RestoreResult:
    """What a restore did; ``replaced`` were edited since and are kept in the snapshot ``safety``."""

    mission: str
    snapshot: str
    safety: str | None
    written: tuple[str, ...]
    removed: tuple[str, ...]
    skipped: tuple[str, ...]
    replaced: tuple[str, ...]
    recovered: bool
    """The git directory was destroyed and was built again."""
    root: str
    head: str | None
    snapshot_head: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "mission": self.mission,
            "snapshot": self.snapshot,
            "safety": self.safety,
            "written": list(self.written),
            "removed": list(self.removed),
            "skipped": list(self.skipped),
            "replaced": list(self.replaced),
            "recovered": self.recovered,
            "root": self.root,
            "head": self.head,
            "snapshotHead": self.snapshot_head,
        }


def list_snapshots(store: Store, mission_id: str) -> list[SnapshotLine]:
    """The snapshots of a mission, oldest first; ``not_found`` if there is no such mission."""
    directory, mission = _known(store, mission_id)
    found = snapshots.list_snapshots(_shadow(directory, mission), mission_id)
    return [
        SnapshotLine(
            s.name,
            datetime.fromtimestamp(s.taken_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            s.head.branch,
            s.head.sha,
            s.left_out,
        )
        for s in found
    ]


def restore(
    store: Store,
    mission_id: str,
    snapshot: str | None = None,
    paths: Iterable[str] = (),
    *,
    confirmed: bool = False,
    who: Owner | None = None,
) -> RestoreResult:
    """Put files back as they were in ``snapshot`` (the newest one by default): all, or those at or below ``paths``.

    Raises ``locked`` while a runner holds the mission or another mission the repository, ``confirmation_needed`` with
    ``data["paths"]`` when files were edited since and ``confirmed`` is not set, ``not_found`` for an unknown
    snapshot or path. Then no file of the user was changed.
    """
    _known(store, mission_id)
    owner = who or Owner(face="cli")
    with MissionLog.acquire(store, mission_id, owner, purpose="repair") as log:
        directory, mission = log.directory, log.mission
        shadow = _shadow(directory, mission)
        chosen = _choose(shadow, mission_id, snapshot)
        wanted = [_inside(shadow.root, path) for path in paths]
        repo, recovered = _repository(shadow, chosen, mission_id)
        with repo.lock(mission_id):
            result = _restore(repo, shadow, chosen, wanted, mission_id, confirmed, recovered)
        log.record(
            ev.RepositoryRestored(
                snapshot=chosen.name,
                safety=result.safety,
                written=len(result.written),
                removed=len(result.removed),
                recovered=recovered,
                by=owner.model_dump(exclude_defaults=True),
            )
        )
        return result


def _restore(
    repo: Repository,
    shadow: Shadow,
    chosen: Snapshot,
    wanted: list[str],
    mission_id: str,
    confirmed: bool,
    recovered: bool,
) -> RestoreResult:
    now = time.time_ns()
    stamp = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y%m%dT%H%M%S") + f"{now % 10**9 // 1000:06}Z"
    name = f"{SAFETY}{stamp}"
    safety = snapshots.take(repo, shadow, mission_id, name, now // 10**9)
    try:
        changes = [c for c in _changes(shadow, safety, chosen) if _within(c.path, wanted)]
        _refuse_unknown(shadow, chosen, safety, wanted)
        _refuse_unsaved(shadow, safety, chosen, wanted)
        edited = _edited(repo, shadow, mission_id, name, changes)
        if edited and not confirmed:
            more = f" and {len(edited) - _SHOWN} more" if len(edited) > _SHOWN else ""
            raise MissionError(
                "confirmation_needed",
                f"{len(edited)} files were edited since and are in no snapshot or commit: "
                f"{', '.join(edited[:_SHOWN])}{more}.",
                "Repeat with --yes to replace them (a safety snapshot keeps how they are now), or name other paths.",
                paths=edited[:1000],
            )
    except BaseException:
        snapshots.drop(shadow, mission_id, name)
        raise
    done = put_back(repo, shadow, chosen, wanted or None)
    if done == Restored((), (), ()):
        snapshots.drop(shadow, mission_id, name)
    return RestoreResult(
        mission_id,
        chosen.name,
        None if done == Restored((), (), ()) else name,
        done.written,
        done.removed,
        done.skipped,
        tuple(edited),
        recovered,
        str(repo.root),
        repo.head().sha,
        chosen.head.sha,
    )


def _known(store: Store, mission_id: str) -> tuple[MissionDir, Mission]:
    mission = view_mission(store, mission_id)
    if isinstance(mission, DamagedMission):
        raise MissionError(mission.code, mission.problem, mission.next_step)
    return store.mission(mission_id), mission


def _shadow(directory: MissionDir, mission: Mission) -> Shadow:
    caches = mission.settings.get("workspace", {}).get("ignore", ())
    path = directory.git / "backup.git"
    if mission.workspace.kind == "clone":
        return Shadow(directory.git / "tree", path, caches)
    cwd = Path(os.path.realpath(mission.cwd))
    return Shadow(_top(Shadow(cwd, path), mission.id, cwd), path, caches)


def _top(shadow: Shadow, mission_id: str, cwd: Path) -> Path:
    """Top of the work tree: where the newest snapshot was taken, be it there or not.

    Git cannot be asked: when ``.git`` is gone it would name nothing, or a repository further up. Only where the mission
    lives elsewhere by now (it was imported) does the folder count that looks most like the snapshot, and never one above
    a folder that is not there.
    """
    found = snapshots.list_snapshots(shadow, mission_id)
    if not found:
        return cwd
    taken = Path(found[-1].root)
    if found[-1].root and cwd.is_relative_to(taken):
        return taken
    if not cwd.is_dir():
        return cwd
    tops = fields(shadow.git.run("ls-tree", "-z", "--name-only", "--full-tree", found[-1].state.tree).out)
    folders = [cwd, *list(cwd.parents)[:-1]]
    return max(folders, key=lambda folder: sum(os.path.lexists(folder / name) for name in tops))


def _choose(shadow: Shadow, mission_id: str, name: str | None) -> Snapshot:
    if name is not None:
        return snapshots.find_snapshot(shadow, mission_id, name)
    found = [s for s in snapshots.list_snapshots(shadow, mission_id) if not s.name.startswith(SAFETY)]
    if not found:
        raise MissionError(
            "not_found",
            f"{mission_id} has no snapshots yet.",
            "Snapshots are taken when runs begin; before the first run nothing was changed.",
        )
    return found[-1]


def _repository(shadow: Shadow, chosen: Snapshot, mission_id: str) -> tuple[Repository, bool]:
    """The repository; where it was destroyed, built again from the newest snapshot, which knows most."""
    try:
        repo = Repository.find(shadow.root)
        head = repo.head()
        whole = head.sha is not None or chosen.head.sha is None
        there = repo.root == shadow.root and whole and (head.sha is None or exists(repo, head.sha))
    except MissionError as error:
        if shadow.root.is_dir() and os.path.lexists(shadow.root / ".git") and _healthy(shadow.root):
            raise error
    else:
        if there:
            _refuse_another(repo, shadow, chosen, mission_id)
            return repo, False
    newest = snapshots.list_snapshots(shadow, mission_id)[-1]
    return recover_repository(shadow.root, shadow, newest), True


def _refuse_another(repo: Repository, shadow: Shadow, chosen: Snapshot, mission_id: str) -> None:
    """Another project may have taken the place: a repository that knows no commit of any snapshot is not the mission's."""
    if chosen.head.sha is not None and exists(repo, chosen.head.sha):
        return
    known = {s.head.sha for s in snapshots.list_snapshots(shadow, mission_id) if s.head.sha is not None}
    if known and not any(exists(repo, sha) for sha in sorted(known)):
        raise MissionError(
            "repository_changed",
            f"The repository at {repo.root} is another one: it knows no commit that the mission saw.",
            "Move it away and restore again; the mission's own repository is then built there.",
            path=str(repo.root),
        )


def _healthy(root: Path) -> bool:
    """Whether the git directory has its parts, so that git's refusal has another cause (ownership, for instance)."""
    git = root / ".git"
    return git.is_file() or all((git / part).exists() for part in ("HEAD", "objects", "refs", "config"))


def _inside(root: Path, path: str) -> str:
    given = Path(path)
    if given.is_absolute():
        given = Path(os.path.normpath(given))
        if not given.is_relative_to(root):
            raise MissionError(
                "bad_argument", f"{path} is not inside {root}.", "Name a path of the repository."
            )
        given = given.relative_to(root)
    return check_path(os.path.normpath(given))


def _within(path: str, wanted: list[str]) -> bool:
    return not wanted or any(path == one or path.startswith(one + "/") for one in wanted)


def _changes(shadow: Shadow, now: Snapshot, then: Snapshot) -> list[PathChange]:
    """What a restore would change: files, and ignored files that the snapshot holds."""
    held = paths_in(shadow, TreeState(then.ignored))
    ignored = differing_paths(shadow, TreeState(now.ignored), TreeState(then.ignored))
    return [*differing_paths(shadow, now.state, then.state), *(c for c in ignored if c.path in held)]


def _refuse_unknown(shadow: Shadow, chosen: Snapshot, safety: Snapshot, wanted: list[str]) -> None:
    if not wanted:
        return
    known: set[str] = set()
    for state in (chosen.state, TreeState(chosen.ignored), safety.state):
        known |= paths_in(shadow, state).keys()
    for path in wanted:
        if not any(_within(name, [path]) for name in known):
            raise MissionError(
                "not_found",
                f"{path} is neither in the snapshot {chosen.name} nor in the repository.",
                "Paths are relative to the top of the repository; `missions restore --list` shows the snapshots.",
            )


def _refuse_unsaved(shadow: Shadow, safety: Snapshot, chosen: Snapshot, wanted: list[str]) -> None:
    """An ignored file too large for the safety snapshot would be lost."""
    saved = paths_in(shadow, TreeState(safety.ignored)).keys() | paths_in(shadow, safety.state).keys()
    lost = [
        path
        for path in paths_in(shadow, TreeState(chosen.ignored))
        if _within(path, wanted) and path not in saved and os.path.lexists(shadow.root / path)
    ]
    if lost:
        raise MissionError(
            "wrong_state",
            f"{lost[0]} is too large now for a safety snapshot, so it is not replaced.",
            "Move it away, or restore other paths with --path.",
            paths=lost[:100],
        )


def _edited(
    repo: Repository, shadow: Shadow, mission_id: str, safety: str, changes: list[PathChange]
) -> list[str]:
    """Files that would be replaced or removed although what is in them now is kept nowhere else."""
    replaced = {c.path: c.old_sha for c in changes if not c.submodule and c.old_sha.strip("0")}
    if not replaced:
        return []
    for other in snapshots.list_snapshots(shadow, mission_id):
        if other.name != safety:
            for state in (other.state, TreeState(other.ignored)):
                _forget_kept(replaced, {p: sha for p, (_, sha) in paths_in(shadow, state).items()})
    if repo.head().sha is not None:
        listing = fields(repo.git.run("ls-tree", "-r", "-z", "--full-tree", "HEAD").out)
        _forget_kept(replaced, {e.partition("\t")[2]: e.split("\t")[0].split(" ")[2] for e in listing})
    return sorted(replaced)


def _forget_kept(replaced: dict[str, str], kept: dict[str, str]) -> None:
    for path in [path for path, sha in replaced.items() if kept.get(path) == sha]:
        del replaced[path]
