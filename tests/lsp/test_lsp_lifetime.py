"""The server ends when its client does, whatever it is doing, and leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.lsp_client import SERVER, Client, connected
from support.lsp_playground import COMMAND
from support.waiting import until_async

BUSY = ("idle", "command", "hung", "background", "unread")


async def occupy(client: Client, what: str, where: Path) -> None:
    """Give the server something to do that it cannot finish."""
    if what == "background":
        await client.run("background")
    elif what == "unread":
        client.stop_reading()
        flood = {"command": "missions.flood", "arguments": [{"kind": "log", "count": 500, "size": 10_000}]}
        client.send_request("workspace/executeCommand", flood)
        client.send_request("workspace/executeCommand", hold("hold", where))
        await client.until(where.with_suffix(".begun").exists)
    elif what != "idle":
        client.send_request("workspace/executeCommand", hold("spin" if what == "hung" else "hold", where))
        await client.until(where.with_suffix(".begun").exists)


def hold(operation: str, where: Path) -> dict[str, object]:
    return {"command": f"missions.{operation}", "arguments": [{"marker": str(where)}]}


@pytest.mark.parametrize("busy", ["idle", "command", "background"])
async def test_shutdown_is_answered_at_once_and_exit_ends_with_zero(tmp_path: Path, busy: str) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await occupy(client, busy, tmp_path / "held")
        assert await client.request("shutdown") is None
        assert (await client.error("workspace/executeCommand", hold("hold", tmp_path / "x"))).code == -32600
        client.notify("exit")
        assert await client.wait() == 0
        if busy == "command":
            assert (tmp_path / "held.cancelled").exists()


async def test_after_shutdown_nobody_needs_to_say_exit(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await client.request("shutdown")
        assert await client.wait() == 0


async def test_after_shutdown_end_of_input_is_a_polite_end(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await client.request("shutdown")
        client.close_input()
        assert await client.wait() == 0


@pytest.mark.parametrize("initialize", [True, False])
async def test_exit_without_shutdown_ends_with_one(tmp_path: Path, initialize: bool) -> None:
    async with connected(tmp_path, command=COMMAND, initialize=initialize) as client:
        client.notify("exit")
        assert await client.wait() == 1


@pytest.mark.parametrize("busy", BUSY)
async def test_end_of_input_ends_the_server(tmp_path: Path, busy: str) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await occupy(client, busy, tmp_path / "held")
        client.close_input()
        assert await client.wait() == 1


@pytest.mark.parametrize(
    ("name", "busy"),
    [
        *(("SIGTERM", busy) for busy in BUSY),
        *((n, b) for n in ("SIGHUP", "SIGINT") for b in ("idle", "hung")),
    ],
)
async def test_a_signal_ends_the_server(tmp_path: Path, name: str, busy: str) -> None:
    number = signal.Signals[name]
    async with connected(tmp_path, command=COMMAND) as client:
        await occupy(client, busy, tmp_path / "held")
        client.process.send_signal(number)
        assert await client.wait() == 128 + number


async def test_many_ends_at_once_are_one_end(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await client.request("shutdown")
        client.notify("exit")
        client.close_input()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            client.process.send_signal(number)
        assert await client.wait() == 0


async def test_kill_leaves_nothing_and_the_next_server_starts(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await occupy(client, "background", tmp_path / "held")
        client.process.kill()
        assert await client.wait() == -signal.SIGKILL
    async with connected(tmp_path, command=COMMAND) as client:
        assert await client.run("nothing") == "done"


async def test_a_client_that_closes_its_ear_does_not_stop_background_work(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await client.run("background")
        transport = client.process._transport.get_pipe_transport(1)  # pyright: ignore
        transport.close()
        params = {"command": "missions.spin", "arguments": [{"marker": str(tmp_path / "m"), "seconds": 0}]}
        for _ in range(50):
            client.send_request("workspace/executeCommand", params)
        await client.until((tmp_path / "m.begun").exists)
        assert client.process.returncode is None


@pytest.mark.parametrize("goodbye", [b"", b'Content-Length: 33\r\n\r\n{"jsonrpc":"2.0","method":"exit"}'])
async def test_a_client_that_dies_before_it_said_anything_leaves_no_server(
    tmp_path: Path, goodbye: bytes
) -> None:
    client = await Client.start(tmp_path)
    try:
        client.send_raw(goodbye)
        client.close_input()
        assert await client.wait() == 1
    finally:
        await client.kill()


async def test_a_killed_editor_takes_its_server_with_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    command = [sys.executable, "-c", script, *SERVER, "--store", str(tmp_path)]
    editor = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert editor.stdout is not None
    server = psutil.Process(int(await editor.stdout.readline()))
    editor.kill()
    await editor.wait()
    await until_async(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


async def test_a_server_whose_parent_is_gone_ends_although_its_input_stays_open(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec("sleep", "3600")
    async with connected(tmp_path, command=COMMAND, initialize=False) as client:
        await client.initialize(process_id=parent.pid)
        assert await client.run("nothing") == "done"
        parent.kill()
        await parent.wait()
        assert await client.wait() == 1


async def test_a_parent_that_was_never_visible_is_not_followed(tmp_path: Path) -> None:
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    async with connected(tmp_path, command=COMMAND, initialize=False) as client:
        await client.initialize(process_id=gone.pid)
        assert "parent" not in (await client.run("state"))["tasks"]


async def test_ends_are_reported_by_the_log(tmp_path: Path) -> None:
    async def log_of(end: Callable[[Client], object]) -> str:
        async with connected(tmp_path, command=COMMAND) as client:
            path = Path((await client.run("state"))["log"])
            end(client)
            await client.wait()
        return path.read_text("utf-8")

    assert "leaving: end of input (status 1)" in await log_of(lambda client: client.close_input())
    assert "leaving: signal SIGTERM (status 143)" in await log_of(
        lambda c: os.kill(c.process.pid, signal.SIGTERM)
    )
    assert "leaving: exit (status 1)" in await log_of(lambda client: client.notify("exit"))
