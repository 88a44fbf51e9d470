"""A repository that wants to run programs: none of its traps may fire in any git call of the engine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.repo.branch import finish, start_branch
from missions.repo.clone import make_clone, publish
from missions.repo.commits import CommitIntent, changed_paths, commit_all
from missions.repo.diff import counts, diff_text, file_diffs
from missions.repo.git import Git
from missions.repo.repository import Repository
from missions.repo.restore import restore
from missions.repo.snapshot import take
from missions.repo.tree import capture, compare
from support.repositories import MISSION, Playground

HOOKS = (
    "pre-commit",
    "commit-msg",
    "post-commit",
    "post-checkout",
    "reference-transaction",
    "post-index-change",
    "pre-auto-gc",
    "update",
)


class Trap:
    """A program that leaves a mark when it is run."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "mark"
        self.program = folder / "trap.sh"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> "{self.mark}"\ncat\n')
        self.program.chmod(0o755)

    def sprung(self) -> str:
        return self.mark.read_text() if self.mark.exists() else ""


def set_hooks(world: Playground, trap: Trap) -> None:
    for name in HOOKS:
        hook = world.root / ".git" / "hooks" / name
        hook.unlink(missing_ok=True)
        hook.symlink_to(trap.program)


def set_filters(world: Playground, trap: Trap) -> None:
    world.git("config", "filter.evil=x.y.clean", str(trap.program))
    for part in ("clean", "smudge", "process"):
        world.git("config", f"filter.a.{part}", str(trap.program))
        world.git("config", f"filter.b.{part}", str(trap.program))
    world.git("config", "filter.b.required", "true")
    (world.root / ".git/info/attributes").write_text("*.py filter=a\n")


def set_diff(world: Playground, trap: Trap) -> None:
    world.git("config", "diff.external", str(trap.program))
    world.git("config", "diff.evil.command", str(trap.program))
    world.git("config", "diff.evil.textconv", str(trap.program))
    world.git("config", "merge.evil.driver", str(trap.program))
    world.write(".gitattributes", "* diff=evil merge=evil\n")


def set_programs(world: Playground, trap: Trap) -> None:
    program = str(trap.program)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.sshCommand",
        "core.alternateRefsCommand",
    ):
        world.git("config", key, program)
    for key in (
        "gpg.program",
        "gpg.ssh.program",
        "gpg.ssh.defaultKeyCommand",
        "credential.helper",
        "sequence.editor",
        "pager.status",
    ):
        world.git("config", key, program)
    for key in ("commit.gpgSign", "tag.gpgSign", "log.showSignature"):
        world.git("config", key, "true")
    world.git("config", "gpg.format", "ssh")


def set_aliases_and_remotes(world: Playground, trap: Trap) -> None:
    for name in ("status", "update-index", "nonsense"):
        world.git("config", f"alias.{name}", f"!{trap.program}")
    for place in (str(world.root), str(world.folder / "mission/git/tree"), "origin"):
        world.git("config", f"remote.{place}.uploadpack", str(trap.program))
        world.git("config", f"url.ext::{trap.program}.insteadOf", str(world.folder))
    world.git("config", "uploadpack.packObjectsHook", str(trap.program))


def set_include(world: Playground, trap: Trap) -> None:
    world.write(
        "evil.config",
        f'[filter "inc"]\n\tclean = {trap.program}\n\trequired\n[core]\n\tfsmonitor = {trap.program}\n',
    )
    world.write(".gitattributes", "* filter=inc\n")
    world.git("config", "include.path", "../evil.config")


def set_embedded_bare_repository(world: Playground, trap: Trap) -> None:
    world.git("init", "-q", "--bare", "docs")
    world.git("--git-dir=docs", "config", "core.fsmonitor", str(trap.program))
    world.git("--git-dir=docs", "config", "core.worktree", str(world.root))


def set_commondir(world: Playground, trap: Trap) -> None:
    world.git("init", "-q", "--bare", str(world.folder / "evil.git"))
    world.git("config", "--file", str(world.folder / "evil.git/config"), "core.fsmonitor", str(trap.program))
    world.git(
        "config", "--file", str(world.folder / "evil.git/config"), "filter.late.clean", str(trap.program)
    )
    world.write(".gitattributes", "* filter=late\n")
    world.git("fetch", "-q", "--update-head-ok", str(world.root), "main:main", cwd=world.folder / "evil.git")
    (world.root / ".git/commondir").write_text(str(world.folder / "evil.git"))


def set_submodule(world: Playground, trap: Trap) -> None:
    library = Playground(world.folder / "library")
    world.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "vendor")
    world.commit("submodule")
    inside = world.root / "vendor"
    world.git("config", "core.fsmonitor", str(trap.program), cwd=inside)
    world.git("config", "filter.sub.clean", str(trap.program), cwd=inside)
    (inside / ".gitattributes").write_text("* filter=sub\n")
    (inside / "README.md").write_text("dirty")
    world.git("config", "submodule.vendor.url", f"ext::{trap.program}")
    world.git("config", "submodule.vendor.update", f"!{trap.program}")
    world.git("config", "submodule.recurse", "true")


