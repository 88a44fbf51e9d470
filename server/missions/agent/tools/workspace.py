"""The folders a conversation may see and change by the file tools, and every way to open something in them.

A path is opened relative to a root's descriptor with `openat2` and "beneath" (or, where the kernel lacks it, component by
component without following links), so that no link and no swap in between leads outside. It keeps which files the
conversation has read, with their hashes. It never runs a command and never shows a path's content itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from missions import failpoints
from missions.agent.ledger import CommandLedger
from missions.agent.sandbox.policy import PROTECTED_NAMES

_BENEATH, _NO_MAGIC_LINKS, _NO_LINKS = 0x08, 0x02, 0x04
_OPENAT2 = 437
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
LARGEST_FILE = 64 << 20
"""Bytes; larger files are for the shell."""


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """A path or an edit that is not allowed or not possible; the text is for the model."""


@dataclass(frozen=True)
class Place:
    """A path given by the model, as root and relative parts."""

    root: Path
    relative: str
    writable: bool

    @property
    def shown(self) -> str:
        """As it is shown to the model."""
        return self.relative if self.writable else str(self.root / self.relative)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Workspace:
    """The repository of a run, and further folders that may be read."""

    def __init__(
        self,
        root: Path,
        read_roots: tuple[Path, ...] = (),
        run_dir: Path | None = None,
        writable: bool = True,
        redact: Callable[[str], str] | None = None,
        ledger: CommandLedger | None = None,
        protected: tuple[str, ...] = PROTECTED_NAMES,
    ) -> None:
        self.root = root.resolve()
        self.read_roots = tuple(path.resolve() for path in read_roots)
        self.run_dir = run_dir
        """The run's folder outside the repository; long outputs go to ``output`` in it."""
        self.writable = writable
        self.redact: Callable[[str], str] = redact or (lambda text: text)
        self.ledger = ledger or CommandLedger()
        self.protected = protected
        self._seen: dict[str, str] = {}

    def spill(self, name: str, content: bytes) -> Path | None:
        """Keep a long output in the run's folder; where it is, or None in a conversation without one."""
        if self.run_dir is None:
            return None
        folder = self.run_dir / "output"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = folder / f"{name}.txt"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            file.write(content)
        return place

    def place(self, path: str) -> Place:
        """Where a path given by the model lies; :class:`Refusal` when outside every root.

        Only the text is judged; that it does not leave the root through links is checked when it is opened.
        """
        if not path or "\0" in path:
            raise Refusal("`path` must be a non-empty path without NUL bytes.")
        given = Path(path)
        whole = Path(os.path.normpath(given if given.is_absolute() else self.root / given))
        for root in (self.root, *self.read_roots):
            if whole == root or root in whole.parents:
                relative = str(whole.relative_to(root))
                self._refuse_git(Path(relative), path)
                return Place(root, relative, self.writable and root == self.root)
        raise Refusal(
            f"`{path}` lies outside the workspace. File tools work in the repository only; relative paths start at its top."
        )

    @staticmethod
    def _refuse_git(relative: Path, shown: str) -> None:
        if any(part.casefold() == ".git" for part in relative.parts):
            raise Refusal(f"`{shown}` is inside git's own files. Use git commands instead.")

    def refuse_writing(self, place: Place) -> None:
        """Raise when this place may not be changed."""
        if not place.writable:
            raise Refusal(f"`{place.shown}` may only be read.")
        top = Path(place.relative).parts[:1]
        if top and top[0].casefold() in {name.casefold() for name in self.protected}:
            raise Refusal(
                f"`{place.shown}` is protected: programs of the user trust it. Say in your report what should change there."
            )

    @contextlib.contextmanager
    def opened(self, place: Place, flags: int = os.O_RDONLY, follow: bool = True) -> Generator[int]:
        """A descriptor of the place; :class:`Refusal` or ``OSError``."""
        root = os.open(place.root, _FOLDER)
        try:
            descriptor = open_beneath(root, place.relative, flags, follow)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.ELOOP):
                raise Refusal(
                    f"`{place.shown}` leads out of the workspace through a link, or in a circle."
                ) from None
            raise
        finally:
            os.close(root)
        try:
            real = real_path(descriptor)
            if real is not None:
                if place.root not in (real, *real.parents):
                    raise Refusal(f"`{place.shown}` leads out of the workspace.")
                self._refuse_git(real.relative_to(place.root), place.shown)
            yield descriptor
        finally:
            os.close(descriptor)

    def read_bytes(self, place: Place) -> bytes:
        """The content of a regular file."""
        # Without blocking: opening a pipe that nobody writes to would wait for ever.
        with self.opened(place, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "is a directory")
            if not stat.S_ISREG(status.st_mode):
                raise Refusal(f"`{place.shown}` is not a regular file.")
            if status.st_size > LARGEST_FILE:
                raise Refusal(
                    f"`{place.shown}` has {status.st_size} bytes; use the shell for files above {LARGEST_FILE >> 20} MB."
                )
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return file.read()

    def real(self, place: Place) -> Place:
        """The place that links inside the workspace lead to, or itself when nothing is there."""
        try:
            with self.opened(place, getattr(os, "O_PATH", os.O_RDONLY)) as descriptor:
                found = real_path(descriptor)
        except FileNotFoundError:
            return place
        return (
            place if found is None else Place(place.root, str(found.relative_to(place.root)), place.writable)
        )

    def replace(self, place: Place, content: bytes) -> None:
        """Write a whole file atomically; folders are made, the mode of an existing file stays."""
        place = self.real(place)
        self._refuse_git(Path(place.relative), place.shown)
        self.refuse_writing(place)
        parent, name = os.path.split(place.relative)
        folder = self._make_folders(place, parent)
        temporary = f".{name[:100]}.{secrets.token_hex(6)}.tmp"
        try:
            mode = 0o644
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    raise Refusal(f"`{place.shown}` is not a regular file.")
                mode = stat.S_IMODE(status.st_mode)
            descriptor = os.open(
                temporary,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
                dir_fd=folder,
            )
            try:
                with os.fdopen(descriptor, "wb") as file:
                    failpoints.hit("tools.write")
                    file.write(content)
                    file.flush()
                    os.fchmod(file.fileno(), mode)
                    failpoints.hit("tools.fsync")
                    os.fsync(file.fileno())
                failpoints.hit("tools.rename")
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
        finally:
            os.close(folder)
        self.remember(place, content)

    def sweep(self, paths: Iterable[str]) -> None:
        """Remove what :meth:`replace` left beside these files when its process died."""
        for path in dict.fromkeys(paths):
            with contextlib.suppress(Refusal, OSError):
                place = self.real(self.place(path))
                parent, name = os.path.split(place.relative)
                half = re.compile(rf"\.{re.escape(name[:100])}\.[0-9a-f]{{12}}\.tmp\Z")
                root = os.open(place.root, _FOLDER)
                try:
                    folder = open_beneath(root, parent or ".", _FOLDER)
                finally:
                    os.close(root)
                try:
                    for found in filter(half.match, os.listdir(folder)):  # noqa: PTH208 (a descriptor, not a path)
                        os.unlink(found, dir_fd=folder)
                finally:
                    os.close(folder)

    def _make_folders(self, place: Place, parent: str) -> int:
        folder = os.open(place.root, _FOLDER)
        for part in Path(parent).parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
            try:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise Refusal(
                        f"`{place.shown}`: `{part}` on the way is a link or a file, not a folder."
                    ) from None
                raise
            finally:
                os.close(folder)
            folder = inner
        return folder

    def remember(self, place: Place, content: bytes) -> None:
        """Say that the conversation knows this content."""
        self._seen[self._key(place)] = hashlib.sha256(content).hexdigest()

    def forget(self, place: Place) -> None:
        """Say that the conversation does not know the whole content."""
        self._seen.pop(self._key(place), None)

    def knows(self, place: Place, content: bytes) -> bool | None:
        """None when the conversation never read it; False when it has other content by now."""
        known = self._seen.get(self._key(place))
        return None if known is None else known == hashlib.sha256(content).hexdigest()

    def seen(self, place: Place) -> dict[str, str | None]:
        """What the conversation knows of the place now, for the ``meta`` of a tool's result: a resume goes by it."""
        key = self._key(place)
        return {"path": key, "sha256": self._seen.get(key)}

    def restore(self, metas: Iterable[Mapping[str, Any]]) -> None:
        """Know again what the conversation came to know in earlier sittings, by the ``meta`` of its results in order."""
        for meta in metas:
            seen: object = meta.get("seen")
            if not isinstance(seen, dict):
                continue
            found = cast("dict[str, Any]", seen)
            path, digest = found.get("path"), found.get("sha256")
            if isinstance(path, str) and isinstance(digest, str):
                self._seen[path] = digest
            elif isinstance(path, str):
                self._seen.pop(path, None)

    def _key(self, place: Place) -> str:
        return place.relative if place.root == self.root else str(place.root / place.relative)


