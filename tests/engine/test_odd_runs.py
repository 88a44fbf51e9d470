"""Honest work of unusual shape is accepted, and what the user does meanwhile is noticed and left alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from missions.store.inbox import By, Request, submit
from support.liars import CHECK, Ground, bash, commit_all, handoff, script, small_plan, work, write

_HONEST: dict[str, tuple[list[str], list[str]]] = {
    "rename": (["git mv src/app.py src/main.py"], ["src/app.py", "src/main.py"]),
    "executable bit": (["chmod +x src/app.py"], ["src/app.py"]),
    "deleted file": (["git rm -q src/app.py"], ["src/app.py"]),
    "non-ASCII name": (["mkdir -p work && echo eins > 'work/grüße 世界.txt'"], ["work/grüße 世界.txt"]),
    "odd names": (
        [
            "mkdir -p work && echo 1 > 'work/with space.txt' && echo 2 > 'work/quo\"te.txt' && echo 3 > 'work/-dash'"
        ],
        ["work/with space.txt", 'work/quo"te.txt', "work/-dash"],
    ),
    "line endings": (["printf 'a\\r\\nb\\r\\n' > crlf.txt"], ["crlf.txt"]),
    "binary file": (["head -c 5000 /dev/urandom > blob.bin"], ["blob.bin"]),
    "large file": (["head -c 20000000 /dev/zero > large.bin"], ["large.bin"]),
    "symbolic link": (["ln -s README.md link && ln -s missing broken"], ["link", "broken"]),
    "empty file": (["touch empty.txt"], ["empty.txt"]),
    "ignored outputs and caches": (
        [
            "mkdir -p build __pycache__ && echo o > build/out.o && echo c > __pycache__/a.pyc && echo l > a.log && echo 1 > one.txt"
        ],
        ["one.txt"],
    ),
    "file becomes folder": (
        ["rm README.md && mkdir README.md && echo 1 > README.md/one && true"],
        ["README.md", "README.md/one"],
    ),
}


@pytest.mark.parametrize("shape", _HONEST)
async def test_an_honest_change_of_unusual_shape_is_accepted(shape: str, tmp_path: Path) -> None:
    commands, files = _HONEST[shape]
    ground = Ground(tmp_path, small_plan(checks=["test -e README.md"]))
    rule = script(
        "F1",
        [bash(command) for command in commands],
        [bash("test -e README.md")],
        [bash("git add -A . ':(exclude)__pycache__' && git commit -q -m F1 && git rev-parse HEAD")],
        [handoff("F1", files)],
    )
    result = await ground.run(ground.playbook(rule))
    assert (result.exit_code, ground.message()) == (0, "")
    done = ground.mission.feature("F1")
    assert done.commit == ground.user.git("rev-parse", "HEAD")


@pytest.mark.parametrize("autocrlf", ["true", "input", "false"])
async def test_line_endings_that_git_converts_are_no_changes(autocrlf: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.user.git("config", "core.autocrlf", autocrlf)
    ground.user.write("dos.txt", "a\r\nb\r\n")
    ground.user.commit("dos")
    rule = work("F1", ["dos.txt"], "printf 'c\\r\\n' >> dos.txt")
    result = await ground.run(ground.playbook(rule))
    assert (result.exit_code, ground.message()) == (0, "")


async def test_two_commits_in_one_feature_are_fine(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    rule = work(
        "F1", ["one.txt", "two.txt"], f"echo 1 > one.txt && {commit_all('first half')}", "echo 2 > two.txt"
    )
    result = await ground.run(ground.playbook(rule))
    assert (result.exit_code, ground.message()) == (0, "")
    assert len(ground.events("worker_finished")[0]["data"]["commits"]) == 2


async def test_an_amended_commit_of_its_own_is_fine(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    rule = work(
        "F1",
        ["one.txt"],
        f"echo 1 > one.txt && {commit_all('first half')}",
        "echo 2 > one.txt && git commit -qa --amend -m whole",
    )
    result = await ground.run(ground.playbook(rule))
    assert (result.exit_code, ground.message()) == (0, "")


async def test_a_merge_of_its_own_branch_is_fine(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    side = "git checkout -q -b side && echo 1 > one.txt && git add one.txt && git commit -q -m one"
    merge = "git checkout -q - && echo 2 > two.txt && git add two.txt && git commit -q -m two && git merge -q --no-ff --no-edit side"
    result = await ground.run(ground.playbook(work("F1", ["one.txt", "two.txt"], side, merge)))
    assert (result.exit_code, ground.message()) == (0, "")


async def test_a_repository_with_a_submodule_runs(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    library = Ground(tmp_path / "library")
    ground.user.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "lib")
    ground.user.commit("with a library")
    result = await ground.run(ground.playbook(work("F1", ["one.txt"], "echo 1 > one.txt")))
    assert (result.exit_code, ground.message()) == (0, "")
    assert (ground.root / "lib" / "README.md").read_text() == "hello\n"


async def test_a_detached_head_at_the_start_gets_the_missions_branch(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.user.git("checkout", "-q", "--detach")
    result = await ground.run()
    assert (result.exit_code, ground.message()) == (0, "")
    assert ground.user.git("symbolic-ref", "--short", "HEAD") == ground.mission.branch
    assert ground.mission.workspace.originalBranch is None


async def test_a_linked_work_tree_is_worked_in(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    linked = tmp_path / "user" / "linked"
    ground.user.git("worktree", "add", "-q", str(linked), "-b", "mine")
    ground.create(cwd=linked)
    result = await ground.run()
    assert (result.exit_code, ground.message()) == (0, "")
    assert (linked / "work" / "F1.txt").exists()
    assert not (ground.root / "work").exists()
    assert ground.user.git("symbolic-ref", "--short", "HEAD") == "main"


async def test_a_feature_with_nothing_to_do_is_handed_over_blocked_not_complete(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    claims = script("F1", [bash("git rev-parse HEAD")], [bash(CHECK)], [handoff("F1", [])])
    await ground.run(ground.playbook(claims))
    assert ground.block == "handoff_rejected"
    assert "was not made in this run" in ground.message()
    honest = Ground(tmp_path / "honest")
    says = script(
        "F1",
        [bash("git status --short")],
        [handoff("F1", [], status="blocked", commit="", implemented=[], summary="It is there already.")],
    )
    await honest.run(honest.playbook(says))
    assert honest.block == "worker_reported_blocked"
    assert "It is there already." in honest.message()


async def test_an_empty_commit_is_how_nothing_to_do_is_put_on_record(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    rule = script(
        "F1",
        [bash("git status --short")],
        [bash(CHECK)],
        [bash("git commit -q --allow-empty -m 'F1: it is there already' && git rev-parse HEAD")],
        [handoff("F1", [])],
    )
    result = await ground.run(ground.playbook(rule))
    assert (result.exit_code, ground.message()) == (0, "")


async def test_a_dirty_tree_at_the_start_is_protected_and_nobody_is_blamed(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.user.write("src/app.py", "print('half done')\n")
    ground.user.write("notes.txt", "mine\n")
    rule = script(
        "F1",
        [write("work/F1.txt", "one\n")],
        [bash(CHECK)],
        [bash("git add work && git commit -q -m F1 && git rev-parse HEAD")],
        [handoff("F1", ["work/F1.txt"])],
    )
    result = await ground.run(ground.playbook(rule))
    assert (result.exit_code, ground.message()) == (0, "")
    assert sorted(ground.mission.workspace.protectedPaths) == ["notes.txt", "src/app.py"]
    assert ground.user.git("status", "--porcelain").splitlines() == [" M src/app.py", "?? notes.txt"]


async def test_a_lock_that_a_killed_git_left_does_not_stop_the_mission(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    rule = script(
        "F1",
        [bash("echo 1 > one.txt && touch .git/index.lock")],
        [handoff("F1", [], status="failed", commit="", commandsRun=[], implemented=[])],
    )
    await ground.run(ground.playbook(rule))
    assert ground.block == "worker_reported_blocked"
    assert not (ground.root / ".git" / "index.lock").exists()
    assert not (ground.root / "one.txt").exists()


# What the user does between and during runs


class _During:
    """Does something as the user, once, when a tool call of this kind has ended; the tools wait for it."""

    def __init__(self, summary: str, act: Any) -> None:
        self.summary, self.act, self.done = summary, act, False
        self._ours = False

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "tool_start" and self.summary in str(data.get("summary", "")):
            self._ours = True
        elif kind == "turn" and self._ours and not self.done:
            self.done = True
            # The observer is called between two tool calls, in the run's own thread: nothing of the run is at work now.
            subprocess.run(["sleep", "0.2"], check=True)
            self.act()
            subprocess.run(["sleep", "0.2"], check=True)


async def test_files_that_the_user_edits_during_a_run_are_left_alone_and_asked_about(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    meanwhile = _During("git status", lambda: ground.user.write("src/app.py", "print('the user was here')\n"))
    rule = script(
        "F1",
        [bash("git status --short")],
        [write("work/F1.txt", "one\n"), bash(CHECK)],
        [bash("git add work && git commit -q -m F1 && git rev-parse HEAD")],
        [handoff("F1", ["work/F1.txt"])],
    )
    result = await ground.run(ground.playbook(rule), watcher=meanwhile)
    assert meanwhile.done
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    assert "src/app.py" in ground.message()
    assert (ground.root / "src/app.py").read_text() == "print('the user was here')\n"
    assert not (ground.root / "work").exists()
    ground.answer("accept")
    ground.ask("resume")
    assert (await ground.run(ground.playbook(rule))).exit_code == 0
    assert (ground.root / "src/app.py").read_text() == "print('the user was here')\n"
    assert ground.user.git("status", "--porcelain") == " M src/app.py"


async def test_a_commit_of_the_user_during_a_run_is_never_taken_away(tmp_path: Path) -> None:
    ground = Ground(tmp_path)

    def commit() -> None:
        ground.user.write("mine.txt", "mine\n")
        ground.user.git("add", "mine.txt")
        ground.user.git("commit", "-q", "-m", "the user's own")

    meanwhile = _During("git status", commit)
    result = await ground.run(ground.playbook(work("F1", ["one.txt"], "echo 1 > one.txt")), watcher=meanwhile)
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    assert "the user's own" in ground.user.git("log", "--format=%s")
    assert (ground.root / "mine.txt").read_text() == "mine\n"
    ground.answer("accept")
    ground.ask("resume")
    again = await ground.run(ground.playbook(work("F1", ["two.txt"], "echo 2 > two.txt")))
    assert again.exit_code == 0
    assert "the user's own" in ground.user.git("log", "--format=%s")


async def test_a_branch_switch_of_the_user_during_a_run_is_respected(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    meanwhile = _During("git status", lambda: ground.user.git("switch", "-q", "main"))
    rule = script("F1", [bash("git status --short")], [bash("git rev-parse HEAD")], [handoff("F1", [])])
    result = await ground.run(ground.playbook(rule), watcher=meanwhile)
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    assert ground.user.git("symbolic-ref", "--short", "HEAD") == "main"
    ground.user.git("switch", "-q", str(ground.mission.branch))
    ground.answer("accept")
    ground.ask("resume")
    assert (await ground.run()).exit_code == 0


async def test_an_edit_of_the_user_during_a_validation_is_not_the_validators(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    edit = _DuringValidation(lambda: ground.user.write("README.md", "the user was here\n"))
    result = await ground.run(watcher=edit)
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    assert (ground.root / "README.md").read_text() == "the user was here\n"
    ground.answer("accept")
    ground.ask("resume")
    assert (await ground.run()).exit_code == 0


class _DuringValidation(_During):
    def __init__(self, act: Any) -> None:
        super().__init__(CHECK, act)

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if "-validator-" in str(data.get("runId", "")):
            super().event(kind, data)


@pytest.mark.parametrize("what", ["commit", "edit", "switch"])
async def test_what_the_user_does_between_two_units_is_asked_about(what: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path, small_plan(("F1", "F2")))
    ground.create()
    asked = _During(
        CHECK, lambda: submit(ground.store.mission(ground.id), Request(op="pause", by=By(face="test")))
    )
    await ground.run(watcher=asked)
    assert ground.mission.status == "paused"
    assert ground.mission.feature("F1").status == "complete"
    if what == "commit":
        ground.user.write("mine.txt", "mine\n")
        ground.user.commit("the user's own")
    elif what == "edit":
        ground.user.write("README.md", "edited\n")
    else:
        ground.user.git("switch", "-q", "main")
    ground.ask("resume")
    result = await ground.run()
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    if what == "switch":
        assert ground.user.git("symbolic-ref", "--short", "HEAD") == "main"
        ground.user.git("switch", "-q", str(ground.mission.branch))
    ground.answer("accept")
    ground.ask("resume")
    assert (await ground.run()).exit_code == 0
    if what == "commit":
        assert "the user's own" in ground.user.git("log", "--format=%s")
    if what == "edit":
        assert (ground.root / "README.md").read_text() == "edited\n"
