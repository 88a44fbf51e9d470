"""Telling the outside: a command or a webhook of the user's is called when a mission needs them or is done.

Reads what to tell from the journal, so that a runner that died tells it at its next start; each call carries the record's
``seq``, because a crash right after a call may repeat it. The payload holds no secret and no file content. It never waits for an
answer that matters and never changes the mission.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shlex
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from missions.agent.sandbox.environment import command_environment
from missions.agent.tool import Observer
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.recovery import CATEGORIES
from missions.settings import NotifySettings
from missions.store.files import atomic_write
from missions.store.journal import JournalReader
from missions.store.layout import MissionDir
from missions.store.records import Record
from missions.store.redact import Redactor

_LOG = logging.getLogger("missions.notify")
_MARK = "notified.json"
_TIMEOUT = 30.0
_EVERY = 0.25
"""Seconds between two looks at the journal."""
_WINDOW = 60.0
AT_ONCE = 6
"""Calls within :data:`_WINDOW` seconds."""


@dataclass(frozen=True)
class _Said:
    """One thing to tell; ``seq`` is its record's."""

    seq: int
    payload: dict[str, Any]
    decision: str = ""
    block: str = ""
    """Time stamp of the block that it is about."""

    def holds(self, mission: Mission) -> bool:
        """Whether it is still true; what was answered or repaired meanwhile is not told."""
        if self.decision:
            return mission.decision(self.decision) is not None
        if self.block:
            return mission.latestBlock is not None and mission.latestBlock.timestamp == self.block
        return True


