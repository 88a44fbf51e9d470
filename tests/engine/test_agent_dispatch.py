"""Tool calls: order, validation, coercion, failures, steering, and runs that lead nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.agent_world import World, results
from support.scripted_model import ScriptedModel, call, reply, text

GOOD = call("end", "submit_handoff", {"status": "good"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_read_only_calls_run_together_four_at_most_and_answer_in_order(world: World) -> None:
    calls = [call(f"l{n}", "look", {"at": str(n)}) for n in range(10)]
    with ScriptedModel(reply(*calls), reply(GOOD)) as server:
        await world.run(server)
    assert 1 < world.look.most <= 4
    assert [one["content"].split()[1] for one in results(server.bodies[1])] == [str(n) for n in range(10)]


async def test_other_calls_run_in_order(world: World) -> None:
    calls = [call(f"n{n}", "note", {"line": str(n)}) for n in range(5)]
    with ScriptedModel(reply(*calls), reply(GOOD)) as server:
        await world.run(server)
    assert world.note.lines() == ["0", "1", "2", "3", "4"]


async def test_an_input_that_does_not_fit_is_answered_with_all_errors_and_an_example(world: World) -> None:
    with ScriptedModel(reply(call("a", "note", {"lines": 1, "times": "many"})), reply(GOOD)) as server:
        await world.run(server)
    told = results(server.bodies[1])[0]
    assert told["is_error"]
    assert all(part in told["content"] for part in ("'line' is a required", "lines", "times", '{"line": '))
    assert world.note.lines() == []


async def test_numbers_and_lists_written_as_text_are_converted_without_loss(world: World) -> None:
    args = {"line": "7", "times": "3", "tags": '["a"]'}
    with ScriptedModel(reply(call("a", "note", args)), reply(GOOD)) as server:
        await world.run(server)
    answered = json.loads(results(server.bodies[1])[0]["content"].removeprefix("noted "))
    assert answered == {"line": "7", "times": 3, "tags": ["a"]}


@pytest.mark.parametrize("raw", ['{"line": "x"', '{"line": "a", "line": "b"}', '{"line": NaN}', "[1]"])
async def test_malformed_tool_json_never_runs_and_is_told(world: World, raw: str) -> None:
    with ScriptedModel(reply(call("a", "note", raw)), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert world.note.lines() == []
    assert "Nothing ran" in results(server.bodies[1])[0]["content"]


async def test_an_unknown_tool_is_answered_with_the_tools_there_are(world: World) -> None:
    with ScriptedModel(reply(call("a", "fly", {})), reply(GOOD)) as server:
        await world.run(server)
    assert "note, look, submit_handoff" in results(server.bodies[1])[0]["content"]


async def test_an_exception_in_a_tool_is_a_short_error_and_the_run_goes_on(world: World) -> None:
    with ScriptedModel(reply(call("a", "note", {"line": "explode"})), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert results(server.bodies[1])[0]["content"] == "The tool failed: RuntimeError: boom"


async def test_a_steering_note_rides_in_the_tail_of_the_last_result(world: World) -> None:
    world.control.steer("use tabs")
    with ScriptedModel(reply(call("a", "note", {"line": "1"}), call("b", "look", {})), reply(GOOD)) as server:
        await world.run(server)
    first, last = results(server.bodies[1])
    assert "use tabs" not in first["content"]
    assert last["content"].rstrip().endswith("</note>")
    assert "The user says: use tabs" in last["content"]
    assert len(server.bodies[1]["messages"][-1]["content"]) == 2
    assert [one["kind"] for one in world.watcher.of("note")] == ["steering"]


async def test_a_steering_note_reaches_a_model_that_stopped_talking(world: World) -> None:
    world.control.steer("use tabs")
    with ScriptedModel(reply(text("done"), stop="end_turn"), reply(GOOD)) as server:
        await world.run(server)
    assert "use tabs" in str(server.bodies[1]["messages"][-1])


async def test_a_call_that_repeats_is_noted_at_three_and_ends_the_run_at_five(world: World) -> None:
    steps = [reply(call(f"l{n}", "look", {"at": "same"})) for n in range(6)]
    with ScriptedModel(*steps) as server:
        ended = await world.run(server)
    assert ended.kind == "stuck"
    assert "does not seem to lead anywhere" in results(server.bodies[3])[0]["content"]
    assert "does not seem to lead anywhere" not in results(server.bodies[2])[0]["content"]
    assert len(server.bodies) <= 6


async def test_a_stuck_run_may_still_hand_off(world: World) -> None:
    steps = [reply(call(f"l{n}", "look", {"at": "same"})) for n in range(5)]
    with ScriptedModel(*steps, reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert "makes no progress" in str(server.bodies[5]["messages"][-1])


def test_nothing_of_the_agent_floor_imports_the_sdk(tmp_path: Path) -> None:
    modules = [
        "loop",
        "conversation",
        "model",
        "attempts",
        "dispatch",
        "skills",
        "instructions",
        "credentials",
        "prices",
        "budget",
        "stuck",
        "ledger",
    ]
    code = f"import importlib, sys\nfor m in {modules!r}: importlib.import_module('missions.agent.' + m)\n"
    code += "from missions.agent import credentials\n"
    code += "try: credentials.resolve(credentials.CredentialSources(file=__import__('pathlib').Path('none'), keyring=False), environ={})\n"
    code += "except Exception as e: print(e.code)\n"
    code += "print([m for m in ('anthropic', 'httpx2', 'jsonschema') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["no_credentials", "[]"], done.stderr
