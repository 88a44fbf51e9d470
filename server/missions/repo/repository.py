"""The user's repository: where it is, what HEAD says, what git calls changed, who the author is.

It answers questions and takes the one-mission lock. It never changes a file, a ref, the index or a setting.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from missions.model.errors import MissionError
from missions.repo import plain
from missions.repo.git import Git, GitError, read_user_settings
from missions.repo.guard import Guard
from missions.repo.lock import RepoLock
from missions.repo.names import check_branch, check_sha, fields

_UNFINISHED = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}


_STATUS = (
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--ignore-submodules=dirty",
    "--find-renames",
)


@dataclass(frozen=True)
class Head:
    """What HEAD points at. ``sha`` is None before the first commit, ``branch`` is None when detached."""

    sha: str | None
    branch: str | None

    @property
    def detached(self) -> bool:
        """HEAD names a commit, not a branch."""
        return self.branch is None

    @property
    def unborn(self) -> bool:
        """The branch has no commit yet."""
        return self.sha is None


@dataclass(frozen=True)
class Change:
    """One line of ``git status``: ``staged`` and ``unstaged`` are git's letters (``.`` means unchanged)."""

    path: str
    kind: Literal["changed", "renamed", "unmerged", "untracked"]
    staged: str
    unstaged: str
    old_path: str | None = None


@dataclass(frozen=True)
class Identity:
    """Name and address for commits; ``configured`` is false for the stand-in when the user has set none."""

    name: str
    email: str
    configured: bool

    def environment(self) -> dict[str, str]:
        """The variables that make any git use this identity."""
        return {
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": self.email,
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": self.email,
        }


