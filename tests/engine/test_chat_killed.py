"""A chat whose process is killed in the middle of an answer or of a tool call, and the conversation that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from missions.control.chat import Chat
from missions.simulator import Simulator
from support.desk import KEY, Desk
from support.waiting import until

LONG = "The beginning of the answer. " + "It goes on and on. " * 60


def rule(words: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"when": {"role": "planner", "text": f"(?is)</mission_state>.*{words}"}, "steps": list(steps)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def serve(desk: Desk) -> Generator[Callable[..., Simulator]]:
    """A service with these rules at the desk's address."""
    services: list[Simulator] = []

    def start(*rules: dict[str, Any]) -> Simulator:
        service = Simulator({"rules": list(rules)})
        services.append(service)
        desk.environment.update(MISSIONS_BASE_URL=service.start(), ANTHROPIC_API_KEY=KEY)
        return service

    yield start
    for service in services:
        service.stop()


def records(desk: Desk, name: str) -> list[dict[str, Any]]:
    transcript = desk.store.mission(name).chat_transcript
    lines = transcript.read_text().splitlines() if transcript.exists() else []
    return [json.loads(line) for line in lines]


async def test_an_answer_that_was_cut_off_by_a_kill_is_given_by_the_next_process(
    desk: Desk, serve: Callable[..., Simulator]
) -> None:
    stalls = {"kind": "stall", "after": 5, "seconds": 60}
    service = serve(rule("tell me", {"text": LONG, "faults": [stalls]}))
    name = desk.saved()
    process = desk.begin("send", name, "Tell me everything.")
    assert process.stdout is not None
    until(lambda: len(service.exchanges) == 1, 40, "the request")
    assert process.stdout.read(10) == LONG[:10], "it streams"
    desk.end(process)

    chat = Chat(desk.control().caller, name)
    assert [(e.role, e.text) for e in chat.history()] == [("user", "Tell me everything.")]
    assert chat.unanswered()
    answer = await chat.send(None)
    assert answer.text == LONG.strip() or answer.text == LONG
    assert not chat.unanswered()
    assert [e.role for e in chat.history()] == ["user", "assistant"]
    assert not service.unmatched


async def test_something_new_can_be_said_after_a_kill_too(
    desk: Desk, serve: Callable[..., Simulator]
) -> None:
    stalls = {"kind": "stall", "after": 5, "seconds": 60}
    service = serve(
        rule("never mind", {"text": "As you like."}), rule("tell me", {"text": LONG, "faults": [stalls]})
    )
    name = desk.saved()
    process = desk.begin("send", name, "Tell me everything.")
    until(lambda: len(service.exchanges) == 1, 40, "the request")
    desk.end(process)
    answer = await Chat(desk.control().caller, name).send("Never mind.")
    assert answer.text == "As you like."
    assert [e.text for e in Chat(desk.control().caller, name).history()] == [
        "Tell me everything.",
        "Never mind.",
        "As you like.",
    ]


async def test_a_tool_call_that_was_cut_off_by_a_kill_is_told_to_the_model_and_made_again(
    desk: Desk, serve: Callable[..., Simulator]
) -> None:
    question = {"name": "research", "input": {"question": "Where are options parsed?"}}
    stalls = {"kind": "slow-start", "seconds": 60}
    service = serve(
        rule("look it up", {"text": "Looking.", "tools": [question]}, {"text": "Found: {{result:(?s).*}}"}),
        {"when": {"role": "research"}, "reply": {"text": "In main.py.", "faults": [stalls]}},
    )
    name = desk.saved()
    process = desk.begin("send", name, "Please look it up.")
    until(lambda: any(r["type"] == "tool_start" for r in records(desk, name)), 40, "the tool call")
    until(lambda: len(service.exchanges) >= 2, 40, "the research")
    desk.end(process)

    chat = Chat(desk.control().caller, name)
    assert chat.unanswered(), "words before a tool call are no answer"
    answer = await chat.send(None)
    assert answer.text == "Found: In main.py."
    results = [r for r in records(desk, name) if r["type"] == "tool_end"]
    assert [(r["isError"], r.get("synthetic", False)) for r in results] == [(True, True), (False, False)]
    assert not service.unmatched


async def test_an_operation_is_not_repeated_by_a_kill_after_it_was_applied(
    desk: Desk, serve: Callable[..., Simulator]
) -> None:
    pause = {"name": "mission_runner_command", "input": {"command": "block", "reason": "Stop here."}}
    stalls = {"kind": "slow-start", "seconds": 60}
    service = serve(
        rule("stop it", {"text": "Stopping.", "tools": [pause]}, {"text": "Stopped.", "faults": [stalls]})
    )
    name = desk.saved()
    desk.control().start(name, accept={"plan", "no-sandbox"}, host="here")
    process = desk.begin("send", name, "Stop it.")
    until(lambda: len(service.exchanges) >= 2, 40, "the request after the tool")
    desk.end(process)
    assert (await Chat(desk.control().caller, name).send(None)).text == "Stopped."
    assert desk.journal(name).count("mission_block_manual") == 1
    assert desk.mission(name).status == "blocked"
