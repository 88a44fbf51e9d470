"""The language server: its parts, the life of a session, and ``missions lsp``.

It speaks to one client over one transport. Features (commands, tree, diagnostics …) register themselves on it and
do their heavy imports in :attr:`MissionsServer.on_started`: until ``initialize`` is answered only pygls and
lsprotocol are loaded. The server holds no state of a mission; it can be killed at any byte.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

import missions
from missions.loading import load
from missions.lsp.abilities import Abilities
from missions.lsp.lifetime import PARENT_POLL, Lifetime
from missions.lsp.log import ServerLog
from missions.lsp.outbox import Outbox
from missions.lsp.payload import Payload
from missions.lsp.tasks import TaskRegistry
from missions.lsp.transport import Reading, Transport, accept_one, private_stdio
from missions.lsp.wire import MissionsProtocol
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from missions.lsp.session import Session

SECTION = "missions"
"""Section of the client's settings."""
ANSWER_TIMEOUT = 30.0
"""Seconds the client has to answer what only a program answers."""
SETTINGS_TIMEOUT = 3.0
"""Seconds that the start waits for the client's settings; later ones are taken when they come."""
FAREWELL = 0.03
"""Seconds the last answers have to get out."""
TOAST_EVERY = 60.0
"""Seconds in which the same message is shown once."""

_LEVELS = {
    "error": types.MessageType.Error,
    "warning": types.MessageType.Warning,
    "info": types.MessageType.Info,
    "log": types.MessageType.Log,
}
Level = Literal["error", "warning", "info", "log"]

_log = logging.getLogger(__name__)


