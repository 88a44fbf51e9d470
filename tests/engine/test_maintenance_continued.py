"""A mission that was imported is not only readable: it runs on to its end where it arrived."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from missions.agent.credentials import Credentials
from missions.control.bundle import export
from missions.control.bundle_import import import_bundle
from missions.control.pi_import import import_pi_mission
from missions.model import events as ev
from missions.model.contract import PlanDocument
from missions.model.mission import Mission
from missions.runner.runner import Runner, RunResult
from missions.settings import load_settings
from missions.simulator import Simulator
from missions.simulator.demo import demo_plan, demo_playbook, make_repository
from missions.store.catalog import view_mission
from missions.store.inbox import By, Request, submit
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog

MISSION = "mission-20261123000000-demo01"
WHO = Owner(face="test")


class _PauseAfterFirst:
    """Asks for a pause as soon as the first run talks to its model."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked = False

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if not self._asked:
            self._asked = True
            submit(self._store.mission(MISSION), Request(op="pause", by=By(face="test")))


async def _run(store: Store, mission_id: str, url: str, watcher: _PauseAfterFirst | None = None) -> RunResult:
    settings = load_settings(store.root, arguments={"provider": {"baseUrl": url}})
    runner = Runner(
        store,
        mission_id,
        settings=settings,
        credentials=lambda: Credentials("api_key", "no-key-for-the-simulator", "test"),
        face="test",
        watcher=watcher,
    )
    return await runner.run()


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _view(store: Store, mission_id: str) -> Mission:
    found = view_mission(store, mission_id)
    assert isinstance(found, Mission)
    return found


def _store(folder: Path) -> Store:
    store = Store(folder)
    store.ensure()
    return store


async def test_a_mission_that_was_paused_here_is_completed_elsewhere(tmp_path: Path) -> None:
    here, there = _store(tmp_path / "here"), _store(tmp_path / "there")
    first, second = make_repository(tmp_path / "first"), make_repository(tmp_path / "second")
    plan = PlanDocument.model_validate(demo_plan())
    with MissionLog.create(here, MISSION, WHO, ev.MissionCreated(title="Demo", cwd=str(first))) as log:
        blob = log.blob(plan.as_bytes())
        log.record(
            ev.InteractivePlanWritten(
                title=plan.title, features=len(plan.features()), planVersion=1, blob=blob
            )
        )
        log.record(ev.MissionExecutionStarted(planVersion=1))
    with Simulator(demo_playbook()) as url:
        result = await _run(here, MISSION, url, _PauseAfterFirst(here))
        assert result.status == "paused", result
        done = [f.id for f in _view(here, MISSION).all_features() if f.status == "complete"]
        assert done
        bundle = export(here, MISSION, tmp_path / "m.tar.gz", with_repository=True).output

        import_bundle(there, bundle, second)
        git(second, "switch", "-q", f"missions/{MISSION}")
        with MissionLog.acquire(there, MISSION, WHO) as log:
            log.record(ev.MissionResumeRequested(source="test"))
        result = await _run(there, MISSION, url)
    mission = _view(there, MISSION)
    assert (result.exit_code, mission.status) == (0, "complete"), result
    assert mission.cwd == str(second.resolve())
    assert git(first, "rev-parse", "HEAD") != git(second, "rev-parse", "HEAD")


async def test_a_mission_of_pi_missions_is_completed_here(tmp_path: Path) -> None:
    store = _store(tmp_path / "home")
    repository = make_repository(tmp_path / "repository")
    source = _as_pi_missions_keeps_it(tmp_path / "pi" / MISSION, demo_plan(), repository)
    arrived = import_pi_mission(store, source)
    assert arrived.status == "paused", arrived.findings
    with MissionLog.acquire(store, MISSION, WHO) as log:
        log.record(ev.MissionResumeRequested(source="test"))
    with Simulator(demo_playbook()) as url:
        result = await _run(store, MISSION, url)
    assert (result.exit_code, _view(store, MISSION).status) == (0, "complete"), result


def _as_pi_missions_keeps_it(folder: Path, plan: dict[str, Any], repository: Path) -> Path:
    milestones = [
        {
            **{key: m[key] for key in ("id", "title", "objective") if key in m},
            "validation": _with_claims(m.get("validation", ""), m),
            "status": "pending",
            "features": [
                {
                    **{key: f[key] for key in f if key != "claims"},
                    "description": _with_claims(f["description"], f),
                    "status": "pending",
                }
                for f in m["features"]
            ],
            "validationState": {"userTesting": _user_testing(m)},
        }
        for m in plan["milestones"]
    ]
    state = {
        "schemaVersion": 1,
        "id": folder.name,
        "title": plan["title"],
        "status": "paused",
        "createdAt": "2026-10-01T10:00:00.000Z",
        "updatedAt": "2026-10-01T10:00:00.000Z",
        "executionStartedAt": "2026-10-01T10:00:00.000Z",
        "cwd": str(repository),
        "milestones": milestones,
    }
    files = {
        "mission.json": json.dumps(state),
        "event-log.jsonl": "",
        "plan/objective.md": plan["objective"],
        "plan/validation-contract.json": json.dumps(plan["validationContract"]),
        "skills/worker/SKILL.md": plan["skills"]["worker"],
        "skills/validator-scrutiny/SKILL.md": plan["skills"]["validatorScrutiny"],
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def _user_testing(milestone: dict[str, Any]) -> dict[str, Any]:
    given = milestone.get("userTesting", {})
    return given if isinstance(given, dict) else {"required": bool(given), "instructions": "Use it."}


def _with_claims(text: str, item: dict[str, Any]) -> str:
    """There is no field for claims there; people name the assertions in the text."""
    claims = item.get("claims", ())
    return f"{text} ({', '.join(claims)})" if claims else text
