"""Workspace commands: their names, the arguments that only editors need, and the results of all.

The operations that every face has come with their arguments from ``missions.model.operations``; their names stand
here a second time because that module must not be loaded before ``initialize`` is answered, and a test compares
them. A command takes exactly one object, so that it can grow. Nothing here runs an operation.
"""

from __future__ import annotations

from typing import Any, Literal

from missions.lsp.payload import Payload, payload
from missions.lsp.protocol import ErrorData

PREFIX = "missions."
"""A workspace command is this and the operation's name."""

SHARED = (
    "new",
    "write-plan",
    "revise-plan",
    "comment",
    "answer-comment",
    "run",
    "resume",
    "pause",
    "cancel",
    "retry",
    "rerun-validation",
    "skip",
    "waive",
    "block",
    "unblock",
    "steer",
    "decide",
    "request-confirmation",
    "budget",
    "finish",
    "abandon",
    "delete",
    "status",
    "list",
    "show",
    "clear",
    "models",
    "validate",
    "estimate",
    "restore",
)
"""Operations of every face, in the order of the model's table."""


@payload
class MissionArgs(Payload):
    """Names a mission."""

    mission: str | None = None
    """Its id; absent: the one of this workspace folder."""


@payload
class SendArgs(Payload):
    """Says something in a mission's main chat."""

    text: str
    """The text."""
    mission: str | None = None
    """Its id; absent: the one of this workspace folder."""


@payload
class RepairArgs(MissionArgs):
    """Turns a defect into a repair feature."""

    defect: str
    """Its id."""
    run: str | None = None
    """The run whose report holds it; absent: the latest."""


@payload
class GcArgs(Payload):
    """Removes snapshots and backups of finished missions."""

    older_than_days: int = 30
    """Only of missions that ended longer ago."""
    dry_run: bool = False
    """Only say what would go."""


@payload
class ExportArgs(MissionArgs):
    """Writes a mission to one file."""

    path: str
    """Path or URI of the file."""
    transcripts: bool = False
    """With transcripts, which may hold confidential text."""
    yes: bool = False
    """Do not ask."""


@payload
class ImportArgs(Payload):
    """Reads a mission from a file; it comes in paused."""

    path: str
    """Path or URI of the file."""


@payload
class DoctorArgs(Payload):
    """Checks the store and the surroundings."""

    mission: str | None = None
    """Only this one."""
    repair: bool = False
    """Repair what can be repaired without loss."""


@payload
class DemoArgs(Payload):
    """A small mission against the embedded model, without a key and without cost."""

    folder: str | None = None
    """Where to put the demo repository; absent: a temporary folder."""


@payload
class WatchArgs(Payload):
    """Asks for events since a sequence number."""

    mission: str | None = None
    """Its id; absent: the one of this workspace folder."""
    since_seq: int = 0
    """The last one already known."""
    limit: int = 500
    """At most this many."""


@payload
class OpenArgs(MissionArgs):
    """Opens a document of a mission in the editor."""

    document: Literal["control", "report", "review", "transcript", "handoff", "packet", "plan"]
    """Which one."""
    run: str | None = None
    """The run, for review, transcript and handoff."""
    preview: bool = False
    """Only answer with the URI."""


@payload
class ApplyPlanArgs(MissionArgs):
    """Applies the edited plan files of a mission as a revision."""

    reason: str = ""
    """Why, for the journal."""


CompleteKind = Literal[
    "mission",
    "milestone",
    "feature",
    "assertion",
    "run",
    "decision",
    "defect",
    "role",
    "model",
    "operation",
    "template",
]


@payload
class CompleteArgs(Payload):
    """Asks for ids that fit a prefix."""

    kind: CompleteKind
    """What is completed."""
    prefix: str = ""
    """What was typed so far."""
    mission: str | None = None
    """Inside this one; absent: the one of this workspace folder."""


@payload
class Completion(Payload):
    """One candidate."""

    id: str
    """To insert."""
    label: str = ""
    """A title."""
    detail: str = ""
    """Its state."""


@payload
class CompleteResult(Payload):
    """Candidates, best first."""

    items: list[Completion]
    """At most 100."""


@payload
class OperationResult(Payload):
    """What became of an operation that changes a mission."""

    state: Literal["applied", "queued", "refused"]
    """`queued`: the runner applies it at its next safe point."""
    mission: str
    """The mission it went to."""
    request: str
    """Id of the request in the inbox."""
    seq: int | None = None
    """The event that answers it, when applied."""
    message: str = ""
    """One sentence for the user."""
    value: dict[str, Any] | None = None
    """Detail of some operations: the branch and the command of `finish`, the ids of `clear` …"""
    error: ErrorData | None = None
    """When refused; a refusal of a command is answered by an error instead."""


@payload
class DocumentResult(Payload):
    """A document that was opened or can be."""

    uri: str
    """A `missions:` or `file:` URI."""
    shown: bool = False
    """The client said that it shows it."""


@payload
class ReportResult(Payload):
    """A JSON report; the same object that the command line prints with `--json`."""

    data: Any
    """Described in `docs/artifacts.md`."""
    text: str = ""
    """The same for people."""


OWN: dict[str, tuple[type[Payload], type[Payload]]] = {
    "send": (SendArgs, OperationResult),
    "repair": (RepairArgs, OperationResult),
    "apply-plan": (ApplyPlanArgs, OperationResult),
    "gc": (GcArgs, ReportResult),
    "control": (MissionArgs, DocumentResult),
    "open": (OpenArgs, DocumentResult),
    "export": (ExportArgs, ReportResult),
    "import": (ImportArgs, ReportResult),
    "doctor": (DoctorArgs, ReportResult),
    "demo": (DemoArgs, ReportResult),
    "watch": (WatchArgs, ReportResult),
    "complete": (CompleteArgs, CompleteResult),
}
"""Commands whose argument is read here: operation to the types of argument and result."""

REPORTS = frozenset({"new", "status", "list", "show", "models", "validate", "estimate", "restore"})
"""Shared operations that answer a report; the others answer what became of the request."""
