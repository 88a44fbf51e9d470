"""The running child as the runner steers it: switches, notes, and what its conversation reports.

Binds one conversation to the mission: usage becomes ``usage_recorded``, a delivered note becomes ``steering_delivered``, and the
current tool call is shown in ``activity.json``. It never decides how a run ends.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from missions.agent.spec import Control
from missions.agent.tool import Observer
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.plain_text import one_line
from missions.model.usage import Usage
from missions.store.files import atomic_write
from missions.store.layout import MissionDir
from missions.store.mission_log import MissionLog

ACTIVITY = "activity.json"
"""What the runner is doing this moment; a hint for faces, rewritten often, never durable and never truth."""


class ChildControl(Control):
    """The switches of one run, with the journal behind its notes."""

    def __init__(self, log: MissionLog, run_id: str, at_safe_point: Callable[[], None]) -> None:
        super().__init__()
        self._log = log
        self._run_id = run_id
        self._at_safe_point = at_safe_point

    def take_notes(self) -> list[str]:
        """The notes to deliver, each recorded first."""
        notes = super().take_notes()
        for note in notes:
            self._log.record(ev.SteeringDelivered(runId=self._run_id, text=note[:8000]))
        return notes

    async def safe_point(self) -> None:
        self._at_safe_point()


class Activity:
    """``activity.json`` of one mission: at most four writes a second, removed when nothing runs."""

    def __init__(self, directory: MissionDir) -> None:
        self._path = directory.path / ACTIVITY
        self._shown: dict[str, Any] = {}
        self._written = 0.0

    def show(self, *, now: bool = False, **facts: Any) -> None:
        """Change what is shown; a change within a quarter of a second waits for the next one unless ``now``."""
        self._shown.update(facts)
        moment = time.monotonic()
        if not now and moment - self._written < 0.25:
            return
        self._written = moment
        # A hint that cannot be written is no reason to stop.
        with contextlib.suppress(MissionError):
            atomic_write(self._path, json.dumps(self._shown).encode(), "index", durable=False)

    def clear(self) -> None:
        """Nothing runs any more."""
        self._shown = {}
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class RunObserver:
    """Takes the events of one conversation; forwards all of them to whoever watches in this process."""

    def __init__(
        self, log: MissionLog, activity: Activity, run_id: str, role: str, model: str, watcher: Observer
    ) -> None:
        self._log = log
        self._activity = activity
        self._run_id = run_id
        self._role = role
        self._model = model
        self._watcher = watcher

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """See ``agent.tool.Observer`` for the kinds."""
        if kind == "usage":
            used = data["usage"]
            usage = used if isinstance(used, Usage) else Usage.model_validate(used)
            self._log.record(
                ev.UsageRecorded(
                    runId=self._run_id,
                    role=self._role,
                    model=str(data.get("model") or self._model),
                    usage=usage,
                )
            )
        elif kind == "turn":
            self._activity.show(turn=data.get("turn"), tool=None, retry=None)
        elif kind == "tool_start":
            self._activity.show(
                tool=data.get("name"), summary=one_line(str(data.get("summary", "")), 160), retry=None
            )
        elif kind == "tool_end":
            self._activity.show(tool=None, summary=None)
        elif kind == "retry_wait":
            self._activity.show(
                now=True,
                retry={
                    "reason": one_line(str(data.get("reason", "")), 200),
                    "remainingSeconds": data.get("remainingSeconds"),
                },
            )
        self._watcher.event(kind, {**data, "runId": self._run_id})
