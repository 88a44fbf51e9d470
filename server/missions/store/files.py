"""The only place of the store that writes: whole files, growing files, directories, removals and renames.

Every operation announces itself to :mod:`missions.failpoints` as ``store.<kind of file>.<operation>``; the names are
listed in :data:`FAILPOINTS`, which is generated from the table below, and an operation that is not in the table cannot
run. Files are 0600, directories 0700, links are never followed. An ``OSError`` leaves here as a ``MissionError``. This
module never knows what the bytes mean.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from pathlib import Path
from typing import Literal

from missions import failpoints
from missions.model.errors import MissionError, too_many_files

Kind = Literal[
    "journal", "torn", "snapshot", "lock", "lock_info", "blob", "inbox", "mission", "transcript",
    "index", "plan", "skill", "run", "packet", "report", "chat", "settings", "file",
]  # fmt: skip
"""What kind of file an operation touches; part of its fail point's name."""

Operation = Literal["mkdir", "create", "write", "fsync", "truncate", "rename", "syncdir", "unlink"]

_REPLACED: tuple[Operation, ...] = ("create", "write", "fsync", "rename", "syncdir")
_GROWING: tuple[Operation, ...] = ("create", "write", "fsync", "truncate", "rename", "syncdir")
_PLAIN: tuple[Operation, ...] = ("mkdir", *_REPLACED, "unlink")

OPERATIONS: dict[Kind, tuple[Operation, ...]] = {
    "journal": _GROWING,
    "torn": _REPLACED,
    "snapshot": _REPLACED,
    "lock": ("create",),
    "lock_info": ("create", "write", "rename", "unlink"),
    "blob": ("mkdir", *_REPLACED),
    "inbox": ("mkdir", *_REPLACED, "unlink"),
    "mission": ("mkdir", "rename", "syncdir", "unlink"),
    "transcript": ("mkdir", *_GROWING),
    "index": ("create", "write", "rename", "unlink"),
    "plan": _PLAIN,
    "skill": _PLAIN,
    "run": _PLAIN,
    "packet": _PLAIN,
    "report": _PLAIN,
    "chat": _PLAIN,
    "settings": _PLAIN,
    "file": _PLAIN,
}
"""Which operations exist for which kind of file."""

FAILPOINTS: frozenset[str] = frozenset(f"store.{kind}.{op}" for kind, ops in OPERATIONS.items() for op in ops)
"""Every fail point of the store."""

DEFAULT_FLOOR = 500 * 1024 * 1024
"""Free bytes below which nothing new is started."""
_FULL = 1024 * 1024
"""Free bytes below which a disk counts as full, whatever the floor."""
_FEW_NAMES = 100
"""Files that a file system without room for more is said to be full with (where it counts them)."""

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp\Z")
"""Form of the names under which :func:`atomic_write` prepares its files."""

_O_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def announce(kind: Kind, operation: Operation) -> None:
    """Hit the fail point of an operation that is about to happen."""
    name = f"store.{kind}.{operation}"
    assert name in FAILPOINTS, name
    failpoints.hit(name)


