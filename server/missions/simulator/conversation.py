"""A request read as a place in a conversation: who speaks, at which task, at which turn, after which results.

Everything is derived from the request alone, so a simulator that was restarted answers as if it had not been. The one
exception, the number of attempts at a task, is counted by :class:`Attempts` unless the text says it.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field, replace

from missions.simulator.shapes import Object, a_text, an_object, blocks, objects, text_of

_TASK = re.compile(r"^Task: (?P<kind>[a-z-]+)(?: (?:feature|milestone))?(?: (?P<item>\S+))?[ \t]*$", re.M)
_RUN = re.compile(r"^Run: (\S+)[ \t]*$", re.M)
_REPOSITORY = re.compile(r"^Repository: (.+?)[ \t]*$", re.M)
_ATTEMPT = re.compile(r"^(?:Attempt: |## This is attempt )(\d+)\b", re.M)
_TURNS = re.compile(r"^Turns so far: (\d+)$", re.M)
_CALL = re.compile(r"^Call: (\{.*\})$", re.M)
_INTERRUPTED = re.compile(r"\binterrupted\b", re.I)
_RUN_SHOWN = re.compile(r"\brun #?(\d+)\b", re.I)
_EXIT_SHOWN = re.compile(r"\bexit(?:ed)?(?:[ _-]?(?:code|status))?(?: with)?[ :=]*(-?\d+)\b", re.I)

_ROLE_OF_TASK = {
    "worker": "worker",
    "scrutiny": "scrutiny",
    "user-testing": "user-testing",
    "recovery": "orchestrator",
    "planning": "planner",
    "chat": "planner",
    "research": "research",
}
# The main chat may hold the orchestrator's tools too, so the planner's tool comes first.
_ROLE_OF_TOOL = (
    ("mission_write_plan", "planner"),
    ("submit_user_testing_report", "user-testing"),
    ("submit_validation_report", "scrutiny"),
    ("submit_handoff", "worker"),
    ("submit_recovery", "orchestrator"),
)
_ROLE_OF_PROMPT = (
    ("user testing", "user-testing"),
    ("user-testing", "user-testing"),
    ("scrutiny", "scrutiny"),
    ("validator", "scrutiny"),
    ("orchestrator", "orchestrator"),
    ("research", "research"),
    ("planner", "planner"),
    ("worker", "worker"),
)


@dataclass(frozen=True)
class Call:
    """A tool call of the conversation and what came back."""

    name: str
    input: Object
    result: str
    is_error: bool

    @property
    def interrupted(self) -> bool:
        """The run was broken off in this call, and a resumed conversation says so."""
        return self.is_error and _INTERRUPTED.search(self.result) is not None

    @property
    def ordinal(self) -> int | None:
        """The run ordinal that the result shows in its first or last line."""
        return _shown(_RUN_SHOWN, self.result)

    @property
    def exit_code(self) -> int | None:
        """The exit code that the result shows in its first or last line."""
        return _shown(_EXIT_SHOWN, self.result)


@dataclass(frozen=True)
class Turn:
    """Where a conversation stands."""

    role: str
    task: str
    """The feature, milestone or recovery the conversation is about, or an empty text."""
    run: str
    repository: str
    attempt: int
    position: int
    """How many assistant turns of this task came before, not counting those whose calls were interrupted."""
    step: int
    """The same since the user last said something."""
    first_text: str
    last_text: str
    last_result: str
    """All results of the last turn, and the system notes after them."""
    calls: list[Call] = field(repr=False)
    tools: frozenset[str] = field(repr=False)
    model: str = ""

    def describe(self) -> str:
        """One line for people."""
        return f"{self.role} {self.task or '(no task)'}, turn {self.position}, attempt {self.attempt}"


def read_turn(body: Object) -> Turn:
    """The place of a request's conversation."""
    reader = _Reader()
    for message in objects(body.get("messages")):
        reader.take(message)
    tools = frozenset(a_text(tool.get("name")) for tool in objects(body.get("tools")))
    role = _ROLE_OF_TASK.get(reader.kind) or _role_of(tools, text_of(body.get("system")))
    attempt = _ATTEMPT.search(reader.first)
    return Turn(
        role=role,
        task=reader.item,
        run=reader.run,
        repository=reader.repository,
        attempt=int(attempt.group(1)) if attempt else 0,
        position=reader.position,
        step=reader.step,
        first_text=reader.first,
        last_text=reader.last,
        last_result="\n".join([*(call.result for call in reader.latest), *reader.notes]),
        calls=reader.calls,
        tools=tools,
        model=a_text(body.get("model")),
    )


