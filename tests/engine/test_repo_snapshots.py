"""Snapshots and what they bring back: files, ignored files, the branch and index, a destroyed git directory."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.repo.repository import Repository
from missions.repo.restore import recover_repository, restore, restore_position
from missions.repo.shadow import Shadow
from missions.repo.snapshot import drop, find_snapshot, list_snapshots, take
from missions.repo.tree import capture
from support.repositories import MISSION, Playground


@pytest.fixture
def world(tmp_path: Path) -> Playground:
    world = Playground(tmp_path)
    world.write(".gitignore", ".env\nbuild/\n")
    world.write("crlf.txt", "one\r\ntwo\r\n")
    world.write("tool.sh", "#!/bin/sh\n").chmod(0o755)
    world.commit("more")
    world.write(".env", "TOKEN=1\n").chmod(0o600)
    world.write("build/out.bin", b"\0\1\2")
    world.write("untracked\n-name", "kept")
    (world.root / "link").symlink_to("README.md")
    world.write("README.md", "dirty before\n")
    return world


def test_a_shadow_that_was_only_half_made_is_made_again(world: Playground) -> None:
    """A git that is killed in `init`, or finds no room, leaves HEAD and no place for objects."""
    shadow = world.shadow
    for half in (shadow.path, shadow.path.with_name(shadow.path.name + ".making")):
        half.mkdir(parents=True)
        (half / "HEAD").write_text("ref: refs/heads/main\n")
    taken = take(world.repo, shadow, MISSION, "one", 7)
    assert find_snapshot(shadow, MISSION, "one") == taken
    assert [path.name for path in shadow.path.parent.iterdir()] == [shadow.path.name]


def wreck(world: Playground) -> None:
    for name in ("README.md", ".env", "untracked\n-name", "link", "tool.sh"):
        (world.root / name).unlink()
    shutil.rmtree(world.root / "build")
    world.write("crlf.txt", "one\ntwo\n")
    world.write("junk/file", "new")
    shutil.rmtree(world.root / "src")
    (world.root / "src").symlink_to("/")


def test_a_restore_is_identical_to_the_byte(world: Playground) -> None:
    world.git("config", "core.autocrlf", "true")
    before = world.contents()
    taken = take(world.repo, world.shadow, MISSION, "run-1", 1_790_000_000)
    wreck(world)
    done = restore(world.repo, world.shadow, taken)
    assert world.contents() == before
    assert "junk/file" in done.removed and not (world.root / "junk").exists()
    assert os.access(world.root / "tool.sh", os.X_OK)
    assert stat.S_IMODE((world.root / ".env").stat().st_mode) == 0o600


def test_taking_a_snapshot_leaves_no_trace_in_the_users_repository(world: Playground) -> None:
    world.git("add", "README.md")
    git_dir = world.root / ".git"
    before = {path: path.read_bytes() for path in git_dir.rglob("*") if path.is_file()}
    take(world.repo, world.shadow, MISSION, "run-1", 1_790_000_000)
    assert {path: path.read_bytes() for path in git_dir.rglob("*") if path.is_file()} == before


def test_some_paths_can_be_restored_alone(world: Playground) -> None:
    taken = take(world.repo, world.shadow, MISSION, "run-1", 1)
    world.write("README.md", "a\n")
    world.write("src/app.py", "b\n")
    world.write("src/new.py", "c\n")
    assert restore(world.repo, world.shadow, taken, ["src"]).written == ("src/app.py",)
    assert (world.root / "README.md").read_text() == "a\n" and not (world.root / "src/new.py").exists()
    with pytest.raises(MissionError):
        restore(world.repo, world.shadow, taken, ["../outside"])


def test_ignored_files_beyond_the_limit_are_named_not_taken(world: Playground) -> None:
    world.write("build/large", b"x" * 2000)
    taken = take(world.repo, world.shadow, MISSION, "run-1", 1, ignored_limit=1000)
    assert taken.left_out == ("build",)
    (world.root / ".env").unlink()
    restore(world.repo, world.shadow, taken)
    assert (world.root / ".env").exists()


def test_snapshots_are_listed_replaced_and_dropped(world: Playground) -> None:
    assert list_snapshots(world.shadow, MISSION) == []
    take(world.repo, world.shadow, MISSION, "b", 20)
    take(world.repo, world.shadow, MISSION, "a", 30)
    taken = take(world.repo, world.shadow, MISSION, "b", 40)
    assert [(found.name, found.taken_at) for found in list_snapshots(world.shadow, MISSION)] == [
        ("a", 30),
        ("b", 40),
    ]
    assert find_snapshot(world.shadow, MISSION, "b") == taken
    drop(world.shadow, MISSION, "b")
    drop(world.shadow, MISSION, "b")
    with pytest.raises(MissionError) as caught:
        find_snapshot(world.shadow, MISSION, "b")
    assert caught.value.code == "not_found"


def test_everything_comes_back_after_the_git_directory_was_removed(world: Playground) -> None:
    world.git("stash", "push", "-q", "-m", "precious")
    world.git("stash", "apply", "-q")
    world.git("tag", "v1")
    world.git("branch", "side", "HEAD~1")
    world.git("config", "remote.origin.url", "somewhere")
    world.write("staged.txt", "only in the index\n")
    world.git("add", "staged.txt")
    refs, status, before = world.git("show-ref"), world.git("status", "--porcelain"), world.contents()
    taken = take(world.repo, world.shadow, MISSION, "run-1", 1)
    wreck(world)
    shutil.rmtree(world.root / ".git")
    with pytest.raises(MissionError):
        Repository.find(world.root)
    repo = recover_repository(world.root, world.shadow, taken)
    restore(repo, world.shadow, taken)
    assert (world.git("show-ref"), world.git("status", "--porcelain"), world.contents()) == (
        refs,
        status,
        before,
    )
    assert (
        "precious" in world.git("stash", "list") and world.git("config", "remote.origin.url") == "somewhere"
    )
    world.git("fsck", "--strict")


def test_deleted_branches_and_objects_come_back(world: Playground) -> None:
    tip = world.git("rev-parse", "HEAD")
    world.git("branch", "side")
    taken = take(world.repo, world.shadow, MISSION, "run-1", 1)
    world.git("update-ref", "-d", "refs/heads/side")
    world.git("update-ref", "-d", "refs/heads/main")
    shutil.rmtree(world.root / ".git" / "objects")
    (world.root / ".git" / "HEAD").unlink()
    recover_repository(world.root, world.shadow, taken)
    assert world.git("rev-parse", "side", "HEAD") == f"{tip}\n{tip}"
    world.git("fsck")


def test_later_snapshots_bring_along_new_history(world: Playground) -> None:
    take(world.repo, world.shadow, MISSION, "run-1", 1)
    world.commit("second")
    world.git("commit", "-q", "--amend", "-m", "amended")
    taken = take(world.repo, world.shadow, MISSION, "run-2", 2)
    tip, log = world.git("rev-parse", "HEAD"), world.git("reflog")
    shutil.rmtree(world.root / ".git")
    recover_repository(world.root, world.shadow, taken)
    assert (world.git("rev-parse", "HEAD"), world.git("reflog")) == (tip, log)
    world.git("fsck")


def test_the_branch_and_the_index_go_back_to_the_start_of_the_run(world: Playground) -> None:
    world.git("add", "README.md")
    start, status = world.git("rev-parse", "HEAD"), world.git("status", "--porcelain")
    taken = take(world.repo, world.shadow, MISSION, "run-1", 1)
    world.write("work.py", "half done\n")
    tip = world.commit("half done")
    with pytest.raises(MissionError) as caught:
        restore_position(world.repo, world.shadow, taken, start[:-1] + ("0" if start[-1] != "0" else "1"))
    assert caught.value.code == "repository_changed"
    restore_position(world.repo, world.shadow, taken, tip)
    restore(world.repo, world.shadow, taken)
    assert (world.git("rev-parse", "HEAD"), world.git("status", "--porcelain")) == (start, status)


def test_a_shallow_and_a_sha256_repository_come_back_too(world: Playground, tmp_path: Path) -> None:
    world.git("clone", "-q", "--depth=1", f"file://{world.root}", str(tmp_path / "shallow"))
    world.git("init", "-q", "--object-format=sha256", str(tmp_path / "long"))
    (tmp_path / "long" / "file").write_text("x")
    world.git("add", "-A", cwd=tmp_path / "long")
    world.git("commit", "-q", "-m", "x", cwd=tmp_path / "long")
    for name in ("shallow", "long"):
        root = tmp_path / name
        repo, shadow = Repository.find(root), Shadow(root, tmp_path / f"{name}.git")
        taken, head = take(repo, shadow, MISSION, "run-1", 1), repo.head()
        shutil.rmtree(root / ".git")
        back = recover_repository(root, shadow, taken)
        assert back.head() == head and back.status() == []
        world.git("fsck", cwd=root)


def test_a_linked_work_tree_gets_its_pointer_back(world: Playground, tmp_path: Path) -> None:
    world.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    repo, shadow = Repository.find(tmp_path / "side"), Shadow(tmp_path / "side", tmp_path / "side.git")
    taken = take(repo, shadow, MISSION, "run-1", 1)
    (tmp_path / "side" / ".git").unlink()
    assert recover_repository(tmp_path / "side", shadow, taken).head().branch == "side"


def test_a_lock_that_a_killed_git_left_in_the_shadow_does_not_stop_the_next_snapshot(
    world: Playground,
) -> None:
    shadow = world.shadow
    capture(world.repo, shadow)
    lock = shadow.index("state").with_name("state.index.lock")
    lock.write_bytes(b"")
    os.utime(lock, (1, 1))
    world.write("more.txt", "x")
    taken = take(world.repo, shadow, MISSION, "run-1", 1)
    assert taken.name == "run-1" and not lock.exists()
