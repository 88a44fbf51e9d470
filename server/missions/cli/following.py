"""Following one mission as it is written: its state, its new records, what runs this moment.

Reads only what was appended. It shows nothing and owns nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store.catalog import MissionFollower
from missions.store.layout import Store
from missions.store.records import Record

_ACTIVITY = "activity.json"


@dataclass
class Seen:
    """One look: the mission, what was appended since the last look, and what its runner does."""

    mission: Mission
    records: list[Record]
    activity: dict[str, Any] = field(default_factory=dict[str, Any])


class Following:
    """One mission, looked at again and again. The first look brings no records: it is the beginning."""

    def __init__(self, store: Store, mission_id: str) -> None:
        self._directory = store.mission(mission_id)
        self._follower = MissionFollower(store, mission_id)
        self._begun = False

    def look(self) -> Seen:
        """Read on; ``not_found`` when the mission is gone, and the error of its damage."""
        records = self._follower.refresh()
        found = self._follower.mission
        if not isinstance(found, Mission):
            problem = found.problem if found is not None else "it is gone"
            raise MissionError(
                found.code if found is not None else "store_corrupt",
                f"{self._directory.id} cannot be read: {problem}",
                (found.next_step if found is not None else "") or "`missions doctor` says more.",
            )
        new, self._begun = (records if self._begun else []), True
        return Seen(found, new, self._activity())

    def _activity(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            value = json.loads((self._directory.path / _ACTIVITY).read_bytes())
            if isinstance(value, dict):
                return value  # pyright: ignore[reportUnknownVariableType]
        return {}
