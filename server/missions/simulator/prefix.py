"""A request as one chain of blocks: tools, then system, then messages, each hashed together with all before it.

Both the prompt cache and the binding of thinking blocks look at "everything before this point". Cache marks are taken
out before hashing, key order is kept (a client that reorders a schema loses its cache here as it would on the
service). It never judges a request and never counts money.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from missions.simulator.shapes import Object, a_list, a_text, an_object, blocks, objects


@dataclass(frozen=True)
class Piece:
    """One block of the chain."""

    kind: str
    """``tool``, ``system``, or the type of the message block."""
    part: str
    """``tools``, ``system`` or ``messages``."""
    digest: str
    """Hash over this block and everything before it."""
    size: int
    """Bytes of this block and everything before it."""
    mark: str | None
    """TTL of the cache mark on this block."""
    message: int
    """Index of the message, -1 for tools and system."""


@dataclass(frozen=True)
class Chain:
    """The chain of one request."""

    pieces: list[Piece]
    starts: dict[int, str]
    """For each message, the hash over everything before it."""

    @property
    def digest(self) -> str:
        """Hash over the whole request."""
        return self.pieces[-1].digest if self.pieces else hashlib.sha256().hexdigest()

    @property
    def tokens(self) -> int:
        """The size of the prompt, at four bytes a token."""
        return tokens(self.pieces[-1].size) if self.pieces else 1

    def before_message(self, index: int) -> str:
        """Hash over everything before the message with this index."""
        return self.starts.get(index, self.digest)


def tokens(size: int) -> int:
    """How many tokens so many bytes count as."""
    return max(1, size // 4)


def canonical(value: Any) -> bytes:
    """Compact JSON with the key order as sent. A lone surrogate raises UnicodeEncodeError."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def without_marks(value: Any) -> Any:
    """A copy of a JSON value with every ``cache_control`` left out."""
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in an_object(value).items() if key != "cache_control"}
    if isinstance(value, list):
        return [without_marks(item) for item in a_list(value)]
    return value


def chain_of(body: Object) -> Chain:
    """The chain of a request body."""
    pieces: list[Piece] = []
    running = hashlib.sha256()
    size = 0

    def add(kind: str, part: str, label: str, block: Object, message: int) -> None:
        nonlocal size
        data = label.encode() + canonical(_bare(block))
        running.update(len(data).to_bytes(8, "big"))
        running.update(data)
        size += len(data)
        pieces.append(Piece(kind, part, running.hexdigest(), size, mark_of(block), message))

    for tool in objects(body.get("tools")):
        add("tool", "tools", "tool", tool, -1)
    for block in blocks(body.get("system")):
        add("system", "system", "system", block, -1)
    starts: dict[int, str] = {}
    for index, message in enumerate(objects(body.get("messages"))):
        starts[index] = running.hexdigest()
        role = a_text(message.get("role"))
        for block in blocks(message.get("content")):
            add(a_text(block.get("type")), "messages", role, block, index)
    return Chain(pieces, starts)


def mark_of(block: Object) -> str | None:
    """The TTL of the cache mark on a block or on the content inside a tool result."""
    if block.get("cache_control"):
        return a_text(an_object(block["cache_control"]).get("ttl")) or "5m"
    if block.get("type") == "tool_result":
        return next((mark for inner in objects(block.get("content")) if (mark := mark_of(inner))), None)
    return None


def _bare(block: Object) -> Object:
    nested = block.get("type") == "tool_result" and isinstance(block.get("content"), list)
    if nested:
        return an_object(without_marks(block))
    # Only the top level can carry a mark; a tool's input schema may hold any key, and copying it whole is slow.
    return {key: value for key, value in block.items() if key != "cache_control"}
