"""The language server under the Neovim plugin: started, killed, missing, of another version; and help and health."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

from support.editors import ROOT, World
from support.engine import plan_of
from support.neovim_plugin import PLUGIN, Editor, editor, servers
from support.neovim_project import Project
from support.waiting import until

PANEL = "missions-panel:"


def test_enabling_the_server_starts_it_with_a_file_of_a_repository_and_only_once(
    project: Project, world: World
) -> None:
    project.save()
    (world.home / "outside.txt").write_text("x", encoding="utf-8")
    with editor(world, ["-c", "lua vim.lsp.enable('missions')"], **project.environment) as vim:
        vim.command(f"edit {world.home / 'outside.txt'}")
        assert servers(world) == []
        vim.command(f"edit {project.root / 'README.md'}")
        until(lambda: vim.lua("return require('missions').statusline()"), 30, "the status")
        vim.command(f"split {project.root / '.gitignore'}")
        vim.command("Missions")
        vim.wait_for("Put the pieces", PANEL)
        clients = vim.lua("return vim.tbl_map(function(c) return c.root_dir end, vim.lsp.get_clients())")
        assert clients == [str(project.root)]
        assert len(servers(world)) == 1


def test_a_server_that_was_killed_is_reported_once_and_found_again(
    vim: Editor, project: Project, world: World
) -> None:
    project.save()
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    servers(world)[0].send_signal(signal.SIGKILL)
    vim.wait_for("has ended", PANEL)
    until(vim.notified, 20, "the notice")
    assert len(vim.notified()) == 1
    assert "R tries again" in vim.text(PANEL)
    assert "Put the pieces" in vim.text(PANEL)
    project.save(plan_of(title="Meanwhile"))
    vim.keys("R")
    vim.wait_for("Meanwhile", PANEL)
    assert "has ended" not in vim.text(PANEL)
    vim.assert_no_errors()


def test_restarting_leaves_one_server_and_says_nothing(vim: Editor, project: Project, world: World) -> None:
    project.save()
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    old = servers(world)[0]
    vim.command("Missions restart")
    until(lambda: [p.pid for p in servers(world)] not in ([], [old.pid]), 30, "another server")
    until(lambda: len(servers(world)) == 1, 20, "one server")
    project.save(plan_of(title="Afterwards"))
    vim.wait_for("Afterwards", PANEL)
    assert vim.notified() == []


def test_a_missing_program_gives_one_message_that_says_what_to_do(world: World) -> None:
    with editor(world, options={"cmd": ["missions-is-not-here", "lsp"]}) as vim:
        vim.command("Missions")
        vim.wait_for("R tries again", PANEL)
        assert len(vim.notified()) == 1
        assert f"pipx install {ROOT}" in vim.notified()[0]
        vim.command("checkhealth missions")
        assert "“missions-is-not-here” was not found" in vim.text()
        vim.assert_no_errors()


def test_a_program_that_is_no_server_is_reported_and_hangs_nothing(world: World) -> None:
    with editor(world, options={"cmd": [sys.executable, "-c", "print('hello')"]}) as vim:
        vim.command("Missions")
        until(vim.notified, 20, "the notice")
        assert "did not start" in vim.notified()[0]
        vim.command("Missions status")


def test_a_server_of_another_version_is_named_once_and_in_the_health_check(
    project: Project, world: World
) -> None:
    project.save()
    newer = (
        "import sys; from missions.lsp import protocol; protocol.VERSION = 7; sys.argv = ['missions', 'lsp']; "
        + ("from missions.__main__ import main; main()")
    )
    command = [sys.executable, "-c", newer]
    with editor(world, options={"cmd": command}, **project.environment) as vim:
        vim.command("Missions")
        vim.wait_for("Put the pieces", PANEL)
        vim.command("Missions restart")
        until(lambda: vim.lua("return require('missions.client').find() ~= nil"), 30, "the other server")
        assert [text for text in vim.notified() if "version 7" in text] == vim.notified()[:1]
        vim.command("checkhealth missions")
        assert "the server speaks protocol 7, this plugin 1" in vim.text()


def test_health_shows_versions_folders_and_logs(vim: Editor, project: Project) -> None:
    project.save()
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    vim.command("checkhealth missions")
    report = vim.text()
    for expected in (
        "protocol 1",
        f"folder: {project.root}",
        "running: missions",
        str(project.world.store / "logs"),
    ):
        assert expected in report
    assert "ERROR" not in report
    vim.command("Missions log")
    assert str(project.world.store / "logs") in vim.buffer_name()


def test_unknown_options_are_named_by_the_health_check(world: World) -> None:
    with editor(world, options={"colour": "blue"}) as vim:
        vim.command("checkhealth missions")
        assert "unknown option colour" in vim.text()


def test_the_help_has_no_broken_tags(vim: Editor) -> None:
    folder = vim.lua("return vim.fn.tempname()")
    vim.lua("vim.fn.mkdir(..., 'p')", folder)
    copied = subprocess.run(["cp", "-r", str(PLUGIN / "doc"), folder], check=True, timeout=30)
    assert copied.returncode == 0
    vim.command(f"helptags {folder}/doc")
    vim.command(f"set runtimepath^={folder}")
    text = (PLUGIN / "doc/missions.txt").read_text(encoding="utf-8")
    own = set(re.findall(r"\*([^*\s]+)\*", text))
    for tag in sorted(set(re.findall(r"\|([^|\s]+)\|", text)) | own):
        vim.command(f"help {tag}")
        assert f"*{tag}*" in vim.cursor_line()
        assert tag not in own or "missions.txt" in vim.buffer_name()


def test_the_help_names_every_subcommand_option_and_action(vim: Editor) -> None:
    words = set(re.findall(r"[\w-]+", (PLUGIN / "doc/missions.txt").read_text(encoding="utf-8")))
    assert set(vim.lua("return require('missions.commands').names()")) <= words
    assert set(vim.lua("return vim.tbl_keys(require('missions.config').defaults)")) <= words
    for view in ("panel", "chat"):
        keys = f"return vim.tbl_map(function(key) return key.action end, require('missions.{view}').KEYS)"
        assert set(vim.lua(keys)) <= words


def test_the_minimal_configuration_brings_the_plugin_and_nothing_else(world: World) -> None:
    with editor(world, ["-u", str(PLUGIN / "minimal.lua")]) as vim:
        assert vim.lua("return vim.fn.exists(':Missions')") == 2
        # Names only: nothing of it is loaded before it is used.
        loaded = "return vim.tbl_filter(function(name) return name:find('^missions') end, vim.tbl_keys(package.loaded))"
        assert vim.lua(loaded) == []
