"""Real repositories for tests: a builder around the git program, independent of the code under test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from missions.repo.repository import Repository
from missions.repo.shadow import Shadow

MISSION = "mission-20261123-abc123"

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_ALLOW_PROTOCOL": "file",
}


class Playground:
    """A repository with files, and a place for the shadow beside it."""

    def __init__(self, folder: Path, commit: bool = True) -> None:
        self.folder = folder
        self.root = folder / "work"
        self.root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        if commit:
            self.write("README.md", "hello\n")
            self.write("src/app.py", "print('one')\n")
            self.commit("start")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run the git program as a user would; returns its output."""
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=cwd or self.root, env=_ENVIRONMENT, check=True, capture_output=True
        )
        return os.fsdecode(done.stdout).removesuffix("\n")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    @property
    def repo(self) -> Repository:
        return Repository.find(self.root)

    @property
    def shadow(self) -> Shadow:
        return Shadow(self.root, self.folder / "mission" / "git" / "backup.git")

    @property
    def scratch(self) -> Path:
        return self.folder / "mission" / "git" / "scratch"

    def contents(self) -> dict[str, bytes]:
        """Every file of the work tree except the git directory; links as their target."""
        found: dict[str, bytes] = {}
        for directory, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".git"]
            for name in [*names, *(name for name in folders if Path(directory, name).is_symlink())]:
                path = Path(directory, name)
                key = str(path.relative_to(self.root))
                found[key] = b"-> " + os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        return found
