"""Names and places of everything under the mission store.

Paths only: what is in the files is known elsewhere. An id is checked before a path is built from it. Besides creating
the root this module never writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from missions.model.ids import MISSION_ID, check_mission_id, check_run_id
from missions.store.files import make_dir
from missions.store.safety import check_root

JOURNAL = "event-log.jsonl"
"""Name of the live segment of a mission's journal."""
LOCK_INFO = "runner-lock.json"
"""Name of the description of a mission's owner."""


def segment_name(number: int) -> str:
    """Name of the ``number``-th closed segment of a mission's journal (from 1)."""
    return f"event-log.{number}.jsonl"


ReportMode = Literal["scrutiny", "user-testing"]


@dataclass(frozen=True)
class RunDir:
    """Places of one run."""

    id: str
    path: Path

    @property
    def transcript(self) -> Path:
        """The conversation of the run; all wake-ups of the orchestrator share that of its session."""
        if "-recovery-" in self.id:
            return self.path.parent.parent / "orchestrator" / "transcript.jsonl"
        return self.path / "transcript.jsonl"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.txt"

    @property
    def handoff(self) -> Path:
        return self.path / "handoff.json"

    @property
    def handoff_text(self) -> Path:
        return self.path / "handoff.md"

    def report(self, mode: ReportMode) -> Path:
        """The report as JSON; its readable form has the suffix ``.md``."""
        return self.path / ("validation-report.json" if mode == "scrutiny" else "user-testing-report.json")

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def evidence(self) -> Path:
        return self.path / "evidence"

    @property
    def output(self) -> Path:
        return self.path / "output"


@dataclass(frozen=True)
class MissionDir:
    """Places of one mission; the directory need not exist."""

    id: str
    path: Path

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL

    def segment(self, number: int) -> Path:
        """The ``number``-th closed segment of the journal (from 1)."""
        return self.path / segment_name(number)

    @property
    def snapshot(self) -> Path:
        return self.path / "mission.json"

    @property
    def lock(self) -> Path:
        return self.path / "runner.lock"

    @property
    def lock_info(self) -> Path:
        return self.path / LOCK_INFO

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    @property
    def plan(self) -> Path:
        return self.path / "plan"

    @property
    def skills(self) -> Path:
        return self.path / "skills"

    @property
    def chat(self) -> Path:
        return self.path / "chat"

    @property
    def chat_transcript(self) -> Path:
        return self.chat / "transcript.jsonl"

    @property
    def orchestrator(self) -> Path:
        return self.path / "orchestrator"

    @property
    def orchestrator_transcript(self) -> Path:
        return self.orchestrator / "transcript.jsonl"

    @property
    def packets(self) -> Path:
        return self.path / "recovery-packets"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def run(self, run_id: str) -> RunDir:
        """Places of the run ``run_id``, whose form is checked."""
        return RunDir(check_run_id(run_id), self.runs / run_id)

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def git(self) -> Path:
        return self.path / "git"

    @property
    def report(self) -> Path:
        return self.path / "report.md"

    def exists(self) -> bool:
        """Whether there is a mission here, that is, a journal."""
        return self.journal.is_file() or self.segment(1).is_file()


class Store:
    """The directory that holds all missions of a user."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._checked = False

    @classmethod
    def default(cls) -> Store:
        """The store at ``MISSIONS_HOME``, or ``~/.missions``."""
        home = os.environ.get("MISSIONS_HOME", "")
        return cls(Path(home).expanduser().absolute() if home else Path.home() / ".missions")

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def cleared(self) -> Path:
        return self.root / "cleared.json"

    @property
    def index(self) -> Path:
        return self.root / "index.json"

    @property
    def wake(self) -> Path:
        """Touched whenever somebody takes a mission, so that whoever watches the root looks at all of them."""
        return self.root / ".wake"

    def ensure(self) -> None:
        """Create the root if it is missing and refuse one that is not safe to write to (once per object)."""
        if self._checked:
            return
        if not self.root.is_symlink():
            make_dir(self.root)
        check_root(self.root)
        self._checked = True

    def mission(self, mission_id: str) -> MissionDir:
        """Places of the mission ``mission_id``, whose form is checked; it need not exist."""
        return MissionDir(check_mission_id(mission_id), self.root / mission_id)

    def mission_ids(self) -> list[str]:
        """Ids of the missions that are here, sorted; empty if there is no store."""
        try:
            with os.scandir(self.root) as entries:
                names = [
                    e.name for e in entries if MISSION_ID.match(e.name) and e.is_dir(follow_symlinks=False)
                ]
        except OSError:
            return []
        return sorted(name for name in names if MissionDir(name, self.root / name).exists())
