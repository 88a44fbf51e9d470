"""Whatever comes over the wire, the next proper request is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.lsp_client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


NO_REQUESTS: list[tuple[bytes, int]] = [
    (b"{", -32700),
    (b"", -32700),
    (b"\xff\xfe\x00", -32700),
    (b"nonsense", -32700),
    (b"[" * 200_000, -32700),
    (b"1" * 10_000, -32700),
    (b"[]", -32600),
    (b"null", -32600),
    (b'"text"', -32600),
    (b"{}", -32600),
    (b'[{"jsonrpc":"2.0","id":1,"method":"shutdown"}]', -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"shutdown"}', -32600),
    (b'{"jsonrpc":"2.0","id":{"a":1},"method":"shutdown"}', -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"shutdown"}', -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"shutdown"}', -32600),
    (b'{"jsonrpc":"2.0","method":5}', -32600),
    (b'{"jsonrpc":"1.0","method":"exit"}', -32600),
]


async def test_what_is_no_request_gets_an_error_without_id(client: Client) -> None:
    for body, code in NO_REQUESTS:
        client.stray.clear()
        client.send_raw(framed(body))
        assert await client.run("nothing") == "done"
        (answer,) = client.stray
        assert (body[:80], answer["id"], answer["error"]["code"]) == (body[:80], None, code)


NO_MESSAGES = [
    b"hello\r\n\r\n",
    b"Content-Length: x\r\n\r\n",
    b"\x00" * 50_000,
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n{}",
]


async def test_bytes_that_are_no_message_are_skipped(client: Client) -> None:
    for raw in NO_MESSAGES:
        client.stray.clear()
        client.send_raw(raw)
        assert await client.run("nothing") == "done"
        assert len(client.stray) == 1, raw[:80]


WRONG_REQUESTS: list[tuple[str, Any, int]] = [
    ("textDocument/hover", {}, -32601),
    ("no/such/method", {"a": 1}, -32601),
    ("$/secret", None, -32601),
    ("workspace/executeCommand", None, -32602),
    ("workspace/executeCommand", [], -32602),
    ("workspace/executeCommand", {"command": 5}, -32602),
    ("workspace/executeCommand", {"command": "missions.echo", "arguments": {}}, -32602),
    ("workspace/executeCommand", {"command": "missions.ecko"}, -32803),
    ("workspace/executeCommand", {"command": "missions.echo", "arguments": [1]}, -32602),
    ("workspace/executeCommand", {"command": "missions.echo", "arguments": [{"text": "a"}, {}]}, -32602),
    ("missions/tree/children", 5, -32602),
    ("missions/credentials", {"apiKey": {"a": 1}}, -32602),
]


async def test_a_wrong_request_gets_a_typed_error(client: Client) -> None:
    for method, params, code in WRONG_REQUESTS:
        error = await client.error(method, params)
        assert (method, params, error.code) == (method, params, code)
        assert set(error.data) >= {"code", "message", "nextStep", "data"}, (method, params)
        assert "Traceback" not in json.dumps(error.data)
    assert await client.run("nothing") == "done"


async def test_wrong_notifications_are_ignored_without_a_toast(client: Client) -> None:
    for method, params in [
        ("textDocument/didOpen", {}),
        ("textDocument/didOpen", {"textDocument": {"uri": 5}}),
        (
            "textDocument/didChange",
            {"textDocument": {"uri": "file:///x", "version": 1}, "contentChanges": [7]},
        ),
        ("textDocument/didClose", {"textDocument": {"uri": "file:///never-opened"}}),
        (
            "textDocument/didChange",
            {"textDocument": {"uri": "not a uri", "version": 1}, "contentChanges": []},
        ),
        ("$/cancelRequest", {"id": "unknown"}),
        ("$/cancelRequest", None),
        ("$/cancelRequest", {"id": [1]}),
        ("$/setTrace", {"value": "very"}),
        ("window/workDoneProgress/cancel", {"token": "unknown"}),
        ("missions/tree/visibility", {"visible": "no"}),
        ("workspace/didChangeWorkspaceFolders", {"event": None}),
        ("workspace/didChangeConfiguration", None),
        ("no/such/notification", [1]),
        ("initialized", {}),
        ("initialize", {}),
    ]:
        client.notify(method, params)
    assert await client.run("nothing") == "done"
    assert client.of("window/showMessage") == []
    assert client.stray == []


async def test_answers_to_questions_nobody_asked_are_ignored(client: Client) -> None:
    number = client.send_request("workspace/executeCommand", {"command": "missions.ask", "arguments": [{}]})
    for answer in [
        {"id": number, "result": 1},
        {"id": 99, "result": None},
        {"id": None, "error": {"code": 1, "message": "x"}},
        {"id": [1], "result": 1},
        {"id": 98, "error": "broken"},
    ]:
        client.send({"jsonrpc": "2.0", **answer})
    assert await client.response(number) is None
    assert await client.run("nothing") == "done"


async def test_wrong_answers_to_our_questions_count_as_no_answer(client: Client) -> None:
    for nonsense in [5, "yes", [], {"nothing": 1}]:
        client.handlers["window/showMessageRequest"] = lambda params, nonsense=nonsense: nonsense
        assert await client.run("ask") is None
    client.handlers["window/showMessageRequest"] = lambda params: {"title": "Yes"}
    assert await client.run("ask") == "Yes"


async def test_a_message_of_20_megabytes_is_read_and_one_over_the_limit_refused(client: Client) -> None:
    text = "x" * 20_000_000
    answer = await client.run("echo", {"text": text, "times": 0})
    assert answer["text"] == ""
    assert len(answer["args"]["text"]) == 20_000_000
    client.send_raw(b"Content-Length: 70000000\r\n\r\n")
    for _ in range(70):
        client.send_raw(b"y" * 1_000_000)
        await client.process.stdin.drain()
    assert await client.run("nothing") == "done"
    assert client.stray[0]["error"]["code"] == -32700


async def test_an_id_in_use_is_refused_and_any_string_is_an_id(client: Client, tmp_path: Path) -> None:
    marker = str(tmp_path / "held")
    params = {"command": "missions.hold", "arguments": [{"marker": marker}]}
    number = client.send_request("workspace/executeCommand", params, number="ü\u0000")
    await client.until((tmp_path / "held.begun").exists)
    client.send({"jsonrpc": "2.0", "id": number, "method": "workspace/executeCommand", "params": params})
    with pytest.raises(Exception, match="still being handled"):
        await client.response(number)
    client.notify("$/cancelRequest", {"id": number})
    await client.until(lambda: client.stray)
    assert (client.stray[0]["id"], client.stray[0]["error"]["code"]) == (number, -32800)


async def test_payloads_that_look_like_messages_are_data(client: Client) -> None:
    text = json.dumps({"jsonrpc": "2.0", "method": "exit"})
    answer = await client.run("echo", {"text": text, "inner": {"names": ["jsonrpc"]}})
    assert answer["text"] == text
    error = await client.run_error("echo", {"text": "a", "inner": {"names": [], "jsonrpc": "2.0"}})
    assert "inner.jsonrpc" in error.message
