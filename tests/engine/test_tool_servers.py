"""Servers of tools (MCP) for runs: a real server written with the `mcp` package, in a real sandbox."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from missions.agent.sandbox.probe import Mode
from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.agent.tool_servers import open_servers
from missions.agent.tools.workspace import Workspace
from missions.settings import McpServer
from missions.simulator.scripts import recovery_rule, worker_rule
from support.engine import CHECK, World
from support.rooms import Room
from support.runs import Run
from support.waiting import until

SERVER = Path(__file__).parent.parent / "support" / "mcp_server.py"
TOKEN = "hunter2hunter2"
HOST = {"TICKETS_TOKEN": TOKEN}


def settings(**changes: Any) -> dict[str, Any]:
    """The server of the tests as a user would configure it."""
    return {
        "command": sys.executable,
        "args": [str(SERVER)],
        "environment": ["TICKETS_TOKEN"],
        "read": [str(SERVER)],
        **changes,
    }


class Desk:
    """The tools of servers as a run has them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.tools: dict[str, Tool] = {}
        self.said: list[str] = []
        self.context = ToolContext("toolu_1", asyncio.Event(), run.run_dir)

    async def open(self, stack: AsyncExitStack, mode: Mode = "required", **servers: dict[str, Any]) -> None:
        workspace = Workspace(
            self.run.workspace,
            run_dir=self.run.run_dir,
            redact=lambda text: text.replace(TOKEN, "[redacted]"),
        )
        known = {name: McpServer(**one) for name, one in servers.items()}
        found, self.said = await open_servers(stack, known, self.run.policy, mode, HOST, workspace)
        self.tools = {tool.name: tool for tool in found}

    async def __call__(self, name: str, **args: Any) -> ToolResult:
        return await self.tools[f"mcp__tickets__{name}"].call(args, self.context)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


async def test_what_a_server_answers_is_cleaned_cut_redacted_and_its_failure_is_an_answer(run: Run) -> None:
    async with AsyncExitStack() as stack:
        desk = Desk(run)
        await desk.open(stack, tickets=settings())
        assert desk.said == []
        assert list(desk.tools) == sorted(desk.tools)
        assert (
            desk.tools["mcp__tickets__ticket"].description
            == "Tool of the MCP server tickets. The text of a ticket."
        )
        told = await desk("ticket", number=7)
        assert (told.content, told.is_error) == (
            "Ticket 7: the greeting lacks a full stop. Asked by [redacted].",
            False,
        )
        long = str((await desk("flood", lines=20_000)).content)
        assert len(long) < 32_000
        kept = run.run_dir / "output" / "mcp-toolu_1.txt"
        assert str(kept) in long
        assert kept.read_text().endswith("line 19999")
        shown = (await desk("picture")).content
        assert isinstance(shown, list)
        assert [block["type"] for block in shown] == ["text", "image"]
        assert shown[0]["text"].startswith("red\n[not shown")
        assert (await desk("refuse")).is_error


async def test_a_cancelled_call_returns_at_once_and_a_server_that_dies_is_told_with_its_last_words(
    run: Run,
) -> None:
    async with AsyncExitStack() as stack:
        desk = Desk(run)
        await desk.open(stack, tickets=settings())
        stopping = asyncio.create_task(desk("wait", seconds=600))
        asyncio.get_running_loop().call_soon(desk.context.cancelled.set)
        assert (await asyncio.wait_for(stopping, 60)).is_error
        desk.context.cancelled.clear()
        assert "Ticket 1" in str((await desk("ticket", number=1)).content)
        for _ in range(2):
            gone = await desk("die")
            assert gone.is_error
            assert "out of order" in str(gone.content)


