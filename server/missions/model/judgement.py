"""What a request is and what its judgement says: the values between ``requests.py`` and whoever records.

Holds no rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NoReturn

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.lint import Finding
from missions.model.mission import Mission


@dataclass(frozen=True)
class Ask:
    """A request as it is judged. ``by`` is ``{face, user}``; ``now`` is an ISO timestamp."""

    op: str
    args: dict[str, Any]
    by: dict[str, str]
    now: str
    expect: dict[str, Any] = field(default_factory=lambda: {})


@dataclass(frozen=True)
class Judgement:
    """What to record, in order; ``blobs`` must be durable first. ``signal`` tells the runner to act on its child."""

    events: tuple[ev.Event, ...]
    blobs: tuple[bytes, ...] = ()
    signal: str | None = None
    """``pause-now``, ``cancel`` or ``steer``: only a runner with a live child acts on it."""
    findings: tuple[Finding, ...] = ()


def blob_name(content: bytes) -> str:
    """The name of immutable content: its sha256 in hex."""
    return sha256(content).hexdigest()


def refuse(mission: Mission, what: str, next_step: str) -> NoReturn:
    raise MissionError(
        "wrong_state", f"{what} (the mission is {mission.status}).", next_step, status=mission.status
    )
