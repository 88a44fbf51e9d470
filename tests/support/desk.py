"""A desk for tests of the operations and the command line: a repository, a store, a simulated service, and a caller.

Everything is real except the model's words.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from missions.control.control import Control
from missions.model import events as ev
from missions.model.mission import Decision, DecisionOption, Mission
from missions.simulator import Simulator
from missions.simulator.scripts import playbook_for
from missions.store.catalog import view_mission
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.commands import Commands
from support.liars import small_plan
from support.repositories import Playground

TESTER = Owner(face="test", user="tester")
KEY = "sk-test-0123456789abcdef"


@dataclass
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Desk:
    """Everything below one folder. ``environment`` holds what commands see; without a key at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = Playground(folder / "user")
        self.root = self.user.root
        self.store = Store(folder / "store")
        self.environment: dict[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "MISSIONS_HOME": str(self.store.root),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "MISSIONS_DEMO_PACE": "0",
        }
        (folder / "home").mkdir()

    def control(self) -> Control:
        """The operations, with this desk's environment."""
        return Control(self.store, face="test", user="tester", environment=self.environment)

    def service(self, plan: dict[str, Any], **how: Any) -> Simulator:
        """A simulated service that carries ``plan`` out, and the key and address for it. The caller stops it."""
        simulator = Simulator(playbook_for(plan), **how)
        self.environment.update(MISSIONS_BASE_URL=simulator.start(), ANTHROPIC_API_KEY=KEY)
        return simulator

    def saved(self, plan: dict[str, Any] | None = None) -> str:
        """A planned mission of ``plan``, or of a small one."""
        return self.control().new_from_plan(plan or small_plan(), self.root).mission

    def mission(self, mission_id: str) -> Mission:
        found = view_mission(self.store, mission_id)
        assert isinstance(found, Mission)
        return found

    def owned(self, mission_id: str) -> MissionLog:
        """The mission, held by this test."""
        return MissionLog.acquire(self.store, mission_id, TESTER)

    def asking(self, mission_id: str, *options: DecisionOption) -> str:
        """A started mission that waits for an answer; returns the decision's id."""
        decision = Decision(
            id="decision-1",
            kind="ask-user",
            question="Which colour?",
            options=options
            or (
                DecisionOption(id="red", label="Red", consequence="It is red."),
                DecisionOption(id="blue", label="Blue", consequence="It is blue."),
            ),
            requestedAt="2026-11-23T10:00:00.000Z",
        )
        with self.owned(mission_id) as log:
            log.record(ev.MissionExecutionStarted(planVersion=1))
            log.record(ev.DecisionRequested(decision=decision))
        return decision.id

    def journal(self, mission_id: str) -> list[str]:
        """The types of all records, in order."""
        lines = self.store.mission(mission_id).journal.read_text().splitlines()
        return [json.loads(line)["type"] for line in lines]

    # The command line

    def missions(self, *arguments: str, cwd: Path | None = None, given: str = "", **more: str) -> Said:
        """Run the command line to its end, in a process that was forked with everything imported."""
        environment = {**self.environment, **more}
        return Said(*Commands.shared().run(arguments, cwd or self.root, environment, given, 120))

    def begin(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start the command line and leave it running; the caller ends it with :meth:`end`."""
        return subprocess.Popen(
            [sys.executable, "-m", "missions", *arguments],
            cwd=self.root,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def typed(self, *arguments: str, answer: str) -> Said:
        """Run the command line in a terminal of its own and type ``answer`` at each question; what was shown is ``out``."""
        leader, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "missions", *arguments],
            cwd=self.root,
            env={**self.environment, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        shown, asked = b"", 0
        try:
            # The last writer's end of a terminal is an error to its reader, not an end of file.
            with contextlib.suppress(OSError):
                while piece := os.read(leader, 65536):
                    shown += piece
                    if shown.count(b"[y/N]") > asked:
                        asked += 1
                        os.write(leader, answer.encode() + b"\n")
            code = process.wait(60)
        finally:
            os.close(leader)
            if process.poll() is None:
                process.kill()
                process.wait()
        return Said(code, shown.decode("utf-8", "replace"), "")

    @staticmethod
    def end(process: subprocess.Popen[str]) -> None:
        """End a process that may still run."""
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
