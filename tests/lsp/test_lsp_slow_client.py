"""A client that stops reading blocks nothing, costs bounded memory, and finds the newest state when it is back."""

from __future__ import annotations

from pathlib import Path

from support.lsp_client import Client, connected
from support.lsp_playground import COMMAND


async def flood_unread(client: Client, where: Path, *kinds: tuple[str, int, int]) -> None:
    """Send notifications to a client that does not read, and wait until the server has done it all."""
    client.stop_reading()
    for kind, count, size in kinds:
        marker = where / kind
        argument = {"kind": kind, "count": count, "size": size, "marker": str(marker)}
        client.send_request(
            "workspace/executeCommand", {"command": "missions.flood", "arguments": [argument]}
        )
        await client.until(marker.exists)


async def test_the_newest_state_arrives_and_nothing_in_between_is_kept(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        kinds = [("status", 2000, 1000), ("diagnostics", 2000, 1000), ("tree", 2000, 0), ("chat", 2000, 0)]
        await client.run("nothing")
        await flood_unread(client, tmp_path, ("log", 300, 5000), *kinds)
        client.read_again()
        assert await client.run("nothing") == "done"
        assert client.of("missions/status")[-1]["line"].startswith("1999 ")
        assert len(client.of("missions/status")) < 1000
        assert {found[0]["message"].split()[0] for found in client.diagnostics.values()} == {
            "1997",
            "1998",
            "1999",
        }
        changed = client.of("missions/tree/didChange")
        assert {name for change in changed for name in change["nodeIds"]} == {str(n) for n in range(2000)}
        assert changed[-1]["version"] == 1999
        text = "".join(delta["text"] for delta in client.of("missions/chat/delta"))
        assert text == "".join(f"{number}," for number in range(2000))


async def test_what_may_be_lost_is_lost_before_memory_grows(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        before = (await client.run("state"))["memory"]
        await flood_unread(client, tmp_path, ("log", 4000, 20_000))
        client.read_again()
        after = (await client.run("state"))["memory"]
        assert after - before < 40 * 1024 * 1024
        assert len(client.of("window/logMessage")) < 1000


async def test_a_client_that_never_reads_its_answers_is_given_up(tmp_path: Path) -> None:
    async with connected(tmp_path, command=COMMAND) as client:
        client.stop_reading()
        params = {"command": "missions.echo", "arguments": [{"text": "x" * 1000, "times": 9000}]}
        for _ in range(20):
            client.send_request("workspace/executeCommand", params)
        path = await client.until(lambda: next((tmp_path / "logs").glob("*"), None))
        await client.until(lambda: "more waits for the client" in path.read_text("utf-8"), deadline=60)
        client.close_input()
        assert await client.wait() == 1
        client.read_again()