def set_option_like_names(world: Playground, trap: Trap) -> None:
    for name in (
        f"--upload-pack={trap.program}".replace("/", "_"),
        "--output=x",
        "-x",
        "--exec",
        ":(attr:x)",
        "--",
    ):
        world.write(name, "x")


def set_case_folding_names(world: Playground, trap: Trap) -> None:
    """Names that a disk without upper and lower case takes for git's own, or for each other."""
    for name in (".GIT/config", ".Git/hooks/pre-commit", "git~1/config", ".g\u200cit/config"):
        world.write(name, f"[core]\n\tfsmonitor = {trap.program}\n\thooksPath = {trap.program.parent}\n")
    for name in ("Makefile", "makefile", "MAKEFILE", ".GITATTRIBUTES", ".GitModules"):
        world.write(name, f"# {name}\n* filter=evil\n")


def set_user_environment(world: Playground, trap: Trap) -> None:
    pass  # its traps are variables, set by the test itself


TRAPS: list[Callable[[Playground, Trap], None]] = [
    set_hooks,
    set_filters,
    set_diff,
    set_programs,
    set_aliases_and_remotes,
    set_include,
    set_embedded_bare_repository,
    set_commondir,
    set_submodule,
    set_option_like_names,
    set_case_folding_names,
    set_user_environment,
]


@pytest.mark.parametrize("plant", TRAPS, ids=lambda plant: plant.__name__.removeprefix("set_"))
def test_no_trap_of_a_hostile_repository_fires(
    plant: Callable[[Playground, Trap], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, trap = Playground(tmp_path), Trap(tmp_path)
    plant(world, trap)
    trap.mark.unlink(missing_ok=True)  # planting itself runs git as a user would
    if plant is set_user_environment:
        for name in (
            "GIT_EXTERNAL_DIFF",
            "GIT_PAGER",
            "GIT_EDITOR",
            "GIT_ASKPASS",
            "GIT_SSH_COMMAND",
            "GIT_PROXY_COMMAND",
        ):
            monkeypatch.setenv(name, str(trap.program))
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    filtered = plant in (set_filters, set_include, set_commondir)
    walk_through_everything(world, filtered)
    assert trap.sprung() == ""


@pytest.mark.parametrize(
    "plant", [set_hooks, set_filters, set_diff, set_programs, set_include, set_submodule]
)
def test_the_traps_are_live_for_git_without_protection(
    plant: Callable[[Playground, Trap], None], tmp_path: Path
) -> None:
    world, trap = Playground(tmp_path), Trap(tmp_path)
    plant(world, trap)
    trap.mark.unlink(missing_ok=True)
    world.write("src/app.py", "changed\n")
    for arguments in (["status"], ["add", "-A"], ["diff", "HEAD"], ["commit", "-q", "-m", "x"]):
        # Some traps make git fail, which is fine: they have fired by then.
        with contextlib.suppress(subprocess.CalledProcessError):
            world.git(*arguments)
    assert trap.sprung()


def walk_through_everything(world: Playground, filtered: bool) -> None:
    """Every operation of the floor once; what needs a filter is refused instead of run."""
    repo, shadow = world.repo, world.shadow
    guard = repo.guard()
    identity = repo.identity()
    before = capture(repo, shadow)
    started = start_branch(repo, MISSION)
    taken = take(repo, shadow, MISSION, "run-1", 1)
    world.write("src/app.py", "changed\n")
    world.write("src/new.py", "new\n")
    assert compare(shadow, before, capture(repo, shadow), repo)
    assert repo.status()
    restore(repo, shadow, taken)
    world.write("src/app.py", "changed\n")
    intent = CommitIntent("step", f"refs/heads/{started.branch}", started.base, "Work", 1, identity)
    if filtered:
        with pytest.raises(MissionError):
            commit_all(repo, intent, world.scratch)
    else:
        made = commit_all(repo, intent, world.scratch)
        assert made is not None and changed_paths(repo, started.base, made)
        assert diff_text(repo, started.base, made).text and file_diffs(repo, started.base, made)
        assert counts(repo, started.base, made)
        assert finish(repo, started.branch, started.came_from).head.branch == "main"
    clone = make_clone(repo, world.folder / "mission/git/tree", "mission-clone")
    publish(clone, repo, "mission-clone", None)
    assert repo.guard().changed(guard) == []


def test_an_embedded_bare_repository_is_never_entered(tmp_path: Path) -> None:
    world, trap = Playground(tmp_path), Trap(tmp_path)
    set_embedded_bare_repository(world, trap)
    with pytest.raises(MissionError):
        Repository.find(world.root / "docs")
    assert trap.sprung() == ""


def test_only_the_engines_own_git_commands_can_be_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="push"):
        Git(tmp_path).run("push")


def test_a_missing_git_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Playground(tmp_path)
    repo = world.repo
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(MissionError) as caught:
        repo.status()
    assert caught.value.code == "repository" and "git was not found" in caught.value.message
