"""Moving a ref by compare-and-swap, and locks in the user's git directory that a dead process of ours left (G02).

Before git may create a lock, a claim is written outside the repository: which lock files, since when, for which
process. A lock is removed only if a claim of a process that no longer lives names it, it is not older than the claim
and it has stood still for two seconds. Any other lock is somebody else's: it is waited for and never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from missions import failpoints
from missions.model.errors import MissionError
from missions.repo.git import GitError
from missions.repo.names import check_ref, check_sha
from missions.repo.repository import Repository

FAILPOINTS = ("repo.claim.write", "repo.claim.remove", "repo.lock.remove_own")

LOCK_WAIT = 30.0
"""Seconds to wait for a lock of somebody else."""

_STILL = 2.0  # seconds; a git that outlives its runner ends long before


@dataclass
class Claim:
    """The claim of one step. ``earlier`` is what a process before this one claimed, if anything."""

    path: Path
    earlier: dict[str, Any] | None

    @classmethod
    def read(cls, scratch: Path, step: str) -> Claim:
        """The claim that an earlier process left for ``step``, to be replaced by ours."""
        name = hashlib.sha256(step.encode()).hexdigest()[:16]
        path = scratch / f"claim-{name}.json"
        try:
            return cls(path, json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError):
            return cls(path, None)

    def write(self, locks: tuple[Path, ...]) -> None:
        """Say that this process is about to let git create these locks."""
        if self.earlier is not None and not _alive(int(self.earlier["pid"])):
            # Until the dead process's locks are gone its claim has to stand.
            locks += tuple(Path(name) for name in self.earlier["locks"] if Path(name) not in locks)
        since = self.earlier["since"] if self.earlier is not None else time.time()
        content = {"pid": os.getpid(), "since": since, "locks": [str(lock) for lock in locks]}
        failpoints.hit("repo.claim.write")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content))
        temporary.replace(self.path)

    def proves_ours(self, lock: Path) -> bool:
        """Whether ``lock`` was left by a dead process of ours."""
        if self.earlier is None or str(lock) not in self.earlier["locks"] or _alive(int(self.earlier["pid"])):
            return False
        with suppress(FileNotFoundError):
            changed = lock.lstat().st_mtime
            return changed >= float(self.earlier["since"]) - 0.01 and time.time() - changed > _STILL
        return False

    def remove_own_locks(self) -> None:
        """Remove the locks that are proven ours."""
        for name in self.earlier["locks"] if self.earlier is not None else ():
            if self.proves_ours(Path(name)):
                failpoints.hit("repo.lock.remove_own")
                Path(name).unlink(missing_ok=True)

    def remove(self) -> None:
        """The step is done: nothing is claimed any more."""
        failpoints.hit("repo.claim.remove")
        self.path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # an earlier attempt of this process: its git has ended
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def swap_ref(
    repo: Repository, ref: str, new: str, old: str, reason: str, claim: Claim, lock_wait: float = LOCK_WAIT
) -> None:
    """Move ``ref`` from ``old`` to ``new``; ``repository_changed`` if it is elsewhere, ``locked`` after ``lock_wait`` seconds."""
    claim.write((repo.common_dir / f"{check_ref(ref)}.lock", repo.git_dir / "HEAD.lock"))
    wait_for_lock(lambda: compare_and_swap(repo, ref, new, old, reason), claim, lock_wait)


def compare_and_swap(repo: Repository, ref: str, new: str, old: str, reason: str) -> None:
    """One attempt of :func:`swap_ref`; a lock that stands in the way is the :class:`GitError` itself.

    ``old`` may be all zeros: the ref must not exist.
    """
    try:
        repo.git.run("update-ref", "-m", reason[:200], check_ref(ref), check_sha(new), check_sha(old))
    except GitError as error:
        if error.lock_exists:
            raise
        found = repo.git.run("rev-parse", "--verify", "-q", ref, allowed=(0, 1)).line
        if found == (old if old.strip("0") else ""):
            raise  # not moved by anybody: the disk is full, the name is taken by a folder …
        if found != new:
            raise MissionError(
                "repository_changed",
                f"{ref.removeprefix('refs/heads/')} was moved by somebody else.",
                "Look at its last commits; then go on, or start the unit again.",
                expected=old,
                found=found,
            ) from error


def wait_for_lock(action: Callable[[], object], claim: Claim | None, lock_wait: float) -> None:
    """Do ``action`` as soon as no foreign lock stands in the way."""
    deadline = time.monotonic() + lock_wait
    while True:
        try:
            action()
            return
        except GitError as error:
            if not error.lock_exists:
                raise
            if time.monotonic() >= deadline:
                raise MissionError(
                    "locked",
                    "Another git process holds a lock in the repository.",
                    "Wait for it to end; if none runs, remove the lock file that git names, then resume.",
                    stderr=error.stderr[:500],
                ) from error
        if claim is not None:
            claim.remove_own_locks()
        time.sleep(0.05)
