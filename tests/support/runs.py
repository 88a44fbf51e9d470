"""A run's surroundings for tests: a repository, its folders outside, a policy, and processes that can be found again."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from missions.agent.sandbox.environment import command_environment
from missions.agent.sandbox.policy import Limits, Policy
from support.outside import make_repository


@dataclass
class Run:
    """One run below a temporary folder."""

    folder: Path
    mark: str = field(default_factory=lambda: "mark" + secrets.token_hex(8))
    """Part of command lines, so that survivors are found by it."""

    def __post_init__(self) -> None:
        self.workspace = make_repository(self.folder / "workspace")
        self.home = self.folder / "home"
        self.run_dir = self.folder / "store" / "run-1"
        for place in (self.home, self.run_dir / "evidence", self.run_dir / "output"):
            place.mkdir(parents=True)

    def policy(self, **changes: object) -> Policy:
        """The usual policy of a run, with changes."""
        fields: dict[str, object] = {
            "workspace": self.workspace, "git_dir": self.workspace / ".git", "common_dir": self.workspace / ".git", "home": self.home,
            "hidden": (self.folder / "store",), "evidence": self.run_dir / "evidence", "output": self.run_dir / "output",
            "aside": self.run_dir / "aside", "limits": Limits(disk_floor=0),
            "env": command_environment(os.environ, ("Worker", "worker@example.org"), extra={"HOME": str(self.home)}),
        }  # fmt: skip
        return Policy(**{**fields, **changes})  # type: ignore[arg-type]

    def survivors(self) -> list[int]:
        """Processes of this machine whose command line or environment holds the mark."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                content = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if self.mark.encode() in content:
                found.append(int(entry.name))
        return found
