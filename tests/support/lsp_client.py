"""A scripted language client over real stdio, with the capabilities of a real editor.

It records everything, checks what the server sends against the announced capabilities (pytest-lsp's checks and a
few of our own) and can misbehave on purpose: send raw bytes, stop reading, never answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
from lsprotocol import types
from lsprotocol.converters import get_converter
from pytest_lsp.checks import LspSpecificationWarning, check_params_against_client_capabilities

from support.waiting import until_async

PROFILES = ("vscode", "neovim", "bare", "lsp318")
SERVER = [sys.executable, "-c", "from missions.lsp.server import main; main()"]
NEVER = object()
"""Answer of a handler that lets the server wait for ever."""

_converter = get_converter()


class LspError(Exception):
    """The server answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data") or {}


class Client:
    """One client and its server process."""

    def __init__(self, process: asyncio.subprocess.Process, profile: str) -> None:
        self.process = process
        data = json.loads((Path(__file__).parent / "lsp_profiles" / f"{profile}.json").read_text("utf-8"))
        self.profile = profile
        self.capabilities: dict[str, Any] = data["capabilities"]
        self.client_info: dict[str, Any] = data["clientInfo"]
        self.settings: dict[str, Any] = {}
        """What `workspace/configuration` answers for the section `missions`."""
        self.choices: list[str | None] = []
        """Titles to answer the next `showMessageRequest`s with; then null."""
        self.notifications: list[tuple[str, Any]] = []
        self.requests: list[tuple[str, Any]] = []
        self.stray: list[dict[str, Any]] = []
        """Answers without a request of ours (id null)."""
        self.diagnostics: dict[str, list[dict[str, Any]]] = {}
        self.progress: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        self.violations: list[str] = []
        self.stderr = bytearray()
        self.handlers = self._usual_handlers()
        self._number = 0
        self._pending: dict[Any, asyncio.Future[Any]] = {}
        self._reading = asyncio.Event()
        self._reading.set()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr())]

    def _usual_handlers(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "workspace/configuration": lambda params: [self.settings for _ in params["items"]],
            "client/registerCapability": lambda params: None,
            "window/workDoneProgress/create": lambda params: None,
            "window/showMessageRequest": self._choose,
            "window/showDocument": lambda params: {"success": True},
            "workspace/applyEdit": lambda params: {"applied": True},
        }

    def forget(self) -> None:
        """As after the handshake: nothing was heard, and every question is answered as usual."""
        for heard in (self.notifications, self.requests, self.stray, self.diagnostics, self.progress):
            heard.clear()
        self.settings, self.choices = {}, []
        self.handlers = self._usual_handlers()

    # ---------------------------------------------------------------- life

    @classmethod
    async def start(
        cls,
        store: Path,
        profile: str = "vscode",
        *,
        command: list[str] | None = None,
        arguments: list[str] | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Client:
        """Start a server for ``store``; it is not initialized yet."""
        process = await asyncio.create_subprocess_exec(
            *(command or SERVER),
            "--store",
            str(store),
            *(arguments or []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        return cls(process, profile)

    async def initialize(
        self, *folders: Path, options: Any = None, initialized: bool = True, process_id: int | None = -1
    ) -> dict[str, Any]:
        """The handshake; returns the server's answer."""
        result = await self.request(
            "initialize",
            {
                "processId": os.getpid() if process_id == -1 else process_id,
                "clientInfo": self.client_info,
                "rootUri": folders[0].as_uri() if folders else None,
                "capabilities": self.capabilities,
                "workspaceFolders": [{"uri": f.as_uri(), "name": f.name} for f in folders] or None,
                "initializationOptions": options,
            },
        )
        if initialized:
            self.notify("initialized", {})
        return result

    async def stop(self) -> int:
        """Say goodbye politely; the exit status."""
        await self.request("shutdown")
        self.notify("exit")
        return await self.wait()

    async def wait(self, deadline: float = 20) -> int:
        """Wait for the end of the server process."""
        await self.until(lambda: self.process.returncode is not None, "the end of the server", deadline)
        assert self.process.returncode is not None
        return self.process.returncode

    async def kill(self) -> None:
        """End whatever is left of the server's session, and of this client."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.wait()
        self._reading.set()
        _, late = await asyncio.wait(self._tasks, timeout=10)
        for task in late:
            task.cancel()
        self.process._transport.close()  # pyright: ignore  (a pipe that stayed open would warn much later)
        await asyncio.sleep(0)

    def group(self) -> list[int]:
        """Processes of the server's session that are alive."""
        found: list[int] = []
        for process in psutil.process_iter(["pid", "status"]):
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    # ---------------------------------------------------------------- talking

    async def request(self, method: str, params: Any = None, deadline: float = 30) -> Any:
        """Ask and wait; raises :class:`LspError`."""
        return await self.response(self.send_request(method, params), deadline)

    def send_request(self, method: str, params: Any = None, number: Any = None) -> Any:
        """Ask without waiting; the id."""
        self._number += 1
        number = self._number if number is None else number
        self._pending[number] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": number, "method": method}
        self.send(message if params is None else {**message, "params": params})
        return number

    async def response(self, number: Any, deadline: float = 30) -> Any:
        """The answer to a request sent before."""
        return await asyncio.wait_for(asyncio.shield(self._pending[number]), deadline)

    async def error(self, method: str, params: Any = None) -> LspError:
        """Ask something that must be refused."""
        try:
            result = await self.request(method, params)
        except LspError as error:
            return error
        raise AssertionError(f"{method} was answered: {result}")

    async def run(self, operation: str, argument: Any = None, deadline: float = 30) -> Any:
        """The command ``missions.<operation>`` with one object."""
        params = {"command": f"missions.{operation}", "arguments": [argument or {}]}
        return await self.request("workspace/executeCommand", params, deadline)

    async def run_error(self, operation: str, argument: Any = None) -> LspError:
        """A command that must be refused."""
        params = {"command": f"missions.{operation}", "arguments": [argument or {}]}
        return await self.error("workspace/executeCommand", params)

    def notify(self, method: str, params: Any = None) -> None:
        message = {"jsonrpc": "2.0", "method": method}
        self.send(message if params is None else {**message, "params": params})

    def send(self, message: Any) -> None:
        """Any JSON value as one message."""
        body = json.dumps(message).encode()
        self.send_raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send_raw(self, data: bytes) -> None:
        """Any bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def close_input(self) -> None:
        """What the server sees when the editor has died."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop_reading(self) -> None:
        self._reading.clear()

    def read_again(self) -> None:
        self._reading.set()

    def of(self, method: str) -> list[Any]:
        """Parameters of the notifications of that method, oldest first."""
        return [params for name, params in self.notifications if name == method]

    def asked(self, method: str) -> list[Any]:
        """Parameters of the server's requests of that method, oldest first."""
        return [params for name, params in self.requests if name == method]

    async def until(
        self, condition: Callable[[], Any], what: str = "the condition", deadline: float = 20
    ) -> Any:
        return await until_async(condition, deadline, what)

    # ---------------------------------------------------------------- listening

    async def _read(self) -> None:
        assert self.process.stdout is not None
        stream = self.process.stdout
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._reading.wait()
                header = await stream.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in header.strip().split(b"\r\n"))
                message = json.loads(await stream.readexactly(int(fields[b"Content-Length"])))
                self._take(message)
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the server ended"))
                future.exception()

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(65536):
            self.stderr += data

    def _take(self, message: dict[str, Any]) -> None:
        method, number = message.get("method"), message.get("id")
        if method is None:
            future = self._pending.get(number)
            if future is None or future.done():
                self.stray.append(message)
            elif "error" in message:
                future.set_exception(LspError(message["error"]))
                future.exception()
            else:
                future.set_result(message["result"])
            return
        params = message.get("params")
        self._check(method, params, "id" in message)
        if "id" not in message:
            self._take_notification(method, params)
            return
        self.requests.append((method, params))
        handler = self.handlers.get(method)
        if handler is None or (self.profile == "bare" and method != "window/showMessageRequest"):
            error = {"code": -32601, "message": f"{method} is not known here"}
            self.send({"jsonrpc": "2.0", "id": number, "error": error})
        elif (result := handler(params)) is not NEVER:
            self.send({"jsonrpc": "2.0", "id": number, "result": result})

    def _take_notification(self, method: str, params: Any) -> None:
        self.notifications.append((method, params))
        if method == "textDocument/publishDiagnostics":
            self.diagnostics[params["uri"]] = params["diagnostics"]
        elif method == "$/progress":
            self.progress[params["token"]].append(params["value"])

    def _choose(self, params: Any) -> Any:
        title = self.choices.pop(0) if self.choices else None
        return None if title is None else {"title": title}

    def _check(self, method: str, params: Any, is_request: bool) -> None:
        own = method.startswith("missions/")
        if own and not (self.capabilities.get("experimental") or {}).get("missions"):
            self.violations.append(f"{method} to a client without our extension")
        if is_request and self.profile == "bare":
            self.violations.append(f"request {method} to a client without capabilities")
        known = types.METHOD_TO_TYPES.get(method)
        if known is None:
            if not own:
                self.violations.append(f"unknown method {method}")
            return
        message = {"jsonrpc": "2.0", "method": method, "params": params, **({"id": 1} if is_request else {})}
        capabilities = _converter.structure(self.capabilities, types.ClientCapabilities)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", LspSpecificationWarning)
            try:
                typed = _converter.structure(message, known[0])
                check_params_against_client_capabilities(capabilities, method, typed.params)
            except Exception as error:
                self.violations.append(f"{method}: {error}")
        self.violations += [str(warning.message) for warning in found]


@contextlib.asynccontextmanager
async def connected(
    store: Path, profile: str = "vscode", *folders: Path, initialize: bool = True, **start: Any
) -> AsyncIterator[Client]:
    """A client with an initialized server; afterwards nothing of the server is left and nothing was sent amiss."""
    client = await Client.start(store, profile, **start)
    try:
        if initialize:
            await client.initialize(*folders)
        yield client
        if client.process.returncode is None:
            client.close_input()
            await client.wait()
        await client.until(lambda: not client.group(), "the end of every process of the server")
        assert client.violations == []
    finally:
        await client.kill()
