"""The copy of a repository's history and git files in the shadow, and building the repository again from it.

It keeps all refs, every object they, the reflogs and the index reach, and the small files of the git directory
(HEAD, config, index, hooks, info, logs). Saving only reads the user's repository. Bringing back adds what is
missing and never overwrites what is there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from missions import failpoints
from missions.model.errors import MissionError, raise_if_scarce
from missions.repo import loose, plain, stamps
from missions.repo.changes import parse_raw
from missions.repo.git import Git
from missions.repo.names import check_ref, fields
from missions.repo.objects import copy_objects, existing
from missions.repo.repository import Repository
from missions.repo.shadow import Shadow
from missions.repo.stamps import Stamp

FAILPOINTS = ("repo.history.write", "repo.history.rename")

_NOT_KEPT = {
    "objects",
    "refs",
    "modules",
    "lfs",
    "worktrees",
    "packed-refs",
    "missions.lock",
    "fsmonitor--daemon",
}
_FILE_LIMIT = 64 * 1024 * 1024  # bytes; an index of half a million files is about that
_SMALL = 1024 * 1024  # bytes; git itself reads what is larger
_KNOWN = "known-tips"


@dataclass(frozen=True)
class History:
    """What :func:`save` kept: refs by name, the tree of git files in the shadow, and how ``.git`` looked."""

    refs: dict[str, str]
    files: str
    pointer: str | None


@dataclass(frozen=True)
class GitFile:
    """A file of the git directory, to be kept under ``name``. ``content`` is None where the shadow has it already;
    ``stamp`` is None where it cannot stand for the content."""

    path: str
    name: str
    executable: bool
    sha: str
    content: bytes | None
    stamp: Stamp | None


@dataclass(frozen=True)
class Saved:
    """What :func:`save` copied or read, for the snapshot that keeps it."""

    refs: dict[str, str]
    pointer: str | None
    files: tuple[GitFile, ...]

    def as_json(self) -> dict[str, Any]:
        return {"refs": self.refs, "pointer": self.pointer}


def save(repo: Repository, shadow: Shadow, head: str | None, *, staged: bool = True) -> Saved:
    """Copy new objects into the shadow and read refs and git files; ``head`` is the commit of HEAD, ``staged`` whether
    the index may differ from it."""
    refs = plain.refs(repo.git_dir, repo.common_dir)
    if refs is None:
        refs = _refs(repo.git)
    known_file = shadow.path / _KNOWN
    known = set(known_file.read_text("ascii").split()) if known_file.is_file() else set[str]()
    if _shallow(repo, shadow):
        known = set[str]()  # the same commits may reach further than before
    newly_staged = _newly_staged(repo.git, head) if staged or head is None else []
    tips = set(refs.values()) | {sha for sha in (head, *_logged(repo, known), *newly_staged) if sha}
    if not tips <= known:
        if not loose.copy_new(repo.common_dir, shadow.path, tips, known):
            copy_objects(repo.git, shadow.git, sorted(tips), known)
        shadow.write(_KNOWN, ("\n".join(sorted(tips)) + "\n").encode())
    dot_git = repo.root / ".git"
    pointer = os.fsdecode(dot_git.read_bytes()) if dot_git.is_file() else None
    return Saved(refs, pointer, tuple(_kept_files(repo, shadow)))


def _shallow(repo: Repository, shadow: Shadow) -> bool:
    """Give the shadow the repository's history limit (of a shallow clone); whether it changed."""
    path, ours = repo.common_dir / "shallow", shadow.path / "shallow"
    content = path.read_bytes() if path.is_file() else b""
    before = ours.read_bytes() if ours.is_file() else b""
    if content == before:
        return False
    shadow.write("shallow", content)
    return True


def _refs(git: Git) -> dict[str, str]:
    output = git.run("for-each-ref", "--format=%(objectname) %(refname)").out
    pairs = (os.fsdecode(line).split(" ", 1) for line in output.splitlines())
    return {name: sha for sha, name in pairs}


def _logged(repo: Repository, known: set[str]) -> list[str]:
    """Commits that only a reflog names (after an amend, a reset or a stash); none if a log names lost objects."""
    named = plain.logged(repo.git_dir, repo.common_dir)
    if named is not None and all(loose.commit(repo.common_dir, sha) is not None for sha in named - known):
        return sorted(named)
    listing = repo.git.run("rev-list", "--reflog", "--no-walk", allowed=(0, 128, 129))
    return listing.out.decode("ascii").split() if listing.code == 0 else []


def _newly_staged(git: Git, head: str | None) -> list[str]:
    """Objects that only the index names."""
    if head is None:
        return _staged(git)
    changes = parse_raw(
        git.run("diff-index", "--cached", "--raw", "-z", "--no-abbrev", "--ignore-submodules=all", head).out
    )
    return [change.new_sha for change in changes if change.new_sha.strip("0") and not change.submodule]


def _kept_files(repo: Repository, shadow: Shadow) -> Iterator[GitFile]:
    kept = list(_git_files(repo.common_dir, "common"))
    if repo.git_dir != repo.common_dir:
        kept += _git_files(repo.git_dir, "own")
    for path, name in kept:
        moment, before, executable = stamps.now(), stamps.stamp(path), os.access(path, os.X_OK)
        known = shadow.blobs.get(str(path))
        if known is not None and known[0] == before:
            yield GitFile(str(path), name, executable, known[1], None, before)
            continue
        stamp = before if stamps.settled(before, moment) else None
        if before is not None and before[1] > _SMALL:
            arguments = ("-w", "--no-filters", "--stdin-paths")
            sha = shadow.git.run("hash-object", *arguments, data=os.fsencode(f"{path}\n")).line
            yield GitFile(str(path), name, executable, sha, None, stamp)
        elif (content := loose.read(path)) is not None:
            sha = _blob_name(content, repo.object_format())
            yield GitFile(str(path), name, executable, sha, content, stamp)


