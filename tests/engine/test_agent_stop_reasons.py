"""Every stop reason has its row: what the loop does with a reply, by how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.model.usage import ModelChoice
from support.agent_world import World, results
from support.scripted_model import ScriptedModel, Step, call, reply, text, thinking

GOOD = call("end", "submit_handoff", {"status": "good"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_tools_run_and_an_accepted_submission_ends_the_run(world: World) -> None:
    with ScriptedModel(reply(thinking("hm"), call("a", "note", {"line": "one"})), reply(GOOD)) as server:
        ended = await world.run(server)
    assert (ended.kind, ended.submission, ended.turns) == ("submitted", {"status": "good"}, 2)
    assert world.note.lines() == ["one"]
    assert not server.refused
    assert ended.usage.requests == 2
    assert ended.usage.costMicroUsd > 0
    assert [one["name"] for one in world.watcher.of("tool_start")] == ["note", "submit_handoff"]


async def test_calls_after_an_accepted_submission_do_not_run(world: World) -> None:
    with ScriptedModel(reply(GOOD, call("b", "note", {"line": "late"}))) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert world.note.lines() == []
    assert world.records("tool_end")[-1]["content"].startswith("Not run: the submission was accepted")


async def test_a_refused_submission_goes_back_and_the_limit_ends_the_run_with_its_errors(
    world: World,
) -> None:
    bad = [reply(call(f"s{n}", "submit_handoff", {"status": "bad"})) for n in range(3)]
    with ScriptedModel(*bad) as server:
        ended = await world.run(server)
    assert ended.kind == "rejected"
    assert "status must be good" in ended.detail
    assert results(server.bodies[1])[0]["is_error"] is True


async def test_an_end_of_turn_without_submission_is_asked_again_twice_at_most(world: World) -> None:
    with ScriptedModel(*[reply(text("done"), stop="end_turn") for _ in range(3)]) as server:
        ended = await world.run(server)
    assert ended.kind == "no_submission"
    assert len(server.bodies) == 3
    assert "submit_handoff" in server.bodies[2]["messages"][-1]["content"][0]["text"]


async def test_an_empty_end_of_turn_counts_as_a_nudge_and_leaves_no_empty_message(world: World) -> None:
    with ScriptedModel(reply(stop="end_turn"), reply(text("  "), stop="end_turn"), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert not server.refused


async def test_a_chat_ends_with_the_models_turn(world: World) -> None:
    world.options = {"submit_tool": None}
    with ScriptedModel(reply(text("hello"), stop="end_turn")) as server:
        ended = await world.run(server)
    assert (ended.kind, ended.detail) == ("ended", "hello")


async def test_a_stop_sequence_is_an_end_of_turn(world: World) -> None:
    with ScriptedModel(reply(text("x"), stop="stop_sequence"), reply(GOOD)) as server:
        assert (await world.run(server)).kind == "submitted"


async def test_a_call_in_a_reply_cut_by_its_length_never_runs_and_the_limit_is_raised(world: World) -> None:
    cut = reply(
        call("w", "note", {"line": "whole"}), call("x", "note", '{"line": "ha', open_=True), stop="max_tokens"
    )
    with ScriptedModel(cut, reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert world.note.lines() == []
    assert all("cut off" in one["content"] for one in results(server.bodies[1]))
    assert server.bodies[1]["max_tokens"] == 2 * server.bodies[0]["max_tokens"]
    assert not server.refused


async def test_text_cut_by_its_length_is_continued_and_three_cuts_in_a_row_fail(world: World) -> None:
    with ScriptedModel(*[reply(text("long"), stop="max_tokens") for _ in range(3)]) as server:
        ended = await world.run(server)
    assert ended.kind == "failed"
    assert "cut off" in ended.detail
    assert len(server.bodies) == 3


async def test_a_paused_turn_is_sent_back_unchanged(world: World) -> None:
    server_tool = {
        "start": {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}},
        "deltas": [],
    }
    with ScriptedModel(reply(text("searching"), server_tool, stop="pause_turn"), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert server.bodies[1]["messages"][-1]["role"] == "assistant"
    assert not server.refused


async def test_a_refusal_runs_nothing_and_goes_once_to_the_fallback_in_a_fresh_context(world: World) -> None:
    world.options = {"model": ModelChoice(model="claude-opus-5-5", fallback="claude-sonnet-5-5")}
    refusing = reply(
        text("no"), call("r", "note", {"line": "never"}), stop="refusal", stop_details={"category": "cyber"}
    )
    with ScriptedModel(reply(call("a", "note", {"line": "one"})), refusing, reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert [body["model"] for body in server.bodies] == [
        "claude-opus-5-5",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
    ]
    assert len(server.bodies[2]["messages"]) == 1
    assert world.note.lines() == ["one"]


async def test_a_refusal_without_fallback_ends_the_run_with_its_category(world: World) -> None:
    with ScriptedModel(reply(text("no"), stop="refusal", stop_details={"category": "bio"})) as server:
        ended = await world.run(server)
    assert (ended.kind, ended.data["category"]) == ("refused", "bio")


async def test_an_unknown_stop_reason_stops_the_run_and_runs_nothing(world: World) -> None:
    with ScriptedModel(reply(call("a", "note", {"line": "x"}), stop="meditating")) as server:
        ended = await world.run(server)
    assert ended.kind == "failed"
    assert "meditating" in ended.detail
    assert world.note.lines() == []


async def test_a_full_window_runs_no_tool_and_continues_from_a_summary(world: World) -> None:
    block = {"start": {"type": "compaction", "content": "so far: x", "signature": "s"}, "deltas": []}
    full = reply(call("a", "note", {"line": "x"}), stop="model_context_window_exceeded")
    with ScriptedModel(full, reply(block, stop="compaction"), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert world.note.lines() == []
    assert server.bodies[1]["compaction"] == {"type": "summarize"}
    after = server.bodies[2]["messages"]
    assert after[0]["content"][0]["content"] == "so far: x"
    assert "Do the task." in after[1]["content"][1]["text"]
    assert not server.refused


async def test_at_sixty_percent_of_the_window_the_model_is_told_once_to_hand_off(world: World) -> None:
    world.options = {"context_window": 700}

    def steps() -> list[Step]:
        return [reply(call(f"c{n}", "note", {"line": f"{n}" + "x" * 200})) for n in range(2)]

    world.options["beta_compaction"] = False
    with ScriptedModel(*steps(), reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    told = [body for body in server.bodies if "fills its context" in str(body["messages"])]
    assert told
    assert str(told[-1]["messages"]).count("fills its context") == 1


async def test_where_the_provider_cannot_compact_the_model_is_asked_to_hand_off(world: World) -> None:
    world.options = {"context_window": 500}
    from support.scripted_model import failing

    steps = [
        reply(call("c0", "note", {"line": "y" * 800})),
        failing(400, "invalid_request_error", "compaction is not available"),
        reply(GOOD),
    ]
    with ScriptedModel(*steps) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert "nearly filled its context" in str(server.bodies[-1]["messages"])
    assert not server.refused
