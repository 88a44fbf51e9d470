"""Surveys: what is remembered of a work tree is always what git says of it now, and an unchanged one is not asked again."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from missions import failpoints
from missions.repo import commits, loose, plain
from missions.repo.repository import Head
from missions.repo.shadow import Shadow
from missions.repo.snapshot import find_snapshot, take
from missions.repo.survey import Surveyor
from missions.repo.tree import capture
from support.repositories import MISSION, Playground
from support.waiting import until


@pytest.fixture
def world(tmp_path: Path) -> Playground:
    world = Playground(tmp_path)
    world.write(".gitignore", "build/\n*.log\n")
    world.write("build/kept.txt", "tracked although ignored\n")
    world.write("notes.txt", "one\r\ntwo\r\n")
    world.git("add", "-f", "build/kept.txt")
    world.commit("more")
    world.write("build/out.bin", b"\0\1")
    world.write("run.log", "x\n")
    return world


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """The git processes since it was called last."""
    trace = tmp_path / "trace"
    trace.touch()
    monkeypatch.setenv("MISSIONS_FAILPOINT_TRACE", str(trace))
    failpoints.reload()
    seen = 0

    def since() -> list[str]:
        nonlocal seen
        names = trace.read_text().split()
        found, seen = names[seen:], len(names)
        return [name for name in found if name.startswith("repo.git.")]

    yield since
    monkeypatch.delenv("MISSIONS_FAILPOINT_TRACE")
    failpoints.reload()


def agrees(world: Playground, surveyor: Surveyor) -> None:
    """What the surveyor says is what somebody says who never looked before."""
    found = surveyor.survey()
    other = Shadow(world.root, world.folder / "other.git")
    shutil.rmtree(other.path, ignore_errors=True)
    assert found.state == capture(world.repo, other)
    assert set(found.changes) == set(world.repo.status())
    assert set(found.ignored) == set(world.repo.status_and_ignored()[1])


def quiet(surveyor: Surveyor, asked: Callable[[], list[str]]) -> None:
    """Survey until nothing is asked any more: files that were changed this very moment are not believed yet."""

    def nothing() -> bool:
        asked()
        surveyor.survey()
        return not asked()

    until(nothing, 10)


def amended(world: Playground) -> None:
    world.git("commit", "-q", "--amend", "-m", "other words")


def nested(world: Playground) -> None:
    world.git("init", "-q", str(world.root / "inner"))


def swapped(world: Playground) -> None:
    shutil.rmtree(world.root / "src")
    (world.root / "src").symlink_to("build")


def replaced_in_place(world: Playground) -> None:
    """As an archive unpacks: another content of the same length with the old time."""
    path = world.root / "src/app.py"
    before = path.stat()
    path.write_text("print('two')\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Playground], object]] = {
    "edited": lambda w: w.write("src/app.py", "print('two')\n"),
    "edited, same length and time": replaced_in_place,
    "added": lambda w: w.write("src/new.py", ""),
    "added in a new folder": lambda w: w.write("deep/er/new.py", ""),
    "removed": lambda w: (w.root / "src/app.py").unlink(),
    "renamed": lambda w: (w.root / "src/app.py").rename(w.root / "src/main.py"),
    "made a program": lambda w: (w.root / "src/app.py").chmod(0o755),
    "tracked in an ignored folder": lambda w: w.write("build/kept.txt", "changed\n"),
    "removed with its ignored folder": lambda w: shutil.rmtree(w.root / "build"),
    "staged": lambda w: (w.write("src/app.py", "print('two')\n"), w.git("add", "-A")),
    "taken from the index": lambda w: w.git("rm", "-q", "--cached", "src/app.py"),
    "committed": lambda w: (w.write("src/app.py", "print('two')\n"), w.commit("changed")),
    "amended": amended,
    "reset": lambda w: w.git("reset", "-q", "HEAD~1"),
    "another branch": lambda w: w.git("checkout", "-q", "-b", "other"),
    "detached": lambda w: w.git("checkout", "-q", "--detach"),
    "no longer ignored": lambda w: w.write(".gitignore", "*.log\n"),
    "ignored by now": lambda w: (w.write("cache/x", ""), w.write(".gitignore", "build/\n*.log\ncache/\n")),
    "ignored in the repository": lambda w: (w.write("own/x", ""), w.write(".git/info/exclude", "own/\n")),
    "a link in place of a folder": swapped,
    "a folder in place of a file": lambda w: ((w.root / "notes.txt").unlink(), w.write("notes.txt/a", "a\n")),
    "a repository inside": nested,
    "line endings": lambda w: (
        w.git("config", "core.autocrlf", "input"),
        w.write("notes.txt", "one\ntwo\n"),
    ),
    "hidden from git": lambda w: (
        w.git("update-index", "--assume-unchanged", "src/app.py"),
        w.write("src/app.py", "print('two')\n"),
    ),
    "packed": lambda w: (w.git("gc", "-q"), w.write("src/app.py", "print('two')\n")),
    "a pipe": lambda w: os.mkfifo(w.root / "pipe"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_at_once(world: Playground, asked: Callable[[], list[str]], change: str) -> None:
    surveyor = Surveyor(world.repo, world.shadow)
    quiet(surveyor, asked)
    agrees(world, surveyor)
    CHANGES[change](world)
    agrees(world, surveyor)
    agrees(world, surveyor)


def test_what_did_not_change_costs_no_git_process(world: Playground, asked: Callable[[], list[str]]) -> None:
    surveyor = Surveyor(world.repo, world.shadow)
    quiet(surveyor, asked)
    first = surveyor.survey()
    world.write("build/out.bin", b"\2\3")  # git ignores it
    assert surveyor.survey() is first
    assert asked() == []


@pytest.mark.parametrize("seed", range(3))
def test_changes_in_any_order_are_seen(tmp_path: Path, seed: int) -> None:
    """Many changes within the same ticks of the clock, with surveys in between at random."""
    chance = random.Random(seed)
    world = Playground(tmp_path)
    world.write(".gitignore", "ignored/\n")
    world.commit("rules")
    surveyor, names = Surveyor(world.repo, world.shadow), ["a", "b", "d/a", "d/b", "ignored/a"]

    def written() -> None:
        world.write(chance.choice(names), chance.choice("xyz"))

    def removed() -> None:
        (world.root / chance.choice(names)).unlink(missing_ok=True)

    def staged() -> None:
        world.git("add", "-A")

    def forced() -> None:
        world.git("add", "-A", "-f")

    def committed() -> None:
        world.git("commit", "-q", "--allow-empty", "-a", "-m", "step")

    for _ in range(40):
        chance.choice((written, written, written, removed, staged, forced, committed))()
        if chance.random() < 0.6:
            agrees(world, surveyor)
        elif chance.random() < 0.5:
            surveyor.survey()


def test_a_snapshot_of_a_known_tree_reads_nothing_twice(
    world: Playground, asked: Callable[[], list[str]]
) -> None:
    repo, shadow = world.repo, world.shadow
    surveyor = Surveyor(repo, shadow)
    quiet(surveyor, asked)
    # Twice, because the first one also learns what the shadow holds.
    for name in ("one", "two"):
        take(repo, shadow, MISSION, name, 7, survey=surveyor.survey())
    asked()
    taken = take(repo, shadow, MISSION, "three", 8, survey=surveyor.survey())
    assert asked() == ["repo.git.fast-import"]
    assert find_snapshot(shadow, MISSION, "three") == taken
    assert find_snapshot(Shadow(world.root, shadow.path), MISSION, "three") == taken
    world.git("fsck", "--strict", cwd=shadow.path)


def test_the_same_name_again_replaces_a_snapshot(world: Playground) -> None:
    repo, shadow = world.repo, world.shadow
    take(repo, shadow, MISSION, "run/start", 7)
    world.write("src/app.py", "print('two')\n")
    again = take(repo, shadow, MISSION, "run/start", 9)
    assert find_snapshot(shadow, MISSION, "run/start") == again
    assert again.taken_at == 9


@pytest.mark.parametrize("name", ['quo"ted', "back\\slash", "new\nline", "ünïcode", "space in it"])
def test_names_of_git_files_are_kept_as_they_are(world: Playground, name: str) -> None:
    world.write(f".git/hooks/{name}", "#!/bin/sh\n").chmod(0o755)
    taken = take(world.repo, world.shadow, MISSION, "one", 7)
    listing = world.git("ls-tree", "-r", "-z", taken.history.files, cwd=world.shadow.path)
    entry = [line for line in listing.split("\0") if line.endswith(f"\tcommon/hooks/{name}")]
    # git's own list of files, which the shadow is given, has one name a line.
    assert len(entry) == (0 if "\n" in name else 1)
    assert all(line.startswith("100755 ") for line in entry)


def test_head_and_commits_are_read_from_their_files_only_where_these_are_plain(world: Playground) -> None:
    repo = world.repo
    tip, base = world.git("rev-parse", "HEAD"), world.git("rev-parse", "HEAD~1")
    assert plain.head(repo.git_dir, repo.common_dir) == (tip, "main")
    assert loose.chain(repo.common_dir, base, tip) == [tip]
    assert plain.refs(repo.git_dir, repo.common_dir) == {"refs/heads/main": tip}
    # A commit whose content was exchanged is none.
    objects = repo.common_dir / "objects"
    path, other = (objects / sha[:2] / sha[2:] for sha in (tip, base))
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(other.read_bytes())
    assert loose.commit(repo.common_dir, tip) is None
    path.write_bytes(content)
    # Packed, it is git's business, and the answers are the same.
    world.git("branch", "topic", base)
    world.git("tag", "-a", "-m", "v1", "v1")
    world.git("update-ref", "refs/remotes/origin/main", base)
    world.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    listed = [line.split(" ", 1) for line in world.git("show-ref").splitlines()]
    assert plain.refs(repo.git_dir, repo.common_dir) == {name: sha for sha, name in listed}
    world.git("gc", "-q")
    assert plain.refs(repo.git_dir, repo.common_dir) == {name: sha for sha, name in listed}
    assert plain.head(repo.git_dir, repo.common_dir) is None
    assert repo.head() == Head(tip, "main")
    assert [commit.sha for commit in commits.between(repo, base, tip)] == [tip]
    assert commits.is_ancestor(repo, base, tip)
    assert not commits.is_ancestor(repo, tip, base)


@pytest.mark.parametrize(
    "content",
    ["ref: refs/heads/../../config\n", "ref: refs/heads/a\0b\n", "ref: refs/remotes/x\n", "", "\xff"],
)
def test_an_odd_head_is_gits_business(world: Playground, content: str) -> None:
    world.write(".git/HEAD", content)
    assert plain.head(world.root / ".git", world.root / ".git") is None