class MissionsServer(LanguageServer):
    """One server for one client."""

    protocol: MissionsProtocol  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, *, store: Path | None = None, log: ServerLog | None = None) -> None:
        self.store_root = store
        """Given with ``--store``; absent: the default store."""
        self.log = log or ServerLog()
        """Not yet in a file before the session has started."""
        self.lifetime = Lifetime()
        """Ends the process."""
        self.tasks = TaskRegistry()
        """All background work."""
        self.abilities = Abilities()
        """What the client can do; nothing before ``initialize``."""
        self.settings: dict[str, Any] = {}
        """The client's settings as it sent them, section ``missions``; unchecked."""
        self.on_started: list[Callable[[], Awaitable[None]]] = []
        """Run in order, once, after ``initialize`` was answered and the settings came (or not)."""
        self.on_settings: list[Callable[[], None]] = []
        """Run after :attr:`settings` changed."""
        self.on_shutdown: list[Callable[[], None]] = []
        """Run when ``shutdown`` came, before background work is cancelled; must return at once."""
        self._session: asyncio.Future[Session] | None = None
        self._initial_settings: dict[str, Any] = {}
        self._toasts: dict[str, float] = {}
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "missions",
            missions.__version__,
            types.TextDocumentSyncKind.Incremental,
            protocol_cls=cast(Any, MissionsProtocol),
        )
        self.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(_configuration_changed)

    # ------------------------------------------------------------------ session

    async def serve(self, transport: Transport) -> None:
        """Serve the client until the process ends."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_error)
        outbox = Outbox(
            transport.write, gone=lambda reason: _threadsafe(loop, lambda: self._client_gone(reason))
        )
        self.protocol.outbox = outbox
        self.lifetime.farewells.append(lambda: outbox.drain(FAREWELL))
        self.lifetime.leave_on_signals()
        Reading(transport.read, loop, self.protocol.receive, lambda: self._input_ended(loop)).start()
        await loop.create_future()

    def client_connected(self, params: types.InitializeParams) -> None:
        """``initialize`` came; called before its answer is sent."""
        self.abilities = Abilities(params.capabilities)
        self._initial_settings = _section(params.initialization_options)
        self.settings = dict(self._initial_settings)
        client = params.client_info
        _log.info("client %s %s", client.name if client else "?", client.version if client else "")
        pid = params.process_id
        if pid is not None and os.name == "posix" and not self.lifetime.parent_gone(pid):
            self.tasks.repeat("parent", PARENT_POLL, lambda: self._look_for_parent(pid))

    def started(self) -> None:
        """The first message after ``initialize`` came: open the log, ask for the settings, load what is heavy."""
        problem = self.log.open(self._log_directory())
        if problem is not None:
            self.tell(f"No log file can be written: {problem}", "warning")
        self.tasks.start("start", self._start())

    def shutdown_received(self) -> None:
        """``shutdown`` came; it is answered when this returns."""
        self.lifetime.shutdown_received()
        for call in self.on_shutdown:
            try:
                call()
            except Exception:
                _log.exception("a shutdown hook failed")
        self.tasks.cancel_soon()

    async def session(self) -> Session:
        """What the features share; waits until the heavy parts are loaded."""
        return await asyncio.shield(self._opening())

    def _opening(self) -> asyncio.Future[Session]:
        if self._session is None:
            self._session = self.tasks.start("session", self._open_session())
        return self._session

    async def _open_session(self) -> Session:
        # In a thread, so that requests that need nothing of it are answered meanwhile.
        part = await asyncio.to_thread(load, "missions.lsp.session")
        layout = await asyncio.to_thread(load, "missions.store.layout")
        store = layout.Store(self.store_root) if self.store_root else layout.Store.default()
        return part.Session(self, store)

    def register_features(self) -> None:
        """Everything the product offers; before ``initialize``, and without loading anything heavy."""
        from missions.lsp import features

        features.register(self)

    async def _start(self) -> None:
        self._opening()
        # A client that never answers loses its settings, not its server.
        pulling = self.tasks.start("settings", self._pull_settings())
        await asyncio.wait([pulling], timeout=SETTINGS_TIMEOUT)
        for hook in self.on_started:
            self.tasks.start("started", _ensure_coroutine(hook))
        if self.abilities.register_configuration:
            registration = types.Registration("missions-settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION)
            await self.ask_client(
                types.CLIENT_REGISTER_CAPABILITY, types.RegistrationParams(registrations=[registration])
            )

    def _log_directory(self) -> Path:
        home = self.store_root or os.environ.get("MISSIONS_HOME") or Path.home() / ".missions"
        return Path(home) / "logs"

    def _look_for_parent(self, pid: int) -> None:
        if self.lifetime.parent_gone(pid):
            self.lifetime.leave("the client's process is gone")

    def _client_gone(self, reason: str) -> None:
        _log.warning("nothing can be sent any more: %s", reason)
        self.protocol.client_gone()

    def _input_ended(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lifetime.input_ended()
        _threadsafe(loop, lambda: self.lifetime.leave("end of input"))

    # ------------------------------------------------------------------ settings

    def settings_changed(self, params: types.DidChangeConfigurationParams) -> None:
        """The client says so: ask for them, or take what it sent if it does not answer such questions."""
        if self.abilities.configuration:
            self.tasks.start("settings", self._pull_settings())
        else:
            self._take_settings(_section(params.settings))

    async def _pull_settings(self) -> None:
        if not self.abilities.configuration:
            return
        item = types.ConfigurationItem(section=SECTION)
        answer = await self.ask_client(types.WORKSPACE_CONFIGURATION, types.ConfigurationParams(items=[item]))
        values = cast("list[Any]", answer) if isinstance(answer, (list, tuple)) else []
        if values and isinstance(values[0], dict):
            self._take_settings(cast("dict[str, Any]", values[0]))

    def _take_settings(self, given: dict[str, Any]) -> None:
        merged = {**self._initial_settings, **given}
        if merged == self.settings:
            return
        self.settings = merged
        for call in self.on_settings:
            call()

    # ------------------------------------------------------------------ towards the client

    async def ask_client(self, method: str, params: Any, timeout: float | None = ANSWER_TIMEOUT) -> Any:
        """Ask the client; ``None`` when it does not answer in time, refuses or is gone."""
        try:
            return await self.protocol.request(method, params, timeout)
        except TimeoutError:
            _log.warning("the client did not answer %s", method)
        except JsonRpcException as error:
            _log.warning("the client refused %s: %s", method, error.message)
        return None

    def send(self, method: str, params: Payload) -> None:
        """One of our own notifications, if the client speaks our extension."""
        if self.abilities.extension:
            self.protocol.notify(method, params)

    def tell(self, text: str, level: Level = "log") -> None:
        """A line in the client's output channel."""
        self.window_log_message(types.LogMessageParams(type=_LEVELS[level], message=text))

    def toast(self, text: str, level: Level = "info") -> None:
        """A message in the user's way: only for what needs them, and the same text once a minute."""
        now = time.monotonic()
        self._toasts = {key: at for key, at in self._toasts.items() if now - at < TOAST_EVERY}
        if text not in self._toasts:
            self._toasts[text] = now
            self.window_show_message(types.ShowMessageParams(type=_LEVELS[level], message=text))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Errors are logged where they are handled; none pops up."""


def _configuration_changed(ls: MissionsServer, params: types.DidChangeConfigurationParams) -> None:
    ls.settings_changed(params)


def _section(value: Any) -> dict[str, Any]:
    """Settings may come bare or inside their section."""
    if not isinstance(value, dict):
        return {}
    given = cast("dict[str, Any]", value)
    inner = given.get(SECTION)
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else given


async def _ensure_coroutine(hook: Callable[[], Awaitable[None]]) -> None:
    await hook()


def _threadsafe(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.error("event loop: %s", context.get("message"), exc_info=context.get("exception"))


def run(server: MissionsServer, transport: Transport) -> None:
    """Serve and never return: the end of the session is the end of the process."""
    try:
        asyncio.run(server.serve(transport))
    except BaseException as error:
        server.log.crashed(type(error), error, error.__traceback__)
        server.lifetime.leave("crash", 1)


def main(argv: list[str] | None = None) -> None:
    """``missions lsp [--tcp HOST:PORT] [--store DIR] [--log-level LEVEL]``."""
    import argparse

    parser = argparse.ArgumentParser(prog="missions lsp", description="The language server, over stdio.")
    parser.add_argument("--stdio", action="store_true", help="the default; accepted because clients pass it")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="serve one connection on loopback, for debugging")
    parser.add_argument("--store", metavar="DIR", type=Path, help="the store (default: MISSIONS_HOME)")
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="of the log file"
    )
    options = parser.parse_args(argv)
    log = ServerLog(logging.getLevelNamesMapping()[options.log_level.upper()])
    log.install()
    try:
        transport = accept_one(options.tcp) if options.tcp else private_stdio()
    except (MissionError, OSError) as error:
        sys.exit(f"missions lsp: {error}")
    server = MissionsServer(store=options.store, log=log)
    server.register_features()
    run(server, transport)