def summary(turn: Turn) -> str:
    """The text of a simulated compaction: enough to go on from, by this simulator too."""
    kind = next((name for name, role in _ROLE_OF_TASK.items() if role == turn.role), turn.role)
    lines = [
        "Simulated summary of the conversation so far.",
        f"Task: {kind}" + (f" {turn.task}" if turn.task else ""),
        f"Run: {turn.run or '-'}",
        f"Repository: {turn.repository or '-'}",
        f"Attempt: {max(turn.attempt, 1)}",
        f"Turns so far: {turn.position}",
    ]
    for call in turn.calls:
        short = {
            key: value for key, value in call.input.items() if isinstance(value, str) and len(value) < 400
        }
        record = {"name": call.name, "input": short, "result": call.result[-400:], "is_error": call.is_error}
        lines.append("Call: " + json.dumps(record, ensure_ascii=False))
    return "\n".join(lines)


class Attempts:
    """Counts how many conversations there were about each task."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], list[str]] = {}
        self._lock = threading.Lock()

    def numbered(self, turn: Turn) -> Turn:
        """The turn with its attempt, counted from 1."""
        if turn.attempt:
            return turn
        key = turn.run or hashlib.sha256(turn.first_text.encode("utf-8", "replace")).hexdigest()
        with self._lock:
            runs = self._runs.setdefault((turn.role, turn.task), [])
            if key not in runs:
                runs.append(key)
            return replace(turn, attempt=runs.index(key) + 1)


class _Reader:
    """Walks the messages once."""

    def __init__(self) -> None:
        self.kind = ""
        self.item = ""
        self.run = ""
        self.repository = ""
        self.first = ""
        self.last = ""
        self.position = self.step = 0
        self.calls: list[Call] = []
        self.latest: list[Call] = []
        self.notes: list[str] = []
        self._open: dict[str, Object] = {}
        self._spoke = False

    def take(self, message: Object) -> None:
        content = blocks(message.get("content"))
        for block in content:
            if block.get("type") == "compaction":
                self._compacted(a_text(block.get("content")))
        if message.get("role") == "assistant":
            self._spoke = self._spoke or not any(block.get("type") == "compaction" for block in content)
            for block in content:
                if block.get("type") == "tool_use":
                    self._open[a_text(block.get("id"))] = block
            return
        said = text_of([block for block in content if block.get("type") != "tool_result"])
        if message.get("role") == "system":
            self.notes.append(said)
            return
        self._results(content)
        if said:
            self.last = said
            self.step = 0
            self._said(said)

    def _results(self, content: list[Object]) -> None:
        results = [block for block in content if block.get("type") == "tool_result"]
        if not results and not self._spoke:
            return
        self.latest = [self._answered(block) for block in results]
        self.notes = []
        self.calls.extend(self.latest)
        self._open = {}
        if self._spoke and not any(call.interrupted for call in self.latest):
            self.position += 1
            self.step += 1
        self._spoke = False

    def _answered(self, block: Object) -> Call:
        call = self._open.get(a_text(block.get("tool_use_id")), {})
        is_error = bool(block.get("is_error"))
        return Call(
            a_text(call.get("name")), an_object(call.get("input")), text_of(block.get("content")), is_error
        )

    def _said(self, text: str) -> None:
        task = _TASK.search(text)
        if task is None:
            self.first = self.first or text
            return
        run = _RUN.search(text)
        kind, item, of_run = str(task["kind"]), str(task["item"] or ""), str(run.group(1)) if run else ""
        if (kind, item, of_run) != (self.kind, self.item, self.run):
            # Another task in the same conversation (the orchestrator's session goes on for a whole mission).
            self.kind, self.item, self.run = kind, item, of_run
            self.position = 0
            self.calls = []
            self.first = text
        repository = _REPOSITORY.search(text)
        self.repository = repository.group(1) if repository else self.repository

    def _compacted(self, text: str) -> None:
        self._said(text)
        turns = _TURNS.search(text)
        self.position = int(turns.group(1)) if turns else 0
        for match in _CALL.finditer(text):
            record = an_object(json.loads(match.group(1)))
            result = a_text(record.get("result"))
            call = Call(
                a_text(record.get("name")),
                an_object(record.get("input")),
                result,
                bool(record.get("is_error")),
            )
            self.calls.append(call)


def _role_of(tools: frozenset[str], system: str) -> str:
    for tool, role in _ROLE_OF_TOOL:
        if tool in tools:
            return role
    first = system.strip().split("\n", 1)[0].lower()
    return next((role for word, role in _ROLE_OF_PROMPT if word in first), "other")


def _shown(pattern: re.Pattern[str], result: str) -> int | None:
    """A number from the result's first or last line, where the tool writes about the call itself."""
    lines = result.strip().splitlines()
    for line in [*lines[:1], *lines[-1:]]:
        match = pattern.search(line)
        if match:
            return int(match.group(1))
    return None
