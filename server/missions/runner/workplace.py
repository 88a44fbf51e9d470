"""The place a mission works in: the user's checkout or a private clone, with its snapshots and its facts.

Knows which commit and which files belong to a run, puts half-done work back, and notices when someone else was here. It
never judges a handoff, never records an event and never touches files that a run did not change. All calls block on git:
from a coroutine they go through a thread.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from missions.model.errors import MissionError
from missions.model.mission import Mission, Workspace
from missions.repo import commits, restore, snapshot, tree
from missions.repo.commits import Commit
from missions.repo.guard import Guard
from missions.repo.lock import RepoLock
from missions.repo.names import check_branch
from missions.repo.repository import Repository
from missions.repo.shadow import Shadow
from missions.repo.snapshot import Snapshot
from missions.repo.survey import Survey, Surveyor
from missions.roles.acceptance import WorkerFacts
from missions.runner.attribution import Trace
from missions.store.layout import MissionDir

HEAD = "HEAD"
_STILL = 2.0
"""Seconds; a git that outlives its runner ends long before."""
COMMITTER_MARK = "(missions)"
"""Ends the committer name of every commit that a run makes; any other commit is someone else's."""


@dataclass(frozen=True)
class RunStart:
    """How the place looked when a run began; enough to judge the run and to put everything back."""

    base: str
    branch: str | None
    snapshot: Snapshot
    guard: Guard
    status: frozenset[str]


@dataclass(frozen=True)
class RunChanges:
    """What differs from the start of a run, and which of it is not the run's doing."""

    all: tuple[str, ...]
    strangers: tuple[str, ...]

    @property
    def own(self) -> tuple[str, ...]:
        """What the run itself changed."""
        return tuple(path for path in self.all if path not in self.strangers)


