"""Who owns a mission: the kernel lock, its description for people, the identity of a process.

Ownership is ``flock`` on ``runner.lock``, which is never unlinked; it ends with the process, whatever way that ends. The
description beside it (``runner-lock.json``) is information only. The kernel calls of the store live here; where
``flock`` does not exist, taking a mission is refused.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Generator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from missions.model.errors import MissionError
from missions.store.bounded_json import Limits, read_json
from missions.store.files import atomic_write, open_private, unlink
from missions.store.layout import MissionDir

_POLL = 0.05


class Owner(BaseModel):
    """On whose behalf a mission is taken."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    face: str
    """``runner``, ``cli``, ``lsp``, ``control`` …"""
    user: str = ""


class ProcessIdentity(BaseModel):
    """One process of one boot of one machine: a pid alone is used again sooner or later."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    host: str
    bootId: str
    """Empty where the system does not tell."""
    pid: int
    startTicks: int
    """Clock ticks from boot to its start; 0 where the system does not tell."""

    @classmethod
    def own(cls) -> ProcessIdentity:
        """The identity of this process."""
        pid = os.getpid()
        return cls(host=socket.gethostname(), bootId=_boot_id(), pid=pid, startTicks=_start_ticks(pid) or 0)

    def alive(self) -> bool | None:
        """Whether that process still runs; None if it cannot be known from here."""
        if self.host != socket.gethostname():
            return None
        boot = _boot_id()
        if not boot or not self.bootId or not self.startTicks:
            return None
        return self.bootId == boot and _start_ticks(self.pid) == self.startTicks


class LockInfo(ProcessIdentity):
    """What ``runner-lock.json`` says about the owner."""

    epoch: int
    since: str
    face: str
    user: str = ""


class MissionLock:
    """The kernel lock of one mission, held by this object."""

    def __init__(self, directory: MissionDir, fd: int) -> None:
        self._directory = directory
        self._path = directory.lock
        self._fd = fd

    @classmethod
    def acquire(cls, directory: MissionDir, wait: float = 0) -> MissionLock:
        """Take the lock, trying for ``wait`` seconds; ``locked`` names the owner, as far as it is known."""
        end = time.monotonic() + wait
        while True:
            lock = cls._try(directory)
            if lock is not None:
                return lock
            if time.monotonic() >= end:
                raise _locked(directory)
            time.sleep(min(_POLL, max(0.001, end - time.monotonic())))

    @classmethod
    def _try(cls, directory: MissionDir) -> MissionLock | None:
        fd = open_private(directory.lock, "lock")
        try:
            taken = _flock(fd)
            # Whoever removed the file let another process lock a new one: only the file at the path counts.
            if taken and _same_file(fd, directory.lock):
                return cls(directory, fd)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def check(self) -> None:
        """Raise ``store_tampered`` if the lock file was removed or replaced, so that somebody else may hold a lock."""
        if self._fd < 0 or not _same_file(self._fd, self._path):
            raise MissionError(
                "store_tampered",
                f"The lock file of {self._directory.id} was removed or replaced.",
                "Another process may have taken the mission over; nothing more is written from here.",
                path=str(self._path),
            )

    def moved_to(self, directory: MissionDir) -> None:
        """The directory was renamed; the lock stays on the same file."""
        self._directory = directory
        self._path = directory.lock

    def describe(self, owner: Owner, epoch: int, since: str) -> LockInfo:
        """Write ``runner-lock.json``."""
        info = LockInfo(
            **ProcessIdentity.own().model_dump(), epoch=epoch, since=since, face=owner.face, user=owner.user
        )
        atomic_write(self._directory.lock_info, info.model_dump_json().encode(), "lock_info", durable=False)
        return info

    def release(self) -> None:
        """Remove the description and free the lock; a second call does nothing."""
        if self._fd < 0:
            return
        if _same_file(self._fd, self._path):
            with contextlib.suppress(MissionError):
                unlink(self._directory.lock_info, "lock_info")
        self.drop()

    def drop(self) -> None:
        """Free the lock and leave the description."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_lock_info(directory: MissionDir) -> LockInfo | None:
    """What the description says; None if there is none or it is unreadable."""
    try:
        return LockInfo.model_validate(read_json(directory.lock_info, Limits(size=64 * 1024)))
    except (MissionError, ValidationError):
        return None


def holder(directory: MissionDir) -> LockInfo | None:
    """The described owner, unless its process is known to be gone."""
    info = read_lock_info(directory)
    return info if info is not None and info.alive() is not False else None


class FileLock:
    """Hold the kernel lock of an open file for one step; ``locked`` if another process does."""

    __slots__ = ("_fd", "_mission_id")

    def __init__(self, fd: int, mission_id: str) -> None:
        self._fd = fd
        self._mission_id = mission_id

    def __enter__(self) -> None:
        if not _flock(self._fd):
            raise MissionError(
                "locked", f"{self._mission_id} is being written by another process.", "Try again."
            )

    def __exit__(self, *ending: object) -> None:
        _unlock(self._fd)


@contextlib.contextmanager
def kept(path: Path, wait: float = 0) -> Generator[bool]:
    """Keep a file that is at ``path`` from others who ask the same; false if it is not there, or theirs for all of ``wait`` seconds."""
    end = time.monotonic() + wait
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        while not (mine := _flock(fd)) and time.monotonic() < end:
            time.sleep(_POLL / 10)
        # Whoever had it may have removed it.
        yield mine and _same_file(fd, path)
    finally:
        os.close(fd)


if sys.platform == "win32":

    def _flock(fd: int) -> bool:
        raise MissionError(
            "unsupported",
            "Missions cannot be run on this system: it has no flock.",
            "Use Linux, macOS or WSL 2; here missions can only be looked at.",
        )

    def _unlock(fd: int) -> None:
        pass

else:
    import fcntl

    def _flock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise MissionError(
                "store_unusable",
                f"The file system of the mission store cannot lock files: {error.strerror}.",
                "Set MISSIONS_HOME to a directory on a local disk.",
            ) from error
        return True

    def _unlock(fd: int) -> None:
        # The descriptor may have been closed meanwhile; then the lock is gone already.
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)


def _same_file(fd: int, path: Path) -> bool:
    try:
        there = os.lstat(path)
    except OSError:
        return False
    mine = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _locked(directory: MissionDir) -> MissionError:
    info = read_lock_info(directory)
    if info is None:
        return MissionError(
            "locked", f"{directory.id} is in use by another process.", "Try again in a moment."
        )
    return MissionError(
        "locked",
        f"{directory.id} is in use by {info.face} (process {info.pid} on {info.host}, since {info.since}).",
        "Your request can wait in its inbox; the owner applies it.",
        owner=info.model_dump(),
    )


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    fields = stat[stat.rindex(b")") + 2 :].split()
    # A zombie holds no lock and does nothing more.
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
