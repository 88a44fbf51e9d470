"""The demonstration, driven by an editor alone: its real bug appears on its line and is repaired from the problem list."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from missions.simulator import Playbook, Simulator
from missions.simulator.demo import PLAYBOOK_FILE, demo_plan, make_repository
from missions.simulator.scripts import recovery_rule
from missions.store.layout import Store
from missions.store.lock import holder
from support.lsp_client import Client, connected
from support.standing_missions import actions_at, coded

REPAIR = "repair-M1-D1"


def playbook(folder: Path) -> Playbook:
    """The demonstration's, but the orchestrator leaves the block to the user, and the repair has the action's name."""
    original = Path(str(PLAYBOOK_FILE))
    shutil.copytree(original.parent, folder)
    data: dict[str, Any] = json.loads(original.read_text("utf-8").replace("F3-repair", REPAIR))
    rules = [rule for rule in data["rules"] if rule["name"] != "recovery"]
    changed = folder / original.name
    changed.write_text(json.dumps({**data, "rules": [recovery_rule("leave-blocked"), *rules]}))
    return Playbook.load(changed)


def end_owner(store: Store, mission: str) -> None:
    """After a failed test: no daemon may be left."""
    found = holder(store.mission(mission)) if mission else None
    if found is not None:
        with contextlib.suppress(psutil.Error):
            psutil.Process(found.pid).kill()


async def has(client: Client, place: str, *codes: str) -> None:
    await client.until(lambda: coded(client, place) == sorted(codes), f"{codes} on {place}", 90)


@pytest.mark.parametrize("host", ["process", "server"])
async def test_the_demos_bug_is_repaired_from_the_problem_list_and_the_mission_completes(
    tmp_path: Path, host: str
) -> None:
    repository = make_repository(tmp_path / "tally")
    store, mission = Store(tmp_path / "store"), ""
    with Simulator(playbook(tmp_path / "playbook")) as url:
        env = {"MISSIONS_BASE_URL": url, "ANTHROPIC_API_KEY": "sk-ant-no-key-for-the-simulator"}
        try:
            async with connected(store.root, "vscode", repository, env=env, initialize=False) as client:
                client.settings = {"runner": {"host": host}}
                await client.initialize(repository)
                saved = await client.run("new", {"plan": demo_plan(), "cwd": str(repository)})
                mission = saved["data"]["mission"]
                client.choices = ["Start", "Run without sandbox"]
                started = await client.run("run", {"mission": mission}, 60)
                assert started["value"]["host"] == host
                source = (repository / "tally/sentences.py").as_uri()
                plan = (store.mission(mission).path / "plan/features.json").as_uri()
                await has(client, source, "defect")
                await has(client, plan, "validator_report_failed")
                (defect,) = client.diagnostics[source]
                line = (
                    (repository / "tally/sentences.py")
                    .read_text()
                    .splitlines()[defect["range"]["start"]["line"]]
                )
                assert "findall" in line
                # The orchestrator looks first; then the block is the user's.
                await client.until(
                    lambda: holder(store.mission(mission)) is None, "the end of the runner", 60
                )
                offered = await actions_at(client, source, defect)
                for title in ("Turn D1 into a repair feature", "Resume the mission"):
                    client.choices = ["Start", "Run without sandbox"]
                    command = offered[title]
                    await client.request(
                        "workspace/executeCommand",
                        {"command": command["command"], "arguments": command["arguments"]},
                        60,
                    )
                await has(client, source)
                await has(client, plan)
                await client.until((store.mission(mission).path / "report.md").is_file, "the report", 90)
                values = [value for shown in client.progress.values() for value in shown]
                assert {value["kind"] for value in values} == {"begin", "report", "end"}
                opened = await client.run("open", {"mission": mission, "document": "handoff", "run": REPAIR})
                assert opened["shown"]
                assert client.asked("window/showDocument")[-1]["uri"].endswith("handoff.md")
                report = await client.request("missions/content", {"uri": f"missions:/{mission}/report.md"})
                assert REPAIR in report["text"]
                await client.until(
                    lambda: holder(store.mission(mission)) is None, "the end of the runner", 60
                )
                assert (await client.run("status", {"mission": mission}))["data"]["status"] == "complete"
                assert all(found == [] for found in client.diagnostics.values())
        finally:
            end_owner(store, mission)
