"""Each fault of the playbook as it arrives at the real SDK."""

from __future__ import annotations

import json
import threading
from typing import Any

import anthropic
import httpx2
import pytest

from support.simulated import events, request, serving, tool

INPUT = {"path": "a.txt", "content": "zwölf Boxkämpfer " * 30}
PLAYBOOK: dict[str, Any] = {
    "rules": [{"reply": {"text": "Writing.", "tools": [{"name": "write", "input": INPUT}]}}]
}
BODY = request("Hi", tools=[tool("write")])


def tool_json(got: list[Any]) -> str:
    deltas = [event.delta for event in got if event.type == "content_block_delta"]
    return "".join(delta.partial_json for delta in deltas if delta.type == "input_json_delta")


def stop_of(got: list[Any]) -> str:
    return next(event.delta.stop_reason for event in got if event.type == "message_delta")


async def faulty(kind: str, **fields: Any) -> list[Any]:
    async with serving(PLAYBOOK) as (simulator, client):
        simulator.faults.add(kind, **fields)
        return await events(client, BODY)


async def test_a_status_strikes_as_often_as_it_was_told_with_its_headers() -> None:
    async with serving(PLAYBOOK) as (simulator, client):
        simulator.faults.add("status", status=429, times=2, headers={"retry-after": "7"})
        for _ in range(2):
            with pytest.raises(anthropic.RateLimitError) as limited:
                await events(client, BODY)
            assert limited.value.response.headers["retry-after"] == "7"
            assert limited.value.type == "rate_limit_error"
        assert stop_of(await events(client, BODY)) == "tool_use"
        assert [e.status for e in simulator.exchanges] == [429, 429, 200]
        simulator.faults.add("status", status=529)
        with pytest.raises(anthropic.InternalServerError) as overloaded:
            await events(client, BODY)
        assert overloaded.value.type == "overloaded_error"


async def test_a_refused_request_writes_no_cache() -> None:
    marked = [{"type": "text", "text": "x " * 4000, "cache_control": {"type": "ephemeral"}}]
    async with serving(PLAYBOOK) as (simulator, client):
        simulator.faults.add("status", status=500)
        with pytest.raises(anthropic.InternalServerError):
            await client.messages.create(**request("Hi", system=marked))
        message = await client.messages.create(**request("Hi", system=marked))
    assert message.usage.cache_read_input_tokens == 0


async def test_a_gateway_page_and_a_dead_connection_come_instead_of_an_answer() -> None:
    async with serving(PLAYBOOK) as (simulator, client):
        simulator.faults.add("html")
        with pytest.raises(anthropic.InternalServerError) as gateway:
            await events(client, BODY)
        assert gateway.value.status_code == 502
        assert gateway.value.type is None
        simulator.faults.add("disconnect")
        with pytest.raises(anthropic.APIConnectionError):
            await events(client, BODY)
        simulator.faults.add("prompt-too-long")
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            await events(client, BODY)


async def test_an_error_inside_the_stream_has_the_status_200_and_its_type() -> None:
    with pytest.raises(anthropic.APIStatusError) as inside:
        await faulty("error-event", status=529, after=4)
    assert inside.value.status_code == 200
    assert inside.value.type == "overloaded_error"


async def test_a_chunked_stream_that_is_cut_is_a_protocol_error() -> None:
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        await faulty("cut-chunked", after=5)


async def test_a_plain_stream_that_is_cut_just_ends() -> None:
    got = await faulty("cut-plain", after=5)
    assert len(got) < 5
    assert "message_stop" not in [event.type for event in got]


async def test_a_silent_stream_runs_into_the_clients_timeout() -> None:
    async with serving(PLAYBOOK) as (simulator, client):
        simulator.faults.add("stall", seconds=60, after=3)
        with pytest.raises(httpx2.ReadTimeout):
            await events(client.with_options(timeout=0.3), BODY)


async def test_tool_json_can_be_broken_or_cut_by_max_tokens() -> None:
    broken = await faulty("broken-json")
    assert stop_of(broken) == "tool_use"
    with pytest.raises(json.JSONDecodeError):
        json.loads(tool_json(broken))
    cut = await faulty("max-tokens")
    assert stop_of(cut) == "max_tokens"
    assert json.dumps(INPUT, ensure_ascii=False).startswith(tool_json(cut))
    with pytest.raises(json.JSONDecodeError):
        json.loads(tool_json(cut))


async def test_a_refusal_follows_text_and_says_its_category() -> None:
    got = await faulty("refusal", category="cyber")
    delta = next(event.delta for event in got if event.type == "message_delta")
    assert delta.stop_reason == "refusal"
    assert delta.stop_details.category == "cyber"
    assert tool_json(got) == ""


async def test_stop_reasons_of_all_kinds() -> None:
    assert stop_of(await faulty("empty-end-turn")) == "end_turn"
    assert stop_of(await faulty("unknown-stop-reason")) == "novel_reason"
    assert stop_of(await faulty("context-window")) == "model_context_window_exceeded"


async def test_a_paused_turn_may_be_sent_back_without_a_user_message_and_then_goes_on() -> None:
    async with serving(PLAYBOOK) as (simulator, client):
        simulator.faults.add("pause-turn")
        paused = await client.messages.create(**BODY)
        assert paused.stop_reason == "pause_turn"
        back = {"role": "assistant", "content": [block.model_dump() for block in paused.content]}
        message = await client.messages.create(**request("Hi", back, tools=[tool("write")]))
    assert message.stop_reason == "tool_use"
    assert simulator.exchanges[-1].turn.position == 0


async def test_events_and_blocks_of_tomorrow_pass_by() -> None:
    kinds = [event.type for event in await faulty("unknown-event")]
    assert kinds[-1] == "message_stop"
    blocks = [e.content_block.type for e in await faulty("unknown-block") if e.type == "content_block_start"]
    assert blocks == ["holographic_note", "text", "tool_use"]


@pytest.mark.parametrize("kind", ["tiny-deltas", "split-bytes"])
async def test_the_smallest_pieces_make_the_same_whole(kind: str) -> None:
    assert json.loads(tool_json(await faulty(kind))) == INPUT


async def test_tool_ids_can_come_twice() -> None:
    got = await faulty("duplicate-tool-ids")
    ids = [
        e.content_block.id
        for e in got
        if e.type == "content_block_start" and e.content_block.type == "tool_use"
    ]
    assert ids == ["toolu_twice", "toolu_twice"]


async def test_a_fault_may_be_bound_to_a_place_and_stand_in_the_playbook() -> None:
    playbook = {**PLAYBOOK, "faults": [{"kind": "status", "status": 500, "when": {"task": "F2"}}]}
    async with serving(playbook) as (_, client):
        await client.messages.create(**request("Task: worker feature F1\nRun: r1"))
        with pytest.raises(anthropic.InternalServerError):
            await client.messages.create(**request("Task: worker feature F2\nRun: r2"))
        await client.messages.create(**request("Task: worker feature F2\nRun: r2"))


async def test_a_fault_may_belong_to_one_reply() -> None:
    slow = {"rules": [{"reply": {"text": "at last", "faults": [{"kind": "slow-start", "seconds": 600}]}}]}
    before = threading.active_count()
    async with serving(slow) as (simulator, client):
        with pytest.raises(anthropic.APITimeoutError):
            await events(client.with_options(timeout=0.2), request("Hi"))
        assert simulator.exchanges[0].faults == ("slow-start",)
        assert [e.type for e in await events(client, request("Hi"))][-1] == "message_stop"
    assert threading.active_count() <= before + 1
