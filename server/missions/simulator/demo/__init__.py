"""The demonstration: a small real repository, a plan for it and the playbook of the model that carries the plan out.

All of it is data beside this file (``.txt`` is taken off the names of repository files when they are written). The
words of the model are scripted; the edits, commits, tests and the defect that validation finds are real. Nothing here
runs a mission.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from missions.simulator.playbook import Playbook
from missions.simulator.shapes import Object, an_object

DEMO_PACE = 0.9
"""Seconds an average reply takes when the demonstration is to be watched: 60 to 90 seconds in all."""

PLAYBOOK_FILE = Path(__file__).parent / "playbook.json"
_REPOSITORY = Path(__file__).parent / "repository"


def make_repository(path: Path) -> Path:
    """Write the repository into the folder ``path`` (made if missing), with git history; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    for source in sorted(_REPOSITORY.rglob("*.txt")):
        target = path / source.relative_to(_REPOSITORY).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    _git(path, "init", "-q", "-b", "main")
    # An identity of its own, so that commits work where the user has configured none.
    _git(path, "config", "user.name", "Missions demo")
    _git(path, "config", "user.email", "demo@example.invalid")
    _git(path, "add", "--all")
    _git(path, "-c", "commit.gpgsign=false", "commit", "-q", "-m", "Count lines and words")
    return path


def demo_plan() -> Object:
    """The plan document of the demonstration."""
    return an_object(json.loads((Path(__file__).parent / "plan.json").read_text(encoding="utf-8")))


def demo_playbook() -> Playbook:
    """The playbook of the demonstration."""
    return Playbook.load(PLAYBOOK_FILE)


def _git(path: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=path, check=True, capture_output=True)
