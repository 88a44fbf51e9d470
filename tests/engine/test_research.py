"""Validators and the orchestrator have read-only children look things up; workers look themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from missions.simulator.scripts import recovery_rule, validator_rule
from support.engine import CHECK, World, finished
from support.waiting import until_async

QUESTIONS = ("Where is the readme?", "Which files are there?")
ASKING = [{"name": "research", "input": {"question": question}} for question in QUESTIONS]
CHILD: list[dict[str, Any]] = [
    {
        "when": {"role": "research", "turn": 0},
        "reply": {"text": "Looking.", "tools": [{"name": "glob", "input": {"pattern": "*.md"}}]},
    },
    {"when": {"role": "research"}, "reply": {"text": "README.md stands at the top."}},
]


def asking(rule: dict[str, Any]) -> dict[str, Any]:
    rule["turns"].insert(0, {"text": "Asking.", "tools": ASKING})
    return rule


def validator(lie: str) -> dict[str, Any]:
    return validator_rule({"id": "M1", "assertions": ["A1"], "mode": "scrutiny"}, [CHECK], lie)


async def test_what_children_found_comes_back_and_what_they_cost_is_the_runs(tmp_path: Path) -> None:
    world = World(tmp_path)
    book = world.playbook(
        *CHILD, asking(validator("fail")), recovery=[asking(recovery_rule("leave-blocked"))]
    )
    await world.run(book)
    assert world.units() == ["worker F1", "scrutiny M1", "recovery"]
    assert world.simulator is not None
    asked = world.simulator.requests
    for run in world.mission.runs[1:]:
        folder = world.store.mission(world.id).run(run.runId)
        assert folder.transcript.read_text().count("README.md stands at the top.") == 2
        assert len(list(folder.path.glob("research-*.jsonl"))) == 2
        recorded = [e for e in world.events("usage_recorded") if e["data"]["runId"] == run.runId]
        assert len(recorded) == run.usage.requests
        assert run.usage.requests >= 4 + 2
    children = [body for body in asked if "look something up" in body["system"][0]["text"]]
    assert len(children) == 8
    for body in children:
        assert {tool["name"] for tool in body["tools"]} == {"read", "glob", "grep"}
    worker = next(body for body in asked if any(t["name"] == "submit_handoff" for t in body["tools"]))
    assert "research" not in {tool["name"] for tool in worker["tools"]}


async def test_a_pause_at_once_stops_the_children_and_the_run_goes_on_later(tmp_path: Path) -> None:
    world = World(tmp_path)
    stuck = {
        "when": {"role": "research"},
        "times": 2,
        "reply": {"text": "Hm.", "faults": [{"kind": "stall", "seconds": 60, "after": 1, "times": 2}]},
    }
    with world.serving(world.playbook(stuck, *CHILD, asking(validator("inconclusive")))) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await until_async(
            lambda: len(list(world.store.mission(world.id).runs.glob("*/research-*.jsonl"))) == 2,
            120,
            "both children",
        )
        assert (await world.ask("pause", now=True)).state == "applied"
        assert (await finished(task)).exit_code == 11
    await world.resume(world.playbook(*CHILD, asking(validator("inconclusive"))))
    run = world.mission.runs[1]
    told = world.store.mission(world.id).run(run.runId).transcript.read_text()
    assert told.count("The run was paused while this call ran") == 2
    assert world.units() == ["worker F1", "scrutiny M1", "recovery"]
