"""A mission on a real repository, with snapshots as its runs would have taken them."""

from __future__ import annotations

import itertools
from pathlib import Path

from missions.model import events as ev
from missions.model.contract import PlanDocument
from missions.model.mission import Workspace
from missions.repo import snapshot
from missions.repo.shadow import Shadow
from missions.store.layout import MissionDir, Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.plans import plan_json
from support.repositories import Playground

WHO = Owner(face="test", user="tester")
MISSION = "mission-20261123000000-abc123"
RUN = "1764000000000-worker-F1"

_clock = itertools.count(1_764_000_000, 60)


class World:
    """A store, a repository, and one mission that has begun in it; the mission is free."""

    def __init__(self, folder: Path, cwd: str = ".", mission_id: str = MISSION) -> None:
        self.store = Store(folder / "home")
        self.store.ensure()
        self.ground = Playground(folder)
        self.mission_id = mission_id
        created = ev.MissionCreated(title="A mission", cwd=str(self.ground.root / cwd))
        with MissionLog.create(self.store, mission_id, WHO, created) as log:
            blob = log.blob(_plan())
            log.record(ev.InteractivePlanWritten(title="A mission", features=3, planVersion=1, blob=blob))

    @property
    def directory(self) -> MissionDir:
        return self.store.mission(self.mission_id)

    def start(self, branch: str = "main") -> str:
        """As after the start of execution: settings frozen, running; returns the base commit."""
        base = self.ground.git("rev-parse", "HEAD")
        with MissionLog.acquire(self.store, self.mission_id, WHO) as log:
            log.record(ev.MissionExecutionStarted(planVersion=1))
            log.record(
                ev.SettingsFrozen(baseCommit=base, branch=branch, workspace=Workspace(originalBranch="main"))
            )
        return base

    def snap(self, name: str = f"{RUN}/start") -> snapshot.Snapshot:
        shadow = Shadow(self.ground.root, self.directory.git / "backup.git")
        return snapshot.take(self.ground.repo, shadow, self.mission_id, name, next(_clock))


def _plan() -> bytes:
    return PlanDocument.model_validate(plan_json()).as_bytes()
