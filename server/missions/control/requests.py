"""Sending a request about a mission: applied here while nobody owns the mission, else left in its inbox.

Whoever is free applies, so a request never waits for a process that does not exist. What a request means is judged in
``model/requests.py``; nothing here decides it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from missions.control.caller import Caller
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.model.operations import BY_NAME, parse_arguments
from missions.store import inbox
from missions.store.inbox import Expect, Request, Result
from missions.store.layout import MissionDir
from missions.store.lock import holder
from missions.store.mission_log import MissionLog

_POLL = 0.05
OWN_WAIT = 0.5
"""Seconds in which another face's short operation ends; a longer hold is a runner's."""

withdrawal: ContextVar[threading.Event | None] = ContextVar("withdrawal", default=None)
"""Set by whoever asks to let :func:`send` know that they changed their mind: a request that has not been taken by then
is withdrawn and refused with ``cancelled``; one that has is answered as ever."""


@dataclass(frozen=True)
class Reply:
    """What became of a request. ``error`` is ``MissionError.as_json()`` of a refusal."""

    state: Literal["applied", "queued", "refused"]
    mission: str
    request: str | None = None
    seq: int | None = None
    value: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON form, without what is not set."""
        return {name: value for name, value in self.__dict__.items() if value is not None}

    def checked(self) -> Reply:
        """This reply, or the error that refused the request."""
        if self.state != "refused":
            return self
        error = self.error or {}
        raise MissionError(
            error.get("code", "internal"),
            str(error.get("message", "The request was refused.")),
            str(error.get("nextStep", "")),
            **(error.get("data") or {}),
        )


def send(
    caller: Caller,
    op: str,
    mission_id: str,
    args: dict[str, Any],
    *,
    wait: float = 3.0,
    expect: Expect | None = None,
) -> Reply:
    """Apply ``op`` to the mission, or hand it to the owner and wait up to ``wait`` seconds for the answer.

    Raises ``bad_argument`` and ``not_found`` at once; a refusal by the state of the mission is a reply.
    """
    operation = BY_NAME.get(op)
    if operation is not None and not operation.inbox:
        raise MissionError("bad_argument", f"{op} is not a request about a mission.", "Call it directly.")
    parse_arguments(op, args)
    if _changed_mind():
        raise inbox.withdrawn()
    directory = caller.store.mission(mission_id)
    if not directory.exists():
        raise no_mission(mission_id)
    request = Request(op=op, args=args, by=caller.by, expect=expect or Expect())
    if holder(directory) is None:
        direct = _apply(caller, directory, request)
        if direct is not None:
            return direct
    caller.store.ensure()
    inbox.submit(directory, request)
    return _answer(caller, directory, request, wait)


def _changed_mind() -> bool:
    event = withdrawal.get()
    return event is not None and event.is_set()


def no_mission(mission_id: str) -> MissionError:
    """The error about an id that nothing belongs to."""
    return MissionError(
        "not_found", f"There is no mission {mission_id}.", "`missions list` shows the missions."
    )


def _apply(caller: Caller, directory: MissionDir, request: Request) -> Reply | None:
    """Own the mission for as long as it takes to apply what waits and then ``request``; None if it is owned elsewhere."""
    from missions.runner.applying import apply_request

    try:
        log = MissionLog.acquire(caller.store, directory.id, caller.owner, purpose="apply")
    except MissionError as error:
        if error.code == "locked":
            return None
        raise
    with log:
        _serve(log)
        try:
            applied = apply_request(log, request, child_runs=False)
        except MissionError as error:
            if error.code in _BROKEN:
                raise
            return Reply("refused", directory.id, request.id, error=error.as_json())
    return Reply("applied", directory.id, request.id, applied.seq)


_BROKEN = ("disk_full", "io_failed", "store_tampered", "store_corrupt", "locked")
"""Errors that say nothing about the request."""


def _serve(log: MissionLog) -> None:
    from missions.runner.errands import expire_decisions, serve_inbox

    serve_inbox(log, None)
    expire_decisions(log)


def settle_deadlines(caller: Caller, mission: Mission) -> bool:
    """Apply deadlines that passed while no process ran, as the decisions say; whether there were any."""
    from missions.runner.errands import overdue

    if not overdue(mission):
        return False
    # Whoever owns the mission now does the same.
    with contextlib.suppress(MissionError), _taken(caller, mission.id) as log:
        _serve(log)
    return True


def _answer(caller: Caller, directory: MissionDir, request: Request, wait: float) -> Reply:
    end = time.monotonic() + wait
    while True:
        back = inbox.withdraw(directory, request.id) if _changed_mind() else None
        found = back or inbox.result(directory, request.id) or Result(state="queued")
        if found.state != "queued":
            return Reply(found.state, directory.id, request.id, found.seq, found.value, found.error)
        if holder(directory) is None:
            # The owner left, perhaps without having seen the request.
            with contextlib.suppress(MissionError), _taken(caller, directory.id) as log:
                _serve(log)
            if inbox.result(directory, request.id) != Result(state="queued"):
                continue
        if time.monotonic() >= end:
            return Reply("queued", directory.id, request.id)
        time.sleep(min(_POLL, max(0.0, end - time.monotonic())))


def _taken(caller: Caller, mission_id: str) -> MissionLog:
    return MissionLog.acquire(caller.store, mission_id, caller.owner, purpose="apply")


def runner_owns(directory: MissionDir, within: float = OWN_WAIT) -> bool:
    """Whether a process keeps the mission for longer than one operation takes."""
    end = time.monotonic() + within
    while (owner := holder(directory)) is not None:
        if time.monotonic() >= end:
            return True
        time.sleep(_POLL)
        now = holder(directory)
        if now is not None and now.epoch != owner.epoch:
            end = time.monotonic() + within
    return False
