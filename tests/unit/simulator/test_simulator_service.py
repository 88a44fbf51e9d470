"""The simulated service as the real SDK sees it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import anthropic
import pytest

from missions.simulator import Simulator
from support.simulated import MODEL, events, request, result, serving, tool

HELLO = {"rules": [{"reply": {"thinking": "Let me think.", "text": "Hello, wörld."}}]}
CALL = {
    "rules": [
        {
            "when": {"turn": 0},
            "reply": {"text": "Look.", "tools": [{"name": "bash", "input": {"command": "ls -la"}}]},
        },
        {"reply": {"text": "Done."}},
    ]
}


async def test_a_whole_message_says_that_it_is_simulated_and_carries_usage() -> None:
    async with serving(HELLO) as (_, client):
        raw = await client.messages.with_raw_response.create(**request("Hi there"))
        message = await raw.parse()
    assert raw.headers["x-missions-simulated"] == "1"
    assert raw.headers["request-id"]
    assert message.model == MODEL
    assert message.content[-1].text == "Hello, wörld."
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


async def test_a_stream_has_the_events_in_the_order_of_the_service() -> None:
    async with serving(CALL) as (_, client):
        got = await events(client, request("Hi", tools=[tool("bash")]))
    kinds = [event.type for event in got]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert got[-2].delta.stop_reason == "tool_use"
    partial = "".join(
        e.delta.partial_json
        for e in got
        if getattr(getattr(e, "delta", None), "type", "") == "input_json_delta"
    )
    assert json.loads(partial) == {"command": "ls -la"}


async def test_a_conversation_with_tool_results_goes_on() -> None:
    async with serving(CALL) as (simulator, client):
        first = await client.messages.create(**request("Hi", tools=[tool("bash")]))
        use = first.content[-1]
        assistant = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]}
        second = await client.messages.create(
            **request("Hi", assistant, result("a b", use.id), tools=[tool("bash")])
        )
    assert second.content[0].text == "Done."
    assert [e.turn.position for e in simulator.exchanges] == [0, 1]
    assert simulator.unmatched == []


async def test_thinking_is_empty_unless_it_is_asked_for_and_its_signature_is_accepted_back() -> None:
    async with serving(HELLO) as (_, client):
        hidden = await client.messages.create(**request("Hi"))
        shown = await client.messages.create(
            **request("Hi", thinking={"type": "adaptive", "display": "summarized"})
        )
        assert hidden.content[0].thinking == ""
        assert shown.content[0].thinking == "Let me think."
        back = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in shown.content]}
        await client.messages.create(**request("Hi", back, "Go on"))
        with pytest.raises(anthropic.BadRequestError, match="bound to what came before"):
            await client.messages.create(**request("Hi, changed", back, "Go on"))
        back["content"][0]["thinking"] = "Something else."
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
            await client.messages.create(**request("Hi", back, "Go on"))


async def test_tokens_can_be_counted_and_models_looked_up() -> None:
    async with serving(HELLO) as (simulator, client):
        counted = await client.messages.count_tokens(
            model=MODEL, messages=[{"role": "user", "content": "x" * 4000}]
        )
        info = await client.models.retrieve("claude-opus-5-5")
    assert 1000 <= counted.input_tokens <= 1020
    assert info.max_input_tokens == 1_000_000
    assert "simulated" in info.display_name
    assert simulator.requests == []


def test_a_request_without_credentials_is_refused() -> None:
    simulator = Simulator(HELLO)
    with simulator as url:
        bare = urllib.request.Request(f"{url}/v1/messages", data=b"{}", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(bare)
    assert refused.value.code == 401
    assert json.loads(refused.value.read())["error"]["type"] == "authentication_error"


async def test_a_place_without_a_rule_is_answered_plainly_and_recorded() -> None:
    async with serving({"rules": [{"when": {"role": "worker"}, "reply": {"text": "no"}}]}) as (
        simulator,
        client,
    ):
        message = await client.messages.create(**request("Task: scrutiny milestone M1\nRun: r1"))
    assert message.stop_reason == "end_turn"
    assert "nothing to say" in message.content[0].text
    assert [str(item) for item in simulator.unmatched] == ["scrutiny M1, turn 0, attempt 1: no rule fits"]


async def test_a_reply_longer_than_max_tokens_is_cut() -> None:
    async with serving({"rules": [{"reply": {"text": "word " * 200}}]}) as (_, client):
        message = await client.messages.create(**request("Hi", max_tokens=20))
    assert message.stop_reason == "max_tokens"
    assert len(message.content[0].text) == 80
    assert message.usage.output_tokens == 20


async def test_compaction_answers_with_a_signed_summary_from_which_the_script_goes_on() -> None:
    playbook = {
        "rules": [
            {
                "when": {"role": "worker", "task": "F1"},
                "turns": [
                    {"tools": [{"name": "bash", "input": {"command": "git rev-parse HEAD"}}]},
                    {"text": "The commit is {{result:^[0-9a-f]{8}$}}, run {{run:rev-parse}}."},
                ],
            }
        ]
    }
    async with serving(playbook) as (simulator, client):
        first = "Task: worker feature F1\nRun: r1\nRepository: /somewhere"
        one = await client.messages.create(**request(first))
        call = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in one.content]}
        history = [
            {"role": "user", "content": first},
            call,
            result("run 4 - exit code 0\n1234abcd", one.content[0].id),
        ]
        compacted = await client.beta.messages.create(
            **{**request(), "messages": history},
            betas=["compact-2026-09-04"],
            extra_body={"compaction": {"type": "summarize"}},
        )
        assert compacted.stop_reason == "compaction"
        assert compacted.usage.input_tokens == 0
        assert compacted.usage.iterations[0].type == "compaction"
        block = compacted.content[0].model_dump(exclude_none=True)
        for role in ("assistant", "user"):
            start = [{"role": role, "content": [block]}, {"role": "user", "content": "Go on."}]
            after = await client.beta.messages.create(**{**request(), "messages": start})
            assert after.content[0].text == "The commit is 1234abcd, run 4."
        with pytest.raises(anthropic.BadRequestError, match="compaction"):
            await client.messages.create(**request("Hi"), extra_body={"compaction": {"type": "summarize"}})
    assert simulator.unmatched == []


async def test_stopping_leaves_no_thread_even_in_the_middle_of_an_answer() -> None:
    before = set(threading.enumerate())
    async with serving(HELLO, pace=60.0) as (_, client):
        stream = await client.messages.create(**request("Hi"), stream=True)
        first = await anext(aiter(stream))
        assert first.type == "message_start"
    left = [t for t in threading.enumerate() if t not in before and t.is_alive() and "asyncio" not in t.name]
    assert left == []
