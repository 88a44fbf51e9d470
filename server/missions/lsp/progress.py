"""Progress that the client shows, without its traps.

Nothing is sent to a client that did not announce it, a client that never answers ``create`` only loses its
progress bar, reports are limited to :data:`PER_SECOND`, a token is forgotten at the end, and cancelling calls back
exactly once. It never cancels anything by itself: what cancelling means is the caller's.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer

PER_SECOND = 5
"""Reports; the newest always arrives, those between may not."""
CREATE_TIMEOUT = 10.0
"""Seconds a client has to answer ``create``."""

_log = logging.getLogger(__name__)


class Progress:
    """One progress; :meth:`start` makes it, :meth:`end` must be called."""

    def __init__(self, server: MissionsServer, token: str | int | None) -> None:
        self._server = server
        self._token = token
        self._pending: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    @property
    def shown(self) -> bool:
        """The client shows it (and it did not end)."""
        return self._token is not None

    @classmethod
    async def start(
        cls,
        server: MissionsServer,
        title: str,
        *,
        message: str = "",
        percentage: int | None = None,
        on_cancel: Callable[[], None] | None = None,
        token: str | int | None = None,
    ) -> Progress:
        """Begin; with ``token`` (from the client's request) nothing needs to be created first."""
        progress = cls(server, token if token is not None else await _create(server))
        if progress._token is None:
            return progress
        if on_cancel is not None:
            server.protocol.progress_cancels[progress._token] = _once(on_cancel)
        value: dict[str, Any] = {"kind": "begin", "title": title, "cancellable": on_cancel is not None}
        progress._send({**value, **_content(message, percentage)})
        return progress

    def report(self, message: str = "", percentage: int | None = None) -> None:
        """Show a message, a percentage (0 to 100), or both."""
        if self._token is None:
            return
        self._pending.update(_content(message, percentage))
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._next, loop.time()), self._flush, loop)

    def end(self, message: str = "") -> None:
        """End it; harmless when it ended before or was never shown."""
        if self._token is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._send({"kind": "end", **_content(message, None)})
        self._server.protocol.progress_cancels.pop(self._token, None)
        self._token = None

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._next = loop.time() + 1 / PER_SECOND
        value, self._pending = self._pending, {}
        self._send({"kind": "report", **value})

    def _send(self, value: dict[str, Any]) -> None:
        self._server.protocol.notify(types.PROGRESS, {"token": self._token, "value": value})


async def _create(server: MissionsServer) -> str | None:
    """A token that the client accepted, or none."""
    if not server.abilities.progress:
        return None
    token = str(uuid.uuid4())
    try:
        await server.protocol.request(
            types.WINDOW_WORK_DONE_PROGRESS_CREATE, {"token": token}, timeout=CREATE_TIMEOUT
        )
    except (TimeoutError, JsonRpcException) as error:
        _log.info("the client shows no progress: %s", type(error).__name__)
        return None
    return token


def _content(message: str, percentage: int | None) -> dict[str, Any]:
    content: dict[str, Any] = {"message": message} if message else {}
    if percentage is not None:
        content["percentage"] = min(100, max(0, percentage))
    return content


def _once(call: Callable[[], None]) -> Callable[[], None]:
    waiting = [call]

    def first() -> None:
        if waiting:
            waiting.pop()()

    return first
