"""The first exchange, settings, and what is loaded when."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from missions.lsp.transport import accept_one
from missions.model.errors import MissionError
from support.lsp_client import NEVER, PROFILES, Client, connected
from support.lsp_playground import COMMAND


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_client_gets_the_capabilities_and_can_run_a_command(tmp_path: Path, profile: str) -> None:
    async with connected(tmp_path, profile, initialize=False, command=COMMAND) as client:
        answer = await client.initialize(tmp_path)
        capabilities = answer["capabilities"]
        assert answer["serverInfo"]["name"] == "missions"
        assert capabilities["experimental"] == {"missions": 1}
        assert capabilities["workspace"]["textDocumentContent"] == {"schemes": ["missions"]}
        assert "missions.echo" in capabilities["executeCommandProvider"]["commands"]
        assert (await client.run("echo", {"text": "é"}))["text"] == "é"
        assert await client.stop() == 0


async def test_before_initialize_is_answered_only_pygls_and_lsprotocol_are_loaded(tmp_path: Path) -> None:
    command = [COMMAND[0], "-X", "importtime", "-c", "from missions.lsp.server import main; main()"]
    async with connected(tmp_path, initialize=False, command=command) as client:
        await client.initialize(tmp_path, initialized=False)
        loaded = {line.rsplit("|", 1)[-1].strip() for line in client.stderr.decode().splitlines()}
    assert "pygls.lsp.server" in loaded
    heavy = {
        "pydantic",
        "watchfiles",
        "git",
        "anthropic",
        "typer",
        "rich",
        "prompt_toolkit",
        "httpx",
        "markdown_it",
    }
    assert not heavy & loaded
    ours = {name for name in loaded if name.startswith("missions.")}
    assert {name.split(".")[1] for name in ours} <= {"loading", "lsp", "model"}
    assert {name for name in ours if name.startswith("missions.model.")} == {"missions.model.errors"}


async def test_requests_before_initialize_are_refused_and_a_second_initialize_too(tmp_path: Path) -> None:
    async with connected(tmp_path, initialize=False, command=COMMAND) as client:
        assert (await client.error("shutdown")).code == -32002
        client.notify("initialized", {})
        await client.initialize()
        assert (await client.error("initialize", {"capabilities": {}})).code == -32600
        assert await client.run("nothing") == "done"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"capabilities": 5, "processId": "x", "workspaceFolders": 7, "initializationOptions": [1]},
        {"capabilities": {"window": 3, "textDocument": {"hover": 9}, "workspace": {"configuration": []}}},
        {"capabilities": {"general": {"positionEncodings": ["utf-99"]}}, "trace": "loud", "clientInfo": {}},
    ],
)
async def test_a_client_that_introduces_itself_badly_is_served_all_the_same(
    tmp_path: Path, params: object
) -> None:
    async with connected(tmp_path, "bare", initialize=False, command=COMMAND) as client:
        assert (await client.request("initialize", params))["capabilities"]
        client.notify("initialized")
        assert await client.run("nothing") == "done"


async def test_an_initialize_that_is_no_object_is_refused_and_can_be_repeated(tmp_path: Path) -> None:
    async with connected(tmp_path, initialize=False, command=COMMAND) as client:
        assert (await client.error("initialize", [1])).code == -32602
        assert (await client.initialize())["capabilities"]


async def test_settings_come_from_the_options_and_then_from_the_client(tmp_path: Path) -> None:
    async with connected(tmp_path, "vscode", initialize=False, command=COMMAND) as client:
        client.settings = {"budget": 5}
        await client.initialize(options={"missions": {"budget": 1, "host": "server"}})
        await client.until(lambda: client.asked("client/registerCapability"))
        assert (await client.run("state"))["settings"] == {"budget": 5, "host": "server"}
        client.settings = {"budget": 6}
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        await client.until(lambda: len(client.asked("workspace/configuration")) == 2)
        async with asyncio.timeout(20):
            while (await client.run("state"))["settings"]["budget"] != 6:
                pass


async def test_a_client_that_answers_no_questions_can_push_its_settings(tmp_path: Path) -> None:
    async with connected(tmp_path, "bare", command=COMMAND) as client:
        client.notify("workspace/didChangeConfiguration", {"settings": {"missions": {"host": "server"}}})
        assert (await client.run("state"))["settings"] == {"host": "server"}
        client.notify("workspace/didChangeConfiguration", {"settings": 5})
        assert (await client.run("state"))["settings"] == {}


async def test_settings_of_the_wrong_form_are_ignored(tmp_path: Path) -> None:
    async with connected(tmp_path, "neovim", initialize=False, command=COMMAND) as client:
        client.handlers["workspace/configuration"] = lambda params: "nonsense"
        await client.initialize(options=[1, 2])
        await client.until(lambda: client.asked("workspace/configuration"))
        assert (await client.run("state"))["settings"] == {}


async def test_a_client_that_never_answers_is_served_and_nothing_is_kept_for_it(tmp_path: Path) -> None:
    async with connected(tmp_path, "vscode", initialize=False, command=COMMAND) as client:
        for method in list(client.handlers):
            client.handlers[method] = lambda params: NEVER
        await client.initialize()
        assert await client.run("ask", {"seconds": 0.05}) is None
        assert client.of("$/cancelRequest")
        assert await client.run("nothing") == "done"
        assert await client.stop() == 0


async def test_the_log_is_private_in_the_store_and_holds_no_key(tmp_path: Path) -> None:
    store = tmp_path / "new" / "store"
    async with connected(store, command=COMMAND) as client:
        answer = await client.request("missions/credentials", {"apiKey": "sk-very-secret"})
        assert answer == {"source": "client"}
        path = Path((await client.run("state"))["log"])
    assert path.parent == store / "logs"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    text = path.read_text("utf-8")
    assert "leaving: end of input" in text
    assert "got CredentialsParams" in text
    assert "sk-very-secret" not in text
    assert client.stderr == b""


async def test_a_store_that_cannot_be_written_is_said_once_and_does_not_stop_the_server(
    tmp_path: Path,
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    async with connected(blocked, command=COMMAND) as client:
        await client.until(lambda: client.of("window/logMessage"))
        assert "No log file" in client.of("window/logMessage")[0]["message"]
        assert await client.run("nothing") == "done"


async def test_own_requests_carry_typed_payloads_both_ways(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        answer = await client.request("missions/tree/children", {"nodeId": "x", "newerField": 1})
        assert answer["version"] == 3
        node = answer["nodes"][0]
        assert node["label"] == "child of x"
        assert node["contextValue"] == "mission.running"
        assert "severity" not in node
        error = await client.error("missions/tree/children", {"nodeId": 5})
        assert (error.code, error.data["code"]) == (-32602, "bad_argument")
        assert "nodeId" in error.message


async def test_our_notifications_go_only_to_clients_that_speak_them(tmp_path: Path) -> None:
    async with connected(tmp_path, "lsp318", command=COMMAND) as client:
        await client.run("flood", {"kind": "status", "count": 3})
        assert client.of("missions/status") == []
    async with connected(tmp_path, "neovim", command=COMMAND) as client:
        await client.run("flood", {"kind": "status", "count": 3})
        assert client.of("missions/status")[-1]["line"].startswith("2 ")


async def test_the_debugging_port_serves_one_client_on_loopback(tmp_path: Path) -> None:
    client = await Client.start(tmp_path, arguments=["--tcp", "127.0.0.1:0"])
    try:
        await client.until(lambda: client.stderr.endswith(b"\n"))
        import asyncio

        port = int(client.stderr.decode().rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b'Content-Length: 59\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"initialize","params":{} } '
        )
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"Content-Length")
        writer.close()
        assert await client.wait() == 1
    finally:
        await client.kill()


async def test_any_other_address_is_refused(tmp_path: Path) -> None:
    for address in ("example.org:80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999"):
        with pytest.raises(MissionError, match="loopback"):
            accept_one(address)
    client = await Client.start(tmp_path, arguments=["--tcp", "0.0.0.0:0"])
    try:
        assert await client.wait() == 1
        await client.until(lambda: b"loopback" in client.stderr)
    finally:
        await client.kill()
