"""The shadow: a bare git repository of our own in the mission's directory that stores states of the user's files.

Its configuration, attributes and ignore rules are ours, so nothing a repository configures runs here, and files are
kept byte for byte (no line-ending conversion, no filters). It lies outside the sandbox and holds every object it
needs, so it survives the loss of the user's ``.git``. It is never garbage-collected; ending the mission's life
deletes its folder. This module makes it and runs git in it; it never writes to the user's repository.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from missions import failpoints
from missions.repo.git import Git, GitError, Output
from missions.repo.protection import Setting
from missions.repo.stamps import Stamp

CACHES = (
    "__pycache__/",
    "*.pyc",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".coverage",
    "node_modules/.cache/",
    ".DS_Store",
)
"""Ignore patterns of well-known caches; a mission can add more."""

FAILPOINTS = ("repo.shadow.write", "repo.shadow.unlink", "repo.shadow.rename")

_RAW_ATTRIBUTES = b"* -text !eol -ident -filter !working-tree-encoding -diff -merge\n"
_DEAD_LOCK_AGE = 2.0  # seconds; a git whose runner died ends long before


class ShadowGit(Git):
    """Git in the shadow. A lock that a killed git left there is removed: only the owner of the mission's lock writes
    here, so a lock older than two seconds belongs to nobody."""

    def run(self, subcommand: str, *arguments: str, **options: Any) -> Output:
        """As :meth:`Git.run`, with the configuration of the shadow alone."""
        deadline = time.monotonic() + 3 * _DEAD_LOCK_AGE
        while True:
            try:
                return super().run(subcommand, *arguments, **options)
            except GitError as error:
                if not error.lock_exists or time.monotonic() > deadline:
                    raise
                self._remove_dead_locks()
                time.sleep(0.05)

    def config(self) -> list[Setting]:
        """Nothing: the shadow's configuration is ours and names no driver."""
        return []

    def _remove_dead_locks(self) -> None:
        if self.git_dir is None:
            return
        for lock in self.git_dir.rglob("*.lock"):
            with suppress(FileNotFoundError):
                if abs(time.time() - lock.stat().st_mtime) > _DEAD_LOCK_AGE:
                    failpoints.hit("repo.shadow.unlink")
                    lock.unlink()


class Shadow:
    """The shadow of one work tree. ``caches`` are ignore patterns besides :data:`CACHES`."""

    def __init__(self, root: Path, path: Path, caches: Iterable[str] = ()) -> None:
        self.root = root
        self.path = path
        self.caches = (*CACHES, *caches)
        self.git = ShadowGit(root, path)
        self.blobs: dict[str, tuple[Stamp, str]] = {}
        """Files (whole paths) that this process stored: their settled stamp then, and the name of the object."""
        self.trees: dict[str, tuple[dict[str, Stamp], str]] = {}
        """By purpose: files of a tree that this process stored, with their settled stamps, and its name."""

    @property
    def exists(self) -> bool:
        """Whether the shadow was made before, wholly."""
        return (self.path / "HEAD").is_file() and (self.path / "objects").is_dir()

    def index(self, name: str) -> Path:
        """A private index that is kept between calls, so that unchanged files are not read again."""
        return self.path / f"{name}.index"

    def prepare(self, object_format: str, ignore_rules: bytes) -> None:
        """Make the shadow if needed and write its attributes and ignore rules."""
        if not self.exists:
            self.blobs.clear()
            self.trees.clear()
            self._make(object_format)
        self.write("info/attributes", _RAW_ATTRIBUTES)
        self.write("info/exclude", ignore_rules.rstrip() + b"\n" + "\n".join(self.caches).encode() + b"\n")

    def _make(self, object_format: str) -> None:
        """Made beside and renamed: a git that is killed, or finds no room, leaves half a repository."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        making = self.path.with_name(self.path.name + ".making")
        for half in (making, self.path):
            if half.exists():
                shutil.rmtree(half)
        arguments = ("--bare", "-q", "--template=", "--shared=0600", f"--object-format={object_format}")
        Git(self.path.parent).run("init", *arguments, str(making))
        failpoints.hit("repo.shadow.rename")
        making.rename(self.path)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file of the shadow unless it already says so."""
        path = self.path / name
        if path.is_file() and path.read_bytes() == content:
            return
        failpoints.hit("repo.shadow.write")
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.write_bytes(content)
