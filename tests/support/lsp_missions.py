"""A world of one mission seen through the language server: repository, store, simulated model, scripted clients."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from missions.control.control import Control
from missions.store.lock import holder
from support.engine import World, waiting_worker
from support.lsp_client import Client, connected

START = ["Start", "Run without sandbox"]
"""What a user presses who wants a mission to run."""


class Scene:
    """One planned mission and the environment of servers and daemons that work on it."""

    def __init__(self, folder: Path, plan: dict[str, Any] | None = None) -> None:
        self.world = World(folder, plan)
        self.mission = self.world.create(accept=None)
        self.env = {"MISSIONS_BASE_URL": "", "ANTHROPIC_API_KEY": "sk-ant-no-key-for-the-simulator"}

    @property
    def root(self) -> Path:
        return self.world.root

    @contextlib.asynccontextmanager
    async def serving(self, *rules: dict[str, Any], **playbook: Any) -> AsyncIterator[Scene]:
        """The simulated service; afterwards no process of the mission is left."""
        with self.world.serving(self.world.playbook(*rules, **playbook)) as url:
            self.env["MISSIONS_BASE_URL"] = url
            try:
                yield self
            finally:
                self.end_owner()

    def client(self, profile: str = "vscode", **more: Any) -> contextlib.AbstractAsyncContextManager[Client]:
        """A client whose window shows the repository."""
        env = {**self.env, **more.pop("env", {})}
        return connected(self.world.store.root, profile, self.root, env=env, **more)

    def owner(self) -> int | None:
        """The process that runs the mission."""
        found = holder(self.world.store.mission(self.mission))
        return found.pid if found is not None else None

    def end_owner(self) -> None:
        """End the daemon, if one is left."""
        pid = self.owner()
        if pid is not None and pid != psutil.Process().pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                process.kill()
                process.wait(10)

    def request(self, operation: str, **args: Any) -> None:
        """An operation by another face."""
        Control(self.world.store, face="test").request(operation, self.mission, args).checked()

    @property
    def status(self) -> str:
        return self.world.mission.status

    async def reached(self, client: Client) -> None:
        """Wait until the waiting worker of this world is there."""
        await client.until((self.root / "build/reached").exists, "the waiting worker", 60)

    async def is_now(self, client: Client, *statuses: str) -> None:
        """Wait until the mission has one of these statuses."""
        await client.until(lambda: self.status in statuses, f"one of {statuses}, not {self.status}", 90)


def waits(feature: str = "F1") -> dict[str, Any]:
    """The worker that waits until the test lets it go."""
    return waiting_worker(feature)


def last(found: list[Any]) -> Any:
    return found[-1] if found else None


def titles(client: Client) -> list[str]:
    """The questions that the client was asked."""
    return [params["message"] for params in client.asked("window/showMessageRequest")]


def counted(client: Client, key: str) -> bool:
    """Whether the last status counts at least one mission of this kind."""
    status = last(client.of("missions/status"))
    return bool(status) and status["counts"][key] > 0
