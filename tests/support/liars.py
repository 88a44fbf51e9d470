"""A whole mission on a real repository with a scripted model, for tests of what the runner believes and what it does not.

Everything is real except the model's words: repository, store, runner, sandbox, HTTP. It judges nothing itself.
"""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.agent.credentials import Credentials
from missions.model.events import MissionCreated
from missions.model.ids import new_mission_id
from missions.model.mission import Mission
from missions.runner.applying import apply_request
from missions.runner.runner import Runner, RunResult
from missions.settings import load_settings
from missions.simulator import Playbook, Simulator
from missions.simulator.scripts import playbook_for, recovery_rule
from missions.store.catalog import view_mission
from missions.store.inbox import By, Request
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.repositories import Playground

CHECK = "test -s README.md"
COMMIT = "{{result:^[0-9a-f]{40}$}}"
"""The last commit id that a command printed, as a script names it."""
_COMPLIANCE = (
    "readMissionContext",
    "checkedGitStatusBeforeWork",
    "ranRequiredValidation",
    "committedChanges",
    "updatedHandoff",
)


def small_plan(features: Sequence[str] = ("F1",), **environment: Any) -> dict[str, Any]:
    """One milestone, some features in a row, one assertion each, one check."""
    rows = [
        {
            "id": name,
            "title": f"Piece {number}",
            "description": f"Write work/{name}.txt with a sentence about the piece, and commit it.",
            "dependencies": [features[number - 2]] if number > 1 else [],
            "claims": [f"A{number}"],
        }
        for number, name in enumerate(features, 1)
    ]
    assertions = [
        {
            "id": f"A{number}",
            "category": "functional",
            "severity": "major",
            "assertion": f"Piece {number} is there.",
            "verification": "Look at the files under work/.",
        }
        for number in range(1, len(features) + 1)
    ]
    return {
        "title": "Put the pieces in place",
        "objective": "The folder work/ holds one file for each piece, and nothing else changes.",
        "nonGoals": [],
        "assumptions": [],
        "milestones": [
            {
                "id": "M1",
                "title": "Pieces",
                "objective": "All pieces are there.",
                "validation": "Look at each file.",
                "features": rows,
            }
        ],
        "validationContract": {"assertions": assertions},
        "skills": {"worker": "Write plain text.", "validatorScrutiny": "Read each file."},
        "budget": {"usd": 20, "runs": 30},
        "environment": {"checks": [CHECK], **environment},
    }


def bash(command: str, **more: Any) -> dict[str, Any]:
    """A call of the shell."""
    return {"name": "bash", "input": {"command": command, **more}}


def write(path: str, content: str) -> dict[str, Any]:
    """A call of the file tool."""
    return {"name": "write", "input": {"path": path, "content": content}}


def handoff(feature: str, files: Sequence[str], **changes: Any) -> dict[str, Any]:
    """The submission of a worker that says what its commands printed."""
    content: dict[str, Any] = {
        "featureId": feature,
        "status": "complete",
        "summary": f"{feature} is done.",
        "commit": COMMIT,
        "implemented": [f"What {feature} asks for"],
        "leftUndone": [],
        "filesChanged": list(files),
        "commandsRun": {"$commands": ""},
        "issuesDiscovered": [],
        "risks": [],
        "procedureCompliance": dict.fromkeys(_COMPLIANCE, True),
    }
    return {"name": "submit_handoff", "input": {**content, **changes}}


def script(feature: str, *turns: Sequence[dict[str, Any]], **when: Any) -> dict[str, Any]:
    """A worker's rule: the tool calls of each turn; the last turn is said again when it is refused."""
    said = [{"text": "Going on.", "tools": list(calls)} for calls in turns]
    return {
        "name": f"script of {feature}",
        "when": {"role": "worker", "task": feature, **when},
        "turns": said,
        "repeatLast": True,
    }


def commit_all(message: str) -> str:
    """The command that commits everything and prints the commit."""
    return f"git add -A && (git diff --cached --quiet || git commit -q -m '{message}') && git rev-parse HEAD"


