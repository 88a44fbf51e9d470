"""The mission's branch: starting it, going back to the user's branch, and deleting it without losing work.

Starting and a fast-forward move only refs, so dirty and staged files stay exactly as they are. The only place where
files change is going back to a branch that has other content. Nothing here merges content, resets or pushes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from missions.model.errors import MissionError
from missions.model.ids import check_mission_id
from missions.repo.commits import Commit, changed_paths, is_ancestor, read_commits
from missions.repo.git import GitError
from missions.repo.names import check_branch, check_sha, fields, lines_of
from missions.repo.ref_update import compare_and_swap
from missions.repo.repository import Head, Repository


@dataclass(frozen=True)
class Started:
    """The mission's branch, the commit it starts from, and where HEAD was before."""

    branch: str
    base: str
    came_from: Head


@dataclass(frozen=True)
class Finished:
    """Where HEAD is now. ``merge`` says whether the user's branch took the mission's commits, or why not."""

    head: Head
    merge: Literal["not_asked", "fast_forwarded", "nothing_new", "diverged", "detached"]


def branch_for(mission_id: str) -> str:
    """``missions/<id>``."""
    return f"missions/{check_mission_id(mission_id)}"


def branch_exists(repo: Repository, name: str) -> bool:
    """Whether there is a local branch of that name."""
    return repo.branch_tip(name) is not None


def start_branch(repo: Repository, mission_id: str, came_from: Head | None = None) -> Started:
    """Create ``missions/<id>`` at HEAD and check it out; files and index stay as they are.

    Works from a detached HEAD. ``came_from`` is where HEAD was when an earlier attempt was interrupted; calling again
    then completes it.
    """
    operation = repo.unfinished()
    if operation is not None:
        raise MissionError(
            "repository",
            f"{operation.capitalize()} is not finished in the repository.",
            "Finish or abort it first.",
        )
    base = repo.require_commit()
    head = repo.head()
    name = branch_for(mission_id)
    tip = repo.branch_tip(name)
    if head.branch == name:
        return Started(name, base, came_from or head)
    if tip is None:
        _create(repo, name, base)
    elif tip != base:
        raise MissionError(
            "repository",
            f"There is already a branch {name} with other commits.",
            f"Rename or delete it (`git branch -m {name} <new name>`), then start again.",
        )
    repo.git.run("symbolic-ref", "-m", f"missions: start {mission_id}", "HEAD", check_branch(name))
    return Started(name, base, came_from or head)


def _create(repo: Repository, name: str, base: str) -> None:
    try:
        compare_and_swap(repo, check_branch(name), base, "0" * len(base), "missions: branch created")
    except GitError as error:
        if "exists; cannot create" not in error.stderr:
            raise
        raise MissionError(
            "repository",
            f"The branch {name} cannot be created, because a branch `missions` is in the way.",
            "Rename it: `git branch -m missions <new name>`.",
        ) from error


def finish(
    repo: Repository, branch: str, back_to: Head, *, merge: bool = False, dirty_at_start: Iterable[str] = ()
) -> Finished:
    """Go back to where the user was, and with ``merge`` fast-forward that branch if it has not moved.

    Uncommitted changes of tracked files are refused (``dirty_worktree``) except in ``dirty_at_start``, which git keeps.
    """
    head = repo.head()
    tip = repo.branch_tip(branch)
    if tip is None:
        raise MissionError(
            "not_found", f"There is no branch {branch}.", "`git branch` lists the branches there are."
        )
    if head.branch != branch:
        if head == Head(head.sha, back_to.branch):  # an earlier attempt came this far
            return Finished(
                head, "not_asked" if not merge else "nothing_new" if head.sha == tip else "diverged"
            )
        raise MissionError(
            "repository_changed",
            f"The repository is not on {branch} any more.",
            f"Run `git switch {branch}` first.",
        )
    _refuse_dirty(repo, set(dirty_at_start))
    target = back_to.sha if back_to.branch is None else repo.branch_tip(back_to.branch)
    if target is None:
        raise MissionError(
            "repository",
            f"The branch {back_to.branch} that the mission started from is gone.",
            f"Create it again or stay on {branch}: `git branch {back_to.branch} {branch}`.",
        )
    if back_to.branch is not None and check_branch(back_to.branch) in _checked_out_elsewhere(repo):
        raise MissionError(
            "repository",
            f"{back_to.branch} is checked out in another work tree.",
            "Go back there, or free the branch first (`git worktree list`).",
        )
    outcome: Literal["not_asked", "fast_forwarded", "nothing_new", "diverged", "detached"] = "not_asked"
    if merge and back_to.branch is None:
        outcome = "detached"
    elif merge and target == tip:
        outcome = "nothing_new"
    elif merge and back_to.branch is not None and is_ancestor(repo, target, tip):
        compare_and_swap(
            repo, check_branch(back_to.branch), tip, target, f"missions: fast-forward to {branch}"
        )
        target, outcome = tip, "fast_forwarded"
    elif merge:
        outcome = "diverged"
    _go_back(repo, back_to, target, tip)
    return Finished(repo.head(), outcome)


