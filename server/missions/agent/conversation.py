"""The history of one conversation: an append-only JSONL transcript, and the messages it stands for.

Every fact is written before it acts, and the same code applies a record when it is written and when it is read again, so a
resume sends the same bytes. Redaction happens before a record is written, so what is sent is what is stored. Nothing
here talks to the provider or runs a tool.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from missions.agent import history
from missions.agent.history import Block, Message
from missions.agent.tool import ToolResult
from missions.agent.turn import Turn
from missions.model.errors import MissionError
from missions.model.usage import Usage
from missions.store.journal import utc_now
from missions.store.transcript import TranscriptReader, TranscriptWriter

VERSION = 1
NOT_RUN = "Not run: the run was interrupted before this call began. Call it again if it is still needed."
INTERRUPTED = (
    "Interrupted: this call had begun when the run was interrupted, and it may have partly taken effect. "
    "Inspect the present state before you repeat it."
)


class Redacts(Protocol):
    """What is needed of ``missions.store.redact.Redactor``."""

    def text(self, text: str, /) -> str:
        """``text`` without secrets."""
        ...


@dataclass
class FinishedCall:
    """One answered tool call, for whoever rebuilds state from the transcript."""

    name: str
    input: dict[str, Any]
    text: str
    is_error: bool
    polling: bool
    synthetic: bool
    """The result was made by the loop; the tool did not run to its end."""
    meta: dict[str, Any]


@dataclass
class Progress:
    """What the transcript says beside the messages."""

    turns: int = 0
    usage: Usage = field(default_factory=Usage)
    last_usage: Usage | None = None
    last_stop: str = ""
    reasks: int = 0
    rejected: list[str] = field(default_factory=list[str])
    """Texts of refused submissions."""
    submission: dict[str, Any] | None = None
    model: str | None = None
    """The fallback model, once the conversation was begun anew with it."""
    said: set[str] = field(default_factory=set[str])
    """Kinds of notes said since the context began."""
    calls: list[FinishedCall] = field(default_factory=list[FinishedCall])
    calls_before: int = 0
    """Calls before what was asked last; asking the same again later is no running in circles."""
    sittings: int = 0
    task_began: int = 0
    """Turns before the present task; a session that is woken again has some."""


class Conversation:
    """One transcript, held by one writer."""

    def __init__(self, file: TranscriptWriter, redactor: Redacts) -> None:
        self.messages: list[Message] = []
        """What is sent, without marks."""
        self.ends: list[tuple[int, int]] = []
        """(message, block) of the last block of each request so far, in order, without repeats."""
        self.progress = Progress()
        self.size = 0
        """Estimated tokens of the messages beyond what the last reply reported."""
        self._file = file
        self._redactor = redactor
        self._open: list[Block] = []
        self._results: dict[str, Block] = {}
        self._started: set[str] = set()

    @classmethod
    def open(cls, path: Path, redactor: Redacts) -> Conversation:
        """A new conversation, or the one in ``path`` repaired so that every call has its result.

        A torn last line is set aside. Raises ``store_corrupt`` for damage elsewhere.
        """
        writer = TranscriptWriter(path)
        conversation = cls(writer, redactor)
        reader = TranscriptReader(path)
        damaged = 0
        while lines := reader.read_new():
            try:
                for record in lines:
                    conversation._apply(record)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                # Whole lines that do not say what they should: the history behind them would be another one.
                damaged = 1
                break
        damaged += reader.damaged
        if damaged:
            writer.close()
            raise MissionError(
                "store_corrupt",
                f"{damaged} lines of the transcript {path.name} are damaged.",
                "Retry the unit: it begins a new run with a new transcript.",
                file=path.name,
            )
        conversation._repair()
        return conversation

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    # What is written ------------------------------------------------------------------------------------------

    def start(self, facts: dict[str, Any]) -> None:
        """A sitting begins: role, model, hashes of tools and system, price version."""
        self._write("run_start", {"version": VERSION, **facts})

    def say(self, content: str | Sequence[Block], kind: str) -> None:
        """Append a user message; next to another one they are joined."""
        blocks: list[Block] = (
            [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        )
        self._write("user", {"kind": kind, "content": self._clean(blocks)}, sync=True)

    def request(self, prefix_sha: str, attempt: int) -> None:
        """A request is about to be sent."""
        self._write(
            "request",
            {"turn": self.progress.turns + 1, "attempt": attempt, "prefixSha": prefix_sha, "end": self.end()},
        )

    def assistant(self, turn: Turn, spent: Usage, *, keep: bool = True, sync: bool = True) -> None:
        """A whole reply, durable before any of its tools runs. Without ``keep`` it does not become history; without ``sync``
        the next durable record makes it so."""
        self._write(
            "assistant",
            {
                "turn": self.progress.turns + 1,
                "messageId": turn.message_id,
                "model": turn.model,
                "content": history.redacted_reply(turn.content, self._redactor.text),
                "stopReason": turn.stop_reason,
                **({"stopDetails": self._clean(turn.stop_details)} if turn.stop_details else {}),
                **({"badInputs": self._clean(turn.bad_inputs)} if turn.bad_inputs else {}),
                **({"unknownDeltas": list(turn.unknown_deltas)} if turn.unknown_deltas else {}),
                **({} if keep else {"kept": False}),
                "reported": turn.usage,
                "usage": spent.model_dump(),
            },
            sync=sync,
        )

    def discarded(self, reason: str, spent: Usage | None) -> None:
        """An attempt that came to nothing."""
        self._write(
            "note",
            {
                "kind": "discarded",
                "text": self._redactor.text(reason),
                **({"usage": spent.model_dump()} if spent else {}),
            },
        )

    def note(self, kind: str, text: str) -> None:
        """Something worth keeping that is not sent."""
        self._write("note", {"kind": kind, "text": self._redactor.text(text)})

    def tool_start(self, call: Block, *, sync: bool) -> None:
        """A call is about to run."""
        raw = json.dumps(call["input"], sort_keys=True).encode("utf-8", "replace")
        digest = hashlib.sha256(raw).hexdigest()[:16]
        self._write("tool_start", {"id": call["id"], "name": call["name"], "inputSha": digest}, sync=sync)

    def tool_end(
        self, call: Block, result: ToolResult, ms: int, *, synthetic: bool = False, submit: bool = False
    ) -> None:
        """A call's result, durable; with the accepted submission, if it is one."""
        content = result.content if isinstance(result.content, str) else list(result.content)
        data: dict[str, Any] = {
            "id": call["id"],
            "name": call["name"],
            "content": self._clean(content) or "(no output)",
            "isError": result.is_error,
            "ms": ms,
        }
        if result.meta:
            data["meta"] = self._clean(result.meta)
        if result.polling:
            data["polling"] = True
        if synthetic:
            data["synthetic"] = True
        if result.submission is not None:
            data["submission"] = self._clean(result.submission)
        elif submit and result.is_error and not synthetic:
            data["rejected"] = True
        self._write("tool_end", data, sync=True)

    def answer(self, notes: Sequence[tuple[str, str]] = ()) -> None:
        """All results of the last reply as one user message, with notes ``(kind, text)`` after the last result."""
        written = [{"kind": kind, "text": self._redactor.text(text)} for kind, text in notes]
        self._write(
            "user",
            {"kind": "results", "results": [call["id"] for call in self._open], "notes": written},
            # Without notes it follows from the results, which are durable.
            sync=bool(notes),
        )

    def compacted(self, content: list[Block], spent: Usage, again: list[Block]) -> None:
        """The history is replaced by the provider's summary, followed by the task said ``again``."""
        record = {"content": content, "again": self._clean(again), "usage": spent.model_dump()}
        self._write("compaction", record, sync=True)

    def begin_anew(self, model: str, reason: str) -> None:
        """A fresh context with another model."""
        self._write("fresh", {"model": model, "reason": self._redactor.text(reason)}, sync=True)

    def drop_thinking(self) -> None:
        """Leave all thinking so far out of what is sent."""
        self._write("thinking_dropped", {}, sync=True)

    def finish(self, kind: str, detail: str) -> None:
        """A sitting ends."""
        usage = self.progress.usage.model_dump()
        record = {
            "outcome": kind,
            "detail": self._redactor.text(detail),
            "usage": usage,
            "turns": self.progress.turns,
        }
        self._write("run_end", record)

    def told(self, mark: str) -> bool:
        """Whether a user message holds this text: whether a session was given a task already."""
        blocks = [b for m in self.messages if m["role"] == "user" for b in m["content"]]
        return any(mark in str(b.get("text", "")) for b in blocks if b.get("type") == "text")

    # What is asked --------------------------------------------------------------------------------------------

    @property
    def last_role(self) -> str | None:
        """Who spoke last."""
        return str(self.messages[-1]["role"]) if self.messages else None

    def end(self) -> tuple[int, int] | None:
        """Position of the newest block."""
        return (len(self.messages) - 1, len(self.messages[-1]["content"]) - 1) if self.messages else None

    def tokens(self) -> int:
        """Estimated tokens of the history as the next request sends it (without tools and system before the first reply)."""
        last = self.progress.last_usage
        return (last.prompt_tokens + last.outputTokens if last else 0) + self.size

    def metas(self) -> list[dict[str, Any]]:
        """The metadata of all tool results, in order (for the command ledger)."""
        return [call.meta for call in self.progress.calls]

    # How records act ------------------------------------------------------------------------------------------

    def _write(self, type_: str, data: dict[str, Any], *, sync: bool = False) -> None:
        record = {"at": utc_now(), "type": type_, **data}
        self._file.append(record, sync=sync)
        # Applied as a copy through JSON, so that memory cannot differ from what a resume reads.
        self._apply(cast("dict[str, Any]", json.loads(json.dumps(record))))

    def _apply(self, record: dict[str, Any]) -> None:
        apply = getattr(self, f"_on_{record.get('type')}", None)
        if apply is not None:
            apply(record)

    def _on_run_start(self, record: dict[str, Any]) -> None:
        self.progress.sittings += 1

    def _on_request(self, record: dict[str, Any]) -> None:
        end = record.get("end")
        if end is not None and (not self.ends or self.ends[-1] != tuple(end)):
            self.ends.append((end[0], end[1]))

    def _on_user(self, record: dict[str, Any]) -> None:
        if record["kind"] == "results":
            self._add(
                "user",
                history.result_message([self._results[one] for one in record["results"]], record["notes"]),
            )
            self.progress.said.update(note["kind"] for note in record["notes"])
            self._open, self._results, self._started = [], {}, set()
            return
        if record["kind"] in ("task", "user"):
            self.progress.calls_before = len(self.progress.calls)
        if record["kind"] == "task":
            # A session that is given another task begins it with a clean sheet; what it knows and has spent stays.
            progress = self.progress
            progress.task_began = progress.turns
            progress.submission, progress.reasks, progress.rejected, progress.said = None, 0, [], set()
        self.progress.reasks += record["kind"] == "reask"
        self.progress.said.add(record["kind"])
        self._add("user", record["content"])

    def _on_assistant(self, record: dict[str, Any]) -> None:
        progress = self.progress
        progress.turns += 1
        spent = Usage.model_validate(record["usage"])
        progress.usage += spent
        progress.last_stop = record["stopReason"]
        if record.get("kept") is False:
            return
        progress.last_usage = spent
        if record["content"]:
            self._add("assistant", record["content"])
        self.size = 0
        self._open = [block for block in record["content"] if block.get("type") == "tool_use"]

    def _on_note(self, record: dict[str, Any]) -> None:
        if "usage" in record:
            self.progress.usage += Usage.model_validate(record["usage"])
        self.progress.said.add(record["kind"])

    def _on_tool_start(self, record: dict[str, Any]) -> None:
        self._started.add(record["id"])

    def _on_tool_end(self, record: dict[str, Any]) -> None:
        call = next((block for block in self._open if block["id"] == record["id"]), None)
        if call is None or record["id"] in self._results:
            return
        self._results[record["id"]] = {
            "type": "tool_result",
            "tool_use_id": record["id"],
            "content": record["content"],
            **({"is_error": True} if record["isError"] else {}),
        }
        text = history.plain_text(record["content"])
        if record.get("rejected"):
            self.progress.rejected.append(text)
        if "submission" in record:
            self.progress.submission = record["submission"]
        self.progress.calls.append(
            FinishedCall(
                record["name"],
                call["input"],
                text,
                record["isError"],
                record.get("polling", False),
                record.get("synthetic", False),
                record.get("meta", {}),
            )
        )

    def _on_compaction(self, record: dict[str, Any]) -> None:
        self._reset()
        self.progress.usage += Usage.model_validate(record["usage"])
        self._add("assistant", record["content"])
        self._add("user", record["again"])

    def _on_fresh(self, record: dict[str, Any]) -> None:
        self._reset()
        self.progress.model = record["model"]

    def _on_thinking_dropped(self, record: dict[str, Any]) -> None:
        self.messages = history.without_thinking(self.messages)
        self.ends = []
        self.progress.said.add("thinking_dropped")

    def _reset(self) -> None:
        self.messages, self.ends, self.size = [], [], 0
        self._open, self._results, self._started = [], {}, set()
        self.progress.last_usage = None
        self.progress.said = set()

    def _add(self, role: str, blocks: list[Block]) -> None:
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(blocks)
        else:
            self.messages.append({"role": role, "content": list(blocks)})
        self.size += history.estimated_tokens(blocks)

    def _repair(self) -> None:
        if not self._open:
            return
        for call in self._open:
            if call["id"] not in self._results:
                text = INTERRUPTED if call["id"] in self._started else NOT_RUN
                self.tool_end(call, ToolResult(text, is_error=True), 0, synthetic=True)
        self.answer()

    def _clean(self, value: Any) -> Any:
        return history.redacted(value, self._redactor.text)
