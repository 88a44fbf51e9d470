"""Progress begins, reports, ends and cancels as the client can show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.lsp_client import NEVER, Client, connected
from support.lsp_playground import COMMAND

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("profile", ["vscode", "neovim", "lsp318"])
async def test_progress_begins_ends_and_always_shows_the_last_report_in_time(
    tmp_path: Path, profile: str
) -> None:
    async with connected(tmp_path, profile, command=COMMAND) as client:
        assert await client.run("progress", {"count": 500}) == {"shown": True, "cancelled": False}
        (values,) = client.progress.values()
        assert values[0] == {
            "kind": "begin",
            "title": "Work",
            "cancellable": True,
            "message": "begins",
            "percentage": 0,
        }
        assert values[-1] == {"kind": "end", "message": "over"}
        assert len(values) < 20
        assert (await client.run("state"))["cancels"] == 0


async def test_the_newest_report_arrives_even_when_those_before_were_too_many(client: Client) -> None:
    number = client.send_request(
        "workspace/executeCommand",
        {"command": "missions.progress", "arguments": [{"count": 300, "wait_for_cancel": True}]},
    )
    with pytest.raises(Exception, match="waitForCancel"):
        await client.response(number)
    held = {"command": "missions.progress", "arguments": [{"count": 300, "waitForCancel": True}]}
    number = client.send_request("workspace/executeCommand", held)
    await client.until(lambda: any(v[-1].get("message") == "step 299" for v in client.progress.values()))
    ((token, values),) = client.progress.items()
    assert values[-1] == {"kind": "report", "message": "step 299", "percentage": 100}
    client.notify("window/workDoneProgress/cancel", {"token": token})
    client.notify("window/workDoneProgress/cancel", {"token": token})
    assert await client.response(number) == {"shown": True, "cancelled": True}
    assert values[-1]["kind"] == "end"


async def test_a_client_without_progress_gets_none(tmp_path: Path) -> None:
    async with connected(tmp_path, "bare", command=COMMAND) as client:
        assert (await client.run("progress"))["shown"] is False
        assert not client.requests
        assert not client.progress


async def test_a_client_that_refuses_the_token_gets_none(client: Client) -> None:
    del client.handlers["window/workDoneProgress/create"]
    assert (await client.run("progress"))["shown"] is False
    assert not client.progress


async def test_cancelling_a_command_that_waits_for_its_token_leaves_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        client.handlers["window/workDoneProgress/create"] = lambda params: NEVER
        await client.until(lambda: client.asked("client/registerCapability"))
        number = client.send_request(
            "workspace/executeCommand", {"command": "missions.progress", "arguments": [{}]}
        )
        await client.until(lambda: client.asked("window/workDoneProgress/create"))
        client.notify("$/cancelRequest", {"id": number})
        with pytest.raises(Exception, match="cancelled"):
            await client.response(number)
        # The wire keeps its order: by now the server has read the answer to its registration.
        state = await client.run("state")
        assert (state["inFlight"], state["unanswered"]) == (1, 0)
