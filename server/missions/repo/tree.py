"""States of the user's files: every tracked and untracked file by content, taken through a private index.

A state is one git tree in the shadow, so two states compare by content, executable bit, link target and submodule
commit; the user's index, its assume-unchanged and skip-worktree marks and its stat cache are not believed. Ignored
files and caches are not part of a state. This module never writes to the work tree or to the user's repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from missions.repo import loose
from missions.repo.changes import SUBMODULE_MODE, PathChange, all_paths, parse_raw
from missions.repo.git import Git, GitError
from missions.repo.index import has_git, look, set_submodule, stage
from missions.repo.loose import Entry
from missions.repo.names import check_sha, fields
from missions.repo.objects import read, sizes
from missions.repo.repository import Repository
from missions.repo.shadow import Shadow

INDEX = "state"

_LINE_END_LIMIT = 4 * 1024 * 1024  # bytes; larger files with other line endings just count as modified


@dataclass(frozen=True)
class TreeState:
    """A state of the files; ``tree`` is the id of a git tree in the shadow and all there is to store."""

    tree: str


def capture(repo: Repository, shadow: Shadow) -> TreeState:
    """The state of the files now. Raises if git fails (a damaged index is an error, never "clean")."""
    shadow.prepare(repo.object_format(), repo.ignore_rules())
    tracked = repo.tracked()
    return TreeState(capture_paths(shadow, tracked))


def capture_paths(shadow: Shadow, tracked: dict[str, str | None]) -> str:
    """As :func:`capture`, with the user's tracked paths given; returns the tree id."""
    git, index = shadow.git, shadow.index(INDEX)
    known = known_paths(shadow)
    stale = [
        path
        for path, mode in known.items()
        if mode == SUBMODULE_MODE and path not in tracked and not has_git(shadow.root / path)
    ]
    if stale:
        stage(git, index, (), stale)
    untracked = fields(git.run("ls-files", "-z", "--others", "--exclude-standard", index=index).out)
    ignored = set(
        fields(git.run("ls-files", "-z", "--cached", "--ignored", "--exclude-standard", index=index).out)
    )
    forgotten = [path for path in ignored if path not in tracked]
    wanted = (
        {path.rstrip("/") for path in untracked}
        | tracked.keys()
        | (known.keys() - set(forgotten) - set(stale))
    )
    presence = look(shadow.root, wanted)
    for path in presence.folders:
        _stage_folder(shadow, path, tracked.get(path), presence.files, presence.gone)
    stage(git, index, presence.files, [*forgotten, *(path for path in presence.gone if path in known)])
    return git.run("write-tree", index=index).line


def known_paths(shadow: Shadow) -> dict[str, str]:
    """Path → mode of what the private index holds."""
    entries = fields(shadow.git.run("ls-files", "--stage", "-z", index=shadow.index(INDEX)).out)
    return {path: meta[:6] for meta, _, path in (entry.partition("\t") for entry in entries)}


def _stage_folder(shadow: Shadow, path: str, commit: str | None, files: list[str], gone: list[str]) -> None:
    """A folder where git names a path: a submodule, a nested repository, or files that took a file's place."""
    git, index = shadow.git, shadow.index(INDEX)
    if commit is not None:
        set_submodule(git, index, path, commit)
        if has_git(shadow.root / path):
            files.append(
                path
            )  # takes the commit that is checked out there; without one the index's commit stays
    elif has_git(shadow.root / path):
        try:
            stage(git, index, [path])
        except GitError:  # a repository without a commit: its files count as ours
            files += _files_below(shadow, path)
    else:
        gone.append(path)


def _files_below(shadow: Shadow, path: str) -> list[str]:
    found: list[str] = []
    for directory, folders, names in os.walk(shadow.root / path):
        folders[:] = [name for name in folders if name != ".git"]
        relative = os.path.relpath(directory, shadow.root)
        found += [f"{relative}/{name}" for name in names if name != ".git"]
    return look(shadow.root, found).files


def compare(
    shadow: Shadow, before: TreeState, after: TreeState, repo: Repository | None = None
) -> list[PathChange]:
    """What changed between two states, renames recognised.

    With ``repo``, files that differ only by line endings which the repository converts anyway (``autocrlf``, ``text``)
    are left out.
    """
    if before == after:
        return []
    raw = shadow.git.run(
        "diff-tree", "-r", "-z", "--raw", "-M", "--no-abbrev", check_sha(before.tree), check_sha(after.tree)
    ).out
    changes = parse_raw(raw)
    if repo is None:
        return changes
    same = _only_line_endings(shadow.git, repo.git, changes)
    return [change for change in changes if change not in same]


def changed_names(shadow: Shadow, before: TreeState, after: TreeState, repo: Repository) -> set[str]:
    """Every path that :func:`compare` names for this repository, found without git where the shadow has the two states loose."""
    found = loose.differing_entries(shadow.path, before.tree, after.tree) if before != after else {}
    if found is not None and all(_surely_other(shadow, old, new) for old, new in found.values()):
        return set(found)
    return set(all_paths(compare(shadow, before, after, repo)))


def _surely_other(shadow: Shadow, old: Entry | None, new: Entry | None) -> bool:
    """Whether two entries that are not the same differ by more than line endings, as far as that can be told without git."""
    if old is None or new is None or old.mode != new.mode or not old.is_file:
        return True
    one, other = (loose.read_object(shadow.path, entry.sha, "blob") for entry in (old, new))
    if one is None or other is None:
        return False
    return one[1].replace(b"\r\n", b"\n") != other[1].replace(b"\r\n", b"\n")


def differing_paths(shadow: Shadow, before: TreeState, after: TreeState) -> list[PathChange]:
    """As :func:`compare` without renames and to the byte: one change per path, for restoring."""
    arguments = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    return parse_raw(
        shadow.git.run("diff-tree", *arguments, check_sha(before.tree), check_sha(after.tree)).out
    )


def _only_line_endings(shadow: Git, user: Git, changes: list[PathChange]) -> list[PathChange]:
    """Those changes that are none to the repository, because it converts the line endings of both sides to the same."""
    edited = [
        change
        for change in changes
        if change.kind == "modified"
        and not change.submodule
        and change.old_mode == change.new_mode
        and change.new_mode != "120000"
    ]
    size = sizes(shadow, (sha for change in edited for sha in (change.old_sha, change.new_sha)))
    found: list[PathChange] = []
    for change in edited:
        if max(size[change.old_sha], size[change.new_sha]) > _LINE_END_LIMIT:
            continue
        old, new = (content for _, _, content in read(shadow, (change.old_sha, change.new_sha)))
        if old.replace(b"\r\n", b"\n") != new.replace(b"\r\n", b"\n"):
            continue
        kept = ("hash-object", "--stdin", "--path", change.path)
        if len({user.run(*kept, data=content).line for content in (old, new)}) == 1:
            found.append(change)
    return found


def paths_in(shadow: Shadow, state: TreeState) -> dict[str, tuple[str, str]]:
    """Every path of a state with its mode and object id."""
    entries = fields(shadow.git.run("ls-tree", "-r", "-z", "--full-tree", check_sha(state.tree)).out)
    found: dict[str, tuple[str, str]] = {}
    for meta, _, path in (entry.partition("\t") for entry in entries):
        mode, _, sha = meta.split(" ")
        found[path] = (mode, sha)
    return found


def outside(changes: Iterable[PathChange], allowed: Iterable[str]) -> list[PathChange]:
    """Those changes that concern a path outside ``allowed``."""
    permitted = set(allowed)
    return [change for change in changes if not permitted.issuperset(change.paths)]
