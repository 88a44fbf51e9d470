"""The private clone: a work tree of the mission's own, and bringing its commits into the user's repository.

Only objects and refs are copied; configuration, hooks, remotes and filters of the source are not. Commits come back
by compare-and-swap into ``missions/<id>``, and never into a branch that the user has checked out. This module never
changes the user's files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from missions import failpoints
from missions.model.errors import MissionError
from missions.repo.branch import branch_for
from missions.repo.git import Git
from missions.repo.names import check_branch, check_path, check_ref
from missions.repo.objects import copy_objects
from missions.repo.ref_update import compare_and_swap
from missions.repo.repository import Repository

FAILPOINTS = ("repo.clone.copy",)

_COPIED_SETTINGS = (
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.symlinks",
    "core.ignorecase",
    "user.name",
    "user.email",
)
_DONE = "missions-clone-complete"


def make_clone(source: Repository, target: Path, mission_id: str, copy: Sequence[str] = ()) -> Repository:
    """Clone ``source`` into ``target`` (outside of it) with ``missions/<id>`` checked out at the source's HEAD.

    Other branches appear as ``refs/remotes/origin/*``, tags as tags; there is no remote. ``copy`` names files and
    folders of the source (``.env`` …) to take along. A clone that was interrupted is made again from the start.
    """
    branch = branch_for(mission_id)
    if (target / ".git" / _DONE).is_file():
        return Repository.find(target)
    base = source.require_commit()
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True, mode=0o700)
    object_format = f"--object-format={source.object_format()}"
    Git(target).run("init", "-q", "--template=", object_format, f"--initial-branch={branch}")
    git = Git(target, target / ".git", source.git.settings)
    refs = _refs(source)
    copy_objects(source.git, git, {base, *refs.values()})
    shallow = source.common_dir / "shallow"
    if shallow.is_file():
        shutil.copyfile(shallow, target / ".git" / "shallow")
    request = "".join(f"create {name} {sha}\n" for name, sha in refs.items())
    git.run("update-ref", "--stdin", data=os.fsencode(f"{request}create {check_branch(branch)} {base}\n"))
    for key, value in _settings(source):
        git.run("config", "--local", key, value)
    git.run("checkout", "-q", "-f", branch, "--", timeout=600)
    clone = Repository.find(target)
    copy_into(source, clone, copy)
    (target / ".git" / _DONE).touch()
    return clone


def _refs(source: Repository) -> dict[str, str]:
    """Branches of the source as branches of ``origin``, and its tags."""
    found: dict[str, str] = {}
    for line in source.git.run(
        "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"
    ).out.splitlines():
        sha, _, name = os.fsdecode(line).partition(" ")
        found[check_ref(name.replace("refs/heads/", "refs/remotes/origin/", 1))] = sha
    return found


def _settings(source: Repository) -> list[tuple[str, str]]:
    chosen: dict[str, str] = {}
    for key, value in [*source.git.settings, *source.git.config()]:
        if key.lower() in _COPIED_SETTINGS:
            chosen[key.lower()] = value
    return list(chosen.items())


def copy_into(source: Repository, clone: Repository, paths: Iterable[str]) -> list[str]:
    """Copy files and folders of the source's work tree into the clone and have the clone ignore them.

    Symbolic links are copied as links; a path through a link, outside the repository or missing is refused.
    """
    copied: list[str] = []
    for path in paths:
        origin = source.root / check_path(path).rstrip("/")
        if not os.path.lexists(origin):
            raise MissionError(
                "not_found",
                f"{path} (from `environment.copy`) does not exist.",
                "Create it, or take it out of the plan.",
            )
        if Path(os.path.realpath(origin.parent)) != origin.parent:
            raise MissionError(
                "bad_argument",
                f"{path} leads through a symbolic link.",
                "Name the real folder in `environment.copy`.",
            )
        destination = clone.root / path.rstrip("/")
        failpoints.hit("repo.clone.copy")
        destination.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir() and not origin.is_symlink():
            shutil.copytree(
                origin, destination, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
            )
        else:
            shutil.copy2(origin, destination, follow_symlinks=False)
        copied.append(path.rstrip("/"))
    _ignore(clone, copied)
    return copied


def _ignore(clone: Repository, paths: list[str]) -> None:
    exclude = clone.common_dir / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    with exclude.open("ab") as out:
        for path in paths:
            quoted = "".join(f"\\{letter}" if letter in "\\*?[]!# " else letter for letter in path)
            out.write(os.fsencode(f"/{quoted}\n"))


def publish(clone: Repository, user: Repository, mission_id: str, expected: str | None) -> str:
    """Bring ``missions/<id>`` of the clone into the user's repository; returns its commit.

    ``expected`` is where that branch was after the last time, None if it was not there. A branch that somebody moved is
    ``repository_changed``; a branch that the user has checked out is refused, because their files would seem changed.
    """
    branch = branch_for(mission_id)
    tip = clone.branch_tip(branch)
    if tip is None:
        raise MissionError(
            "repository_changed",
            f"The clone has lost its branch {branch}.",
            "Restore it from the last snapshot.",
        )
    now = user.branch_tip(branch)
    if now == tip:
        return tip
    if user.head().branch == branch:
        raise MissionError(
            "repository_changed",
            f"You have {branch} checked out.",
            "Switch to another branch, then resume the mission.",
        )
    known = (
        user.git.run("for-each-ref", "--format=%(objectname)", "refs/heads/", "refs/tags/", "refs/remotes/")
        .out.decode()
        .split()
    )
    copy_objects(clone.git, user.git, [tip], known, strict=True)
    compare_and_swap(user, check_branch(branch), tip, expected or "0" * len(tip), f"missions: {mission_id}")
    return tip