def failure(error: OSError, path: Path, doing: str) -> MissionError:
    """The ``MissionError`` for an ``OSError`` met while ``doing`` something with ``path``."""
    if (scarce := too_many_files(error)) is not None:
        return scarce
    data = {"path": str(path), "errno": errno.errorcode.get(error.errno or 0, str(error.errno))}
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MissionError(
            "disk_full",
            f"The disk is full: could not {doing} {path}.",
            "Free some space, then resume.",
            **data,
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return MissionError(
            "store_unusable",
            f"Not allowed to {doing} {path}: {error.strerror}.",
            "Make the mission store writable for your user; until then missions can only be looked at.",
            **data,
        )
    return MissionError(
        "io_failed",
        f"Could not {doing} {path}: {error.strerror or error}.",
        "Check the disk, then resume; nothing that was reported as done is lost.",
        **data,
    )


class _Reported:
    """Around an operation on ``path``: an ``OSError`` leaves as the ``MissionError`` of :func:`failure`."""

    # Not a generator: it stands around every append, and takes a fifth of the time.
    __slots__ = ("_doing", "_path")

    def __init__(self, path: Path, doing: str) -> None:
        self._path = path
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise failure(error, self._path, self._doing) from error


def _write_all(fd: int, data: bytes, kind: Kind) -> None:
    announce(kind, "write")
    left = memoryview(data)
    while left:
        written = os.write(fd, left)
        if written <= 0:
            raise OSError(errno.EIO, "the system wrote nothing")
        left = left[written:]


def _sync(fd: int, kind: Kind) -> None:
    announce(kind, "fsync")
    if sys.platform == "darwin":
        # Plain fsync on macOS stops at the drive's cache.
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def fsync_dir(path: Path, kind: Kind = "file") -> None:
    """Make the names in the directory ``path`` durable."""
    with _Reported(path, "make durable"):
        announce(kind, "syncdir")
        if os.name == "nt":
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _O_SAFE)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_dir(path: Path, kind: Kind = "file") -> None:
    """Create the directory ``path`` (0700) and its missing parents, durably; an existing one must be a real directory."""
    with _Reported(path, "create"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            if not path.parent.exists():
                make_dir(path.parent, kind)
            announce(kind, "mkdir")
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            # What is made durable inside would be lost with the directory's own name.
            fsync_dir(path.parent, kind)
            return
    if not stat.S_ISDIR(found.st_mode):
        raise MissionError(
            "store_unusable", f"{path} is not a directory.", "Move it away; the store needs this name."
        )


def open_private(path: Path, kind: Kind = "file", flags: int = os.O_RDWR) -> int:
    """Open or create ``path`` with mode 0600, without following links; return the descriptor."""
    with _Reported(path, "open"):
        if not path.exists():
            announce(kind, "create")
        return os.open(path, flags | os.O_CREAT | _O_SAFE, 0o600)


def touch(path: Path) -> None:
    """Change the file's time, making it if it is missing: a knock for whoever watches, not data, so it never fails."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | _O_SAFE, 0o600)
        try:
            os.pwrite(fd, b"\n", 0)
        finally:
            os.close(fd)


def atomic_write(path: Path, data: bytes, kind: Kind = "file", *, durable: bool = True) -> None:
    """Replace ``path`` by ``data`` so that a reader, and a crash, sees the old or the new content and nothing between.

    With ``durable=False`` the content may be lost (not torn) by a power cut: for files that are information only.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    with _Reported(path, "write"):
        try:
            announce(kind, "create")
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_SAFE, 0o600)
            try:
                _write_all(fd, data, kind)
                if durable:
                    _sync(fd, kind)
            finally:
                os.close(fd)
            announce(kind, "rename")
            temporary.replace(path)
        except BaseException:
            # What cannot be removed now is swept by the next owner.
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    if durable:
        fsync_dir(path.parent, kind)


def rename(source: Path, target: Path, kind: Kind = "file") -> None:
    """Rename ``source`` to ``target`` and make both directories' names durable."""
    with _Reported(source, "rename"):
        announce(kind, "rename")
        source.rename(target)
    fsync_dir(target.parent, kind)
    if source.parent != target.parent:
        fsync_dir(source.parent, kind)


def unlink(path: Path, kind: Kind = "file") -> None:
    """Remove the file ``path``; a missing one is fine."""
    with _Reported(path, "remove"):
        announce(kind, "unlink")
        path.unlink(missing_ok=True)


