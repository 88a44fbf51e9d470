"""A scripted Messages API over real HTTP: it answers with the steps it is given and is strict about every request.

Each step is a list of server-sent events (with optional faults) or an error response. It refuses what the service would
refuse, and remembers every request body, so that tests can compare bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Step:
    """One answer."""

    events: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    error: tuple[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False
    """Keep the connection open after the events until the server is closed."""
    raw: bytes = b""


def reply(
    *blocks: dict[str, Any],
    stop: str | None = "tool_use",
    output: int = 20,
    stop_details: Any = None,
    cut: bool = False,
) -> Step:
    """A whole reply of blocks made with ``text``, ``call`` and ``thinking``."""
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "usage": {"output_tokens": 1},
            },
        }
    ]
    for index, block in enumerate(blocks):
        start, deltas = block["start"], block["deltas"]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        if not block.get("open"):
            events.append({"type": "content_block_stop", "index": index})
    if not cut:
        delta = {
            "stop_reason": stop,
            "stop_sequence": None,
            **({"stop_details": stop_details} if stop_details else {}),
        }
        events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
        events.append({"type": "message_stop"})
    return Step(events)


def text(value: str) -> dict[str, Any]:
    """A text block."""
    return {"start": {"type": "text", "text": ""}, "deltas": [{"type": "text_delta", "text": value}]}


def thinking(value: str, signature: str = "sig") -> dict[str, Any]:
    """A thinking block."""
    deltas = [
        {"type": "thinking_delta", "thinking": value},
        {"type": "signature_delta", "signature": signature},
    ]
    return {"start": {"type": "thinking", "thinking": "", "signature": ""}, "deltas": deltas}


def call(identity: str, name: str, args: dict[str, Any] | str, *, open_: bool = False) -> dict[str, Any]:
    """A tool call; ``args`` as text is sent as it is."""
    raw = args if isinstance(args, str) else json.dumps(args)
    half = len(raw) // 2
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in (raw[:half], raw[half:])]
    return {
        "start": {"type": "tool_use", "id": identity, "name": name, "input": {}},
        "deltas": deltas,
        "open": open_,
    }


def failing(status: int, type_: str, message: str = "no", **headers: str) -> Step:
    """An error response."""
    return Step(
        status=status,
        error=(type_, message),
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


class ScriptedModel:
    """The server; use it as a context manager."""

    def __init__(self, *steps: Step | Callable[[dict[str, Any]], Step]) -> None:
        self.steps: list[Step | Callable[[dict[str, Any]], Step]] = list(steps)
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.refused: list[str] = []
        self.usage: list[dict[str, int]] = []
        self.released = threading.Event()
        self._entries: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> ScriptedModel:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                self.close_connection = True
                with model._lock:
                    step = model._next(raw)
                with contextlib.suppress(OSError):  # the client may have gone away
                    self._send(step)

            def _send(self, step: Step) -> None:
                self.send_response(step.status)
                for name, value in step.headers.items():
                    self.send_header(name, value)
                self.send_header("connection", "close")
                if step.error:
                    kind, message = step.error
                    data = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                    return
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                for event in step.events:
                    self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                    self.wfile.flush()
                self.wfile.write(step.raw)
                self.wfile.flush()
                if step.hold:
                    model.released.wait(60)

        return Handler

    def _next(self, raw: bytes) -> Step:
        body = json.loads(raw)
        problem = refusal(body)
        self.bodies.append(body)
        self.raw.append(raw)
        if problem:
            self.refused.append(problem)
            return failing(400, "invalid_request_error", problem)
        if not self.steps:
            self.refused.append("no step left")
            return failing(400, "invalid_request_error", "no step left")
        step = self.steps.pop(0)
        step = step(body) if callable(step) else step
        if step.events:
            usage = self._account(body)
            self.usage.append(usage)
            for event in step.events:
                if event["type"] == "message_start":
                    event["message"]["usage"] = {**usage, "output_tokens": 1}
        return step

    def _account(self, body: dict[str, Any]) -> dict[str, int]:
        """Cache accounting: written at marks, read back over 20 positions, every block counting; tokens are bytes / 4."""
        flat = [("tool", tool) for tool in body.get("tools", [])] + [
            ("system", block) for block in body.get("system", [])
        ]
        flat += [(message["role"], block) for message in body["messages"] for block in message["content"]]
        digest = hashlib.sha256(body["model"].encode())
        prefixes, sizes, marks = [], [], []
        for position, (role, block) in enumerate(flat):
            bare = json.dumps([role, {key: value for key, value in block.items() if key != "cache_control"}])
            digest.update(bare.encode())
            prefixes.append(digest.hexdigest())
            sizes.append(len(bare) // 4)
            if "cache_control" in block:
                marks.append(position)
        hits = [
            at
            for mark in marks
            for at in range(mark, max(-1, mark - 20), -1)
            if prefixes[at] in self._entries
        ]
        read = sum(sizes[: max(hits) + 1]) if hits else 0
        written = max(0, sum(sizes[: marks[-1] + 1]) - read) if marks else 0
        self._entries.update(prefixes[mark] for mark in marks)
        return {
            "input_tokens": sum(sizes) - read - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        }


def refusal(body: dict[str, Any]) -> str | None:
    """Why the service would not take this request."""
    messages = body["messages"]
    first = messages[0]["content"][0].get("type")
    if messages[0]["role"] != "user" and first != "compaction":
        return "the first message must be the user's"
    paused = (
        messages[-1]["role"] == "assistant" and messages[-1]["content"][-1].get("type") == "server_tool_use"
    )
    if messages[-1]["role"] != "user" and not paused:
        return "trailing assistant message"
    marks = json.dumps(body).count('"cache_control"')
    if marks > 4:
        return f"{marks} cache marks"
    for index, message in enumerate(messages):
        if index and message["role"] == messages[index - 1]["role"]:
            return f"messages.{index}: roles must alternate"
        if not message["content"]:
            return f"messages.{index}: empty"
        for block in message["content"]:
            if block.get("type") == "text" and not block["text"].strip():
                return f"messages.{index}: empty text"
        asked = (
            [block["id"] for block in messages[index - 1]["content"] if block.get("type") == "tool_use"]
            if index
            else []
        )
        given = [block["tool_use_id"] for block in message["content"] if block.get("type") == "tool_result"]
        if message["role"] == "user" and asked != given:
            return f"messages.{index}: results {given} do not answer {asked}"
        if given and [block.get("type") for block in message["content"][: len(given)]] != [
            "tool_result"
        ] * len(given):
            return f"messages.{index}: results must come first"
    return None


def bare(body: dict[str, Any]) -> str:
    """The request's history without marks, for comparing prefixes."""
    return json.dumps(without_marks([body.get("tools"), body.get("system"), *body["messages"]]))


def without_marks(value: Any) -> Any:
    """``value`` without ``cache_control``."""
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if key != "cache_control"}
    return [without_marks(item) for item in value] if isinstance(value, list) else value