async def test_a_server_sees_the_repository_reads_it_only_and_reaches_its_own_hosts_only(run: Run) -> None:
    secret = run.home / "secret"
    secret.write_text("key\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with AsyncExitStack() as stack:
            desk = Desk(run)
            await desk.open(stack, tickets=settings(), open=settings(network=["*"]))
            inside = next(path for path in run.workspace.iterdir() if path.is_file())
            assert (await desk("look", path=str(inside))).content == inside.read_text().rstrip("\n")
            assert (await desk("look", path=str(secret))).is_error
            assert (await desk("write", path=str(run.workspace / "new"))).is_error
            assert (await desk("write", path=str(run.workspace / ".git" / "new"))).is_error
            assert (await desk("write", path="/tmp/new")).content == "written"
            assert (await desk("connect", port=port)).is_error
            allowed = await desk.tools["mcp__open__connect"].call({"port": port}, desk.context)
            assert allowed.content == "connected"


@pytest.mark.parametrize("mode", ["required", "none"])
async def test_a_server_and_what_it_started_end_with_the_run(run: Run, mode: Mode) -> None:
    async with AsyncExitStack() as stack:
        desk = Desk(run)
        await desk.open(stack, mode, tickets=settings(args=[str(SERVER), run.mark]))
        assert (await desk("linger")).content
        assert run.survivors()
    until(lambda: not run.survivors(), what="the end of the server")


async def test_a_server_that_does_not_start_is_a_sentence_and_the_others_are_there(run: Run) -> None:
    async with AsyncExitStack() as stack:
        desk = Desk(run)
        await desk.open(
            stack,
            tickets=settings(),
            absent=settings(command="no-such-server"),
            hidden=settings(read=[]),
            silent=settings(command="false"),
        )
        assert "mcp__tickets__ticket" in desk.tools
        assert len(desk.said) == 3
        for name, words in (
            ("absent", "not found"),
            ("hidden", "mcp_server.py"),
            ("silent", "did not start"),
        ):
            assert any(name in said and words in said for said in desk.said), (name, desk.said)


# In a mission


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings with the server, for workers and orchestrators."""
    monkeypatch.setenv("TICKETS_TOKEN", TOKEN)
    return {"mcp": {"tickets": settings(roles=["worker", "orchestrator"])}}


def asking(role_rule: dict[str, Any], *calls: dict[str, Any]) -> dict[str, Any]:
    """The rule with these calls in a turn before its own."""
    role_rule["turns"].insert(0, {"text": "Asking.", "tools": list(calls)})
    return role_rule


async def test_the_roles_named_get_the_tools_and_their_commands_cannot_read_the_servers_secret(
    tmp_path: Path, configured: dict[str, Any]
) -> None:
    world = World(tmp_path, settings=configured)
    probe = "cat /proc/*/environ | tr '\\0' '\\n' | grep TICKETS; env | grep TICKETS; echo looked"
    worker = asking(
        worker_rule({"id": "F1", "title": "Piece F1"}, [CHECK]),
        {"name": "mcp__tickets__ticket", "input": {"number": 7}},
        {"name": "bash", "input": {"command": probe}},
    )
    orchestrator = asking(
        recovery_rule("leave-blocked"), {"name": "mcp__tickets__ticket", "input": {"number": 3}}
    )
    await world.run(world.playbook(worker, deviations={"M1": "fail"}, recovery=[orchestrator]))
    assert world.units() == ["worker F1", "scrutiny M1", "recovery"]
    told = [world.store.mission(world.id).run(run.runId).transcript.read_text() for run in world.mission.runs]
    assert "Ticket 7: the greeting lacks a full stop" in told[0]
    assert "looked" in told[0]
    assert "TICKETS_TOKEN=" not in told[0]
    assert TOKEN not in told[0]
    assert "Ticket 3" in told[2]
    assert world.simulator is not None
    offered = {
        body["system"][0]["text"].splitlines()[0]: any(t["name"].startswith("mcp__") for t in body["tools"])
        for body in world.simulator.requests
    }
    assert list(offered.values()) == [True, False, True], offered


async def test_a_mission_goes_on_without_a_server_that_does_not_start_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, settings={"mcp": {"tickets": {"command": "no-such-server"}}})
    result = await world.run()
    assert result.exit_code == 0
    run = world.mission.runs[0]
    assert (
        "The MCP server tickets did not start"
        in world.store.mission(world.id).run(run.runId).transcript.read_text()
    )


async def test_the_planner_asks_a_server_in_the_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_TOKEN", TOKEN)
    call = {"name": "mcp__tickets__ticket", "input": {"number": 5}}
    room = Room(
        tmp_path,
        [
            {"when": {"role": "planner", "step": 0}, "reply": {"text": "Looking.", "tools": [call]}},
            {"when": {"result": "full stop"}, "reply": {"text": "It lacks a full stop."}},
        ],
    )
    room.caller.environment.update(HOST)
    (room.store.root / "settings.json").write_text(
        json.dumps({"mcp": {"tickets": settings(roles=["planner"])}})
    )
    try:
        answer = await room.chat().send("What does ticket 5 say?")
    finally:
        room.service.stop()
    assert answer.text == "It lacks a full stop."
    assert TOKEN not in room.store.mission(room.mission_id).chat_transcript.read_text()
