"""What the simulated model says in one turn, before it is put on the wire.

A reply is a list of parts and a stop reason. The functions here build it from playbook data, measure it and cut it; they
know nothing of HTTP or of events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Literal

from missions.simulator.shapes import Object, a_text, an_object, objects

PartKind = Literal["thinking", "text", "tool", "compaction", "raw"]


@dataclass(frozen=True)
class Part:
    """One content block of a reply."""

    kind: PartKind
    text: str = ""
    """The words; for a tool, the input as JSON text (which a fault may have broken)."""
    name: str = ""
    id: str = ""
    raw: Object = field(default_factory=dict[str, object])
    """The block as it is, for blocks of unknown type."""

    @property
    def size(self) -> int:
        """Bytes that count as output."""
        return len(self.text.encode("utf-8", "replace")) + (len(self.name) + 40 if self.kind == "tool" else 0)

    @property
    def tool_input(self) -> Object:
        """The input of a tool call; empty where its JSON was broken."""
        try:
            return an_object(json.loads(self.text))
        except ValueError:
            return {}


@dataclass(frozen=True)
class Reply:
    """One turn."""

    parts: list[Part]
    stop: str
    usage: Object = field(default_factory=dict[str, object])
    """Fields that replace the computed usage."""
    stop_details: Object | None = None

    @property
    def output_tokens(self) -> int:
        """What the reply costs, at four bytes a token."""
        return max(1, sum(part.size for part in self.parts) // 4)

    @property
    def thinking_tokens(self) -> int:
        """The share of it that is thinking."""
        return sum(part.size for part in self.parts if part.kind == "thinking") // 4

    @property
    def calls(self) -> bool:
        """Whether a tool is called."""
        return any(part.kind == "tool" for part in self.parts)


def tool_part(name: str, arguments: Object, id: str = "") -> Part:
    """A tool call."""
    return Part("tool", json.dumps(arguments, ensure_ascii=False), name, id)


def reply_from(data: Object) -> Reply:
    """The reply that rendered playbook data describes: thinking, text, tools in this order, or ``content`` in its own."""
    parts: list[Part] = []
    if a_text(data.get("thinking")):
        parts.append(Part("thinking", data["thinking"]))
    if a_text(data.get("text")):
        parts.append(Part("text", data["text"]))
    for tool in objects(data.get("tools")):
        parts.append(_tool(tool))
    for item in objects(data.get("content")):
        if "tool" in item:
            parts.append(_tool(an_object(item["tool"])))
        elif "raw" in item:
            parts.append(Part("raw", raw=an_object(item["raw"])))
        elif "thinking" in item:
            parts.append(Part("thinking", a_text(item["thinking"])))
        else:
            parts.append(Part("text", a_text(item.get("text"))))
    calls = any(part.kind == "tool" for part in parts)
    stop = a_text(data.get("stop")) or ("tool_use" if calls else "end_turn")
    details = data.get("stopDetails")
    return Reply(parts, stop, an_object(data.get("usage")), an_object(details) if details else None)


def _tool(data: Object) -> Part:
    return tool_part(a_text(data.get("name")), an_object(data.get("input")), a_text(data.get("id")))


def cut(reply: Reply, limit: int) -> Reply:
    """The reply broken off after ``limit`` tokens, as ``max_tokens`` breaks it off: inside a tool's JSON if it falls so."""
    left = limit * 4
    kept: list[Part] = []
    for part in reply.parts:
        if part.size <= left:
            kept.append(part)
            left -= part.size
            continue
        overhead = part.size - len(part.text.encode("utf-8", "replace"))
        text = part.text.encode("utf-8", "replace")[: max(0, left - overhead)].decode("utf-8", "ignore")
        if text or part.kind == "tool":
            kept.append(replace(part, text=text))
        break
    return replace(reply, parts=kept, stop="max_tokens")
