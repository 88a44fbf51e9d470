"""The history: append-only bytes, cache marks, resume after a kill at any record, repair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.agent_world import World, results
from support.scripted_model import ScriptedModel, Step, bare, call, reply, text, thinking, without_marks

GOOD = call("end", "submit_handoff", {"status": "good"})


def long_run(turns: int) -> list[Step]:
    steps = [
        reply(
            thinking(f"t{n}"),
            text(f"step {n}"),
            call(f"c{n}", "note", {"line": f"{n} " + "x" * 600}),
            call(f"l{n}", "look", {"at": f"{n}" + "y" * 300}),
        )
        for n in range(turns)
    ]
    return [*steps, reply(GOOD)]


async def test_thirty_tool_turns_read_nine_tenths_of_their_input_from_the_cache(tmp_path: Path) -> None:
    world = World(tmp_path)
    with ScriptedModel(*long_run(30)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert not server.refused
    assert ended.usage.cache_share >= 0.90
    for earlier, later in zip(server.usage, server.usage[1:], strict=False):
        assert (
            later["cache_read_input_tokens"]
            >= earlier["cache_read_input_tokens"] + earlier["cache_creation_input_tokens"]
        )


async def test_the_prefix_of_each_request_is_the_request_before_it_byte_for_byte(tmp_path: Path) -> None:
    world = World(tmp_path)
    with ScriptedModel(*long_run(8)) as server:
        await world.run(server)
    for earlier, later in zip(server.bodies, server.bodies[1:], strict=False):
        assert bare(later).startswith(bare(earlier)[:-1])


async def test_marks_stand_on_the_system_the_newest_block_and_the_ends_of_the_two_requests_before(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    with ScriptedModel(*long_run(5)) as server:
        await world.run(server)
    body = server.bodies[-1]
    marked = [
        (index, at)
        for index, message in enumerate(body["messages"])
        for at, block in enumerate(message["content"])
        if "cache_control" in block
    ]
    ends = [(len(one["messages"]) - 1, len(one["messages"][-1]["content"]) - 1) for one in server.bodies[-3:]]
    assert marked == ends
    assert "cache_control" in body["system"][-1]


async def test_two_runs_of_a_role_share_tools_and_system(tmp_path: Path) -> None:
    with ScriptedModel(reply(GOOD), reply(GOOD)) as server:
        await World(tmp_path / "a").run(server)
        await World(tmp_path / "b").run(server)
    one, two = server.bodies
    assert (one["tools"], one["system"]) == (two["tools"], two["system"])


async def test_a_kill_after_any_record_resumes_validly_and_runs_no_call_twice(tmp_path: Path) -> None:
    world = World(tmp_path / "whole")
    (tmp_path / "whole").mkdir()
    with ScriptedModel(*long_run(4)) as server:
        await world.run(server)
    lines = world.transcript.read_bytes().splitlines(keepends=True)
    whole = [bare(body) for body in server.bodies]
    for kept in range(1, len(lines)):
        folder = tmp_path / f"cut{kept}"
        again = World(folder)
        again.transcript.parent.mkdir(parents=True)
        # The file ends in a torn line, as after a power cut in the middle of the next append.
        again.transcript.write_bytes(b"".join(lines[:kept]) + lines[kept][: len(lines[kept]) // 2])
        records = [json.loads(line) for line in lines[:kept]]
        began = {record["id"] for record in records if record["type"] == "tool_start"}
        answered = [record for record in records if record["type"] == "assistant"]
        # A submission that was asked for and never answered is asked for once more.
        rest = long_run(4)[len(answered) :] or [reply(call("end2", "submit_handoff", {"status": "good"}))]
        with ScriptedModel(*rest) as resumed:
            ended = await again.run(resumed)
        assert not resumed.refused, (kept, resumed.refused)
        assert ended.kind == "submitted", (kept, ended)
        ran = [line.split()[0] for line in again.note.lines()]
        assert not [one for one in ran if f"c{one}" in began], kept
        ends_in_request = records[-1]["type"] == "request"
        if ends_in_request and resumed.bodies:
            assert bare(resumed.bodies[0]) == whole[len(answered)], kept


async def test_a_resume_sends_the_same_bytes_as_the_request_that_was_lost(tmp_path: Path) -> None:
    world = World(tmp_path)
    with ScriptedModel(*long_run(3)) as server:
        await world.run(server)
        lost = server.raw[2]
    lines = world.transcript.read_bytes().splitlines(keepends=True)
    requests = [at for at, line in enumerate(lines) if json.loads(line)["type"] == "request"]
    world.transcript.write_bytes(b"".join(lines[: requests[2] + 1]))
    with ScriptedModel(*long_run(3)[2:]) as server:
        await world.run(server)
    assert server.raw[0] == lost


async def test_repairs_are_stored_and_the_same_at_every_opening(tmp_path: Path) -> None:
    world = World(tmp_path)
    with ScriptedModel(*long_run(1)) as server:
        await world.run(server)
    lines = world.transcript.read_bytes().splitlines(keepends=True)
    started = next(at for at, line in enumerate(lines) if json.loads(line)["type"] == "tool_start")
    histories: list[Any] = []
    for name in ("one", "two"):
        again = World(tmp_path / name)
        again.transcript.parent.mkdir(parents=True)
        again.transcript.write_bytes(b"".join(lines[: started + 1]))
        with ScriptedModel(reply(GOOD)) as server:
            await again.run(server)
        histories.append(without_marks(server.bodies[0]["messages"]))
        assert "partly taken effect" in results(server.bodies[0])[0]["content"]
        assert results(server.bodies[0])[1]["content"].startswith("Not run")
    assert histories[0] == histories[1]


async def test_a_submitted_conversation_stays_submitted_without_a_request(tmp_path: Path) -> None:
    world = World(tmp_path)
    with ScriptedModel(reply(GOOD)) as server:
        await world.run(server)
        ended = await world.run(server)
        assert len(server.bodies) == 1
    assert (ended.kind, ended.submission) == ("submitted", {"status": "good"})


async def test_secrets_reach_neither_the_transcript_nor_a_request(tmp_path: Path) -> None:
    world = World(tmp_path)
    secret = "hunter2-very-secret"
    world.look.answer = f"the key is {secret}"
    with ScriptedModel(reply(call("l", "look", {"at": "env"})), reply(GOOD)) as server:
        await world.run(server)
    assert secret.encode() not in b"".join(server.raw)
    assert secret not in world.transcript.read_text()


async def test_a_lone_surrogate_never_reaches_a_request(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.look.answer = "half \ud83d"
    with ScriptedModel(reply(call("l", "look", {})), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"


@pytest.mark.parametrize("kind", ["cancelled", "paused"])
async def test_an_interrupted_conversation_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    import asyncio

    from missions.agent.loop import Control
    from support.waiting import until_async

    world = World(tmp_path)
    world.look.hang = True
    two = reply(call("a", "look", {}), call("b", "note", {"line": "after"}))
    with ScriptedModel(two, reply(GOOD)) as server:
        running = asyncio.create_task(world.run(server))
        await until_async(lambda: world.look.running == 1)
        (world.control.cancel if kind == "cancelled" else world.control.pause).set()
        ended = await asyncio.wait_for(running, 20)
        assert ended.kind == kind
        assert world.look.running == 0
        assert world.note.lines() == []
        world.look.hang = False
        again = await world.run(server, Control())
    assert again.kind == "submitted"
    assert not server.refused
    first, second = results(server.bodies[1])
    assert "partly taken effect" in first["content"]
    assert second["content"].startswith("Not run")
