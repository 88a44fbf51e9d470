"""A reply in the two forms of the Messages API: one JSON message, or a list of server-sent events.

Pure translation: nothing is sent here and nothing is decided.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from missions.simulator import signing
from missions.simulator.promptcache import PromptUsage
from missions.simulator.reply import Part, Reply
from missions.simulator.shapes import Object


@dataclass(frozen=True)
class Envelope:
    """What surrounds a reply."""

    id: str
    model: str
    prefix: str
    """Hash of the request the reply answers."""
    prompt: PromptUsage
    show_thinking: bool
    compaction: bool = False

    def usage(self, reply: Reply) -> Object:
        """Input and output side together."""
        output: Object = {
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"thinking_tokens": reply.thinking_tokens},
            "service_tier": "standard",
        }
        used = {**self.prompt.as_json(), **output}
        if not self.compaction:
            return {**used, **reply.usage}
        # What a compaction costs is reported in the iterations only.
        inner = {key: used[key] for key in used if key not in ("output_tokens_details", "service_tier")}
        nothing = PromptUsage(0, 0).as_json()
        return {**nothing, "output_tokens": 0, "iterations": [{"type": "compaction", **inner}], **reply.usage}


def content_of(reply: Reply, envelope: Envelope) -> list[Object]:
    """The content blocks of a finished message."""
    return [_block(part, index, envelope) for index, part in enumerate(reply.parts)]


def message_of(reply: Reply, envelope: Envelope) -> Object:
    """The message as one JSON object."""
    message = _head(envelope)
    message.update(content=content_of(reply, envelope), stop_reason=reply.stop, usage=envelope.usage(reply))
    if reply.stop_details is not None:
        message["stop_details"] = reply.stop_details
    return message


def events_of(reply: Reply, envelope: Envelope, piece: int) -> list[bytes]:
    """The events of a streamed message, deltas of at most ``piece`` characters."""
    usage = envelope.usage(reply)
    first = _head(envelope)
    first["usage"] = {**usage, "output_tokens": 1}
    first["usage"].pop("output_tokens_details", None)
    first["usage"].pop("iterations", None)
    events = [event("message_start", {"message": first}), event("ping", {})]
    for index, part in enumerate(reply.parts):
        events.extend(_block_events(part, index, envelope, piece))
    final = {
        key: usage[key] for key in ("output_tokens", "output_tokens_details", "iterations") if key in usage
    }
    delta: Object = {"stop_reason": reply.stop, "stop_sequence": None}
    if reply.stop_details is not None:
        delta["stop_details"] = reply.stop_details
    events.append(event("message_delta", {"delta": delta, "usage": final}))
    events.append(event("message_stop", {}))
    return events


def event(name: str, data: Object) -> bytes:
    """One server-sent event."""
    text = json.dumps({"type": name, **data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


def error_body(kind: str, message: str, request_id: str) -> Object:
    """The body of an error answer."""
    error: Object = {"type": kind, "message": message, "details": None}
    return {"type": "error", "error": error, "request_id": request_id}


def _head(envelope: Envelope) -> Object:
    return {
        "id": envelope.id,
        "type": "message",
        "role": "assistant",
        "model": envelope.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {},
    }


def _thinking(part: Part, envelope: Envelope) -> str:
    return part.text if envelope.show_thinking else ""


def _tool_id(part: Part, index: int, envelope: Envelope) -> str:
    # Derived from what it answers, so that ids never repeat within a conversation, also after a restart.
    return part.id or f"toolu_{envelope.prefix[:20]}{index:02d}"


def _block(part: Part, index: int, envelope: Envelope) -> Object:
    if part.kind == "thinking":
        text = _thinking(part, envelope)
        return {
            "type": "thinking",
            "thinking": text,
            "signature": signing.sign(envelope.model, envelope.prefix, text),
        }
    if part.kind == "tool":
        return {
            "type": "tool_use",
            "id": _tool_id(part, index, envelope),
            "name": part.name,
            "input": part.tool_input,
        }
    if part.kind == "compaction":
        signature = signing.sign(envelope.model, envelope.prefix, part.text)
        return {"type": "compaction", "content": part.text, "signature": signature}
    return part.raw if part.kind == "raw" else {"type": "text", "text": part.text}


def _block_events(part: Part, index: int, envelope: Envelope, piece: int) -> list[bytes]:
    block = _block(part, index, envelope)
    deltas: list[Object] = []
    if part.kind == "thinking":
        start: Object = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": text} for text in _pieces(block["thinking"], piece)]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif part.kind == "tool":
        start = {**block, "input": {}}
        texts = ["", *_pieces(part.text, min(piece, max(1, len(part.text) // 2)))]
        deltas = [{"type": "input_json_delta", "partial_json": text} for text in texts]
    elif part.kind == "compaction":
        start = {**block, "content": None}
        deltas = [{"type": "compaction_delta", "content": part.text, "encrypted_content": None}]
    elif part.kind == "raw":
        start = block
    else:
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": text} for text in _pieces(part.text, piece)]
    return [
        event("content_block_start", {"index": index, "content_block": start}),
        *(event("content_block_delta", {"index": index, "delta": delta}) for delta in deltas),
        event("content_block_stop", {"index": index}),
    ]


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
