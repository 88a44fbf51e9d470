"""The loop against the product's own simulated service, whose accounting and rules are stricter than a script's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from missions.agent.conversation import Conversation
from missions.agent.credentials import Credentials, Provider
from missions.agent.loop import Outcome, run_conversation
from missions.agent.model import ModelClient
from missions.simulator import Simulator
from support.agent_world import World


def playbook(turns: int, **more: Any) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {
            "thinking": f"Step {n}.",
            "text": f"Going on with {n}.",
            "tools": [
                {"name": "note", "input": {"line": f"{n} " + "x" * 900}},
                {"name": "look", "input": {"at": f"{n}"}},
                {"name": "look", "input": {"at": f"and {n}"}},
            ],
        }
        for n in range(turns)
    ]
    steps.append({"tools": [{"name": "submit_handoff", "input": {"status": "good"}}]})
    return {"rules": [{"turns": steps}], **more}


async def played(world: World, data: dict[str, Any]) -> Outcome:
    simulator = Simulator(data)
    client = ModelClient(Credentials("api_key", "simulated"), Provider(base_url=simulator.start()))
    conversation = Conversation.open(world.transcript, world.redactor)
    try:
        return await run_conversation(world.spec(), conversation, client, world.control, world.watcher)
    finally:
        conversation.close()
        await client.close()
        simulator.stop()


@pytest.mark.parametrize("counting", ["first-party", "every-block"])
async def test_thirty_turns_are_read_from_the_cache_in_both_ways_of_counting(
    tmp_path: Path, counting: str
) -> None:
    world = World(tmp_path)
    ended = await played(world, playbook(30, cacheCounting=counting))
    assert ended.kind == "submitted", ended.detail
    assert ended.usage.cache_share >= 0.90
    assert len(world.note.lines()) == 30


async def test_a_history_that_outgrows_its_window_is_summarised_and_the_work_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.options = {"context_window": 6_000}
    ended = await played(world, playbook(12))
    assert ended.kind == "submitted", ended.detail
    assert world.records("compaction")
    assert len(world.note.lines()) == len(set(world.note.lines())) == 12
