"""A repository that a Neovim works in, with missions in its store and a simulated service behind them.

Everything is real except the model's words. It starts no Neovim; :mod:`support.neovim_plugin` does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from missions.control.control import Control
from missions.model.mission import Mission
from missions.simulator import Playbook, Simulator
from missions.store.catalog import view_mission
from missions.store.layout import Store
from support.editors import World
from support.engine import GO, REACHED, plan_of, waiting_worker
from support.waiting import until

KEY = "sk-test-0123456789abcdef"


class Project:
    """The workspace of a world as a repository, and its store."""

    def __init__(self, world: World, *, repository: bool = True) -> None:
        self.world = world
        self.root = world.workspace
        self.store = Store(world.store)
        self.environment: dict[str, str] = {"MISSIONS_DEMO_PACE": "0"}
        """What Neovim, and with it the server and the runner, are given."""
        if repository:
            (self.root / "README.md").write_text("hello\n", encoding="utf-8")
            (self.root / ".gitignore").write_text("build/\n", encoding="utf-8")
            self.git("init", "-q", "-b", "main")
            self.git("config", "user.name", "Ada")
            self.git("config", "user.email", "ada@example.org")
            self.git("add", "-A")
            self.git("commit", "-q", "-m", "start")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={**self.world.environment(), "GIT_ALLOW_PROTOCOL": "file"},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def control(self) -> Control:
        return Control(
            self.store, face="test", user="tester", environment={**os.environ, **self.world.environment()}
        )

    def save(self, plan: dict[str, Any] | None = None) -> str:
        """A planned mission."""
        return self.control().new_from_plan(plan or plan_of(), self.root).mission

    def mission(self, mission_id: str) -> Mission:
        found = view_mission(self.store, mission_id)
        assert isinstance(found, Mission), found
        return found

    @contextmanager
    def serving(self, playbook: Playbook) -> Generator[str]:
        """The simulated service; missions that start inside find it."""
        with Simulator(playbook) as base_url:
            self.environment.update(MISSIONS_BASE_URL=base_url, ANTHROPIC_API_KEY=KEY)
            yield base_url

    # A worker that waits, so that a test can be in the middle of a run

    @staticmethod
    def with_waiting(playbook: Playbook, feature: str) -> Playbook:
        rules: Sequence[dict[str, Any]] = [waiting_worker(feature)]
        return playbook.preceded_by(rules)

    def reached(self) -> None:
        until((self.root / REACHED).exists, 60, "the waiting worker")

    def let_go(self) -> None:
        (self.root / GO).touch()

    @property
    def plan_file(self) -> Path:
        return self.world.home / "plan.json"
