"""The repository's state: finding it, HEAD, status, guard, lock, and states of the files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.repo.repository import Repository
from missions.repo.shadow import Shadow
from missions.repo.tree import capture, compare
from support.repositories import MISSION, Playground


@pytest.fixture
def world(tmp_path: Path) -> Playground:
    return Playground(tmp_path)


def kinds(world: Playground, before: object, shadow: Shadow | None = None) -> dict[tuple[str, ...], str]:
    shadow = shadow or world.shadow
    after = capture(world.repo, shadow)
    return {change.paths: change.kind for change in compare(shadow, before, after, world.repo)}  # type: ignore[arg-type]


def test_a_subfolder_finds_its_repository(world: Playground) -> None:
    found = Repository.find(world.root / "src")
    assert (found.root, found.git_dir) == (world.root, world.root / ".git")
    head = found.head()
    assert (head.branch, head.sha, head.detached, head.unborn) == (
        "main",
        world.git("rev-parse", "HEAD"),
        False,
        False,
    )


def test_a_folder_outside_a_repository_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(MissionError) as caught:
        Repository.find(tmp_path)
    assert caught.value.code == "repository" and "git init" in caught.value.next_step


def test_a_bare_repository_and_a_git_directory_are_refused(world: Playground, tmp_path: Path) -> None:
    world.git("clone", "-q", "--bare", str(world.root), str(tmp_path / "bare.git"))
    for folder in (tmp_path / "bare.git", world.root / ".git"):
        with pytest.raises(MissionError) as caught:
            Repository.find(folder)
        assert caught.value.code == "repository"


def test_a_repository_without_a_commit_says_how_to_make_one(tmp_path: Path) -> None:
    repo = Playground(tmp_path, commit=False).repo
    assert repo.head().unborn
    with pytest.raises(MissionError) as caught:
        repo.require_commit()
    assert "git commit" in caught.value.next_step


def test_a_detached_head_and_a_linked_work_tree_are_found(world: Playground, tmp_path: Path) -> None:
    world.git("checkout", "-q", "--detach")
    assert world.repo.head().detached
    world.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    linked = Repository.find(tmp_path / "side")
    assert linked.common_dir == world.root / ".git" and linked.git_dir != linked.common_dir
    assert linked.head().branch == "side"


def test_status_names_every_kind_of_change(world: Playground) -> None:
    world.write("README.md", "changed\n")
    world.git("mv", "src/app.py", "src/main.py")
    world.write("new\nname", "x")
    found = {(change.kind, change.path, change.old_path) for change in world.repo.status()}
    assert found == {
        ("changed", "README.md", None),
        ("renamed", "src/main.py", "src/app.py"),
        ("untracked", "new\nname", None),
    }


def test_a_damaged_index_is_an_error_and_never_clean(world: Playground) -> None:
    (world.root / ".git" / "index").write_bytes(b"rubbish")
    for look in (world.repo.status, lambda: capture(world.repo, world.shadow)):
        with pytest.raises(MissionError) as caught:
            look()
        assert caught.value.code == "repository" and "index" in caught.value.message


def test_the_identity_falls_back_to_a_stand_in(world: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert not world.repo.identity().configured
    world.git("config", "user.name", "Ada")
    world.git("config", "user.email", "ada@example.org")
    identity = world.repo.identity()
    assert identity.configured and identity.environment()["GIT_AUTHOR_EMAIL"] == "ada@example.org"


@pytest.mark.parametrize(
    ("item", "change"),
    [
        (
            "config",
            lambda git: subprocess.run(["git", "config", "core.pager", "evil"], cwd=git.parent, check=True),
        ),
        ("hooks", lambda git: (git / "hooks" / "post-checkout").write_text("evil")),
        ("info/attributes", lambda git: (git / "info" / "attributes").write_text("* filter=x")),
        ("info/exclude", lambda git: (git / "info" / "exclude").write_text("*")),
        ("commondir", lambda git: (git / "commondir").write_text(".")),
        ("objects/info/alternates", lambda git: (git / "objects" / "info" / "alternates").write_text("")),
        ("config file", lambda git: (git / "config").rename(git / "c") and (git / "config").symlink_to("c")),
        (".git", lambda git: git.rename(git.parent / "moved") and git.symlink_to("moved")),
    ],
)
def test_the_guard_notices_each_item(world: Playground, item: str, change: object) -> None:
    before = world.repo.guard()
    assert world.repo.guard().changed(before) == []
    change(world.root / ".git")  # type: ignore[operator]
    assert item in world.repo.guard().changed(before)


def test_the_guard_ignores_what_an_editor_writes_about_branches(world: Playground) -> None:
    before = world.repo.guard()
    world.git("config", "branch.main.vscode-merge-base", "origin/main")
    assert world.repo.guard().changed(before) == []


def test_only_one_mission_holds_a_repository_and_its_death_frees_it(world: Playground) -> None:
    code = (
        "import sys; from pathlib import Path; from missions.repo.repository import Repository\n"
        "held = Repository.find(Path(sys.argv[1])).lock('mission-other')\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(world.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(MissionError) as caught:
        world.repo.lock(MISSION)
    assert caught.value.code == "locked" and "mission-other" in caught.value.message
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with world.repo.lock(MISSION) as lock:
        assert lock.held
        lock.path.unlink()
        assert not lock.held


def test_a_state_sees_every_kind_of_change_and_nothing_else(world: Playground) -> None:
    world.write("big.py", "".join(f"line {number}\n" for number in range(50)))
    world.write("tool.sh", "#!/bin/sh\n")
    world.write("gone.txt", "quite another text\n")
    (world.root / "link").symlink_to("README.md")
    world.commit("more")
    shadow = world.shadow
    before = capture(world.repo, shadow)
    assert kinds(world, before) == {}
    world.write("README.md", "other\n")
    world.git("mv", "big.py", "large.py")
    (world.root / "tool.sh").chmod(0o755)
    (world.root / "gone.txt").unlink()
    (world.root / "link").unlink()
    (world.root / "link").symlink_to("src")
    world.write("added.txt", "x")
    world.write("src/__pycache__/app.pyc", b"\0")
    assert kinds(world, before) == {
        ("README.md",): "modified",
        ("big.py", "large.py"): "renamed",
        ("tool.sh",): "mode_changed",
        ("gone.txt",): "deleted",
        ("link",): "modified",
        ("added.txt",): "added",
    }


def test_marks_in_the_users_index_hide_nothing(world: Playground) -> None:
    before = capture(world.repo, world.shadow)
    world.git("update-index", "--assume-unchanged", "README.md")
    world.git("update-index", "--skip-worktree", "src/app.py")
    world.write("README.md", "hidden\n")
    world.write("src/app.py", "hidden\n")
    assert world.git("status", "--porcelain") == ""
    assert kinds(world, before) == {("README.md",): "modified", ("src/app.py",): "modified"}


def test_a_change_of_same_size_and_time_is_seen(world: Playground) -> None:
    path = world.write("README.md", "hello\n")
    before = capture(world.repo, world.shadow)
    times = path.stat()
    path.write_text("jello\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert kinds(world, before) == {("README.md",): "modified"}


def test_names_of_every_sort_are_told_apart(world: Playground) -> None:
    before = capture(world.repo, world.shadow)
    names = [
        "new\nline",
        "-leading",
        "--help",
        "größe/日本",
        "x" * 255,
        'quo"te',
        "sp ace",
        ":(glob)*",
        "back\\slash",
    ]
    for name in names:
        world.write(name, "x")
    world.write(os.fsdecode(b"caf\xe9"), b"x")
    assert set(kinds(world, before)) == {(name,) for name in [*names, os.fsdecode(b"caf\xe9")]}


def test_line_endings_that_git_converts_are_no_difference_but_others_are(world: Playground) -> None:
    world.write(".gitattributes", "*.txt text\n*.dat -text\n")
    world.write("a.txt", "one\r\ntwo\r\n")
    world.write("b.dat", "one\r\ntwo\r\n")
    world.commit("crlf")
    before = capture(world.repo, world.shadow)
    world.write("a.txt", "one\ntwo\n")
    world.write("b.dat", "one\ntwo\n")
    assert kinds(world, before) == {("b.dat",): "modified"}


def test_autocrlf_gives_no_false_difference(world: Playground) -> None:
    world.git("config", "core.autocrlf", "true")
    before = capture(world.repo, world.shadow)
    (world.root / "README.md").unlink()
    world.git("checkout", "--", "README.md")
    assert (world.root / "README.md").read_bytes() == b"hello\r\n"
    assert kinds(world, before) == {} and world.repo.status() == []


def test_the_users_own_ignore_file_does_not_hide_files(
    world: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ignore").write_text("*.txt\n")
    (tmp_path / "global").write_text(f"[core]\n\texcludesFile = {tmp_path / 'ignore'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    before = capture(world.repo, world.shadow)
    world.write("note.txt", "x")
    assert kinds(world, before) == {("note.txt",): "added"}


def test_what_the_repository_ignores_and_extra_caches_are_not_part_of_a_state(world: Playground) -> None:
    world.write(".gitignore", "build/\n")
    world.commit("ignore")
    shadow = Shadow(world.root, world.shadow.path, caches=["*.cachefile"])
    before = capture(world.repo, shadow)
    world.write("build/out", "x")
    world.write("x.cachefile", "x")
    world.write("node_modules/.cache/x", "x")
    assert kinds(world, before, shadow) == {}


def test_a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_link_are_seen(world: Playground) -> None:
    world.write("data/one", "1")
    world.commit("data")
    before = capture(world.repo, world.shadow)
    (world.root / "README.md").unlink()
    world.write("README.md/inside", "different text\n")
    shutil.rmtree(world.root / "data")
    (world.root / "data").symlink_to("src")
    fresh = Shadow(world.root, world.folder / "fresh.git")
    for shadow in (world.shadow, fresh):
        state = capture(world.repo, shadow)
        listing = shadow.git.run("ls-tree", "-r", "--name-only", state.tree).out.decode().split()
        assert listing == ["README.md/inside", "data", "src/app.py"]
    assert ("data/one",) in kinds(world, before)


def test_a_submodule_counts_by_its_commit(world: Playground, tmp_path: Path) -> None:
    library = Playground(tmp_path / "library")
    world.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "vendor/lib")
    world.commit("submodule")
    before = capture(world.repo, world.shadow)
    (world.root / "vendor/lib/README.md").write_text("dirty inside")
    assert kinds(world, before) == {}
    world.git("commit", "-q", "-am", "inside", cwd=world.root / "vendor/lib")
    assert kinds(world, before) == {("vendor/lib",): "modified"}


def test_a_nested_repository_cannot_hide_files(world: Playground) -> None:
    before = capture(world.repo, world.shadow)
    world.git("init", "-q", "nested")
    world.write("nested/secret.py", "x")
    assert kinds(world, before) == {("nested/secret.py",): "added"}
    shutil.rmtree(world.root / "nested/.git")
    assert kinds(world, before) == {("nested/secret.py",): "added"}
    world.git("init", "-q", "other")
    world.write("other/x.py", "x")
    world.git("add", "-A", cwd=world.root / "other")
    world.git("commit", "-q", "-m", "x", cwd=world.root / "other")
    assert ("other",) in kinds(world, before)
    shutil.rmtree(world.root / "other/.git")
    assert ("other/x.py",) in kinds(world, before)
