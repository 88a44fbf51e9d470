"""The demonstration's mission in a process of its own, to be killed: starting it, killing it, and what must hold afterwards.

It kills only processes that it started itself.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from missions.model.events import MissionCreated
from missions.model.ids import new_mission_id
from missions.model.mission import Mission
from missions.runner.applying import apply_request
from missions.simulator.demo import demo_plan, make_repository
from missions.store.catalog import view_mission
from missions.store.inbox import By, Request
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.runner_process import Nursery
from support.waiting import until


@dataclass
class Demo:
    """A saved and confirmed demonstration mission in a folder."""

    folder: Path
    pace: str = "0.0001"
    id: str = ""
    seen: bytes = field(default=b"", repr=False)
    """What was in the journal at the last look."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.log = self.folder / "runner.log"
        self.repository = make_repository(self.folder / "repository")
        self.store = Store(self.folder / "store")
        self.store.ensure()
        self.id = new_mission_id(datetime.now(UTC), secrets.randbelow(36**6))
        first = MissionCreated(title="demo", cwd=str(self.repository), demo=True)
        log = MissionLog.create(self.store, self.id, Owner(face="test"), first)
        for op, args in (("write-plan", {"plan": demo_plan()}), ("run", {"accept": ["plan", "no-sandbox"]})):
            apply_request(log, Request(op=op, args=args, by=By(face="test")), child_runs=False)
        log.release("planned")

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """The runner as the process host starts it, with variables added to its environment."""
        command = [sys.executable, "-P", "-m", "missions", "run", self.id, "--headless", "--hosted"]
        own = {"MISSIONS_HOME": str(self.store.root), "MISSIONS_DEMO_PACE": self.pace}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(
        self, nursery: Nursery | None = None, *, descriptors: int | None = None, **environment: str
    ) -> int:
        """Run until the runner ends; its exit code, negative when a signal killed it.

        With a nursery it starts faster, and may be given only so many open files.
        """
        if nursery is None:
            return self.start(**environment).wait(timeout=120)
        arguments = ["run", self.id, "--headless", "--hosted"]
        own = {"MISSIONS_HOME": str(self.store.root), "MISSIONS_DEMO_PACE": self.pace}
        return nursery.run(arguments, self.folder, self.log, {**own, **environment}, descriptors)

    def resume(self) -> None:
        """Ask for a resume of a mission that stands."""
        with MissionLog.acquire(self.store, self.id, Owner(face="test"), purpose="apply") as log:
            apply_request(log, Request(op="resume", by=By(face="test")), child_runs=False)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL, as the kernel or an impatient user sends it."""
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)

    def check_journal(self) -> None:
        """Every record that was complete at the last look is still there, byte for byte."""
        now = (self.store.mission(self.id).path / "event-log.jsonl").read_bytes()
        assert now.startswith(self.seen), "an acknowledged event was lost or changed"
        self.seen = now[: now.rfind(b"\n") + 1]

    def processes(self) -> list[int]:
        """Living processes that work in this folder or name it."""
        mark, found = os.fsencode(self.folder), list[int]()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                named = mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes()
            except OSError:
                continue
            if named and state != "Z":
                found.append(int(entry.name))
        return found

    def nothing_left(self) -> None:
        """Wait until no process of the mission lives any more."""
        until(lambda: not self.processes(), 20, "the end of all processes of the mission")

    @property
    def mission(self) -> Mission:
        found = view_mission(self.store, self.id)
        assert isinstance(found, Mission), found
        return found

    def git(self, *arguments: str) -> str:
        """The git program in the repository."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.repository, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def result(self) -> tuple[str, list[str]]:
        """The final tree and the subjects of all commits, oldest first."""
        return self.git("rev-parse", "HEAD^{tree}"), self.git("log", "--format=%s", "--reverse").splitlines()
