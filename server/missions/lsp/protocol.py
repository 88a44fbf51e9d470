"""The product's own messages: method names, payload types and the version both sides announce.

Everything here is data. The string under a field is its description in ``docs/protocol.md``, which
``docs/development/protocol_document.py`` writes from this module; a test fails when they differ. It never
handles a message: the wire is :mod:`missions.lsp.wire`, arguments of commands are :mod:`missions.lsp.operations`.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from missions.lsp.payload import Payload, payload

VERSION = 1
"""Announced by both sides as the integer ``capabilities.experimental.missions``."""

SCHEME = "missions"
"""URI scheme of the read-only documents."""

TREE_CHILDREN = "missions/tree/children"
TREE_PARENT = "missions/tree/parent"
TREE_DID_CHANGE = "missions/tree/didChange"
TREE_VISIBILITY = "missions/tree/visibility"
STATUS = "missions/status"
CHAT_OPEN = "missions/chat/open"
CHAT_SEND = "missions/chat/send"
CHAT_CANCEL = "missions/chat/cancel"
CHAT_HISTORY = "missions/chat/history"
CHAT_DELTA = "missions/chat/delta"
CHAT_END = "missions/chat/end"
DECISION = "missions/decision"
CONTENT = "missions/content"
BUFFERS = "missions/buffers"
FILES_CHANGED = "missions/filesChanged"
CREDENTIALS = "missions/credentials"


@payload
class ErrorData(Payload):
    """What the `data` of every error answer holds."""

    code: str
    """A stable code, the same on every face: `not_found`, `wrong_state`, `confirmation_needed` …"""
    message: str
    """One sentence for the user."""
    next_step: str = ""
    """What the user can do now."""
    data: dict[str, Any] = attrs.field(factory=dict)
    """Detail for programs; for `internal` the id to quote from the log."""


@payload
class QuestionData(Payload):
    """What a `window/showMessageRequest` holds as `data` for a client that speaks the extension: what it is about."""

    command: str | None = None
    """The command that waits for the answer; absent for a question that comes by itself."""
    request: Any = None
    """The id of that command's request, a string or an integer."""
    mission: str | None = None
    """The mission that asks, where it does so by itself."""
    decision: str | None = None
    """The decision that the answer settles."""


@payload
class TreeCommand(Payload):
    """A command that a click on a node runs."""

    title: str
    """For people and screen readers."""
    command: str
    """A workspace command of the server (`missions.…`), or `open`: the client opens a URI."""
    arguments: list[Any] = attrs.field(factory=list)
    """Its arguments: one object, or one URI for `open`."""


@payload
class TreeNode(Payload):
    """One line of the Mission Control tree."""

    id: str
    """Opaque and stable across refreshes and restarts."""
    label: str
    """The text of the line."""
    description: str = ""
    """Dimmed text after the label."""
    tooltip: str = ""
    """Markdown without HTML and without command links."""
    icon: str = ""
    """Name of a codicon."""
    context_value: str = ""
    """What kind of node it is, for menus: `mission.running`, `feature.failed` …"""
    severity: Literal["error", "warning", "info"] | None = None
    """Colours the node and counts for the badge."""
    collapsible: Literal["none", "collapsed", "expanded"] = "none"
    """How the node starts; the client keeps what the user opened, by id."""
    command: TreeCommand | None = None
    """Runs when the node is activated."""
    accessibility_label: str = ""
    """Spoken instead of the label where the label alone says too little."""


@payload
class TreeChildrenParams(Payload):
    """Asks for the children of one node."""

    node_id: str | None = None
    """Absent for the roots."""


@payload
class TreeChildrenResult(Payload):
    """The children, in the order to show."""

    version: int
    """The state this answer shows; compare with `didChange`."""
    nodes: list[TreeNode]
    """Empty for a node that is gone."""


@payload
class TreeParentParams(Payload):
    """Asks for the way from a node up to its root, to reveal it."""

    node_id: str
    """The node to reveal."""


