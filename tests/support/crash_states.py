"""A small model of a disk that loses power: records what a program does to its files and lists what may be left.

The recorder lets every call through to the real file system and writes it down. A crash state is: a prefix of the calls;
of the changes of names that no fsync of a directory covered, a prefix; of the bytes that no fsync covered, all, none,
half, or NULs. It knows nothing of missions.
"""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Fate = Literal["kept", "lost", "half", "nul"]
FATES: tuple[Fate, ...] = ("kept", "lost", "half", "nul")


@dataclass
class Step:
    """One call: ``name`` with its file (by inode, or by folder and name) and what it brings."""

    call: str
    inode: int = 0
    data: bytes = b""
    size: int = 0
    changes: tuple[tuple[int, str, int | None], ...] = ()
    """Names that appear (inode) or go (None), each in its folder."""


@dataclass
class Disk:
    """Durable content, and what is only in memory."""

    files: dict[int, bytes] = field(default_factory=dict[int, bytes])
    memory: dict[int, bytes] = field(default_factory=dict[int, bytes])
    folders: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    pending: list[tuple[tuple[int, str, int | None], ...]] = field(
        default_factory=list[tuple[tuple[int, str, int | None], ...]]
    )

    def take(self, step: Step) -> None:
        """Go on by one call."""
        if step.call == "write":
            self.memory[step.inode] = self.memory.get(step.inode, b"") + step.data
        elif step.call == "truncate":
            self.memory[step.inode] = self.memory.get(step.inode, b"")[: step.size]
        elif step.call == "file":
            self.memory.setdefault(step.inode, b"")
            self.files.setdefault(step.inode, b"")
            self.pending.append(step.changes)
        elif step.call == "folder":
            self.folders.setdefault(step.inode, {})
            self.pending.append(step.changes)
        elif step.call == "names":
            self.pending.append(step.changes)
        elif step.call == "fsync" and step.inode in self.folders:
            done = [changes for changes in self.pending if any(c[0] == step.inode for c in changes)]
            self.pending = [changes for changes in self.pending if changes not in done]
            for changes in done:
                self._apply(changes)
        elif step.call == "fsync":
            self.files[step.inode] = self.memory.get(step.inode, b"")

    def _apply(self, changes: tuple[tuple[int, str, int | None], ...]) -> None:
        for folder, name, inode in changes:
            names = self.folders.setdefault(folder, {})
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode

    def states(self, root: int) -> Iterator[dict[str, bytes | None]]:
        """What may be found after a power cut now: path -> content, None for a folder."""
        for count in range(len(self.pending) + 1):
            after = copy.deepcopy(self)
            for changes in self.pending[:count]:
                after._apply(changes)
            for fate in FATES:
                yield dict(after._walk(root, "", fate))

    def _walk(self, folder: int, prefix: str, fate: Fate) -> Iterator[tuple[str, bytes | None]]:
        for name, inode in sorted(self.folders.get(folder, {}).items()):
            path = f"{prefix}{name}"
            if inode in self.folders:
                yield path, None
                yield from self._walk(inode, f"{path}/", fate)
            else:
                yield path, self._content(inode, fate)

    def _content(self, inode: int, fate: Fate) -> bytes:
        durable, memory = self.files.get(inode, b""), self.memory.get(inode, b"")
        if fate == "lost" or durable == memory:
            return durable
        if fate == "kept" or not memory.startswith(durable):
            return memory
        new = memory[len(durable) :]
        return durable + (new[: len(new) // 2] if fate == "half" else bytes(len(new)))


class Recorder:
    """What was done below a folder, and when something was promised."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root_inode = root.stat().st_ino
        self._named: dict[int, int] = {}
        self._count = 0
        self.steps: list[Step] = []
        self.promises: list[tuple[int, Any]] = []
        """Number of steps before the promise, and the promise."""

    def made(self, inode: int) -> int:
        """A number of its own for a new file: the kernel gives inodes of removed files again."""
        self._count -= 1
        self._named[inode] = self._count
        return self._count

    def number(self, inode: int) -> int:
        return self._named.get(inode, inode)

    def promise(self, what: Any) -> None:
        """From here on ``what`` must survive."""
        self.promises.append((len(self.steps), what))

    def promised(self, steps: int) -> list[Any]:
        return [what for at, what in self.promises if at <= steps]

    def inside(self, path: Any) -> bool:
        return isinstance(path, (str, os.PathLike)) and Path(os.fspath(path)).is_relative_to(self.root)

    @contextmanager
    def recording(self) -> Generator[None]:
        """Write down this process's calls until the end of the block."""
        saved = {
            name: getattr(os, name) for name in ("open", "write", "fsync", "ftruncate", "replace", "rename")
        }
        saved |= {name: getattr(os, name) for name in ("unlink", "mkdir", "rmdir")}
        for name in saved:
            setattr(os, name, _recorded(self, saved[name], name))
        try:
            yield
        finally:
            for name, real in saved.items():
                setattr(os, name, real)


def _recorded(recorder: Recorder, real: Callable[..., Any], name: str) -> Callable[..., Any]:
    def by_descriptor(fd: int, *more: Any) -> Any:
        result = real(fd, *more)
        inode = recorder.number(os.fstat(fd).st_ino)
        if name == "write":
            recorder.steps.append(Step("write", inode, bytes(more[0])[:result]))
        elif name == "ftruncate":
            recorder.steps.append(Step("truncate", inode, size=more[0]))
        else:
            recorder.steps.append(Step("fsync", inode))
        return result

    def by_path(path: Any, *more: Any, **options: Any) -> Any:
        if not recorder.inside(path):
            return real(path, *more, **options)
        path = Path(os.fspath(path))
        folder = recorder.number(path.parent.stat().st_ino)
        known = path.exists()
        inode = recorder.number(path.lstat().st_ino) if known else 0
        result = real(path, *more, **options)
        if name == "open" and not known:
            made = recorder.made(os.fstat(result).st_ino)
            recorder.steps.append(Step("file", made, changes=((folder, path.name, made),)))
        elif name == "mkdir":
            made = recorder.made(path.lstat().st_ino)
            recorder.steps.append(Step("folder", made, changes=((folder, path.name, made),)))
        elif name in ("unlink", "rmdir"):
            recorder.steps.append(Step("names", changes=((folder, path.name, None),)))
        elif name in ("replace", "rename"):
            target = Path(os.fspath(more[0]))
            there = recorder.number(target.parent.stat().st_ino)
            recorder.steps.append(
                Step("names", changes=((folder, path.name, None), (there, target.name, inode)))
            )
        return result

    return by_descriptor if name in ("write", "fsync", "ftruncate") else by_path


def scanned(root: Path) -> Disk:
    """A disk on which everything below ``root`` is durable."""
    disk = Disk()
    for path in [root, *root.rglob("*")]:
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode):
            disk.folders[found.st_ino] = {entry.name: entry.lstat().st_ino for entry in path.iterdir()}
        elif stat.S_ISREG(found.st_mode):
            disk.files[found.st_ino] = disk.memory[found.st_ino] = path.read_bytes()
    return disk


def laid_out(state: dict[str, bytes | None], root: Path) -> None:
    """Put a state on the real disk."""
    root.mkdir(mode=0o700)
    for name, content in state.items():
        path = root / name
        if content is None:
            path.mkdir(mode=0o700)
        else:
            path.write_bytes(content)
            path.chmod(0o600)
