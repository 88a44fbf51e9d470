"""What the service refuses: the rules a request must keep, each with the error a client would see.

The point is that a test against the simulator fails where a run against the service would. It changes nothing and
remembers nothing; the texts are this project's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass

from missions.simulator import signing
from missions.simulator.models import ModelRules
from missions.simulator.prefix import Chain
from missions.simulator.shapes import Object, a_list, a_text, an_object, blocks, objects

MAX_REQUEST = 32 * 1024 * 1024
MAX_IMAGE = 5 * 1024 * 1024
MAX_MESSAGES = 100_000
MAX_MARKS = 4

_ID = re.compile(r"[A-Za-z0-9_-]+")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FIELDS = frozenset(
    (
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "stream",
        "cache_control",
        "stop_sequences",
        "metadata",
        "service_tier",
        "speed",
        "container",
        "inference_geo",
        "diagnostics",
        "user_profile_id",
        "workspace_id",
    )
)
_BETA_FIELDS = {
    "compaction": "compact-2026-09-04",
    "context_management": "context-management-2025-06-27",
    "fallbacks": "",
    "fallback_credit_token": "",
    "mcp_servers": "",
    "thread": "",
    "billing_policy": "",
}
_NOT_IN_STRICT = ("minimum", "maximum", "minLength", "maxLength", "exclusiveMinimum", "exclusiveMaximum")
_UNMARKABLE = ("thinking", "redacted_thinking")


@dataclass(frozen=True)
class Violation:
    """Why a request is refused."""

    message: str
    type: str = "invalid_request_error"
    status: int = 400


@dataclass(frozen=True)
class Check:
    """A request with what is needed to judge it."""

    body: Object
    chain: Chain
    rules: ModelRules
    betas: Set[str]
    window: int
    paused: Callable[[Object], bool]
    """Whether this assistant message is one that the server itself broke off with ``pause_turn``."""
    counting: bool = False
    """The request only counts tokens."""


def violation(check: Check) -> Violation | None:
    """The first rule the request breaks."""
    for rule in (_fields, _parameters, _tools, _roles, _contents, _calls, _marks, _thinking, _size):
        for message in rule(check):
            return Violation(message)
    return None


def _fields(check: Check) -> Iterator[str]:
    body = check.body
    if not a_text(body.get("model")):
        yield "model: Field required"
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        yield "messages: at least one message is required"
    if not check.counting:
        limit = body.get("max_tokens")
        if not isinstance(limit, int) or isinstance(limit, bool):
            yield "max_tokens: Field required"
        elif limit < 0 or limit > check.rules.max_output:
            yield f"max_tokens: {limit} > {check.rules.max_output}, the most this model can write"
        elif limit == 0 and body.get("stream"):
            yield "max_tokens: 0 warms the cache and cannot be streamed"
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            yield f"{name}: this parameter is no longer accepted by this version of the API"
    for name in body:
        if name in _BETA_FIELDS:
            beta = _BETA_FIELDS[name]
            if beta and beta not in check.betas:
                yield f"{name}: Extra inputs are not permitted (needs the beta {beta})"
        elif name not in _FIELDS:
            yield f"{name}: Extra inputs are not permitted"


def _parameters(check: Check) -> Iterator[str]:
    body, rules = check.body, check.rules
    choice = a_text(an_object(body.get("tool_choice")).get("type"))
    if choice in ("any", "tool") and not rules.forced_tool_choice:
        yield f"tool_choice: '{choice}' is not supported by this model, only 'auto' and 'none'"
    thinking = a_text(an_object(body.get("thinking")).get("type"))
    if thinking and thinking not in rules.thinking_types:
        yield f"thinking.type: '{thinking}' is not supported by this model"
    effort = an_object(body.get("output_config")).get("effort")
    if effort is not None and effort not in ("low", "medium", "high", "xhigh", "max"):
        yield "output_config.effort: must be one of low, medium, high, xhigh, max"
    if body.get("compaction") is not None:
        if an_object(body["compaction"]).get("type") != "summarize":
            yield "compaction.type: must be 'summarize'"
        if body.get("context_management") is not None:
            yield "compaction: cannot be combined with context_management"


def _tools(check: Check) -> Iterator[str]:
    seen: set[str] = set()
    for index, tool in enumerate(objects(check.body.get("tools"))):
        name = a_text(tool.get("name"))
        if not _TOOL_NAME.fullmatch(name):
            yield f"tools.{index}.name: must match {_TOOL_NAME.pattern}"
        if name in seen:
            yield "tools: Tool names must be unique."
        seen.add(name)
        if a_text(tool.get("type")) not in ("", "custom"):
            continue
        schema = an_object(tool.get("input_schema"))
        if schema.get("type") != "object":
            yield f"tools.{index}.input_schema.type: must be 'object'"
        if tool.get("strict"):
            for problem in _strict(schema):
                yield f"tools.{index}.input_schema: {problem}"


def _strict(schema: Object) -> Iterator[str]:
    for word in _NOT_IN_STRICT:
        if word in schema:
            yield f"'{word}' is not supported in a strict schema"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield "objects of a strict schema need 'additionalProperties': false"
    for part in ("properties", "$defs"):
        for inner in an_object(schema.get(part)).values():
            yield from _strict(an_object(inner))
    yield from _strict(an_object(schema["items"])) if "items" in schema else ()
    for part in ("anyOf", "allOf", "oneOf"):
        for inner in objects(schema.get(part)):
            yield from _strict(inner)


def _roles(check: Check) -> Iterator[str]:
    messages = objects(check.body.get("messages"))
    if len(messages) > MAX_MESSAGES:
        yield f"messages: at most {MAX_MESSAGES} messages"
    first = messages[0]
    if first.get("role") != "user" and not _compacted(first):
        yield "messages: first message must use the 'user' role"
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in ("user", "assistant", "system"):
            yield f"messages.{index}.role: must be 'user', 'assistant' or 'system'"
        if role == "system":
            follows = messages[index - 1].get("role") if index else None
            before = messages[index + 1].get("role") if index + 1 < len(messages) else "assistant"
            if not check.rules.system_messages:
                yield f"messages.{index}: role 'system' is not supported by this model"
            elif follows != "user" or before != "assistant":
                yield f"messages.{index}: a system message must follow a user message and precede an assistant message"
    last = messages[-1]
    if last.get("role") == "assistant" and not check.paused(last) and check.body.get("compaction") is None:
        yield "messages: this model does not support assistant message prefill; the last message must be from the user"


def _compacted(message: Object) -> bool:
    content = blocks(message.get("content"))
    return bool(content) and content[0].get("type") == "compaction"


def _contents(check: Check) -> Iterator[str]:
    for index, message in enumerate(objects(check.body.get("messages"))):
        content = blocks(message.get("content"))
        if not content:
            yield f"messages.{index}: all messages must have non-empty content"
        for position, block in enumerate(content):
            where = f"messages.{index}.content.{position}"
            yield from _block(where, block, a_text(message.get("role")))
    for position, block in enumerate(blocks(check.body.get("system"))):
        yield from _block(f"system.{position}", block, "system")


def _block(where: str, block: Object, role: str) -> Iterator[str]:
    kind = block.get("type")
    if not kind:
        yield f"{where}.type: Field required"
    if kind == "text":
        if not a_text(block.get("text")):
            yield f"{where}: text content blocks must be non-empty"
        elif not a_text(block.get("text")).strip():
            yield f"{where}: text content blocks must contain non-whitespace text"
        if role == "user" and block.get("citations"):
            yield f"{where}.citations: not accepted in user messages"
    if kind == "compaction" and block.get("content") == "":
        yield f"{where}.content: must not be empty"
    if kind == "document" and role == "assistant":
        yield f"{where}: document blocks are not accepted in assistant messages"
    if kind == "image":
        data = a_text(an_object(block.get("source")).get("data"))
        if len(data) * 3 // 4 > MAX_IMAGE:
            yield f"{where}.image.source.base64: image exceeds 5 MB maximum"
    if kind == "tool_result":
        for position, inner in enumerate(objects(block.get("content"))):
            yield from _block(f"{where}.tool_result.content.{position}", inner, role)


def _calls(check: Check) -> Iterator[str]:
    messages = objects(check.body.get("messages"))
    seen: set[str] = set()
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        content = blocks(message.get("content"))
        if message.get("role") == "assistant":
            if open_calls:
                yield _unanswered(index - 1, open_calls)
            for block in content:
                if block.get("type") != "tool_use":
                    continue
                call = a_text(block.get("id"))
                if not _ID.fullmatch(call):
                    yield f"messages.{index}: tool_use.id must match {_ID.pattern}"
                if call in seen:
                    yield f"messages.{index}: `tool_use` ids must be unique, '{call}' is not"
                if not isinstance(block.get("input"), dict):
                    yield f"messages.{index}: tool_use.input must be an object"
                seen.add(call)
                open_calls.append(call)
        elif message.get("role") == "user":
            yield from _results(index, content, open_calls)
            open_calls = []
    if open_calls:
        yield _unanswered(len(messages) - 1, open_calls)


def _results(index: int, content: list[Object], open_calls: list[str]) -> Iterator[str]:
    answered: list[str] = []
    others = False
    for block in content:
        if block.get("type") != "tool_result":
            others = True
            continue
        call = a_text(block.get("tool_use_id"))
        if call not in open_calls:
            yield f"messages.{index}: unexpected `tool_use_id` '{call}' in `tool_result`: no such call in the message before"
        if call in answered:
            yield f"messages.{index}: each tool_use must have a single result, '{call}' has several"
        if others:
            yield f"messages.{index}: `tool_result` blocks must come first in the message"
        answered.append(call)
    missing = [call for call in open_calls if call not in answered]
    if missing:
        yield _unanswered(index - 1, missing)


def _unanswered(index: int, calls: list[str]) -> str:
    listed = ", ".join(calls)
    return f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {listed}"


def _marks(check: Check) -> Iterator[str]:
    marks = [piece.mark for piece in check.chain.pieces if piece.mark is not None]
    if check.body.get("cache_control"):
        marks.append(a_text(an_object(check.body["cache_control"]).get("ttl")) or "5m")
    if len(marks) > MAX_MARKS:
        yield f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {len(marks)}."
    if any(mark not in ("5m", "1h") for mark in marks):
        yield "cache_control.ttl: must be '5m' or '1h'"
    if "5m" in marks and "1h" in marks[marks.index("5m") :]:
        yield "cache_control.ttl: a mark with ttl '1h' must not come after one with '5m'"
    for piece in check.chain.pieces:
        if piece.mark is not None and piece.kind in _UNMARKABLE:
            yield f"messages.{piece.message}: cache_control cannot be set on {piece.kind} blocks"


def _thinking(check: Check) -> Iterator[str]:
    model = a_text(check.body.get("model"))
    messages = objects(check.body.get("messages"))
    compacted = any(_compacted(message) for message in messages)
    for index, message in enumerate(messages):
        for block in blocks(message.get("content")):
            if block.get("type") == "compaction" and a_text(block.get("signature")):
                verdict = signing.check(a_text(block["signature"]), model, None, a_text(block.get("content")))
                if verdict == "altered":
                    yield f"messages.{index}: the compaction block is not the one that was issued"
            if block.get("type") != "thinking":
                continue
            if message.get("role") != "assistant":
                yield f"messages.{index}: thinking blocks belong in assistant messages"
            prefix = (
                None if compacted or not check.rules.binds_thinking else check.chain.before_message(index)
            )
            verdict = signing.check(
                a_text(block.get("signature")), model, prefix, a_text(block.get("thinking"))
            )
            if verdict == "altered":
                yield f"messages.{index}: Invalid `signature` in `thinking` block"
            if verdict == "other-prefix":
                yield (
                    f"messages.{index}: the `thinking` block is bound to what came before it, and system, tools or an "
                    "earlier message has changed since"
                )


def _size(check: Check) -> Iterator[str]:
    size = check.chain.tokens
    # A compaction may summarise a conversation that has just outgrown the window.
    if size > check.window and check.body.get("compaction") is None:
        yield f"prompt is too long: {size} tokens > {check.window} maximum"
    if len(a_list(check.body.get("stop_sequences"))) > 32:
        yield "stop_sequences: at most 32"