def _go_back(repo: Repository, back_to: Head, target: str, tip: str) -> None:
    if target == tip and back_to.branch is not None:
        repo.git.run("symbolic-ref", "-m", "missions: finish", "HEAD", check_branch(back_to.branch))
        return
    _refuse_filtered(repo, tip, target, back_to.branch or target)
    place = ["--detach", check_sha(target)] if back_to.branch is None else [back_to.branch]
    if back_to.branch is not None:
        check_branch(back_to.branch)
    try:
        repo.git.run("checkout", "-q", "--no-overwrite-ignore", *place, "--")
    except GitError as error:
        raise MissionError(
            "dirty_worktree",
            "Files that are not committed are in the way of going back.",
            "Commit, move or stash them, then finish again.",
            stderr=error.stderr[:1000],
        ) from error


def _refuse_dirty(repo: Repository, allowed: set[str]) -> None:
    dirty = [
        change.path for change in repo.status() if change.kind != "untracked" and change.path not in allowed
    ]
    if dirty:
        raise MissionError(
            "dirty_worktree",
            f"{len(dirty)} tracked files have uncommitted changes, first {dirty[0]}.",
            "Commit or stash them, then finish again.",
            paths=dirty[:50],
        )


def _refuse_filtered(repo: Repository, tip: str, target: str, place: str) -> None:
    """The engine runs no filter, so it would write the stored form of such files into the work tree."""
    paths = [change.path for change in changed_paths(repo, tip, target) if change.kind != "deleted"]
    if not paths:
        return
    values = repo.git.run("check-attr", "-z", "--stdin", "filter", data=lines_of(paths)).out.split(b"\0")[
        2::3
    ]
    if any(value not in (b"unspecified", b"unset", b"set") for value in values):
        raise MissionError(
            "repository",
            "Going back would change files that pass through a filter (such as Git LFS), which the engine does not run.",
            f"Run `git switch {place}` (or `git switch --detach {place}`) yourself.",
        )


def _checked_out_elsewhere(repo: Repository) -> set[str]:
    found: set[str] = set()
    here = False
    for line in fields(repo.git.run("worktree", "list", "--porcelain", "-z").out):
        if line.startswith("worktree "):
            here = line.removeprefix("worktree ") == str(repo.root)
        elif line.startswith("branch ") and not here:
            found.add(line.removeprefix("branch "))
    return found


def only_here(repo: Repository, branch: str) -> list[Commit]:
    """Commits that no other branch, remote branch or tag reaches, newest first: deleting the branch would lose them."""
    ref = check_branch(branch)
    others = ("--not", f"--exclude={branch}", "--branches", "--remotes", "--tags")
    return read_commits(repo, repo.git.run("rev-list", ref, *others).out.decode().split())


def delete_branch(repo: Repository, branch: str, *, force: bool = False) -> None:
    """Delete a branch that is not checked out; refuses while it alone holds commits, unless ``force``."""
    tip = repo.branch_tip(branch)
    if tip is None:
        return
    ref = check_branch(branch)
    if repo.head().branch == branch or ref in _checked_out_elsewhere(repo):
        raise MissionError(
            "repository", f"The branch {branch} is checked out.", "Switch to another branch first."
        )
    lost = [] if force else only_here(repo, branch)
    if lost:
        raise MissionError(
            "confirmation_needed",
            f"{len(lost)} commits are on no other branch than {branch}.",
            "Merge them first, or delete with --force.",
            commits=[commit.sha for commit in lost[:50]],
        )
    repo.git.run("update-ref", "-d", ref, tip)