class Repository:
    """A repository with a work tree. Made by :meth:`find`."""

    def __init__(self, root: Path, git_dir: Path, common_dir: Path, git: Git) -> None:
        self.root = root
        """Top of the work tree."""
        self.git_dir = git_dir
        """The git directory of this work tree (in a linked work tree not the same as ``common_dir``)."""
        self.common_dir = common_dir
        """The git directory that all work trees share: objects, branches, configuration."""
        self.git = git
        self._object_format: str | None = None

    @classmethod
    def find(cls, cwd: Path) -> Repository:
        """The repository that holds ``cwd``; ``MissionError("repository")`` says why there is none."""
        cwd = Path(os.path.realpath(cwd))
        if not cwd.is_dir():
            raise MissionError(
                "repository", f"{cwd} is not a folder.", "Choose an existing folder inside a git repository."
            )
        settings = read_user_settings(cwd)
        git = Git(cwd, None, settings)
        try:
            inside = git.run("rev-parse", "--is-inside-work-tree").line
        except GitError as error:
            raise _not_found(cwd, error) from error
        if inside != "true":
            raise _bare(cwd)
        root = Path(git.run("rev-parse", "--show-toplevel").line)
        git_dir = Path(git.run("rev-parse", "--absolute-git-dir").line)
        common = Path(git.run("rev-parse", "--path-format=absolute", "--git-common-dir").line)
        # `core.worktree` can point anywhere; only the folder that holds `.git` is taken for the work tree.
        if not cwd.is_relative_to(root) or not os.path.lexists(root / ".git"):
            raise MissionError(
                "repository",
                f"The repository of {cwd} says that its files are in {root}.",
                "Remove `core.worktree` from its configuration, or choose another folder.",
            )
        return cls(root, git_dir, common, Git(root, git_dir, settings))

    def head(self) -> Head:
        """HEAD now; raises if it cannot be read."""
        known = plain.head(self.git_dir, self.common_dir)
        if known is not None:
            return Head(*known)
        both = self.git.run("rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD", allowed=(0, 128))
        if both.code == 0:
            found, name = os.fsdecode(both.out).splitlines()
            return Head(found, name.removeprefix("refs/heads/") if name != "HEAD" else None)
        symbolic = self.git.run("symbolic-ref", "-q", "HEAD", allowed=(0, 1))
        sha = self.git.run("rev-parse", "--verify", "-q", "HEAD^{commit}", allowed=(0, 1))
        branch = symbolic.line.removeprefix("refs/heads/") if symbolic.code == 0 else None
        if sha.code != 0 and branch is None:
            raise MissionError(
                "repository", "HEAD names a commit that does not exist.", "Run `git fsck` in the repository."
            )
        return Head(sha.line if sha.code == 0 else None, branch)

    def require_commit(self) -> str:
        """The commit HEAD names; a repository without a commit is refused with the next step."""
        head = self.head()
        if head.sha is None:
            raise MissionError(
                "repository",
                f"The repository {self.root} has no commit yet.",
                "Make a first commit (`git add -A && git commit -m 'Start'`), then start the mission again.",
            )
        return head.sha

    def branch_tip(self, name: str) -> str | None:
        """The commit of a local branch, or None if there is no such branch."""
        found = self.git.run("rev-parse", "--verify", "-q", check_branch(name) + "^{commit}", allowed=(0, 1))
        return found.line if found.code == 0 else None

    def unfinished(self) -> str | None:
        """What git operation of the user is halfway (“a merge”, “a rebase” …), or None."""
        return next((what for name, what in _UNFINISHED.items() if (self.git_dir / name).exists()), None)

    def status(self) -> list[Change]:
        """Changes against HEAD as git sees them, untracked files one by one; a failing git raises, it is never "clean".

        Uncommitted changes inside submodules are not looked at, because that would run git with *their* settings.
        """
        return _parse_status(self.git.run("status", *_STATUS).out)[0]

    def status_and_ignored(self) -> tuple[list[Change], list[str]]:
        """As :meth:`status`, and what git ignores: files, and whole folders with ``/`` at the end."""
        return _parse_status(self.git.run("status", *_STATUS, "--ignored=matching").out)

    def tracked(self) -> dict[str, str | None]:
        """Paths in the index; the value is the commit for a submodule, else None."""
        known = plain.index(self.git_dir) if self.object_format() == "sha1" else None
        if known is not None:
            return known
        found: dict[str, str | None] = {}
        for entry in fields(self.git.run("ls-files", "--stage", "-z").out):
            meta, _, path = entry.partition("\t")
            mode, sha, _ = meta.split(" ")
            found[path] = sha if mode == "160000" else None
        return found

    def ignore_rules(self) -> bytes:
        """The repository's own ``info/exclude`` (``.gitignore`` files are read by git itself)."""
        path = self.common_dir / "info" / "exclude"
        return path.read_bytes() if path.is_file() else b""

    def object_format(self) -> str:
        """``sha1`` or ``sha256``."""
        if self._object_format is None:
            self._object_format = self.git.run("rev-parse", "--show-object-format").line
        return self._object_format

    def parent_of(self, sha: str) -> list[str]:
        """The parents of a commit."""
        return self.git.run("rev-list", "--parents", "-n", "1", check_sha(sha)).line.split(" ")[1:]

    def identity(self) -> Identity:
        """The user's configured name and address, or a stand-in."""
        config = dict(_lowered([*self.git.settings, *self.git.config()]))
        name, email = config.get("user.name", "").strip(), config.get("user.email", "").strip()
        if name and email:
            return Identity(name, email, True)
        return Identity(name or "Missions", email or "missions@localhost", False)

    def guard(self) -> Guard:
        """What of the git directory decides which programs git runs, as hashes; compare with ``Guard.changed``."""
        return Guard.take(self.root, self.git_dir, self.common_dir, self.git.config)

    def lock(self, mission_id: str) -> RepoLock:
        """Take the repository for one mission; ``MissionError("locked")`` names the mission that has it."""
        return RepoLock.acquire(self.common_dir, mission_id)


def _lowered(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(key.lower(), value) for key, value in pairs]


def _parse_status(output: bytes) -> tuple[list[Change], list[str]]:
    changes: list[Change] = []
    ignored: list[str] = []
    entries = iter(fields(output))
    for entry in entries:
        if entry[0] == "1":
            parts = entry.split(" ", 8)
            changes.append(Change(parts[8], "changed", parts[1][0], parts[1][1]))
        elif entry[0] == "2":
            parts = entry.split(" ", 9)
            changes.append(Change(parts[9], "renamed", parts[1][0], parts[1][1], next(entries)))
        elif entry[0] == "u":
            parts = entry.split(" ", 10)
            changes.append(Change(parts[10], "unmerged", parts[1][0], parts[1][1]))
        elif entry[0] == "?":
            changes.append(Change(entry[2:], "untracked", ".", "?"))
        elif entry[0] == "!":
            ignored.append(entry[2:])
    return changes, ignored


def _bare(cwd: Path) -> MissionError:
    return MissionError(
        "repository",
        f"{cwd} is inside a git directory or a bare repository, which has no files to work on.",
        "Choose a folder of a normal checkout, or clone the repository first.",
    )


def _not_found(cwd: Path, error: GitError) -> MissionError:
    text = error.stderr
    if "bare repository" in text or "must be run in a work tree" in text:
        return _bare(cwd)
    if "not a git repository" in text:
        return MissionError(
            "repository",
            f"{cwd} is not inside a git repository.",
            "Run `git init` and make a first commit, or choose another folder.",
        )
    return error