def open_beneath(root: int, relative: str, flags: int, follow: bool = True) -> int:
    """Open ``relative`` below the folder ``root`` (a descriptor) without ever leaving it."""
    flags |= os.O_CLOEXEC
    if _has_openat2():
        how = _OpenHow(flags, 0, _BENEATH | _NO_MAGIC_LINKS | (0 if follow else _NO_LINKS))
        ctypes.set_errno(0)
        result = _syscall()(_OPENAT2, root, os.fsencode(relative), ctypes.byref(how), ctypes.sizeof(how))
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), relative)
        return int(result)
    return open_by_component(root, relative, flags)


def open_by_component(root: int, relative: str, flags: int) -> int:
    """The form without `openat2`: no component may be a link."""
    parts = Path(relative).parts
    if ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), relative)
    if not parts:
        return os.open(".", flags, dir_fd=root)
    current = root
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=current)
            if current != root:
                os.close(current)
            current = inner
        return os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=current)
    except NotADirectoryError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), relative) from error
    finally:
        if current != root:
            os.close(current)


def real_path(descriptor: int) -> Path | None:
    """Where an open file lies; None where the system does not tell."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        return None


@functools.cache
def _syscall() -> Callable[..., int]:
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.syscall
    call.restype = ctypes.c_long
    return call


@functools.cache
def _has_openat2() -> bool:
    if not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "aarch64"):
        return False
    how = _OpenHow(os.O_RDONLY | os.O_CLOEXEC, 0, _BENEATH)
    root = os.open("/", os.O_RDONLY)
    try:
        result = _syscall()(_OPENAT2, root, b".", ctypes.byref(how), ctypes.sizeof(how))
    finally:
        os.close(root)
    if result >= 0:
        os.close(result)
    return result >= 0
