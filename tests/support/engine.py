"""A whole mission for tests: a real repository, a store, the simulated model, and the real runner, in one process.

Only the model's words are scripted, as playbooks; everything else is the product. It judges nothing itself.
"""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
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
from missions.simulator.scripts import playbook_for, recovery_rule, worker_rule
from missions.store import inbox
from missions.store.catalog import view_mission
from missions.store.inbox import By, Request, Result
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from missions.store.transcript import TranscriptReader
from support.repositories import Playground
from support.waiting import until_async

CHECK = "test -s README.md"
GATES = ["plan", "dirty", "network", "no-sandbox"]
REACHED, GO = "build/reached", "build/go"
"""Ignored files by which a worker that waits and a test tell each other where they are."""


def plan_of(
    features: Mapping[str, Sequence[str]] | None = None,
    *,
    milestones: Mapping[str, Mapping[str, Any]] | None = None,
    dependencies: Mapping[str, Sequence[str]] | None = None,
    environment: Mapping[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A plan with these features by milestone, one assertion each; ``milestones`` holds what differs there."""
    layout = features or {"M1": ["F1"]}
    names = [name for group in layout.values() for name in group]
    claims = {name: f"A{number}" for number, name in enumerate(names, 1)}
    plan: dict[str, Any] = {
        "title": "Put the pieces in place",
        "objective": "The folder work/ holds one file for each piece, and nothing else changes.",
        "milestones": [
            {
                "id": milestone,
                "title": f"Pieces of {milestone}",
                "objective": "All pieces are there.",
                "validation": "Look at each file.",
                "features": [
                    {
                        "id": name,
                        "title": f"Piece {name}",
                        "description": f"Write work/{name}.txt with a sentence about the piece, and commit it.",
                        "dependencies": list((dependencies or {}).get(name, ())),
                        "claims": [claims[name]],
                    }
                    for name in group
                ],
                **dict((milestones or {}).get(milestone, {})),
            }
            for milestone, group in layout.items()
        ],
        "validationContract": {
            "assertions": [
                {
                    "id": claim,
                    "category": "functional",
                    "severity": "major",
                    "assertion": f"Piece {name} is there.",
                    "verification": f"Look at work/{name}.txt.",
                }
                for name, claim in claims.items()
            ]
        },
        "skills": {"worker": "Write plain text.", "validatorScrutiny": "Read each file."},
        "budget": {"usd": 50, "runs": 60},
        "environment": {"checks": [CHECK], **(environment or {})},
    }
    return {**plan, **changes}


def waiting_worker(feature: str, *, attempt: int = 1, lie: str | None = None) -> dict[str, Any]:
    """A worker that says in its first turn that it is there, and waits until the test lets it go."""
    command = f"mkdir -p build && touch {REACHED} && until [ -e {GO} ]; do sleep 0.02; done; rm -f {REACHED}"
    rule: dict[str, Any] = worker_rule(
        {"id": feature, "title": f"Piece {feature}"}, [CHECK], lie, {"attempt": attempt}
    )
    rule["turns"][0]["tools"].append({"name": "bash", "input": {"command": command}})
    return rule


class World:
    """A user's repository, a store and one mission in it."""

    def __init__(
        self,
        folder: Path,
        plan: dict[str, Any] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.user = Playground(folder / "user")
        self.user.write(".gitignore", "build/\n")
        self.user.commit("ignore what is built")
        self.plan = plan or plan_of()
        self.store = Store(folder / "store")
        self.store.ensure()
        self.settings: dict[str, Any] = copy.deepcopy(dict(settings or {}))
        self.id = ""
        self.simulator: Simulator | None = None

    @property
    def root(self) -> Path:
        return self.user.root

    def create(self, *, accept: Sequence[str] | None = GATES) -> str:
        """Save the plan and ask for its execution with these gates answered; ``None`` leaves it planned."""
        if not self.id:
            self.id = new_mission_id(datetime.now(UTC), secrets.randbelow(36**6))
            first = MissionCreated(title=self.plan["title"], cwd=str(self.root))
            MissionLog.create(self.store, self.id, Owner(face="test"), first).release("created")
            self.request("write-plan", plan=self.plan)
            if accept is not None:
                self.request("run", accept=list(accept))
        return self.id

    def request(self, op: str, **args: Any) -> int:
        """Apply an operation while nobody runs the mission; raises what refuses it."""
        with MissionLog.acquire(self.store, self.id, Owner(face="test"), purpose="apply") as log:
            asked = Request(op=op, args=args, by=By(face="test", user="tester"))
            return apply_request(log, asked, child_runs=False).seq

    async def ask(self, op: str, **args: Any) -> Result:
        """Put a request into the inbox of the live runner and wait for its answer."""
        asked = Request(op=op, args=args, by=By(face="test", user="tester"))
        directory = self.store.mission(self.id)
        inbox.submit(directory, asked)

        def answered() -> Result | None:
            found = inbox.result(directory, asked.id)
            return found if found is not None and found.state != "queued" else None

        found = await until_async(answered, what=f"the answer to {op}")
        assert found is not None
        return found

    def decide(self, answer: str, **more: Any) -> None:
        """Answer the open decision."""
        self.request("decide", decision=self.mission.decisions[0].id, answer=answer, **more)

    def playbook(
        self,
        *rules: dict[str, Any],
        deviations: Mapping[str, str] | None = None,
        recovery: Sequence[dict[str, Any]] = (),
        every_attempt: bool = False,
    ) -> Playbook:
        """The plan carried out honestly, but for the named deviations; without ``recovery`` blocks are left alone."""
        orchestrator = list(recovery) or [recovery_rule("leave-blocked")]
        whole = playbook_for(
            self.plan, deviations=deviations, every_attempt=every_attempt, recovery=orchestrator
        )
        return whole.preceded_by(rules) if rules else whole

    def runner(self, base_url: str, *, face: str = "test", watcher: Any = None) -> Runner:
        """A runner of the mission that talks to this service."""
        self.create()
        arguments = copy.deepcopy(self.settings)
        arguments.setdefault("provider", {})["baseUrl"] = base_url
        loaded = load_settings(self.store.root, environment={}, arguments=arguments)
        key = Credentials("api_key", "no-key-for-the-simulator", "the test")
        return Runner(
            self.store, self.id, settings=loaded, credentials=lambda: key, face=face, watcher=watcher
        )

    @contextmanager
    def serving(self, playbook: Playbook | None = None) -> Generator[str]:
        """The simulated service with this playbook; its address."""
        self.simulator = Simulator(playbook or self.playbook())
        with self.simulator as base_url:
            yield base_url

    async def run(self, playbook: Playbook | None = None, *, watcher: Any = None) -> RunResult:
        """Run the mission until it stops by itself."""
        with self.serving(playbook) as base_url:
            return await self.runner(base_url, watcher=watcher).run()

    async def resume(self, playbook: Playbook | None = None) -> RunResult:
        """Ask for a resume, then run on."""
        self.request("resume")
        return await self.run(playbook)

    # A worker that waits

    async def reached(self) -> None:
        """Wait until the waiting worker is there."""
        await until_async((self.root / REACHED).exists, 60, "the waiting worker")

    def let_go(self) -> None:
        """Let the waiting worker go on."""
        self.user.write(GO, "")

    # What came of it

    @property
    def mission(self) -> Mission:
        found = view_mission(self.store, self.id)
        assert isinstance(found, Mission), found
        return found

    @property
    def category(self) -> str:
        """The category of the last block, or the status of the mission."""
        mission = self.mission
        return mission.latestBlock.reasonCategory if mission.latestBlock else mission.status

    def events(self, *types: str) -> list[dict[str, Any]]:
        """The journal's records, all or those of these types."""
        lines = self.store.mission(self.id).journal.read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return [record for record in records if not types or record["type"] in types]

    def units(self) -> list[str]:
        """What was started, in order: ``worker F1``, ``scrutiny M1``, ``user-testing M1``, ``recovery``."""
        names = {"worker": "worker", "recovery": "recovery"}
        return [
            f"{names.get(run.kind, run.validatorMode)} {run.itemId if run.kind != 'recovery' else ''}".strip()
            for run in self.mission.runs
        ]

    def artifact(self, path: str) -> dict[str, Any]:
        """A JSON file of the mission directory."""
        return json.loads((self.store.mission(self.id).path / path).read_bytes())

    def report(self, run_id: str, name: str = "validation-report.json") -> dict[str, Any]:
        return self.artifact(f"runs/{run_id}/{name}")

    def commands(self, run: int = 0) -> list[tuple[str, str]]:
        """What the transcript of a run keeps of its commands: each with its result, in their order."""
        transcript = self.store.mission(self.id).run(self.mission.runs[run].runId).transcript
        ended = [r for r in TranscriptReader(transcript).read_new() if r.get("type") == "tool_end"]
        return [(r["meta"]["command"]["command"], r["content"]) for r in ended if r.get("name") == "bash"]

    def git(self, *arguments: str) -> str:
        return self.user.git(*arguments)

    def clean(self) -> bool:
        return self.git("status", "--porcelain") == ""


async def finished(task: asyncio.Task[RunResult]) -> RunResult:
    """The result of a runner, within a minute."""
    return await asyncio.wait_for(task, 60)
