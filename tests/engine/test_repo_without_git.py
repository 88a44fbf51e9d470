"""Indexes, trees and objects that are read or copied without git: always what git says, or left to git."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from missions import failpoints
from missions.repo import commits, loose, plain
from missions.repo.history import save
from missions.repo.loose import copy_new
from missions.repo.shadow import Shadow
from missions.repo.tree import capture, changed_names, compare
from support.repositories import Playground


@pytest.fixture
def world(tmp_path: Path) -> Playground:
    world = Playground(tmp_path)
    for name in ("notes.txt", "deep/er/a.txt", "deep/er/b.txt", "deep/c.txt", "ünï/cödé.txt"):
        world.write(name, f"{name}\n" * 20)
    world.commit("more")
    return world


@pytest.fixture
def packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Whether a pack was made since it was asked last."""
    trace = tmp_path / "trace"
    trace.touch()
    monkeypatch.setenv("MISSIONS_FAILPOINT_TRACE", str(trace))
    failpoints.reload()
    seen = 0

    def since() -> bool:
        nonlocal seen
        names = trace.read_text().split()
        fresh, seen = names[seen:], len(names)
        return "repo.git.pack-objects" in fresh

    yield since
    monkeypatch.delenv("MISSIONS_FAILPOINT_TRACE")
    failpoints.reload()


def submodule(world: Playground) -> None:
    other = world.folder / "other"
    world.git("clone", "-q", str(world.root), str(other))
    world.git("submodule", "add", "-q", str(other), "lib")


def merged(world: Playground) -> None:
    world.git("checkout", "-q", "-b", "side")
    world.write("side/s.txt", "side\n")
    world.commit("side")
    world.git("checkout", "-q", "main")
    world.write("main.txt", "main\n")
    world.commit("main")
    world.git("merge", "-q", "--no-edit", "side")


def folder_for_file(world: Playground) -> None:
    (world.root / "notes.txt").unlink()
    world.write("notes.txt/in/side.txt", "x\n")


def file_for_folder(world: Playground) -> None:
    shutil.rmtree(world.root / "deep")
    world.write("deep", "a file now\n")


STEPS: dict[str, Callable[[Playground], object]] = {
    "edited": lambda w: w.write("src/app.py", "print('two')\n"),
    "edited below": lambda w: w.write("deep/er/a.txt", "two\n"),
    "added": lambda w: w.write("src/new/er/n.py", "x\n"),
    "empty file": lambda w: w.write("empty", ""),
    "removed": lambda w: (w.root / "deep/c.txt").unlink(),
    "removed with its folder": lambda w: shutil.rmtree(w.root / "deep/er"),
    "renamed": lambda w: (w.root / "notes.txt").rename(w.root / "deep/notes.txt"),
    "folder renamed": lambda w: (w.root / "deep").rename(w.root / "deeper"),
    "made a program": lambda w: (w.root / "src/app.py").chmod(0o755),
    "a link": lambda w: (w.root / "link").symlink_to("notes.txt"),
    "a folder in place of a file": folder_for_file,
    "a file in place of a folder": file_for_folder,
    "odd names": lambda w: (w.write('q"uo\\te', "1"), w.write("new\nline", "2"), w.write("-x", "3")),
    "all bytes": lambda w: w.write(os.fsdecode(b"caf\xe9"), "latin\n"),
    "a long name": lambda w: w.write("n" * 250, "long\n"),
    "a submodule": submodule,
    "a merge": merged,
    "nothing": lambda w: w.git("commit", "-q", "--allow-empty", "-m", "empty"),
}


def committed(world: Playground, step: str) -> tuple[str, str]:
    """The commits before and after."""
    before = world.git("rev-parse", "HEAD")
    STEPS[step](world)
    world.git("add", "-A")
    world.git("commit", "-q", "--allow-empty", "-m", step)
    return before, world.git("rev-parse", "HEAD")


def names_in_index(world: Playground) -> dict[str, str | None]:
    entries = [entry for entry in world.git("ls-files", "--stage", "-z").split("\0") if entry]
    parts = [entry.partition("\t") for entry in entries]
    return {path: meta.split(" ")[1] if meta.startswith("160000") else None for meta, _, path in parts}


def differing(world: Playground, before: str, after: str) -> set[str]:
    listed = world.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after)
    return {name for name in listed.split("\0") if name}


@pytest.mark.parametrize("step", STEPS)
def test_what_a_commit_changed_and_what_the_index_holds_is_what_git_says(
    world: Playground, step: str
) -> None:
    before, after = committed(world, step)
    repo = world.repo
    assert loose.differing(repo.common_dir, before, after) == differing(world, before, after)
    assert loose.differing(repo.common_dir, after, before) == differing(world, before, after)
    assert plain.index(repo.git_dir) == names_in_index(world)
    world.git("gc", "-q")
    assert loose.differing(repo.common_dir, before, after) is None
    assert commits.touched_paths(repo, before, after) == differing(world, before, after)


LINES: dict[str, tuple[str, str, bool]] = {
    "other words": ("one\ntwo\n", "one\nthree\n", True),
    "other line endings": ("one\ntwo\n", "one\r\ntwo\r\n", False),
    "both": ("one\ntwo\n", "one\r\nthree\r\n", True),
}
"""A file before and after, and whether that is a change to a repository that converts line endings."""


