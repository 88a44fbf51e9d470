"""Small builders of missions in a store of the test's own."""

from __future__ import annotations

from pathlib import Path

from missions.model import events as ev
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog

WHO = Owner(face="test", user="tester")
MISSION = "mission-20261123000000-abc123"


def new_store(tmp_path: Path) -> Store:
    """An empty store below ``tmp_path``."""
    store = Store(tmp_path / "home")
    store.ensure()
    return store


def new_mission(store: Store, events: int = 0, mission_id: str = MISSION) -> Path:
    """A mission with ``events`` events besides its creation and release; returns its journal."""
    with MissionLog.create(
        store, mission_id, WHO, ev.MissionCreated(title="A mission", cwd="/somewhere")
    ) as log:
        for number in range(events):
            log.record(step(number))
    return store.mission(mission_id).journal


def step(number: int) -> ev.IntentRecorded:
    """An event that changes no status."""
    return ev.IntentRecorded(stepId=f"step-{number}", kind="test")
