"""The laboratories themselves: each editor starts, can be driven, and leaves nothing running."""

from __future__ import annotations

import subprocess
import urllib.request

import psutil
import pytest

from support.editors import (
    ROOT,
    CodeServer,
    World,
    browser_page,
    neovim,
    program,
    run_in_extension_host,
)
from support.waiting import until


def test_neovim_starts_clean_and_quits_without_leaving_a_process(world: World) -> None:
    with neovim(world) as nvim:
        assert nvim.exec_lua("return vim.fn.has('nvim-0.12')") == 1
        assert nvim.exec_lua("return vim.fn.stdpath('config')").startswith(str(world.home))
        assert nvim.exec_lua("return type(vim.lsp.config)") == "table"
        assert nvim.funcs.getenv("MISSIONS_HOME") == str(world.store)
        assert [process.name() for process in world.processes()] == ["nvim"]
    world.assert_nothing_left()


def test_code_server_answers_on_loopback_and_ends_when_asked(world: World, code_server: CodeServer) -> None:
    code_server.start()
    with urllib.request.urlopen(f"{code_server.url}/healthz", timeout=30) as answer:
        assert answer.status == 200
    listening = {
        connection.laddr.ip
        for process in world.processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    code_server.stop()
    world.assert_nothing_left()
    assert not (world.home / ".config/code-server").exists()


def test_chromium_draws_a_page(world: World) -> None:
    with browser_page(world, width=320, height=200) as page:
        page.set_content("<h1>Missions</h1>")
        assert page.inner_text("h1") == "Missions"
        assert page.screenshot().startswith(b"\x89PNG\r\n")
    world.assert_nothing_left()


@pytest.mark.parametrize(("settings", "expected"), [({}, 0), ({"missionsTest.fail": True}, 1)])
def test_tests_run_inside_the_extension_host_and_their_result_comes_back(
    world: World, code_server: CodeServer, settings: dict[str, bool], expected: int
) -> None:
    code_server.settings(dict(settings))
    with browser_page(world) as page:
        code, said = run_in_extension_host(
            page, code_server, ROOT / "editors/vscode/out/test/host/activation.js"
        )
    assert code == expected, said
    assert ("this run was asked to fail" in said) is bool(expected)


@pytest.mark.parametrize(
    ("name", "version"),
    [("emacs", "GNU Emacs 30"), ("hx", "helix 25"), ("stylua", ""), ("luacheck", "Luacheck")],
)
def test_the_other_programs_of_the_laboratories_start(world: World, name: str, version: str) -> None:
    done = subprocess.run(
        [program(name), *(["--version"] if version else [])],
        check=False,
        env=world.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert version in done.stdout


def test_a_process_that_changed_its_parent_is_still_found_by_its_world(world: World) -> None:
    subprocess.run(["sh", "-c", "setsid sleep 300 &"], env=world.environment(), check=True, timeout=30)
    until(lambda: [process.name() for process in world.processes()] == ["sleep"], 20, "the sleeper alone")
    with pytest.raises(AssertionError, match="sleep 300"):
        world.assert_nothing_left(deadline=0.1)
    world.kill_all()
    world.assert_nothing_left()
