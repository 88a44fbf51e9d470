"""Files come back from snapshots, the user's own edits are named first, and a destroyed .git is built again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from missions.control.restore import list_snapshots, restore
from missions.model.errors import MissionError
from missions.store.mission_log import MissionLog
from support.mission_with_snapshots import RUN, WHO, World

START, END = f"{RUN}/start", f"{RUN}/end"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_everything_comes_back_and_the_way_back_is_a_snapshot(world: World) -> None:
    before = world.ground.contents()
    world.snap()
    world.ground.write("README.md", "what a run wrote\n")
    world.ground.write("new.txt", "new\n")
    (world.ground.root / "src" / "app.py").unlink()
    after = world.ground.contents()
    world.snap(END)

    result = restore(world.store, world.mission_id, START)

    assert world.ground.contents() == before
    assert set(result.written) == {"README.md", "src/app.py"}
    assert result.removed == ("new.txt",)
    assert result.replaced == ()
    assert result.safety is not None
    restore(world.store, world.mission_id, result.safety)
    assert world.ground.contents() == after


def test_one_path_comes_back_and_nothing_else_is_touched(world: World) -> None:
    world.snap()
    world.ground.write("README.md", "lost\n")
    world.ground.write("src/app.py", "broken\n")
    world.snap(END)

    result = restore(world.store, world.mission_id, START, ["src"])

    assert result.written == ("src/app.py",)
    assert world.ground.contents()["README.md"] == b"lost\n"
    assert world.ground.contents()["src/app.py"] == b"print('one')\n"


def test_an_absolute_path_inside_the_repository_is_understood(world: World) -> None:
    world.snap()
    (world.ground.root / "README.md").unlink()
    result = restore(world.store, world.mission_id, paths=[str(world.ground.root / "README.md")])
    assert result.written == ("README.md",)


@pytest.mark.parametrize("path", ["../outside", "/elsewhere/file", ".git/config", "src/../../x"])
def test_a_path_outside_the_repository_is_refused(world: World, path: str) -> None:
    world.snap()
    with pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id, paths=[path])
    assert refused.value.code == "bad_argument"


def test_newer_edits_are_named_before_they_are_replaced(world: World) -> None:
    world.snap()
    world.ground.write("README.md", "my own words\n")
    world.ground.write("mine.txt", "mine\n")

    with pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id, START)
    assert refused.value.code == "confirmation_needed"
    assert refused.value.data["paths"] == ["README.md", "mine.txt"]
    assert "README.md" in refused.value.message
    assert world.ground.contents()["README.md"] == b"my own words\n"
    assert [line.name for line in list_snapshots(world.store, world.mission_id)] == [START]

    result = restore(world.store, world.mission_id, START, confirmed=True)
    assert result.replaced == ("README.md", "mine.txt")
    assert world.ground.contents()["README.md"] == b"hello\n"
    restore(world.store, world.mission_id, result.safety, ["README.md"])
    assert world.ground.contents()["README.md"] == b"my own words\n"


def test_ignored_files_come_back_and_edits_in_them_are_named(world: World) -> None:
    world.ground.write(".gitignore", ".env\n")
    world.ground.commit("ignore")
    secret = world.ground.write(".env", "KEY=one\n")
    secret.chmod(0o600)
    world.snap()
    secret.write_text("KEY=two\n")

    with pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id, START)
    assert refused.value.data["paths"] == [".env"]

    secret.unlink()
    restore(world.store, world.mission_id, START)
    assert secret.read_text() == "KEY=one\n"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_what_is_committed_is_replaced_without_a_question(world: World) -> None:
    world.snap()
    world.ground.write("README.md", "committed words\n")
    world.ground.commit("words")
    result = restore(world.store, world.mission_id, START)
    assert result.written == ("README.md",)
    assert world.ground.git("log", "-1", "--format=%s") == "words"
    assert result.head != result.snapshot_head


def test_a_destroyed_git_directory_is_built_again(world: World) -> None:
    world.ground.write("README.md", "second\n")
    tip = world.ground.commit("second")
    world.ground.git("branch", "side")
    before = world.ground.contents()
    world.snap()
    shutil.rmtree(world.ground.root / ".git")
    (world.ground.root / "README.md").unlink()

    result = restore(world.store, world.mission_id)

    assert result.recovered
    assert world.ground.contents() == before
    assert world.ground.git("rev-parse", "HEAD", "side").split() == [tip, tip]
    assert world.ground.git("status", "--porcelain") == ""
    world.ground.git("fsck", "--strict")


def test_a_whole_checkout_that_was_removed_comes_back(world: World) -> None:
    before = world.ground.contents()
    world.snap()
    shutil.rmtree(world.ground.root)
    assert restore(world.store, world.mission_id).recovered
    assert world.ground.contents() == before
    world.ground.git("fsck")


def test_lost_objects_come_back(world: World) -> None:
    world.snap()
    for folder in (world.ground.root / ".git" / "objects").iterdir():
        shutil.rmtree(folder)
    assert restore(world.store, world.mission_id).recovered
    world.ground.git("fsck")


def test_a_mission_in_a_subfolder_restores_the_repository_at_its_own_place(tmp_path: Path) -> None:
    world = World(tmp_path, cwd="src")
    world.snap()
    shutil.rmtree(world.ground.root / ".git")
    result = restore(world.store, world.mission_id)
    assert result.root == os.path.realpath(world.ground.root)
    assert not (world.ground.root / "src" / ".git").exists()
    world.ground.git("fsck")


def test_a_repository_inside_another_is_not_mistaken_for_the_outer_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.snap()
    world.ground.git("init", "-q", cwd=tmp_path)
    shutil.rmtree(world.ground.root / ".git")
    result = restore(world.store, world.mission_id)
    assert result.root == os.path.realpath(world.ground.root)
    assert result.recovered


def test_a_repository_that_was_moved_away_is_not_taken_for_the_one_above(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.ground.contents()
    world.snap()
    above = dict.fromkeys(("README.md", "src/app.py", "more.txt"), "of another project\n")
    for name, content in above.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    world.ground.git("init", "-q", cwd=tmp_path)
    world.ground.git("add", *above, cwd=tmp_path)
    world.ground.git("commit", "-q", "-m", "another project", cwd=tmp_path)
    world.ground.root.rename(tmp_path / "moved")

    result = restore(world.store, world.mission_id, confirmed=True)

    assert {name: (tmp_path / name).read_text() for name in above} == above
    assert result.root == os.path.realpath(world.ground.root)
    assert world.ground.contents() == before


def test_another_project_at_the_place_of_the_repository_is_left_alone(world: World) -> None:
    world.snap()
    shutil.rmtree(world.ground.root)
    world.ground.root.mkdir()
    world.ground.git("init", "-q", "-b", "main")
    world.ground.write("README.md", "of another project\n")
    world.ground.write("more.txt", "more\n")
    world.ground.commit("another project")
    before = world.ground.contents()
    with pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id, confirmed=True)
    assert refused.value.code == "repository_changed"
    assert world.ground.contents() == before
    assert world.ground.git("status", "--porcelain") == ""


def test_nothing_is_restored_while_a_runner_holds_the_mission(world: World) -> None:
    world.snap()
    world.ground.write("README.md", "in work\n")
    with MissionLog.acquire(world.store, world.mission_id, WHO), pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id, START, confirmed=True)
    assert refused.value.code == "locked"
    assert world.ground.contents()["README.md"] == b"in work\n"


def test_nothing_is_restored_while_another_mission_holds_the_repository(world: World) -> None:
    world.snap()
    with world.ground.repo.lock("mission-other"), pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id, START)
    assert refused.value.code == "locked"


def test_a_restore_that_changes_nothing_leaves_no_snapshot(world: World) -> None:
    world.snap()
    result = restore(world.store, world.mission_id)
    assert (result.written, result.removed, result.safety) == ((), (), None)
    assert [line.name for line in list_snapshots(world.store, world.mission_id)] == [START]


def test_unknown_snapshots_paths_and_missions_are_not_found(world: World) -> None:
    world.snap()
    for arguments in (
        (world.mission_id, "no/such"),
        (world.mission_id, START, ["nothing.txt"]),
        ("mission-x",),
    ):
        with pytest.raises(MissionError) as refused:
            restore(world.store, *arguments)
        assert refused.value.code == "not_found"


def test_a_mission_without_snapshots_says_so(world: World) -> None:
    assert list_snapshots(world.store, world.mission_id) == []
    with pytest.raises(MissionError) as refused:
        restore(world.store, world.mission_id)
    assert refused.value.code == "not_found"


def test_the_newest_snapshot_is_the_default_and_restores_are_recorded(world: World) -> None:
    world.snap()
    world.ground.write("README.md", "later\n")
    world.snap(END)
    (world.ground.root / "README.md").unlink()
    assert restore(world.store, world.mission_id).snapshot == END
    assert world.ground.contents()["README.md"] == b"later\n"
    assert '"type":"repository_restored"' in world.directory.journal.read_text()