def _blob_name(content: bytes, object_format: str) -> str:
    digest = hashlib.sha256() if object_format == "sha256" else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()


def _git_files(folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for directory, folders, names in os.walk(folder, onerror=raise_if_scarce):
        top = Path(directory) == folder
        folders[:] = sorted(
            name for name in folders if not (top and name in _NOT_KEPT) and name.lower() != ".git"
        )
        for name in sorted(names):
            path = Path(directory) / name
            relative = path.relative_to(folder).as_posix()
            unwanted = (
                (top and name in _NOT_KEPT)
                or name.endswith(".lock")
                or name.lower() == ".git"
                or "\n" in str(path)
            )
            if (
                not unwanted
                and path.is_file()
                and not path.is_symlink()
                and path.stat().st_size <= _FILE_LIMIT
            ):
                yield path, f"{prefix}/{relative}"
    info = folder / "objects" / "info" / "alternates"
    if info.is_file():
        yield info, f"{prefix}/objects/info/alternates"


def bring_back(root: Path, shadow: Shadow, history: History) -> Repository:
    """Make ``root`` a repository again: missing git files, objects and refs come back; what exists stays as it is."""
    dot_git = root / ".git"
    if history.pointer is not None:
        return _bring_back_pointer(dot_git, history.pointer)
    if os.path.lexists(dot_git) and not dot_git.is_dir():
        raise MissionError(
            "repository", f"{dot_git} is no longer a folder.", "Move it away, then restore again."
        )
    root.mkdir(parents=True, exist_ok=True)
    if dot_git.exists():
        _fill(root, dot_git, shadow, history)
        return Repository.find(root)
    # Built beside and renamed, so that a crash leaves no half repository behind.
    building = root / ".git.missions-restoring"
    if building.exists():
        shutil.rmtree(building)
    Git(root).run(
        "init", "-q", "--template=", "--bare", f"--object-format={_object_format(shadow)}", str(building)
    )
    for name in ("config", "HEAD"):
        (building / name).unlink()
    _fill(root, building, shadow, history)
    failpoints.hit("repo.history.rename")
    building.rename(dot_git)
    return Repository.find(root)


def _bring_back_pointer(dot_git: Path, pointer: str) -> Repository:
    target = Path(dot_git.parent, pointer.removeprefix("gitdir:").strip())
    if not (target / "HEAD").is_file():
        raise MissionError(
            "repository",
            f"The git directory {target} of this linked work tree or submodule is gone.",
            "Restore the main repository first; `missions restore` cannot rebuild it from here.",
        )
    if not os.path.lexists(dot_git):
        dot_git.write_bytes(os.fsencode(pointer))
    return Repository.find(dot_git.parent)


def _fill(root: Path, git_dir: Path, shadow: Shadow, history: History) -> None:
    for name in ("objects", "refs"):
        (git_dir / name).mkdir(exist_ok=True)
    mentioned, logs = _write_files(git_dir, shadow, history.files)
    git = Git(root, git_dir)
    wanted = existing(shadow.git, [*history.refs.values(), *mentioned, *_staged(git)])
    copy_objects(shadow.git, git, wanted)
    present = _refs(git)
    missing = {name: sha for name, sha in history.refs.items() if name not in present}
    request = "".join(f"create {check_ref(name)} {sha}\n" for name, sha in missing.items())
    git.run("update-ref", "--stdin", data=os.fsencode(request))
    for path, content in logs.items():  # last, because making a ref again writes a line of its own
        _write_file(path, content, 0o644)


def _write_file(path: Path, content: bytes, mode: int) -> None:
    failpoints.hit("repo.history.write")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _write_files(git_dir: Path, shadow: Shadow, tree: str) -> tuple[set[str], dict[Path, bytes]]:
    """Write the git files that are missing; return the object names that HEAD and the reflogs mention, and the
    reflogs that are missing too."""
    mentioned: set[str] = set()
    logs: dict[Path, bytes] = {}
    listing = fields(shadow.git.run("ls-tree", "-r", "-z", "--full-tree", tree).out)
    for meta, _, name in (entry.partition("\t") for entry in listing):
        mode, _, sha = meta.split(" ")
        place, _, relative = name.partition("/")
        if place != "common":
            continue
        content = shadow.git.run("cat-file", "blob", sha).out
        if relative == "HEAD" or relative.startswith("logs/"):
            mentioned |= {
                found.decode() for found in re.findall(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b", content)
            }
        path = git_dir / relative
        if os.path.lexists(path):
            continue
        if relative.startswith("logs/"):
            logs[path] = content
        else:
            _write_file(path, content, 0o755 if mode == "100755" else 0o644)
    return {sha for sha in mentioned if sha.strip("0")}, logs


def _staged(git: Git) -> list[str]:
    """Objects that the index names (submodule commits live elsewhere)."""
    entries = fields(git.run("ls-files", "--stage", "-z").out)
    return [entry.split(" ")[1] for entry in entries if not entry.startswith("160000")]


def _object_format(shadow: Shadow) -> str:
    return shadow.git.run("rev-parse", "--show-object-format").line
