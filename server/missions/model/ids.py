"""Identifiers: their form, and how new ones are made.

Every entry point checks ids here before a path is built from one (weakness W10 of the reference). Pure: time and
randomness are arguments.
"""

from __future__ import annotations

import re
from datetime import datetime

from missions.model.errors import MissionError

MISSION_ID = re.compile(r"mission-[a-z0-9-]{1,56}\Z")
"""Form of a mission id."""

ITEM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")
"""Form of the id of a milestone, feature or assertion; unique within a plan when case-folded."""

RUN_ID = re.compile(
    r"[0-9]{13,16}-(worker|validator|user-testing|recovery|chat)-[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z"
)
"""Form of a run id."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def check_mission_id(value: object) -> str:
    """Return ``value`` if it is a mission id, else raise ``bad_argument``."""
    if isinstance(value, str) and MISSION_ID.match(value):
        return value
    raise MissionError(
        "bad_argument",
        f"{_shown(value)} is not a mission id.",
        "A mission id looks like mission-20261123101530-a1b2c3; `missions list` shows the ids there are.",
    )


def check_item_id(value: object, what: str = "id") -> str:
    """Return ``value`` if it is a milestone, feature or assertion id, else raise ``bad_argument``."""
    if isinstance(value, str) and ITEM_ID.match(value):
        return value
    raise MissionError(
        "bad_argument",
        f"{_shown(value)} is not a valid {what}.",
        "Use 1 to 40 letters, digits, dots, underscores or hyphens, starting with a letter or digit.",
    )


def check_run_id(value: object) -> str:
    """Return ``value`` if it is a run id, else raise ``bad_argument``."""
    if isinstance(value, str) and RUN_ID.match(value):
        return value
    raise MissionError(
        "bad_argument", f"{_shown(value)} is not a run id.", "`missions status` lists the runs of a mission."
    )


def new_mission_id(now: datetime, random36: int) -> str:
    """``mission-<utc compact>-<6 base36>`` for the UTC time ``now`` and a random number."""
    tail = ""
    for _ in range(6):
        random36, digit = divmod(random36, 36)
        tail = _BASE36[digit] + tail
    return f"mission-{now.strftime('%Y%m%d%H%M%S')}-{tail}"


def new_run_id(epoch_ms: int, kind: str, item_id: str) -> str:
    """``<epoch-ms>-<kind>-<item>``; ``kind`` is worker, validator, user-testing or recovery."""
    return f"{epoch_ms}-{kind}-{item_id}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]