class Notifier:
    """The notifications of one mission; :meth:`follow` runs beside the units, :meth:`catch_up` ends it.

    At most ``at_once`` calls within a minute: what comes on top of that waits, and of several that wait the latest of each kind
    is told.
    """

    def __init__(
        self,
        directory: MissionDir,
        settings: NotifySettings,
        redactor: Redactor,
        *,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._redactor = redactor
        self._clock = clock
        self._told = _read_mark(directory)
        self._reader: JournalReader | None = None
        self._limited = False
        self._waiting: list[_Said] = []
        self._calls: deque[float] = deque(maxlen=at_once)
        """When the last calls were made."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to tell."""
        return bool((self._settings.command or self._settings.webhook) and self._settings.events)

    async def follow(self, mission: Callable[[], Mission]) -> None:
        """Tell what happens until cancelled; a slow command or webhook keeps nothing else waiting."""
        while self.wanted:
            await asyncio.sleep(_EVERY)
            await self.catch_up(mission())

    async def catch_up(self, mission: Mission, *, last: bool = False) -> None:
        """Tell what the journal holds and was not told yet; the ``last`` time whatever waits."""
        if not self.wanted:
            return
        async with self._one_at_a_time:
            self._read(mission)
            while self._waiting and (last or self._free()):
                said = self._waiting[0]
                later = [
                    other for other in self._waiting[1:] if other.payload["event"] == said.payload["event"]
                ]
                if said.holds(mission) and not (later and not self._free()):
                    await self._tell(said.payload)
                self._mark(said.seq)
                self._waiting.remove(said)

    def _read(self, mission: Mission) -> None:
        if self._reader is None:
            self._reader = JournalReader(self._directory, after=self._told)
        for record in self._reader.read_new():
            said = _said(record, mission) if record.seq > self._told else None
            if said is not None and said.payload["event"] in self._settings.events:
                self._waiting.append(said)

    def _free(self) -> bool:
        """Whether another call is allowed now."""
        full = len(self._calls) == self._calls.maxlen
        return not full or self._clock() - self._calls[0] >= _WINDOW

    async def rate_limited(self, mission: Mission, reason: str, seconds: float) -> None:
        """Tell once per outage that the provider makes the mission wait."""
        if self._limited or not self.wanted or "rateLimited" not in self._settings.events or not self._free():
            return
        self._limited = True
        await self._tell(
            {**_base("rateLimited", mission), "message": one_line(f"{reason}; waiting {int(seconds)} s", 500)}
        )

    def answered(self) -> None:
        """The provider answers again."""
        self._limited = False

    async def _tell(self, payload: dict[str, Any]) -> None:
        self._calls.append(self._clock())
        content = json.dumps(self._redactor.value(payload), ensure_ascii=True).encode()
        if self._settings.command:
            await asyncio.to_thread(_run_command, self._settings.command, content)
        if self._settings.webhook:
            await asyncio.to_thread(_post, self._settings.webhook, content)

    def _mark(self, seq: int) -> None:
        self._told = seq
        # Without the mark a restart tells it again; the sequence number says so.
        with contextlib.suppress(MissionError):
            atomic_write(
                self._directory.path / _MARK, json.dumps({"seq": seq}).encode(), "index", durable=False
            )


def _read_mark(directory: MissionDir) -> int:
    try:
        return int(json.loads((directory.path / _MARK).read_bytes())["seq"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _base(event: str, mission: Mission) -> dict[str, Any]:
    return {
        "event": event,
        "mission": mission.id,
        "title": one_line(mission.title, 200),
        "status": mission.status,
        "repository": mission.cwd,
    }


def _said(record: Record, mission: Mission) -> _Said | None:
    """What a record has to say to the outside, if anything."""
    facts: dict[str, Any] = {"seq": record.seq, "at": record.ts}
    if record.type == ev.MissionComplete.type:
        message = "All milestones have passed their validation."
        return _Said(record.seq, {**_base("complete", mission), **facts, "message": message})
    if record.type not in (ev.DecisionRequested.type, ev.MissionBlockRecorded.type):
        return None
    event = ev.parse_event(record.type, record.data)
    if isinstance(event, ev.DecisionRequested):
        decision = event.decision
        payload = {
            **_base("budget" if decision.kind == "budget" else "decision", mission),
            **facts,
            "decision": decision.id,
            "message": one_line(decision.question, 500),
            "options": [{"id": o.id, "label": one_line(o.label, 80)} for o in decision.options],
        }
        return _Said(record.seq, payload, decision=decision.id)
    if isinstance(event, ev.MissionBlockRecorded):
        block = event.block
        row = CATEGORIES[block.reasonCategory]
        if row.decision:
            return None  # told by its decision
        payload = {
            **_base("blocked", mission),
            **facts,
            "category": block.reasonCategory,
            "message": one_line(f"{row.shown} {block.message}", 500),
        }
        return _Said(record.seq, payload, block=block.timestamp)
    return None


def _run_command(command: str, content: bytes) -> None:
    """Run the user's command with the payload on its standard input and without the provider's keys."""
    try:
        # A file and not a pipe: what the command leaves running must not be waited for.
        with tempfile.TemporaryFile() as complaints:
            done = subprocess.run(
                shlex.split(command),
                input=content,
                env=command_environment(os.environ),
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                timeout=_TIMEOUT,
                check=False,
            )
            complaints.seek(0)
            said = complaints.read(500).decode("utf-8", "replace")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        _LOG.warning("the notification command failed: %s", error)
        return
    if done.returncode:
        _LOG.warning("the notification command ended with %s: %s", done.returncode, said)


def _post(url: str, content: bytes) -> None:
    """Send the payload to the user's webhook."""
    if not url.startswith(("http://", "https://")):
        _LOG.warning("the webhook is not an http address")
        return
    request = urllib.request.Request(
        url, data=content, headers={"content-type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):
            pass
    except (OSError, ValueError, urllib.error.URLError) as error:
        _LOG.warning("the webhook failed: %s", error)


class OutageWatch:
    """An observer in front of another: the first wait of an outage is told to the outside."""

    def __init__(self, inner: Observer, notifier: Notifier, mission: Callable[[], Mission]) -> None:
        self._inner = inner
        self._notifier = notifier
        self._mission = mission
        self._tasks: set[asyncio.Task[None]] = set()

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Forward everything; see ``agent.tool.Observer``."""
        if kind == "retry_wait":
            waits = self._notifier.rate_limited(
                self._mission(), str(data.get("reason", "")), float(data.get("remainingSeconds") or 0)
            )
            task = asyncio.get_running_loop().create_task(waits)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif kind == "usage" and not data.get("discarded"):
            self._notifier.answered()
        self._inner.event(kind, data)
