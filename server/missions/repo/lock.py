"""One mission at a time per repository: a kernel lock on ``missions.lock`` in the git common directory.

The kernel frees it when its process dies, so it is never stale; the file stays and its content is information for
people only. This module takes and frees that lock and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from missions import failpoints
from missions.model.errors import MissionError
from missions.model.ids import check_mission_id

FILE_NAME = "missions.lock"

FAILPOINTS = ("repo.lock.acquire", "repo.lock.write", "repo.lock.release")


class RepoLock:
    """The held lock; a context manager that frees it."""

    def __init__(self, descriptor: int, path: Path, mission_id: str) -> None:
        self._descriptor: int | None = descriptor
        self.path = path
        self.mission_id = mission_id

    @classmethod
    def acquire(cls, common_dir: Path, mission_id: str) -> RepoLock:
        """Take the lock at once or raise ``MissionError("locked")`` that names the holder."""
        check_mission_id(mission_id)
        path = common_dir / FILE_NAME
        while True:
            failpoints.hit("repo.lock.acquire")
            descriptor = _open(path)
            try:
                if not _try_lock(descriptor):
                    raise _taken(path, mission_id)
                # Somebody may have replaced the file between open and lock: then our lock guards nothing.
                if _same_file(descriptor, path):
                    _describe(descriptor, mission_id)
                    return cls(descriptor, path, mission_id)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    @property
    def held(self) -> bool:
        """Whether the lock still guards the repository (nobody removed or replaced its file)."""
        return self._descriptor is not None and _same_file(self._descriptor, self.path)

    def release(self) -> None:
        """Free the lock; doing it twice is harmless."""
        if self._descriptor is not None:
            failpoints.hit("repo.lock.release")
            descriptor, self._descriptor = self._descriptor, None
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def __enter__(self) -> RepoLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MissionError(
            "repository",
            f"The lock file {path} cannot be opened: {error.strerror}.",
            "Make sure that you may write in the repository's git directory.",
        ) from error


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        raise MissionError("unsupported", "Missions cannot lock a repository on Windows.", "Use WSL.")
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _describe(descriptor: int, mission_id: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    info = {"mission": mission_id, "pid": os.getpid(), "host": socket.gethostname(), "since": since}
    failpoints.hit("repo.lock.write")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(info).encode() + b"\n", 0)


def _taken(path: Path, mission_id: str) -> MissionError:
    holder: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        parsed: object = json.loads(path.read_bytes()[:4096])
        if isinstance(parsed, dict):
            holder = cast("dict[str, Any]", parsed)
    other = holder.get("mission")
    who = f"mission {other}" if isinstance(other, str) and other != mission_id else "another process"
    return MissionError(
        "locked",
        f"The repository is in use by {who}.",
        "Wait until it pauses or ends, or start this mission in a private clone (`environment.workspace: clone`).",
        holder=holder,
    )