def remove_tree(path: Path, kind: Kind = "file") -> None:
    """Remove the directory ``path`` with everything in it; links in it are removed, not followed."""
    with _Reported(path, "remove"):
        announce(kind, "unlink")
        shutil.rmtree(path)


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of the regular file ``path``; more than ``limit`` bytes are refused, links are not followed."""
    with _Reported(path, "read"):
        # O_NONBLOCK: a named pipe put here must not hang the reader.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _O_SAFE)
        with open(fd, "rb") as source:  # noqa: PTH123 (a descriptor, not a path)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise MissionError(
                    "store_corrupt", f"{path} is not a regular file.", "Remove it.", path=str(path)
                )
            content = source.read(limit + 1)
    if len(content) > limit:
        raise MissionError(
            "store_corrupt", f"{path} is larger than {limit} bytes.", "Remove it.", path=str(path)
        )
    return content


def sweep_temporaries(directory: Path, older_than: float | None = None) -> int:
    """Remove what :func:`atomic_write` left in ``directory`` when its process died; return how many files.

    With ``older_than`` (a time as of ``time.time()``) only files last changed before it: where others write too.
    """
    swept = 0
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if not TEMPORARY.match(entry.name) or entry.is_dir(follow_symlinks=False):
                continue
            if older_than is not None and entry.stat(follow_symlinks=False).st_mtime > older_than:
                continue
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()
                swept += 1
    return swept


def disk_floor() -> int:
    """Free bytes below which nothing new is started: ``MISSIONS_DISK_FLOOR``, or the default."""
    text = os.environ.get("MISSIONS_DISK_FLOOR", "")
    return int(text) if text.isdecimal() else DEFAULT_FLOOR


def check_not_full(path: Path) -> None:
    """Raise ``disk_full`` if the disk of ``path`` is as good as full, of bytes or of names: what failed there failed for that."""
    check_free_space(path, max(disk_floor(), _FULL))
    found = os.statvfs(path) if hasattr(os, "statvfs") else None
    if found is not None and found.f_files and found.f_favail < _FEW_NAMES:
        raise MissionError(
            "disk_full",
            f"The file system of {path} has room for only {found.f_favail} more files.",
            "Remove files, then resume.",
        )


def check_free_space(path: Path, floor: int | None = None) -> None:
    """Raise ``disk_full`` if the disk of ``path`` has fewer free bytes than ``floor`` (or :func:`disk_floor`)."""
    if floor is None:
        floor = disk_floor()
    free = shutil.disk_usage(path).free
    if free < floor:
        raise MissionError(
            "disk_full",
            f"Only {free // 1_000_000} MB are free on the disk of {path}; {floor // 1_000_000} MB are needed.",
            "Free some space, then resume (MISSIONS_DISK_FLOOR sets another limit, in bytes).",
            free=free,
            floor=floor,
        )


class AppendFile:
    """A file that only grows: appends are whole or undone, and a foreign change is noticed before the next one."""

    def __init__(self, path: Path, kind: Literal["journal", "transcript"]) -> None:
        """Open or create ``path``; raises ``MissionError``."""
        self.path = path
        self._name = os.fspath(path)
        self.kind: Literal["journal", "transcript"] = kind
        created = not path.exists()
        self.fd = open_private(path, kind, os.O_RDWR | os.O_APPEND)
        found = os.fstat(self.fd)
        self._identity = (found.st_dev, found.st_ino)
        self.length = found.st_size
        """Bytes that are known to be ours; the file is cut back to this when an append fails."""
        self.broken = False
        """An fsync or a roll-back failed: this descriptor is never used again."""
        if created:
            fsync_dir(path.parent, kind)

    def check(self) -> None:
        """Raise ``store_tampered`` unless the path still names this file with the remembered length."""
        try:
            found = os.lstat(self._name)
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._identity:
            raise _tampered(self.path, "was replaced or removed")
        if found.st_size != self.length:
            raise _tampered(self.path, f"has {found.st_size} bytes instead of {self.length}")

    def append(self, data: bytes, *, sync: bool = True) -> int:
        """Write ``data`` at the end and make it durable; return its offset. On any error the file is as before."""
        if self.broken:
            raise MissionError(
                "io_failed",
                f"{self.path} was given up after a failed write.",
                "Check the disk, then resume: the mission is opened and verified anew.",
            )
        start = self.length
        with _Reported(self.path, "write"):
            try:
                _write_all(self.fd, data, self.kind)
            except BaseException:
                self._roll_back(start)
                raise
            if sync:
                self._sync_or_give_up(start)
        self.length = start + len(data)
        return start

    def sync(self) -> None:
        """Make everything appended so far durable."""
        with _Reported(self.path, "make durable"):
            self._sync_or_give_up(self.length)

    def _sync_or_give_up(self, length: int) -> None:
        try:
            _sync(self.fd, self.kind)
        except BaseException:
            # After a failed fsync the kernel may have dropped the pages and a second try would "succeed":
            # the descriptor is final, and what was not acknowledged is taken back if possible.
            self._roll_back(length)
            self.broken = True
            raise

    def _roll_back(self, length: int) -> None:
        try:
            announce(self.kind, "truncate")
            os.ftruncate(self.fd, length)
        except OSError:
            self.broken = True

    def truncate(self, length: int) -> None:
        """Cut the file to ``length`` bytes, durably."""
        with _Reported(self.path, "cut"):
            announce(self.kind, "truncate")
            os.ftruncate(self.fd, length)
            self._sync_or_give_up(length)
        self.length = length

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _tampered(path: Path, how: str) -> MissionError:
    return MissionError(
        "store_tampered",
        f"{path} {how} while this process was its only writer.",
        "Another program changed it, or another process took the mission over; nothing more is written from here.",
        path=str(path),
    )
