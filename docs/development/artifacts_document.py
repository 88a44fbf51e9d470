"""Writes ``docs/artifacts.md``: every file of the store, every event with its fields, and the forms of the JSON files.

Run ``python docs/development/artifacts_document.py`` after changing :mod:`missions.model.events` or another type named
here; ``--check`` only says whether the document is current (a test does the same). The text between the tables is
below, not in the document.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from missions.model import events as ev
from missions.model import mission as state
from missions.model import recovery, reports
from missions.runner import unit_run
from missions.store import inbox, lock, records, snapshot

DOCUMENT = Path(__file__).resolve().parents[1] / "artifacts.md"

FILES: tuple[tuple[str, str], ...] = (
    ("settings.json", "The user's settings; see [configuration](configuration.md)."),
    ("cleared.json", "Ids of completed missions that the default views leave out."),
    ("index.json", "What lists need of every mission; disposable, made anew when it is missing or old."),
    (".wake", "Touched when somebody takes a mission, for those that watch the store."),
    ("<mission-id>/event-log.jsonl", "The journal: the only truth. Append-only, one record a line."),
    ("<mission-id>/event-log.<n>.jsonl", "Closed segments of a long journal, in order from 1."),
    ("<mission-id>/mission.json", "The snapshot: the mission as the journal gives it, with a seal."),
    ("<mission-id>/runner.lock", "What the kernel locks. Never removed; its content means nothing."),
    ("<mission-id>/runner-lock.json", "Who holds the lock, for people. Not what decides."),
    ("<mission-id>/activity.json", "What the runner does this moment; a hint, gone when nothing runs."),
    ("<mission-id>/inbox/tmp|new|done/<ulid>.json", "Requests that wait, and the answers to them."),
    ("<mission-id>/plan/plan.json", "The accepted plan, as a copy of its blob."),
    ("<mission-id>/plan/objective.md", "Objective, non-goals and assumptions, to read."),
    (
        "<mission-id>/plan/features.json",
        "Milestones and features as planned; what became of them is in `mission.json`.",
    ),
    ("<mission-id>/plan/validation-contract.json|.md", "The assertions, for programs and to read."),
    (
        "<mission-id>/plan/history/<n>/",
        "Each version (`plan.json`), what it changed of the one before (`changes.md`), and what an edited plan file said before it was replaced.",
    ),
    (
        "<mission-id>/plan/.written.json",
        "Which version these copies show, with a sum of each, so that edits are noticed.",
    ),
    (
        "<mission-id>/skills/<role>/SKILL.md",
        "The mission's instructions: `worker`, `validator-scrutiny`, `validator-user-testing`.",
    ),
    ("<mission-id>/chat/transcript.jsonl", "The planning conversation. Not part of the journal."),
    (
        "<mission-id>/chat/draft.json",
        "The plan that the planner has shown and not saved. Nothing of it is in force.",
    ),
    (
        "<mission-id>/recovery-packets/<time>-<run-id>.json|.md",
        "A block as it was handed to the orchestrator.",
    ),
    ("<mission-id>/runs/<run-id>/run.json", "What a resume needs to know of a run."),
    (
        "<mission-id>/runs/<run-id>/transcript.jsonl",
        "The conversation: requests, replies, tool calls and results, in order.",
    ),
    (
        "<mission-id>/runs/<run-id>/research-<id>.jsonl",
        "What a validator or the orchestrator had looked up: one read-only conversation each.",
    ),
    ("<mission-id>/runs/<run-id>/handoff.json|.md", "The worker's accepted report."),
    ("<mission-id>/runs/<run-id>/validation-report.json|.md", "The accepted report of scrutiny."),
    ("<mission-id>/runs/<run-id>/user-testing-report.json|.md", "The accepted report of user testing."),
    (
        "<mission-id>/runs/<run-id>/evidence/",
        "What the run kept as evidence; the only folder of the store its commands can write.",
    ),
    ("<mission-id>/runs/<run-id>/output/", "Long outputs of its commands in full."),
    ("<mission-id>/runs/<run-id>/set-aside/", "What a sandbox had put in its way and was moved aside."),
    ("<mission-id>/runs/baseline/", "The setup and the checks before the first unit."),
    (
        "<mission-id>/blobs/<sha256>",
        "Immutable content that records name: plans, handoffs, reports, packets, the final report.",
    ),
    ("<mission-id>/git/backup.git", "Snapshots of the repository, outside every sandbox."),
    ("<mission-id>/git/tree", "The private clone, if that workspace was chosen."),
    ("<mission-id>/report.md", "The report at completion."),
    ("<mission-id>/imported/", "What an imported mission brought along."),
)
"""Every file of the store, as a pattern, and what it is."""

_HEAD = """# Artifacts

