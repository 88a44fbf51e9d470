"""Faults: what can go wrong between a client and the service, each by name.

Three kinds by the moment they strike: instead of an answer (statuses, a dead connection), in what is said (refusals, cut
or broken tool JSON, odd stop reasons) and on the way (cuts, silence, errors inside the stream). This module describes
them and changes replies; the wire ones are carried out where bytes are sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from missions.simulator.reply import Part, Reply, cut
from missions.simulator.shapes import Object, a_text, an_object

INSTEAD = ("status", "html", "disconnect", "prompt-too-long")
ON_THE_WAY = (
    "slow-start",
    "error-event",
    "cut-chunked",
    "cut-plain",
    "stall",
    "tiny-deltas",
    "split-bytes",
    "unknown-event",
)

STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class FaultError(ValueError):
    """Fault data that cannot be understood."""


@dataclass(frozen=True)
class Fault:
    """One fault. Fields a kind does not use are ignored by it."""

    kind: str
    status: int = 529
    """Of ``status`` and ``html``."""
    type: str = ""
    """Error type of ``status`` and ``error-event``; by default what belongs to the status."""
    message: str = "Simulated fault"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    after: int | None = None
    """How many events pass before the fault; by default half of them."""
    seconds: float = 30.0
    """Of ``stall`` and ``slow-start``."""
    category: str = "general_harms"
    """Of ``refusal``."""
    stop: str = "novel_reason"
    """Of ``unknown-stop-reason``."""

    @property
    def error_type(self) -> str:
        """The error type to report."""
        return self.type or STATUS_TYPES.get(self.status, "api_error")


def fault_from(data: Object) -> Fault:
    """The fault that playbook data describes."""
    known = {item.name for item in fields(Fault)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise FaultError(f"unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    kind = a_text(data.get("kind"))
    if kind not in KINDS:
        raise FaultError(f"unknown fault {kind!r}; known are {', '.join(sorted(KINDS))}")
    values: dict[str, Any] = dict(data)
    if "headers" in values:
        values["headers"] = {name: str(value) for name, value in an_object(values["headers"]).items()}
    return Fault(**values)


def said(fault: Fault, reply: Reply) -> Reply:
    """The reply as the fault leaves it; faults of the other kinds leave it alone."""
    change = _SAID.get(fault.kind)
    return change(fault, reply) if change else reply


def _broken_json(fault: Fault, reply: Reply) -> Reply:
    del fault
    parts = [
        replace(part, text=part.text[:-1] + ',"' + "}") if part.kind == "tool" else part
        for part in reply.parts
    ]
    return replace(reply, parts=parts)


def _max_tokens(fault: Fault, reply: Reply) -> Reply:
    del fault
    before = 0
    for part in reply.parts:
        if part.kind == "tool":
            # In the middle of the first tool's JSON.
            return cut(reply, max(1, (before + part.size - len(part.text) // 2) // 4))
        before += part.size
    return cut(reply, max(1, reply.output_tokens // 2))


def _refusal(fault: Fault, reply: Reply) -> Reply:
    spoken = [part for part in reply.parts if part.kind == "text"][:1] or [Part("text", "I was about to")]
    details: Object = {"type": "refusal", "category": fault.category, "explanation": fault.message}
    return replace(reply, parts=spoken, stop="refusal", stop_details=details)


def _pause_turn(fault: Fault, reply: Reply) -> Reply:
    del fault
    return replace(reply, parts=[Part("text", "Still looking.")], stop="pause_turn")


def _empty(fault: Fault, reply: Reply) -> Reply:
    del fault
    return replace(reply, parts=[], stop="end_turn", usage={"output_tokens": 2})


def _unknown_stop(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, stop=fault.stop)


def _unknown_block(fault: Fault, reply: Reply) -> Reply:
    del fault
    odd = Part("raw", raw={"type": "holographic_note", "note": "a block type of tomorrow"})
    return replace(reply, parts=[odd, *reply.parts])


def _duplicate_ids(fault: Fault, reply: Reply) -> Reply:
    del fault
    parts = [replace(part, id="toolu_twice") if part.kind == "tool" else part for part in reply.parts]
    tools = [part for part in parts if part.kind == "tool"]
    return replace(reply, parts=[*parts, *tools[:1]] if len(tools) == 1 else parts)


def _window(fault: Fault, reply: Reply) -> Reply:
    del fault
    return replace(_max_tokens(Fault("max-tokens"), reply), stop="model_context_window_exceeded")


_SAID: dict[str, Callable[[Fault, Reply], Reply]] = {
    "broken-json": _broken_json,
    "max-tokens": _max_tokens,
    "refusal": _refusal,
    "pause-turn": _pause_turn,
    "empty-end-turn": _empty,
    "unknown-stop-reason": _unknown_stop,
    "unknown-block": _unknown_block,
    "duplicate-tool-ids": _duplicate_ids,
    "context-window": _window,
}

KINDS = frozenset((*INSTEAD, *ON_THE_WAY, *_SAID))
