"""Everything a unit needs from its surroundings, gathered once per runner.

A value handed from the runner to its units; it holds and decides nothing itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from missions.agent.model import ModelClient
from missions.agent.prices import PriceTable
from missions.agent.sandbox.session import Sandbox
from missions.agent.tool import NobodyWatches, Observer
from missions.model.contract import PlanDocument
from missions.model.mission import Mission
from missions.runner.child import Activity
from missions.runner.workplace import Workplace
from missions.settings import Settings
from missions.store.blobs import plan_of
from missions.store.layout import MissionDir, Store
from missions.store.mission_log import MissionLog
from missions.store.redact import Redactor


@dataclass
class Bench:
    """The tools of the trade of one runner."""

    store: Store
    log: MissionLog
    settings: Settings
    """The settings frozen into the mission."""
    model: ModelClient
    prices: PriceTable
    redactor: Redactor
    place: Workplace
    activity: Activity
    watcher: Observer = field(default_factory=NobodyWatches)
    opening: asyncio.Task[Sandbox] | None = None
    """The sandbox of the next run, being started while its snapshot is taken."""

    @property
    def mission(self) -> Mission:
        return self.log.mission

    @property
    def directory(self) -> MissionDir:
        return self.log.directory

    def plan(self) -> PlanDocument:
        """The accepted plan."""
        return plan_of(self.directory)(self.mission.plan.blob)
