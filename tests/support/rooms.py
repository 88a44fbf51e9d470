"""A mission in planning with a simulated planner behind its chat."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.control.caller import Caller
from missions.control.chat import Chat
from missions.model.events import MissionCreated
from missions.model.ids import new_mission_id
from missions.simulator import Simulator
from missions.simulator.demo import make_repository
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog


class Room:
    """A repository, a store and a mission in planning, with a simulated planner behind it."""

    def __init__(self, folder: Path, rules: list[dict[str, Any]]) -> None:
        self.repository = make_repository(folder / "repository")
        self.store = Store(folder / "store")
        self.store.ensure()
        self.service = Simulator({"rules": rules})
        self.mission_id = new_mission_id(datetime.now(UTC), 7)
        first = MissionCreated(title="Tally", cwd=str(self.repository), goal="more measures")
        MissionLog.create(self.store, self.mission_id, Owner(face="test"), first).release("made")
        environment = {
            "ANTHROPIC_API_KEY": "sk-test-0123456789abcdef",
            "MISSIONS_BASE_URL": self.service.start(),
            "PATH": "/usr/bin:/bin",
        }
        self.caller = Caller(self.store, "test", "ada", environment=environment)

    def chat(self) -> Chat:
        return Chat(self.caller, self.mission_id)
