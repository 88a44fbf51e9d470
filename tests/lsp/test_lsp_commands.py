"""One typed object in, JSON out, errors with a code, and cancelling that reaches the work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.lsp_client import NEVER, Client, LspError, connected
from support.lsp_playground import COMMAND

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_argument_has_defaults_and_nested_objects(client: Client) -> None:
    answer = await client.run("echo", {"text": "ab", "loud": True, "inner": {"names": ["x"]}})
    assert answer == {
        "text": "AB",
        "args": {"text": "ab", "times": 1, "loud": True, "inner": {"names": ["x"]}},
    }


async def test_a_command_without_arguments_takes_every_way_to_say_so(client: Client) -> None:
    for arguments in (None, [], [None], [{}]):
        params = {"command": "missions.nothing", "arguments": arguments}
        assert await client.request("workspace/executeCommand", params) == "done"


async def test_a_command_that_reads_its_argument_itself_gets_the_plain_object(client: Client) -> None:
    assert await client.run("raw", {"class": 1, "_x": [{"y": None}]}) == {"class": 1, "_x": [{"y": None}]}
    params = {"command": "missions.raw", "arguments": ["text"]}
    assert (await client.error("workspace/executeCommand", params)).data["code"] == "bad_argument"


BAD_ARGUMENTS: list[tuple[Any, str]] = [
    ({}, "text"),
    ({"text": None}, "text"),
    ({"text": 5}, "text"),
    ({"text": "a", "times": "2"}, "times"),
    ({"text": "a", "times": True}, "times"),
    ({"text": "a", "loud": "false"}, "loud"),
    ({"text": "a", "loud": 1}, "loud"),
    ({"text": "a", "inner": {}}, "inner.names"),
    ({"text": "a", "inner": {"names": ["b", 2]}}, "inner.names[1]"),
    ({"text": "a", "inner": []}, "inner"),
    ({"text": "a", "tiems": 2}, "tiems"),
]


async def test_a_bad_argument_is_named(client: Client) -> None:
    for argument, field in BAD_ARGUMENTS:
        error = await client.run_error("echo", argument)
        assert (argument, error.code, error.data["code"]) == (argument, -32602, "bad_argument")
        assert (argument, error.data["data"]["field"]) == (argument, field)
        assert error.data["nextStep"]


async def test_a_mistyped_command_and_field_get_a_suggestion(client: Client) -> None:
    assert "missions.echo" in (await client.run_error("ecko")).data["nextStep"]
    assert "times" in (await client.run_error("echo", {"text": "a", "tiems": 2})).data["nextStep"]


async def test_a_mission_error_keeps_its_code_sentence_and_next_step(client: Client) -> None:
    error = await client.run_error("refuse")
    assert error.code == -32803
    assert error.message == "The mission is not paused. Pause it first."
    assert error.data == {
        "code": "wrong_state",
        "message": "The mission is not paused.",
        "nextStep": "Pause it first.",
        "data": {"status": "running"},
    }


async def test_a_bug_shows_an_id_that_the_log_explains_and_nothing_else(client: Client) -> None:
    for operation in ("fail", "unspeakable"):
        error = await client.run_error(operation)
        number = error.data["data"]["id"]
        assert (error.code, error.data["code"]) == (-32603, "internal")
        assert "secret" not in str(error.data) + error.message
        log = Path((await client.run("state"))["log"]).read_text("utf-8")
        assert f"incident {number}" in log
        assert "Traceback" in log
    assert client.of("window/showMessage") == []


async def test_cancelling_a_request_stops_its_command(client: Client, tmp_path: Path) -> None:
    params = {"command": "missions.hold", "arguments": [{"marker": str(tmp_path / "held")}]}
    number = client.send_request("workspace/executeCommand", params)
    await client.until((tmp_path / "held.begun").exists)
    client.notify("$/cancelRequest", {"id": number})
    with pytest.raises(LspError) as caught:
        await client.response(number)
    assert (caught.value.code, caught.value.data["code"]) == (-32800, "cancelled")
    await client.until((tmp_path / "held.cancelled").exists)
    assert (await client.run("state"))["inFlight"] == 1


async def test_a_storm_of_requests_is_answered_completely_and_leaves_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        # The server's own question stays open: it is no work that the storm has left.
        client.handlers["client/registerCapability"] = lambda params: NEVER
        one = {"command": "missions.echo", "arguments": [{"text": "a"}]}
        numbers = [client.send_request("workspace/executeCommand", one) for _ in range(3000)]
        answers = await asyncio.gather(*(client.response(number, 60) for number in numbers))
        assert {answer["text"] for answer in answers} == {"a"}
        uri = "file:///storm"
        document = {"uri": uri, "languageId": "json", "version": 1, "text": ""}
        for version in range(200):
            client.notify("textDocument/didOpen", {"textDocument": document})
            change = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": "{}"}]}
            client.notify("textDocument/didChange", change)
            client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert (await client.run("state"))["inFlight"] == 1


async def test_a_storm_of_cancels_hits_only_what_it_names(client: Client, tmp_path: Path) -> None:
    one = {"command": "missions.hold", "arguments": [{"marker": str(tmp_path / "held")}]}
    numbers = [client.send_request("workspace/executeCommand", one) for _ in range(200)]
    for number in numbers:
        client.notify("$/cancelRequest", {"id": number})
        client.notify("$/cancelRequest", {"id": number})
    assert await client.run("nothing") == "done"
    results = await asyncio.gather(*map(client.response, numbers), return_exceptions=True)
    assert {getattr(result, "code", None) for result in results} == {-32800}


async def test_children_and_print_cannot_touch_the_wire(client: Client) -> None:
    held = client.send_request("workspace/executeCommand", {"command": "missions.child"})
    for _ in range(20):
        assert (await client.run("echo", {"text": "mine"}))["text"] == "mine"
    assert await client.response(held) == ""
    await client.run("print")
    assert await client.run("nothing") == "done"
    await client.until(lambda: b"noise of a child" in client.stderr)


async def test_a_background_error_is_logged_and_ends_nothing_else(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        assert {"tick", "broken"} <= set(await client.run("background"))
        await client.until(lambda: len(client.of("window/logMessage")) > 3)
        state = await client.run("state")
        assert "tick" in state["tasks"]
        assert "broken" not in state["tasks"]
        assert "a background error" in Path(state["log"]).read_text("utf-8")


async def test_the_same_trouble_is_shown_once(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        await client.run("toasts")
        assert len(client.of("window/showMessage")) == 1