@payload
class TreeParentResult(Payload):
    """The way down to the node."""

    ancestors: list[TreeNode]
    """Root first, without the node itself; empty for a root or a node that is gone."""


@payload
class TreeDidChange(Payload):
    """Some nodes show something else now."""

    version: int
    """Grows by at least one with each notification."""
    node_ids: list[str] = attrs.field(factory=list)
    """Nodes whose own line or children changed; empty means all."""


@payload
class TreeVisibility(Payload):
    """Tells the server whether any view of the tree is open; without one no `didChange` is sent."""

    visible: bool
    """True while the tree can be seen."""


@payload
class StatusCounts(Payload):
    """Missions by section of Mission Control."""

    blocked: int = 0
    """Blocked missions."""
    failed: int = 0
    """Failed missions."""
    running: int = 0
    """Running missions."""
    paused: int = 0
    """Paused missions."""
    planned: int = 0
    """Planned missions."""
    completed: int = 0
    """Completed missions that were not cleared."""


@payload
class Waiting(Payload):
    """One thing that a mission waits for."""

    mission: str
    """Its id."""
    kind: Literal["decision", "block", "provider", "budget", "confirmation", "lock"]
    """Why it waits."""
    text: str
    """One line for people."""
    decision: str | None = None
    """The decision to answer, if there is one."""


@payload
class Status(Payload):
    """The state of the status item."""

    line: str
    """One line, without icon."""
    health: Literal["ok", "attention", "error"] = "ok"
    """`attention`: something waits for the user; `error`: the store or the server has a problem."""
    counts: StatusCounts = StatusCounts()
    """Missions by section."""
    waiting: list[Waiting] = attrs.field(factory=list)
    """What is waited for, most urgent first."""
    mission: str | None = None
    """The mission of this workspace folder, if there is exactly one that is not finished."""


@payload
class ChatOpenParams(Payload):
    """Opens a planning chat, a mission's chat, or the chat that was last open in this folder."""

    chat: str | None = None
    """A known chat."""
    mission: str | None = None
    """The chat of this mission."""
    fresh: bool = False
    """Start a new one instead of continuing."""
    folder: str | None = None
    """URI of the workspace folder; the first one if absent."""


@payload
class ChatOpenResult(Payload):
    """An open chat."""

    chat: str
    """Its id."""
    title: str
    """For the view's title."""
    busy: bool = False
    """An answer is being written; its deltas follow."""
    mission: str | None = None
    """The mission that this chat planned or talks about."""
    model: str = ""
    """The model that answers."""
    unanswered: bool = False
    """The last answer was cut off; `missions/chat/send` with an empty text finishes it."""


@payload
class ChatSendParams(Payload):
    """Says something."""

    chat: str
    """The chat."""
    text: str
    """The user's text; foreign text in it is data, not instruction. Empty: go on where an answer was cut off."""


@payload
class ChatSendResult(Payload):
    """The answer comes as `missions/chat/delta` notifications and one `missions/chat/end`."""

    message: str
    """Id of the answer that is coming."""


@payload
class ChatDelta(Payload):
    """A piece of an answer. Pieces of one kind that follow each other may arrive joined."""

    chat: str
    """The chat."""
    message: str
    """The answer it belongs to."""
    kind: Literal["text", "thinking", "tool", "notice"]
    """`tool`: a line about a tool call; `notice`: a line from the engine (retry, waiting)."""
    text: str
    """To append."""


@payload
class ChatEnd(Payload):
    """An answer is complete. What it holds is in the history from now on."""

    chat: str
    """The chat."""
    message: str
    """The answer."""
    outcome: Literal["complete", "cancelled", "failed"]
    """How it ended."""
    error: ErrorData | None = None
    """Why it failed."""
    mission: str | None = None
    """Set when this answer saved or changed a mission."""


@payload
class ChatCancelParams(Payload):
    """Stops the answer that is being written. The answer to this request is `null`."""

    chat: str
    """The chat."""