def work(feature: str, files: Sequence[str], *commands: str, **changes: Any) -> dict[str, Any]:
    """A worker that runs these commands, then the check, commits everything and hands over."""
    return script(
        feature,
        [bash("git status --short"), *(bash(command) for command in commands)],
        [bash(CHECK)],
        [bash(commit_all(f"{feature}: work"))],
        [handoff(feature, files, **changes)],
    )


class Ground:
    """A user's repository, a store and one mission."""

    def __init__(self, folder: Path, plan: dict[str, Any] | None = None, *, commit: bool = True) -> None:
        self.user = Playground(folder / "user", commit)
        if commit:
            self.user.write(".gitignore", "build/\n*.log\n")
            self.user.commit("more")
        self.plan = plan or small_plan()
        self.store = Store(folder / "store")
        self.store.ensure()
        self.id = ""
        self.settings: dict[str, Any] = {}
        self.simulator: Simulator | None = None

    @property
    def root(self) -> Path:
        return self.user.root

    def create(self, cwd: Path | None = None, *, start: bool = True) -> str:
        """Save the plan and, unless told otherwise, ask for its execution with every gate answered."""
        if not self.id:
            self.id = new_mission_id(datetime.now(UTC), secrets.randbelow(36**6))
            first = MissionCreated(title=self.plan["title"], cwd=str(cwd or self.root))
            log = MissionLog.create(self.store, self.id, Owner(face="test"), first)
            apply_request(log, _request("write-plan", {"plan": self.plan}), child_runs=False)
            log.release("planned")
            if start:
                self.ask("run", accept=["plan", "dirty", "network", "no-sandbox"])
        return self.id

    def ask(self, op: str, **args: Any) -> None:
        """Apply an operation while nobody runs the mission."""
        with MissionLog.acquire(self.store, self.id, Owner(face="test"), purpose="apply") as log:
            apply_request(log, _request(op, args), child_runs=False)

    def answer(self, answer: str) -> None:
        """Answer the open decision."""
        self.ask("decide", decision=self.mission.decisions[0].id, answer=answer)

    def playbook(
        self,
        *rules: dict[str, Any],
        deviations: dict[str, str] | None = None,
        recovery: Sequence[dict[str, Any]] = (),
        every_attempt: bool = True,
    ) -> Playbook:
        """The honest playbook of the plan, with rules and named lies before it; the orchestrator leaves blocks alone."""
        orchestrator = list(recovery) or [recovery_rule("leave-blocked")]
        whole = playbook_for(
            self.plan, deviations=deviations, every_attempt=every_attempt, recovery=orchestrator
        )
        return whole.preceded_by(rules)

    def runner(self, base_url: str, *, watcher: Any = None, credentials: Any = None) -> Runner:
        """A runner of the mission that talks to this service."""
        self.create()
        arguments = copy.deepcopy(self.settings)
        arguments.setdefault("provider", {})["baseUrl"] = base_url
        loaded = load_settings(self.store.root, environment={}, arguments=arguments)
        found = credentials or (lambda: Credentials("api_key", "no-key-for-the-simulator", "the test"))
        return Runner(self.store, self.id, settings=loaded, credentials=found, face="test", watcher=watcher)

    async def run(self, playbook: Playbook | None = None, *, watcher: Any = None) -> RunResult:
        """Run the mission until it stops by itself; the service is kept for looking at."""
        self.simulator = Simulator(playbook or self.playbook())
        with self.simulator as base_url:
            return await self.runner(base_url, watcher=watcher).run()

    @property
    def mission(self) -> Mission:
        found = view_mission(self.store, self.id)
        assert isinstance(found, Mission), found
        return found

    @property
    def block(self) -> str:
        """Why the mission stopped: the category of the last block, or the status."""
        mission = self.mission
        return mission.latestBlock.reasonCategory if mission.latestBlock else mission.status

    def events(self, *types: str) -> list[dict[str, Any]]:
        """The journal's records, all or of these types."""
        lines = self.store.mission(self.id).journal.read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return [record for record in records if not types or record["type"] in types]

    def message(self) -> str:
        """What the last block says."""
        block = self.mission.latestBlock
        return block.message if block else ""


def _request(op: str, args: dict[str, Any]) -> Request:
    return Request(op=op, args=args, by=By(face="test"))
