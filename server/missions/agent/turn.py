"""One streamed reply, put together from raw events.

Tool input is parsed once, strictly, when its block ends. A reply without ``message_stop`` or without a stop reason is
broken and raises; nothing here sends, retries or executes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from missions.agent.text import mended, mended_value

_TEXT_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class BrokenTurnError(Exception):
    """The reply cannot be used: cut off, or against the protocol. The request is made again."""


@dataclass(frozen=True)
class Turn:
    """A whole reply."""

    content: list[dict[str, Any]]
    """Blocks as they go back in the history."""
    stop_reason: str
    stop_details: dict[str, Any] | None
    usage: dict[str, Any]
    """The provider's ``usage`` object, input side from the start and output side from the end."""
    message_id: str
    model: str
    bad_inputs: dict[str, str] = field(default_factory=dict[str, str])
    """Tool calls whose input was not valid JSON, by id, with what was wrong; their stored input is empty."""
    unknown_deltas: tuple[str, ...] = ()

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The tool calls in order."""
        return [block for block in self.content if block.get("type") == "tool_use"]

    @property
    def text(self) -> str:
        """All text of the reply."""
        return "".join(str(block.get("text", "")) for block in self.content if block.get("type") == "text")


class TurnAccumulator:
    """Takes the raw events of one stream in order."""

    def __init__(self) -> None:
        self.usage: dict[str, Any] = {}
        """What has been reported so far; also of use when the stream breaks."""
        self.started = False
        self.output_bytes = 0
        self._blocks: dict[int, dict[str, Any]] = {}
        self._json: dict[int, list[str]] = {}
        self._ended: set[int] = set()
        self._bad: dict[str, str] = {}
        self._unknown: list[str] = []
        self._stop_reason: str | None = None
        self._stop_details: dict[str, Any] | None = None
        self._stopped = False
        self._id = ""
        self._model = ""

    def feed(self, event: dict[str, Any]) -> tuple[str, str] | None:
        """Take one event; ``("text" | "thinking", piece)`` when it carries something to show."""
        kind = event.get("type")
        if kind == "message_start":
            message = _object(event, "message")
            self.started = True
            self._id, self._model = str(message.get("id", "")), str(message.get("model", ""))
            self.usage.update(_object(message, "usage"))
        elif kind == "content_block_start":
            self._blocks[_index(event)] = dict(_object(event, "content_block"))
        elif kind == "content_block_delta":
            return self._delta(_index(event), _object(event, "delta"))
        elif kind == "content_block_stop":
            self._end(_index(event))
        elif kind == "message_delta":
            delta = _object(event, "delta")
            reason = delta.get("stop_reason")
            self._stop_reason = reason if isinstance(reason, str) else self._stop_reason
            details = delta.get("stop_details")
            self._stop_details = cast("dict[str, Any]", details) if isinstance(details, dict) else None
            self.usage.update(
                {key: value for key, value in _object(event, "usage").items() if value is not None}
            )
        elif kind == "message_stop":
            self._stopped = True
        return None

    def finish(self) -> Turn:
        """The whole reply; raises ``BrokenTurnError`` if it is not whole."""
        if not self._stopped or self._stop_reason is None:
            raise BrokenTurnError("the reply ended before it was complete")
        content = [block for index in sorted(self._blocks) if (block := self._kept(index)) is not None]
        ids = [block.get("id") for block in content if block.get("type") == "tool_use"]
        if len(ids) != len(set(ids)) or not all(isinstance(one, str) and one for one in ids):
            raise BrokenTurnError("the reply holds tool calls without ids of their own")
        return Turn(
            content,
            self._stop_reason,
            self._stop_details,
            self.usage,
            self._id,
            self._model,
            self._bad,
            tuple(self._unknown),
        )

    def _delta(self, index: int, delta: dict[str, Any]) -> tuple[str, str] | None:
        block = self._blocks.get(index)
        if block is None or index in self._ended:
            raise BrokenTurnError("a delta came for a block that is not open")
        kind = str(delta.get("type", ""))
        if kind == "input_json_delta":
            piece = str(delta.get("partial_json", ""))
            self._json.setdefault(index, []).append(piece)
            self.output_bytes += len(piece)
            return None
        if kind in _TEXT_DELTAS:
            key = _TEXT_DELTAS[kind]
            piece = str(delta.get(key, ""))
            # Joined by a list: repeated concatenation of a long text is quadratic.
            self._json.setdefault(index, []).append(piece) if key != "signature" else block.update(
                signature=piece
            )
            self.output_bytes += len(piece)
            return (key, piece) if key != "signature" and piece else None
        if kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
        elif kind == "compaction_delta":
            block.update({key: value for key, value in delta.items() if key != "type" and value is not None})
        else:
            self._unknown.append(kind)
        return None

    def _end(self, index: int) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise BrokenTurnError("a block ended that never began")
        self._ended.add(index)
        joined = "".join(self._json.pop(index, []))
        kind = block.get("type")
        if kind in ("text", "thinking"):
            block[kind] = mended(str(block.get(kind) or "") + joined)
        elif kind in ("tool_use", "server_tool_use"):
            block["input"] = self._input(str(block.get("id", "")), joined, block.get("input"))

    def _input(self, call: str, raw: str, started_with: Any) -> dict[str, Any]:
        if not raw.strip():
            return cast("dict[str, Any]", started_with) if isinstance(started_with, dict) else {}
        try:
            value = strict_json(raw)
        except ValueError as error:
            self._bad[call] = str(error)
            return {}
        if not isinstance(value, dict):
            self._bad[call] = "the input is not a JSON object"
            return {}
        return cast("dict[str, Any]", mended_value(value))

    def _kept(self, index: int) -> dict[str, Any] | None:
        block = self._blocks[index]
        if index not in self._ended:
            # Only a reply that was cut by its token limit may leave a block open; its input never runs.
            if block.get("type") == "tool_use":
                block["input"] = {}
                self._bad[str(block.get("id", ""))] = "the input was cut off"
            else:
                self._end(index)
        if block.get("type") == "text":
            if not str(block.get("text", "")).strip():
                return None  # the service refuses empty text in a history
            return {key: value for key, value in block.items() if value is not None}
        if block.get("type") == "thinking" and not block.get("signature"):
            return None  # cut off before it was signed; the service refuses it in a history
        if block.get("type") == "tool_use":
            return {key: value for key, value in block.items() if value is not None}
        return block


def strict_json(text: str) -> Any:
    """Parse JSON; duplicate keys, NaN and infinities raise ``ValueError``."""
    return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} appears twice")
        result[key] = value
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(holder: dict[str, Any], key: str) -> dict[str, Any]:
    value = holder.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _index(event: dict[str, Any]) -> int:
    value = event.get("index")
    if not isinstance(value, int):
        raise BrokenTurnError("an event has no block index")
    return value