@pytest.mark.parametrize("converts", [True, False])
@pytest.mark.parametrize("case", LINES)
def test_names_of_changed_files_are_those_of_the_comparison(
    world: Playground, case: str, converts: bool
) -> None:
    before, after, differs = LINES[case]
    if converts:
        world.git("config", "core.autocrlf", "input")
    repo, shadow = world.repo, world.shadow
    world.write("lines.txt", before)
    old = capture(repo, shadow)
    world.write("lines.txt", after)
    (world.root / "deep/c.txt").rename(world.root / "c.txt")
    new = capture(repo, shadow)
    names = {"c.txt", "deep/c.txt", *(["lines.txt"] if differs or not converts else [])}
    assert changed_names(shadow, old, new, repo) == names
    assert {path for change in compare(shadow, old, new, repo) for path in change.paths} == names


@pytest.mark.parametrize("step", STEPS)
def test_a_new_commit_is_copied_whole(world: Playground, packing: Callable[[], bool], step: str) -> None:
    repo, shadow = world.repo, world.shadow
    shadow.prepare("sha1", b"")
    save(repo, shadow, world.git("rev-parse", "HEAD"))
    assert packing()
    _, after = committed(world, step)
    save(repo, shadow, after, staged=False)
    assert not packing()
    world.git("fsck", "--strict", "--connectivity-only", after, cwd=shadow.path)
    assert world.git("ls-tree", "-r", after, cwd=shadow.path) == world.git("ls-tree", "-r", after)


def test_longer_names_and_linked_work_trees_are_read_and_copied_too(tmp_path: Path) -> None:
    world = Playground(tmp_path, commit=False)
    shutil.rmtree(world.root / ".git")
    world.git("init", "-q", "-b", "main", "--object-format=sha256")
    world.write("deep/a.txt", "one\n")
    base = world.commit("one")
    world.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    for root in (world.root, tmp_path / "linked"):
        world.root = root
        repo, shadow = world.repo, Shadow(root, tmp_path / f"{root.name}.git")
        shadow.prepare("sha256", b"")
        save(repo, shadow, base)
        world.write("deep/a.txt", f"{root.name}\n")
        tip = world.commit("two")
        assert loose.differing(repo.common_dir, base, tip) == {"deep/a.txt"}
        assert repo.tracked() == {"deep/a.txt": None}
        save(repo, shadow, tip, staged=False)
        world.git("fsck", "--strict", "--connectivity-only", tip, cwd=shadow.path)


def test_a_copy_that_would_lack_something_is_left_to_git(world: Playground) -> None:
    target = world.folder / "bare.git"
    world.git("init", "-q", "--bare", str(target))
    base = world.git("rev-parse", "HEAD")
    git_dir = world.root / ".git"
    assert not copy_new(git_dir, target, [base], set()), "the first commit has no parent to go by"
    world.git("gc", "-q")
    world.write("deep/er/a.txt", "two\n")
    tip = world.commit("on a packed one")
    assert not copy_new(git_dir, target, [tip], {base}), "the tree before is packed"
    blob = world.git("rev-parse", f"{tip}:deep/er/a.txt")
    next_base, next_tip = tip, (world.write("deep/er/a.txt", "three\n"), world.commit("next"))[1]
    wrong = loose.path_of(git_dir, world.git("rev-parse", f"{next_tip}:deep/er/a.txt"))
    wrong.chmod(0o644)
    wrong.write_bytes(loose.path_of(git_dir, blob).read_bytes())
    assert not copy_new(git_dir, target, [next_tip], {next_base}), "another content than its name says"
    assert not [path for path in (target / "objects").rglob("*") if path.is_file()]


def test_trees_that_name_each_other_as_endlessly_many_are_not_followed(world: Playground) -> None:
    base = world.git("rev-parse", "HEAD")
    inner, mode = world.git("rev-parse", "HEAD:README.md"), b"100644"
    for _ in range(8):
        content = b"".join(b"%b %c\0%b" % (mode, name, bytes.fromhex(inner)) for name in b"abcdefghijkl")
        inner = world.git("hash-object", "-w", "-t", "tree", str(world.write("tree", content)))
        mode = b"40000"
    bomb = world.git("commit-tree", inner, "-p", base, "-m", "many")
    assert loose.differing(world.root / ".git", base, bomb) is None


def test_an_index_that_is_not_plain_is_gits_business(world: Playground) -> None:
    git_dir = world.root / ".git"
    plain_names = names_in_index(world)
    assert plain.index(git_dir) == plain_names
    world.git("add", "-N", str(world.write("intended", "x").relative_to(world.root)))
    assert plain.index(git_dir) == names_in_index(world) != plain_names
    world.git("update-index", "--index-version", "4")
    assert plain.index(git_dir) is None
    world.git("update-index", "--index-version", "2")
    world.git("update-index", "--split-index")
    assert plain.index(git_dir) is None
    assert world.repo.tracked() == names_in_index(world)
    world.git("update-index", "--no-split-index")
    content = (git_dir / "index").read_bytes()
    for length in (0, 4, 11, 40, len(content) // 2, len(content) - 21, len(content) - 1):
        (git_dir / "index").write_bytes(content[:length])
        assert plain.index(git_dir) is None, length


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_indexes_and_trees_are_never_an_accident(world: Playground, seed: int) -> None:
    chance, git_dir = random.Random(seed), world.root / ".git"
    content = (git_dir / "index").read_bytes()
    for _ in range(300):
        spoiled = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        (git_dir / "index").write_bytes(spoiled)
        found = plain.index(git_dir)
        assert found is None or all(path and "\0" not in path for path in found)
