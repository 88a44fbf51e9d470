"""The real server with commands that behave and misbehave as the tests need; run as a program."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lsprotocol import types

from missions.lsp import protocol, server
from missions.lsp.payload import Payload, payload
from missions.lsp.progress import Progress
from missions.lsp.server import MissionsServer
from missions.model.errors import MissionError


@payload
class Inner(Payload):
    names: list[str]


@payload
class Echo(Payload):
    text: str
    times: int = 1
    loud: bool = False
    inner: Inner | None = None


@payload
class Hold(Payload):
    marker: str = ""
    seconds: float = 3600.0


@payload
class Flood(Payload):
    kind: str
    count: int = 1000
    size: int = 100
    marker: str = ""


@payload
class Steps(Payload):
    count: int = 3
    wait_for_cancel: bool = False


def register(ls: MissionsServer) -> None:
    """All commands; each is a few lines so that what it shows is the server's doing."""

    @ls.command("missions.echo")
    async def echo(ls: MissionsServer, args: Echo) -> Any:
        text = args.text.upper() if args.loud else args.text
        return {"text": text * args.times, "args": args}

    @ls.command("missions.nothing")
    def nothing() -> str:
        return "done"

    @ls.command("missions.raw")
    async def raw(args: dict[str, Any]) -> Any:
        return args

    @ls.command("missions.hold")
    async def hold(args: Hold) -> None:
        Path(args.marker).with_suffix(".begun").touch()
        try:
            await asyncio.sleep(args.seconds)
        except asyncio.CancelledError:
            Path(args.marker).with_suffix(".cancelled").touch()
            raise

    @ls.command("missions.spin")
    async def spin(args: Hold) -> None:
        if args.marker:
            Path(args.marker).with_suffix(".begun").touch()
        time.sleep(args.seconds)  # noqa: ASYNC251 - a loop that hangs is what the test is about

    @ls.command("missions.fail")
    async def fail() -> None:
        raise RuntimeError("a secret detail")

    @ls.command("missions.refuse")
    async def refuse() -> None:
        raise MissionError("wrong_state", "The mission is not paused.", "Pause it first.", status="running")

    @ls.command("missions.unspeakable")
    async def unspeakable() -> Any:
        return {"set": object}

    @ls.command("missions.child")
    async def child() -> str:
        process = await asyncio.create_subprocess_exec("cat", stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        return out.decode()

    @ls.command("missions.print")
    async def noise() -> None:
        print("Content-Length: 5\r\n\r\nnoise", flush=True)
        process = await asyncio.create_subprocess_exec("echo", "noise of a child")
        await process.wait()

    @ls.command("missions.flood")
    async def flood(ls: MissionsServer, args: Flood) -> int:
        for number in range(args.count):
            _send(ls, args.kind, number, "x" * args.size)
            if number % 50 == 0:
                await asyncio.sleep(0)
        if args.marker:
            Path(args.marker).touch()
        return args.count

    @ls.command("missions.progress")
    async def progress(ls: MissionsServer, args: Steps) -> dict[str, Any]:
        cancelled = asyncio.Event()
        shown = await Progress.start(ls, "Work", message="begins", percentage=0, on_cancel=cancelled.set)
        was_shown = shown.shown
        for number in range(args.count):
            shown.report(f"step {number}", number)
            await asyncio.sleep(0)
        if args.wait_for_cancel:
            await cancelled.wait()
        shown.end("over")
        shown.report("too late")
        return {"shown": was_shown, "cancelled": cancelled.is_set()}

    @ls.command("missions.ask")
    async def ask(ls: MissionsServer, args: Hold) -> Any:
        action = types.MessageActionItem(title="Yes")
        params = types.ShowMessageRequestParams(type=types.MessageType.Info, message="?", actions=[action])
        answer = await ls.ask_client(types.WINDOW_SHOW_MESSAGE_REQUEST, params, timeout=args.seconds)
        return None if answer is None else answer.title

    @ls.command("missions.background")
    async def background(ls: MissionsServer) -> list[str]:
        async def tick() -> None:
            while True:
                ls.tell("tick")
                await asyncio.sleep(0.01)

        async def broken() -> None:
            raise RuntimeError("a background error")

        ls.tasks.start("tick", tick())
        ls.tasks.start("broken", broken())
        return ls.tasks.names()

    @ls.command("missions.toasts")
    async def toasts(ls: MissionsServer) -> None:
        for _ in range(100):
            ls.toast("The same trouble again.", "warning")

    @ls.command("missions.state")
    async def state(ls: MissionsServer) -> dict[str, Any]:
        return {
            "inFlight": ls.protocol.in_flight(),
            "unanswered": ls.protocol.unanswered(),
            "settings": ls.settings,
            "tasks": ls.tasks.names(),
            "cancels": len(ls.protocol.progress_cancels),
            "log": str(ls.log.path),
            "extension": ls.abilities.extension,
            "memory": _resident(),
        }

    @ls.feature(protocol.TREE_CHILDREN)
    async def children(params: protocol.TreeChildrenParams) -> protocol.TreeChildrenResult:
        node = protocol.TreeNode(id="a", label=f"child of {params.node_id}", context_value="mission.running")
        return protocol.TreeChildrenResult(version=3, nodes=[node])

    @ls.feature(protocol.CREDENTIALS)
    async def credentials(params: protocol.CredentialsParams) -> protocol.CredentialsResult:
        logging.getLogger("missions.test").info("got %r", params)
        return protocol.CredentialsResult(source="client" if params.api_key else "none")


def _send(ls: MissionsServer, kind: str, number: int, text: str) -> None:
    if kind == "log":
        ls.tell(text)
    elif kind == "diagnostics":
        where = types.Range(types.Position(0, 0), types.Position(0, 1))
        found = [types.Diagnostic(range=where, message=f"{number} {text}")]
        uri = f"file:///{number % 3}"
        ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri=uri, diagnostics=found))
    elif kind == "tree":
        ls.send(protocol.TREE_DID_CHANGE, protocol.TreeDidChange(version=number, node_ids=[str(number)]))
    elif kind == "chat":
        delta = protocol.ChatDelta(chat="c", message="m", kind="text", text=f"{number},")
        ls.send(protocol.CHAT_DELTA, delta)
    else:
        ls.send(protocol.STATUS, protocol.Status(line=f"{number} {text}"))


def _resident() -> int:
    fields = Path("/proc/self/statm").read_text("ascii").split()
    return int(fields[1]) * 4096


class Playground(MissionsServer):
    """The product's server with the commands above."""

    def register_features(self) -> None:
        register(self)

    async def _open_session(self) -> Any:
        """None of these commands needs the store, and loading what does takes longer than most of the tests."""


COMMAND = [sys.executable, str(Path(__file__).resolve())]

if __name__ == "__main__":
    server.MissionsServer = Playground
    server.main()