class Workplace:
    """An opened place of work; :meth:`close` frees the repository for other missions."""

    def __init__(
        self,
        repository: Repository,
        directory: MissionDir,
        caches: tuple[str, ...] = (),
        lock: RepoLock | None = None,
    ) -> None:
        self.repository = repository
        self.directory = directory
        self.shadow = Shadow(repository.root, directory.git / "backup.git", caches)
        self._surveyor = Surveyor(repository, self.shadow)
        self._lock = lock
        self._history: tuple[tuple[str, str], tuple[bool, list[Commit], list[str]]] | None = None

    def close(self) -> None:
        """Free the repository."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def root(self) -> Path:
        return self.repository.root

    def committer(self) -> tuple[str, str]:
        """Name and e-mail that mark the commits of a run; the author stays the user."""
        identity = self.repository.identity()
        return f"{identity.name} {COMMITTER_MARK}", identity.email

    def author(self) -> tuple[str, str]:
        identity = self.repository.identity()
        return identity.name, identity.email

    # Runs

    def begin(self, run_id: str) -> RunStart:
        """Take the snapshot that a run starts from. The same run id again gives the same snapshot's name."""
        found = self._surveyor.survey()
        return self._start(self._take(f"{run_id}/start", found), found)

    def begun(self, run_id: str, guard: Guard | None = None) -> RunStart:
        """How a run that was cut short had started."""
        taken = snapshot.find_snapshot(self.shadow, self.directory.id, f"{run_id}/start")
        start = self._start(taken, self._surveyor.survey())
        return (
            start
            if guard is None
            else RunStart(start.base, start.branch, start.snapshot, guard, start.status)
        )

    def _take(self, name: str, found: Survey) -> Snapshot:
        now = int(time.time())
        return snapshot.take(self.repository, self.shadow, self.directory.id, name, now, survey=found)

    def _start(self, taken: Snapshot, found: Survey) -> RunStart:
        if taken.head.sha is None:
            raise MissionError(
                "repository", f"The repository {self.root} has no commit.", "Make a first commit."
            )
        guard = self.repository.guard()
        return RunStart(taken.head.sha, taken.head.branch, taken, guard, frozenset(found.dirty))

    def changed_since(self, start: RunStart) -> list[str]:
        """Paths whose content differs from the start of the run, committed or not, in order."""
        return self._changed(start, self._surveyor.survey())

    def _changed(self, start: RunStart, found: Survey) -> list[str]:
        return sorted(self._surveyor.changed(start.snapshot.state, found))

    def worker_facts(
        self,
        start: RunStart,
        feature_id: str,
        protected: list[str],
        checks: tuple[str, ...],
        known: dict[str, int | None],
        trace: Trace,
    ) -> WorkerFacts:
        """Everything the acceptance of a worker's handoff needs, read now."""
        repo = self.repository
        head = repo.head()
        tip = head.sha or ""
        ancestor, made, committed = self._made(start.base, tip)
        found = self._surveyor.survey()
        touched = set(self._changed(start, found)) | set(committed)
        return WorkerFacts(
            feature_id=feature_id,
            base=start.base,
            head=tip,
            on_branch=head.branch == start.branch,
            base_is_ancestor=ancestor,
            commits=tuple(c.sha for c in made),
            foreign_commits=tuple(c.sha for c in made if not c.committer.endswith(COMMITTER_MARK)),
            changed_paths=tuple(committed),
            uncommitted=tuple(sorted(found.dirty & touched)),
            protected_touched=tuple(sorted(set(protected) & touched)),
            resolve=self.resolve,
            required_checks=checks,
            known_failures=known,
            tampered=tuple(repo.guard().changed(start.guard)),
            strangers=tuple(trace.strangers(self.root, sorted(touched))),
            stale_checks=tuple(trace.stale(self.root, checks, committed)),
            switched_by_stranger=head.branch != start.branch and not trace.made(repo.git_dir / "HEAD"),
        )

    def _made(self, base: str, tip: str) -> tuple[bool, list[Commit], list[str]]:
        """Whether ``base`` is an ancestor of ``tip``, the commits between, and their paths; commits never change, so it is asked once."""
        if self._history is not None and self._history[0] == (base, tip):
            return self._history[1]
        repo = self.repository
        ancestor = bool(tip) and commits.is_ancestor(repo, base, tip)
        made = commits.between(repo, base, tip) if ancestor else []
        found = ancestor, made, sorted(commits.touched_paths(repo, base, tip)) if tip else []
        self._history = ((base, tip), found)
        return found

    def resolve(self, name: str) -> str | None:
        """The full id of a commit named by at least seven hex digits, or ``None``."""
        if not 7 <= len(name) <= 64 or any(c not in "0123456789abcdef" for c in name.lower()):
            return None
        if commits.is_loose(self.repository, name.lower()):
            return name.lower()
        found = self.repository.git.run(
            "rev-parse", "--verify", "-q", name.lower() + "^{commit}", allowed=(0, 1, 128)
        )
        return found.line if found.code == 0 and found.line else None

    def line_count(self, path: str) -> int | None:
        """Lines of a regular file inside the repository, without following links."""
        candidate = self.root / path
        try:
            if (
                not candidate.resolve().is_relative_to(self.root.resolve())
                or not candidate.is_file()
                or candidate.is_symlink()
            ):
                return None
            data = candidate.read_bytes()
        except (OSError, ValueError):
            return None
        return data.count(b"\n") + (1 if data and not data.endswith(b"\n") else 0)

    def validator_changes(self, start: RunStart, trace: Trace) -> RunChanges:
        """What changed during a validator's run: files, the branch, the configuration."""
        found = self.changed_since(start)
        strangers = trace.strangers(self.root, found)
        head = self.repository.head()
        if head.sha != start.base or head.branch != start.branch:
            found.append(HEAD)
            if not trace.made(self._moved(start)):
                strangers.append(HEAD)
        # Nobody can tell who changed these, and they decide what git executes: a human has to look.
        tampered = self.repository.guard().changed(start.guard)
        return RunChanges((*found, *tampered), (*strangers, *tampered))

    def _moved(self, start: RunStart) -> Path:
        """The file whose time says when HEAD came to where it is."""
        head = self.repository.head()
        if head.branch != start.branch or head.branch is None:
            return self.repository.git_dir / HEAD
        loose = self.repository.common_dir / "refs" / "heads" / head.branch
        return loose if loose.exists() else self.repository.common_dir / "packed-refs"

    def strangers_of(self, start: RunStart, trace: Trace) -> list[str]:
        """What somebody else changed during a worker's run, which nobody may put back: paths, and ``HEAD`` for the
        branch switched or commits made."""
        found = trace.strangers(self.root, self.changed_since(start))
        head = self.repository.head()
        if head.branch != start.branch:
            return found if trace.made(self.repository.git_dir / HEAD) else [*found, HEAD]
        if head.sha is None or not commits.is_ancestor(self.repository, start.base, head.sha):
            return found
        made = commits.between(self.repository, start.base, head.sha)
        return [*found, HEAD] if any(not c.committer.endswith(COMMITTER_MARK) for c in made) else found

    def put_back(
        self, run_id: str, start: RunStart, keep: Collection[str] = (), *, again: bool = False
    ) -> list[str]:
        """Keep what the run left as the snapshot ``<run>/end`` and put files, branch and index back to its start.

        Only paths that the run changed are touched, and none of ``keep``; with ``HEAD`` among these, nothing at all. Returns
        what was put back. ``again`` after a crash in the middle: what the run left was kept then, and the index comes back
        even where files and branch are right already.
        """
        self.repository = restore.recover_repository(self.root, self.shadow, start.snapshot)
        self._surveyor = Surveyor(self.repository, self.shadow)
        self.clear_locks(start.snapshot.taken_at)
        head = self.repository.head()
        changed = [path for path in self.changed_since(start) if path not in keep]
        begun = again and self._kept(f"{run_id}/end")
        if not begun:
            if not changed and head.sha == start.base and head.branch == start.branch:
                return []
            self._take(f"{run_id}/end", self._surveyor.survey())
        if HEAD in keep:
            return []
        if changed:
            restore.restore(self.repository, self.shadow, start.snapshot, changed, ignored=False)
        if head.branch != start.branch and start.branch is not None:
            note = "missions: back to the mission's branch"
            self.repository.git.run("symbolic-ref", "-m", note, HEAD, check_branch(start.branch))
            head = self.repository.head()
        if head.sha is not None:
            restore.restore_position(self.repository, self.shadow, start.snapshot, head.sha)
        return changed

    def _kept(self, name: str) -> bool:
        try:
            snapshot.find_snapshot(self.shadow, self.directory.id, name)
        except MissionError as error:
            if error.code != "not_found":
                raise
            return False
        return True

    def clear_locks(self, since: float) -> None:
        """Remove locks that a git which was killed during the run has left; those of a living git vanish by themselves."""
        for path in (self.repository.git_dir / "index.lock", self.repository.git_dir / "HEAD.lock"):
            end = time.monotonic() + _STILL
            while (found := _lock_age(path, since)) is not None:
                if found > _STILL:
                    path.unlink(missing_ok=True)
                elif time.monotonic() > end:
                    break
                else:
                    time.sleep(0.05)

    # Between runs

    def strangers(self, mission: Mission) -> str | None:
        """What someone else did to the repository since the mission's last step, in words; ``None`` if nothing."""
        head = self.repository.head()
        if mission.branch is not None and head.branch != mission.branch:
            return f"The repository is on {head.branch or 'a detached HEAD'}, not on {mission.branch}."
        if mission.tipCommit is not None and head.sha != mission.tipCommit:
            return f"The branch is at {str(head.sha)[:12]}; the mission left it at {mission.tipCommit[:12]}."
        found = self._surveyor.survey()
        edited = self._without_caches(found, found.dirty - set(mission.workspace.kept_paths()))
        if edited:
            return (
                "Files were changed that do not belong to the mission: "
                + ", ".join(edited[:12])
                + ("…" if len(edited) > 12 else "")
                + "."
            )
        return None

    def _without_caches(self, found: Survey, paths: set[str]) -> list[str]:
        if not paths:
            return []
        known = tree.paths_in(self.shadow, found.state)
        return sorted(p for p in paths if p in known or not (self.root / p).exists())

    def adopted(self) -> tuple[str, list[str]]:
        """The commit and the dirty files as they are now, for going on from there."""
        found = self._surveyor.survey()
        return self.repository.require_commit(), self._without_caches(found, found.dirty)

    def workspace_state(self, original: Workspace) -> Workspace:
        """``original`` with the files that are dirty now."""
        return original.model_copy(update={"protectedPaths": self.adopted()[1]})


def _lock_age(path: Path, since: float) -> float | None:
    """How many seconds a lock that is not older than ``since`` stands still; ``None`` if there is none."""
    try:
        made = path.lstat().st_mtime
    except OSError:
        return None
    return time.time() - made if made >= since else None