@payload
class ChatHistoryParams(Payload):
    """Asks for what was said."""

    chat: str
    """The chat."""
    before: str | None = None
    """Id of the oldest entry already known."""
    limit: int = 100
    """At most this many entries."""


@payload
class ChatEntry(Payload):
    """One entry of a chat."""

    id: str
    """Stable."""
    role: Literal["user", "assistant", "tool", "notice"]
    """Who speaks."""
    text: str
    """Markdown without HTML."""
    at: str
    """ISO 8601, UTC."""


@payload
class ChatHistoryResult(Payload):
    """Entries, oldest first."""

    entries: list[ChatEntry]
    """The newest of those that fit."""
    more: bool = False
    """There are older ones."""


@payload
class DecisionOption(Payload):
    """One possible answer."""

    id: str
    """What `missions.decide` takes."""
    label: str
    """For a button."""
    detail: str = ""
    """What happens then."""


@payload
class Decision(Payload):
    """A question that only the user can answer was opened, answered or withdrawn."""

    mission: str
    """Its id."""
    decision: str
    """The decision's id."""
    state: Literal["opened", "answered", "withdrawn"]
    """What happened to it."""
    question: str
    """One or two sentences."""
    options: list[DecisionOption] = attrs.field(factory=list)
    """What can be chosen."""
    freeText: bool = False
    """Whether any other text is an answer too."""
    answer: str | None = None
    """When answered."""
    by: str | None = None
    """Face and user that answered."""


@payload
class ContentParams(Payload):
    """Asks for a read-only document, for clients without `workspace/textDocumentContent`."""

    uri: str
    """A `missions:` URI."""


@payload
class ContentResult(Payload):
    """The text of the document."""

    uri: str
    """As asked."""
    text: str
    """The whole text."""
    language_id: str = "markdown"
    """For highlighting."""


@payload
class Buffers(Payload):
    """Which documents have unsaved changes; sent on every change of the list."""

    dirty: list[str]
    """Their URIs; empty when all is saved."""


@payload
class FilesChanged(Payload):
    """A run changed files that are open in this client, or a revision wrote a plan's files anew."""

    mission: str
    """The mission."""
    uris: list[str]
    """The files."""


@payload
class CredentialsParams(Payload):
    """Hands over a key from the client's secret storage. It is kept in memory and never written or logged."""

    api_key: str | None = None
    """Absent: forget the key."""
    provider: str = "anthropic"
    """Whose key it is."""


@payload
class CredentialsResult(Payload):
    """Where the key that will be used comes from."""

    source: Literal["environment", "command", "keyring", "file", "client", "none"]
    """The environment wins over the client."""


REQUESTS: dict[str, tuple[type[Payload], type[Payload] | None]] = {
    TREE_CHILDREN: (TreeChildrenParams, TreeChildrenResult),
    TREE_PARENT: (TreeParentParams, TreeParentResult),
    CHAT_OPEN: (ChatOpenParams, ChatOpenResult),
    CHAT_SEND: (ChatSendParams, ChatSendResult),
    CHAT_CANCEL: (ChatCancelParams, None),
    CHAT_HISTORY: (ChatHistoryParams, ChatHistoryResult),
    CONTENT: (ContentParams, ContentResult),
    CREDENTIALS: (CredentialsParams, CredentialsResult),
}
"""Requests of the client: parameters and result."""

TO_SERVER: dict[str, type[Payload]] = {TREE_VISIBILITY: TreeVisibility, BUFFERS: Buffers}
"""Notifications of the client."""

TO_CLIENT: dict[str, type[Payload]] = {
    TREE_DID_CHANGE: TreeDidChange,
    STATUS: Status,
    CHAT_DELTA: ChatDelta,
    CHAT_END: ChatEnd,
    DECISION: Decision,
    FILES_CHANGED: FilesChanged,
}
"""Notifications of the server; sent only to clients that announce ``experimental.missions``."""


def params_type(method: str) -> type[Payload] | None:
    """The type of the parameters that a client sends with one of our own methods."""
    if method in REQUESTS:
        return REQUESTS[method][0]
    return TO_SERVER.get(method)