*Written by `docs/development/artifacts_document.py` from the types in `server/missions`; change those, then run it.*

Everything that Missions keeps lies below `MISSIONS_HOME` (without it, `~/.missions`): directories with mode 0700, files with 0600.
All of it can be read while a mission runs. Nothing but Missions may write there; the operations are how a mission is changed.
JSON files have an indent of 2 and end with a newline. Times are ISO 8601 in UTC with milliseconds; durations are whole
milliseconds, money is in millionths of a dollar.

Ids: a mission is `mission-[a-z0-9-]{1,56}`; milestones, features and assertions are `[A-Za-z0-9][A-Za-z0-9._-]{0,39}`; a run is
`<epoch-ms>-worker-<feature>`, `<epoch-ms>-validator-<milestone>`, `<epoch-ms>-user-testing-<milestone>` or `<epoch-ms>-recovery-<n>`.

## Files
"""

_JOURNAL = """## The journal

A record is one line of ASCII JSON, at most {limit} KB, with its fields in this order:

| Field | Meaning |
|---|---|
| `seq` | 1, 2, 3 … without a gap |
| `epoch` | Grows with each process that takes the mission; a lower one after a higher one is refused |
| `ts` | When it was written |
| `type` | One of the events below. A type that a reader does not know is kept and ignored |
| `data` | The fields of the event; `requestId` in it names the request that it answers |
| `crc` | CRC-32 of the line without this field, as eight hex digits |

The state of a mission is the fold of its records; `missions doctor` compares. A line that was cut off by a crash at the very end is taken
away before the next record is written; damage anywhere else is reported with its line and byte and never skipped. What is larger than a
record is a blob, durable before the record that names it by its SHA-256.

## Events
"""

_SNAPSHOT = """## `mission.json`

The mission as faces show it, made from the journal and replaced as a whole. It ends with a `seal`, which says what it was made from; a snapshot
whose seal does not fit is made anew, so editing this file changes nothing: `missions validate` says so and names the operation to use.
"""

_FORMS = """## Other files

### `activity.json`

| Field | Meaning |
|---|---|
| `runId`, `role`, `itemId` | The run that goes on |
| `sandbox` | How its commands are confined |
| `turn` | The turn of the model |
| `tool`, `summary` | The tool call that goes on, and what it is about |
| `retry` | Why the service is waited for, and for how many seconds yet |

