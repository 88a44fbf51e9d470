"""Pure functions on messages: results into a message, marks, hashes, sizes, redaction.

Values in, values out; the order of keys is kept, because it is part of what is cached.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from missions.agent.text import mended

Block = dict[str, Any]
Message = dict[str, Any]

_MARK = {"type": "ephemeral"}
_UNMARKABLE = {"thinking", "redacted_thinking"}
_BYTES_PER_TOKEN = 3.5
_IMAGE_TOKENS = 1_600


def result_message(results: Sequence[Block], notes: Sequence[dict[str, str]]) -> list[Block]:
    """The blocks that answer a reply: results in the order of the calls, notes inside the last result.

    A text block after results makes current models end their turn, so a note becomes the tail of a result.
    """
    blocks = [dict(result) for result in results]
    if notes and blocks:
        tail = "\n\n".join(delimited(note["text"]) for note in notes)
        content = blocks[-1]["content"]
        if isinstance(content, str):
            blocks[-1]["content"] = f"{content}\n\n{tail}"
        else:
            blocks[-1]["content"] = [*content, {"type": "text", "text": tail}]
    return blocks


def delimited(text: str) -> str:
    """A note as it stands in a result, set apart from the tool's own output."""
    return f'<note from="missions">\n{text}\n</note>'


def marked_messages(messages: Sequence[Message], ends: Sequence[tuple[int, int]]) -> list[Message]:
    """Copies of the messages with a cache mark at each position that can carry one."""
    marks: dict[int, set[int]] = {}
    for index, block in ends:
        content = messages[index]["content"]
        while block >= 0 and content[block].get("type") in _UNMARKABLE:
            block -= 1
        if block >= 0:
            marks.setdefault(index, set()).add(block)
    return [
        {
            "role": message["role"],
            "content": [
                {**block, "cache_control": _MARK} if at in marks.get(index, ()) else block
                for at, block in enumerate(message["content"])
            ],
        }
        for index, message in enumerate(messages)
    ]


def marked_system(system: Sequence[str]) -> list[Block]:
    """The system blocks, the last one marked."""
    blocks: list[Block] = [{"type": "text", "text": text} for text in system]
    if blocks:
        blocks[-1]["cache_control"] = _MARK
    return blocks


def sha(value: Any) -> str:
    """Hash of a JSON value with its keys in their order."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def estimated_tokens(value: Any) -> int:
    """A cautious estimate from the size of the JSON text; images count a fixed number."""
    if isinstance(value, dict):
        block = cast("dict[str, Any]", value)
        if block.get("type") in ("image", "document"):
            return _IMAGE_TOKENS
        return sum(estimated_tokens(item) for item in block.values()) + 2 * len(block)
    if isinstance(value, list):
        return sum(estimated_tokens(item) for item in cast("list[Any]", value))
    if isinstance(value, str):
        return int(len(value.encode("utf-8", "replace")) / _BYTES_PER_TOKEN) + 1
    return 1


def plain_text(content: Any) -> str:
    """The text of a result's content."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for block in cast("list[Block]", content):
        parts.append(
            str(block["text"]) if block.get("type") == "text" else f"[{block.get('type')} {sha(block)}]"
        )
    return "\n".join(parts)


def without_thinking(messages: Sequence[Message]) -> list[Message]:
    """The messages without any thinking block; a message of nothing else is left out."""
    kept: list[Message] = []
    for message in messages:
        content = [block for block in message["content"] if block.get("type") not in _UNMARKABLE]
        if not content:
            continue
        if kept and kept[-1]["role"] == message["role"]:
            kept[-1]["content"].extend(content)
        else:
            kept.append({"role": message["role"], "content": content})
    return kept


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """``value`` with all texts redacted and valid Unicode; binary data stays."""
    if isinstance(value, str):
        return redact(mended(value))
    if isinstance(value, (list, tuple)):
        return [redacted(item, redact) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        if known.get("type") == "base64":
            return known
        return {key: redacted(item, redact) for key, item in known.items()}
    return value


def redacted_reply(content: Sequence[Block], redact: Callable[[str], str]) -> list[Block]:
    """A reply's blocks for the history. Signed thinking cannot be changed, so thinking that holds a secret is left out."""
    kept: list[Block] = []
    for block in content:
        kind = block.get("type")
        if kind == "thinking":
            if redact(str(block.get("thinking", ""))) == block.get("thinking", ""):
                kept.append(block)
        elif kind == "text":
            kept.append({**block, "text": redact(str(block.get("text", "")))})
        elif kind in ("tool_use", "server_tool_use"):
            kept.append({**block, "input": redacted(block.get("input"), redact)})
        else:
            kept.append(block)
    return kept
