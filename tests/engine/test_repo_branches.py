"""The mission's branch, the private clone, and diffs of what was committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.repo.branch import branch_exists, delete_branch, finish, only_here, start_branch
from missions.repo.clone import make_clone, publish
from missions.repo.diff import counts, diff_text, file_diffs
from support.repositories import MISSION, Playground

BRANCH = f"missions/{MISSION}"


@pytest.fixture
def world(tmp_path: Path) -> Playground:
    return Playground(tmp_path)


def test_a_mission_starts_on_its_own_branch_and_dirty_and_staged_files_stay(world: Playground) -> None:
    world.write("README.md", "staged\n")
    world.git("add", "README.md")
    world.write("src/app.py", "dirty\n")
    before = world.git("status", "--porcelain")
    started = start_branch(world.repo, MISSION)
    assert (started.branch, started.came_from.branch) == (BRANCH, "main")
    assert world.git("status", "--porcelain") == before and world.git("branch", "--show-current") == BRANCH
    assert start_branch(world.repo, MISSION, started.came_from) == started


def test_a_mission_starts_from_a_detached_head_and_goes_back_to_it(world: Playground) -> None:
    world.git("checkout", "-q", "--detach")
    started = start_branch(world.repo, MISSION)
    world.write("new.py", "x")
    world.commit("work")
    done = finish(world.repo, BRANCH, started.came_from, merge=True)
    assert done.head.detached and done.head.sha == started.base and done.merge == "detached"
    assert not (world.root / "new.py").exists()


def test_a_branch_of_that_name_with_other_commits_and_an_unfinished_merge_are_refused(
    world: Playground,
) -> None:
    world.git("branch", "missions")
    with pytest.raises(MissionError) as caught:
        start_branch(world.repo, MISSION)
    assert "git branch -m missions" in caught.value.next_step
    world.git("branch", "-m", "missions", BRANCH)
    world.write("x", "x")
    world.commit("x")
    with pytest.raises(MissionError, match="already a branch"):
        start_branch(world.repo, MISSION)
    (world.root / ".git/MERGE_HEAD").write_text(world.git("rev-parse", "HEAD"))
    with pytest.raises(MissionError, match="merge"):
        start_branch(world.repo, MISSION)


def test_finish_goes_back_and_fast_forwards_only_if_it_can(world: Playground) -> None:
    started = start_branch(world.repo, MISSION)
    world.write("new.py", "x")
    tip = world.commit("work")
    world.write("README.md", "not committed\n")
    with pytest.raises(MissionError) as caught:
        finish(world.repo, BRANCH, started.came_from)
    assert caught.value.code == "dirty_worktree" and caught.value.data["paths"] == ["README.md"]
    done = finish(world.repo, BRANCH, started.came_from, dirty_at_start=["README.md"])
    assert (done.head.branch, done.head.sha, done.merge) == ("main", started.base, "not_asked")
    assert (world.root / "README.md").read_text() == "not committed\n"
    world.git("checkout", "-q", "--", "README.md")
    world.git("checkout", "-q", BRANCH)
    done = finish(world.repo, BRANCH, started.came_from, merge=True)
    assert (done.merge, world.git("rev-parse", "main"), world.git("status", "--porcelain")) == (
        "fast_forwarded",
        tip,
        "",
    )
    world.git("checkout", "-q", BRANCH)
    world.git(
        "update-ref",
        "refs/heads/main",
        world.git("commit-tree", "-m", "other", "-p", started.base, "main^{tree}"),
    )
    assert finish(world.repo, BRANCH, started.came_from, merge=True).merge == "diverged"


def test_a_branch_is_deleted_only_when_its_commits_are_elsewhere(world: Playground) -> None:
    start_branch(world.repo, MISSION)
    world.write("new.py", "x")
    tip = world.commit("work")
    with pytest.raises(MissionError, match="checked out"):
        delete_branch(world.repo, BRANCH)
    world.git("checkout", "-q", "main")
    assert [commit.sha for commit in only_here(world.repo, BRANCH)] == [tip]
    with pytest.raises(MissionError) as caught:
        delete_branch(world.repo, BRANCH)
    assert caught.value.code == "confirmation_needed"
    delete_branch(world.repo, BRANCH, force=True)
    assert not branch_exists(world.repo, BRANCH)


def test_a_private_clone_takes_no_settings_and_its_commits_come_back(world: Playground) -> None:
    world.git("tag", "v1")
    world.git("branch", "side")
    world.git("config", "core.pager", "evil")
    world.write(".env", "TOKEN=1\n")
    world.write("local/settings [1]", "x")
    world.write("README.md", "the user's edit\n")
    target = world.folder / "mission/git/tree"
    clone = make_clone(world.repo, target, MISSION, [".env", "local/"])
    assert (target / "README.md").read_text() == "hello\n" and (target / "local/settings [1]").exists()
    assert world.git("status", "--porcelain", cwd=target) == ""
    assert "evil" not in (target / ".git/config").read_text() and not (target / ".git/hooks").exists()
    assert world.git("for-each-ref", "--format=%(refname)", cwd=target).split() == [
        f"refs/heads/{BRANCH}",
        "refs/remotes/origin/main",
        "refs/remotes/origin/side",
        "refs/tags/v1",
    ]
    (target / "work.py").write_text("x")
    world.git("add", "-A", cwd=target)
    world.git("commit", "-q", "-m", "one", cwd=target)
    first = publish(clone, world.repo, MISSION, None)
    assert world.git("rev-parse", BRANCH) == first and publish(clone, world.repo, MISSION, first) == first
    world.git("commit", "-q", "--allow-empty", "-m", "two", cwd=target)
    second = publish(clone, world.repo, MISSION, first)
    assert (
        world.git("rev-parse", f"{BRANCH}~1") == first
        and (world.root / "README.md").read_text() == "the user's edit\n"
    )
    assert make_clone(world.repo, target, MISSION).head().sha == second
    world.git("fsck", "--strict")


def test_a_published_branch_that_the_user_moved_or_uses_is_left_alone(world: Playground) -> None:
    target = world.folder / "mission/git/tree"
    clone = make_clone(world.repo, target, MISSION)
    first = publish(clone, world.repo, MISSION, None)
    world.git("commit", "-q", "--allow-empty", "-m", "one", cwd=target)
    world.git("checkout", "-q", BRANCH)
    with pytest.raises(MissionError, match="checked out"):
        publish(clone, world.repo, MISSION, first)
    moved = world.git("commit-tree", "-m", "x", "-p", first, "HEAD^{tree}")
    world.git("checkout", "-q", "main")
    world.git("update-ref", f"refs/heads/{BRANCH}", moved)
    with pytest.raises(MissionError) as caught:
        publish(clone, world.repo, MISSION, first)
    assert caught.value.code == "repository_changed" and world.git("rev-parse", BRANCH) == moved


def test_a_copied_path_must_exist_inside_the_repository(world: Playground, tmp_path: Path) -> None:
    for number, path in enumerate(["missing", "../x", ".git/config"]):
        with pytest.raises(MissionError):
            make_clone(world.repo, tmp_path / f"tree{number}", MISSION, [path])
    (world.root / "away").symlink_to("/etc")
    with pytest.raises(MissionError, match="symbolic link"):
        make_clone(world.repo, tmp_path / "tree", MISSION, ["away/passwd"])


def test_a_diff_has_hunks_counts_and_both_names_of_a_rename(world: Playground) -> None:
    lines = [f"line {number}\n" for number in range(40)]
    world.write("old näme.py", "".join(lines))
    world.write("image", b"\0\1")
    world.write("link", "text\n")
    world.write("tricky", "-- a\ndiff --git a/x b/x\nend\n")
    base = world.commit("base")
    lines[2], lines[35] = "changed\n", "also\n"
    world.git("mv", "old näme.py", "new.py")
    world.write("new.py", "".join(lines))
    world.write("image", b"\0\2")
    (world.root / "link").unlink()
    (world.root / "link").symlink_to("README.md")
    world.write("tricky", "end")
    tip = world.commit("tip")
    found = {diff.change.paths: diff for diff in file_diffs(world.repo, base, tip)}
    renamed = found[("old näme.py", "new.py")]
    assert [(hunk.old_start, hunk.new_start) for hunk in renamed.hunks] == [(1, 1), (33, 33)]
    assert "+changed" in renamed.hunks[0].lines and found[("image",)].binary
    assert found[("tricky",)].hunks[0].lines == (
        "--- a",
        "-diff --git a/x b/x",
        "-end",
        "+end",
        "\\ No newline at end of file",
    )
    assert len(found[("link",)].hunks) == 2
    by_path = {count.path: count for count in counts(world.repo, base, tip)}
    assert (by_path["new.py"].old_path, by_path["new.py"].added, by_path["new.py"].removed) == (
        "old näme.py",
        2,
        2,
    )
    assert by_path["image"].added is None
    whole = diff_text(world.repo, base, tip)
    assert not whole.truncated and "rename to new.py" in whole.text
    short = diff_text(world.repo, base, tip, limit=100)
    assert short.truncated and short.size == whole.size and whole.text.startswith(short.text)
    assert "tricky" not in diff_text(world.repo, base, tip, ["new.py"]).text