Written at most four times a second, never synced, gone when nothing runs. Nobody decides anything by it.
"""


def document() -> str:
    """The whole text."""
    parts = [_HEAD, _rows(("Path", "What it is"), [(f"`{path}`", what) for path, what in FILES])]
    parts.append(_JOURNAL.format(limit=records.MAX_RECORD // 1024))
    for name, event in sorted(ev.EVENTS.items()):
        parts.append(_event(name, event))
    parts.append(_SNAPSHOT)
    parts.append(_fields(state.Mission))
    parts += [
        f"### {cls.__name__}\n\n{_words(cls)}{_fields(cls)}"
        for cls in _parts_of(state.Mission, {recovery.Block})
    ]
    parts.append(f"### Seal\n\n{_words(snapshot.Seal)}{_fields(snapshot.Seal)}")
    parts.append(_FORMS)
    parts.append(_form("`run.json`", unit_run.RunRecord))
    parts.append(_form("`handoff.json`", reports.Handoff))
    parts.append(_form("`validation-report.json` and `user-testing-report.json`", reports.ValidationReport))
    nested = _parts_of(reports.Handoff, set()) + _parts_of(reports.ValidationReport, set())
    parts += [f"#### {cls.__name__}\n\n{_words(cls)}{_fields(cls)}" for cls in dict.fromkeys(nested)]
    parts.append(_form("Recovery packets", recovery.RecoveryPacket))
    parts.append(_form("Block, in packets, events and `mission.json`", recovery.Block))
    parts.append(_form("`inbox/new/<ulid>.json`", inbox.Request))
    parts.append(_form("`inbox/done/<ulid>.json`, in `result`", inbox.Result))
    parts.append(_form("`runner-lock.json`", lock.LockInfo))
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _event(name: str, event: type[ev.Event]) -> str:
    return f"### `{name}`\n\n{_words(event)}{_fields(event) or 'No fields.'}"


def _form(title: str, cls: type) -> str:
    return f"### {title}\n\n{_words(cls)}{_fields(cls)}"


def _words(cls: type) -> str:
    """The class's own docstring; for an event without one, that of its family."""
    for owner in cls.__mro__:
        if owner in (BaseModel, ev.Event, object, state.State):
            break
        text = owner.__dict__.get("__doc__")
        if text and not text.startswith(f"{owner.__name__}("):
            return " ".join(inspect.cleandoc(text).replace("``", "`").split()) + "\n\n"
    return ""


def _fields(cls: type) -> str:
    rows: list[tuple[str, str, str, str]] = []
    words = _attribute_words(cls)
    if issubclass(cls, BaseModel):
        hints = typing.get_type_hints(cls)
        for name, field in cls.model_fields.items():
            rows.append(
                (f"`{field.alias or name}`", _type(hints[name]), _default(field), words.get(name, ""))
            )
    else:
        hints = typing.get_type_hints(cls)
        for name in hints:
            optional = "" if not hasattr(cls, name) else _value(getattr(cls, name))
            rows.append((f"`{name}`", _type(hints[name]), optional, words.get(name, "")))
    return _rows(("Field", "Type", "Without it", "Meaning"), rows) if rows else ""


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "empty"
    return _value(field.default)


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, BaseModel) or value in ((), [], {}, ""):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " / ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(a) for a in arguments if a is not type(None))
    if origin in (list, tuple, frozenset):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        key, value = arguments
        return "object" if value is Any else f"object: {_type(key)} → {_type(value)}"
    simple = {str: "text", int: "integer", bool: "flag", float: "number", Any: "anything", Path: "text"}
    return simple.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"


def _parts_of(cls: type[BaseModel], without: set[type]) -> list[type[BaseModel]]:
    """The types that fields of ``cls`` name, each once, in the order they are met."""
    found: list[type[BaseModel]] = []

    def look(hint: Any) -> None:
        for argument in typing.get_args(hint):
            look(argument)
        if (
            isinstance(hint, type)
            and issubclass(hint, BaseModel)
            and hint not in found
            and hint not in without
        ):
            found.append(hint)
            for inner in typing.get_type_hints(hint).values():
                look(inner)

    for hint in typing.get_type_hints(cls).values():
        look(hint)
    return found


def _attribute_words(cls: type) -> dict[str, str]:
    """The docstrings under the attributes of a class and of what it inherits from."""
    words: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if not owner.__module__.startswith("missions."):
            continue
        body = typing.cast(ast.ClassDef, ast.parse(inspect.getsource(owner)).body[0]).body
        for before, after in itertools.pairwise(body):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            ):
                text = inspect.cleandoc(after.value.value).replace("``", "`")
                words[before.target.id] = " ".join(text.split())
    return words


def main() -> int:
    text = document()
    if "--check" in sys.argv[1:]:
        current = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""
        if current != text:
            sys.stderr.write("docs/artifacts.md is not current\n")
            return 1
        return 0
    DOCUMENT.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
