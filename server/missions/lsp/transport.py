"""The two ends of the wire: private descriptors for stdio, one connection on loopback for debugging.

A child process that inherited descriptor 0 or 1 would read requests or write into answers; so the real ends move
away and harmless ones take their place, before anything else can be started. It knows no message.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from missions.lsp.framing import Frames, Problem
from missions.model.errors import MissionError

AT_ONCE = 256
"""Messages that may wait for the event loop; then reading pauses until it has caught up."""

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Transport:
    """Blocking ends; each is used by one thread."""

    read: Callable[[], bytes]
    """The next bytes; empty at the end."""
    write: Callable[[bytes], None]
    """Write all; ``OSError`` when nobody reads any more."""


def private_stdio() -> Transport:
    """Keep the protocol's pipes to ourselves; afterwards 0 is empty input and 1 goes to stderr."""
    reader, writer = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(writer, rest) :]

    return Transport(lambda: os.read(reader, _CHUNK), write)


def accept_one(address: str) -> Transport:
    """Wait for one connection on a loopback address ``HOST:PORT``; port 0 chooses one, stderr names it."""
    host, _, port = address.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]") or not port.isdecimal() or int(port) > 65535:
        raise MissionError(
            "bad_argument",
            f"“{address}” is not a loopback address with a port.",
            "Use for example --tcp 127.0.0.1:4711.",
        )
    with socket.create_server((host.strip("[]"), int(port)), family=_family(host), backlog=1) as listener:
        print(f"listening on {host}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)  # noqa: T201
        connection, _peer = listener.accept()
    return Transport(lambda: connection.recv(_CHUNK), connection.sendall)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if host == "[::1]" else socket.AF_INET


class Reading(threading.Thread):
    """Reads the transport and hands each message to the event loop, in order.

    A thread, because pipes, files, terminals and sockets then behave the same, and because the end of input is
    seen even while the loop is busy.
    """

    def __init__(
        self,
        read: Callable[[], bytes],
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[bytes | Problem], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name="reading", daemon=True)
        self._read, self._loop, self._receive, self._ended = read, loop, receive, ended
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def run(self) -> None:
        frames = Frames()
        while data := self._next():
            for item in frames.feed(data):
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._hand_over, item)
        self._ended()

    def _next(self) -> bytes:
        try:
            return self._read()
        except OSError:
            return b""

    def _hand_over(self, item: bytes | Problem) -> None:
        try:
            self._receive(item)
        finally:
            self._room.release()
