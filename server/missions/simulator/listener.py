"""The HTTP side of the simulator: connections, threads, chunked streams, and the faults that strike on the way.

HTTP/1.1 with keep-alive on 127.0.0.1, one thread a connection. It knows what a stream of events is but not what is in
it. A whole answer without pace leaves in one write, so that measurements against it measure the client.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from missions.simulator.faults import Fault
from missions.simulator.invariants import MAX_REQUEST
from missions.simulator.shapes import Object
from missions.simulator.wire import error_body, event


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    too_large: bool = False


@dataclass
class Answer:
    """An answer with a body of known length: JSON, or HTML where the body is a text."""

    status: int
    body: Object | str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    faults: list[Fault] = field(default_factory=list[Fault])
    seconds: float = 0.0


@dataclass
class Stream:
    """An answer as events, spread over some seconds."""

    events: list[bytes]
    faults: list[Fault] = field(default_factory=list[Fault])
    seconds: float = 0.0
    request_id: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])


class Listener:
    """Listens on loopback and hands each request to one function."""

    def __init__(self, answer: Callable[[Request], Answer | Stream], port: int) -> None:
        self._answer = answer
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Begin to listen; the URL to talk to."""
        server = _Server(("127.0.0.1", self._port), _Handler)
        server.answer = self._answer
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.2,), name="simulator", daemon=True
        )
        self._thread.start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening, break off what is open and wait for its threads."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.stopping.set()
        server.shutdown()
        server.server_close()
        server.break_off()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    answer: Callable[[Request], Answer | Stream]

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open[connection] = threading.current_thread()

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)

    def break_off(self) -> None:
        with self._lock:
            left = dict(self._open)
        for connection in left:
            _shut(connection)
        for thread in left.values():
            thread.join(5)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is an everyday event here, anything else is printed."""
        if not self.stopping.is_set():
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.closed(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # The client went away; what it was to get is lost, as on a real network.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the caller."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def _handle(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(Request(method, self.path, headers, body, length > MAX_REQUEST))
        if isinstance(answer, Answer):
            self._whole(answer)
        else:
            self._stream(answer)

    def _whole(self, answer: Answer) -> None:
        faults = {fault.kind: fault for fault in answer.faults}
        self._wait(answer.seconds + (faults["slow-start"].seconds if "slow-start" in faults else 0))
        if "disconnect" in faults:
            self._hang_up()
            return
        kind = "text/html" if isinstance(answer.body, str) else "application/json"
        struck = faults.get("error-event")
        if struck:
            answer = Answer(struck.status, error_body(struck.error_type, struck.message, ""), answer.headers)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body, ensure_ascii=False)
        body = text.encode("utf-8", "replace")
        headers = {"content-type": kind, "content-length": str(len(body)), **answer.headers}
        if "stall" in faults:
            self._wait(faults["stall"].seconds)
        if "cut-chunked" in faults or "cut-plain" in faults:
            self._send(_head(answer.status, headers) + body[: len(body) // 2])
            self._hang_up()
            return
        self._send(_head(answer.status, headers) + body)

    def _stream(self, answer: Stream) -> None:
        faults = {fault.kind: fault for fault in answer.faults}
        events = list(answer.events)
        plain = "cut-plain" in faults
        if "slow-start" in faults:
            self._wait(faults["slow-start"].seconds)
        if "unknown-event" in faults:
            events.insert(2, event("content_block_sparkle", {"index": 0, "sparkle": True}))
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            **answer.headers,
        }
        headers.update({"connection": "close"} if plain else {"transfer-encoding": "chunked"})
        head = _head(200, headers)
        fault = next(
            (f for f in answer.faults if f.kind in ("error-event", "cut-chunked", "cut-plain", "stall")), None
        )
        ends_here = len(events)
        if fault is not None:
            ends_here = min(len(events) // 2 if fault.after is None else fault.after, len(events) - 1)
        size = 1 if "split-bytes" in faults else 0
        frame = _plain if plain else partial(_chunked, size=size)
        self._paced(head, [frame(data) for data in events[:ends_here]], answer.seconds)
        if fault is None:
            self._send(b"0\r\n\r\n")
        elif fault.kind == "stall":
            self._wait(fault.seconds)
            self._send(b"".join(frame(data) for data in events[ends_here:]) + b"0\r\n\r\n")
        elif fault.kind == "error-event":
            body = error_body(fault.error_type, fault.message, answer.request_id)
            self._send(_chunked(event("error", body), size) + b"0\r\n\r\n")
            self._hang_up()
        else:
            self._hang_up()

    def _paced(self, head: bytes, frames: list[bytes], seconds: float) -> None:
        if seconds <= 0 or not frames:
            self._send(head + b"".join(frames))
            return
        # A quarter of the time passes before the first words, as with a model that reads first.
        self._send(head + frames[0])
        self._wait(seconds / 4)
        gap = seconds * 0.75 / len(frames)
        for data in frames[1:]:
            self._send(data)
            self._wait(gap)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self.server.stopping.wait(seconds):
            raise ConnectionAbortedError("the simulator stops")

    def _hang_up(self) -> None:
        self.close_connection = True
        _shut(self.connection)


def _head(status: int, headers: dict[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")


def _plain(data: bytes) -> bytes:
    return data


def _chunked(data: bytes, size: int) -> bytes:
    if size <= 0:
        return b"%x\r\n%s\r\n" % (len(data), data)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Already gone.
        return
