"""The prompt cache's accounting, through requests of the real SDK and a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from support.simulated import request, serving, tool

PLAYBOOK: dict[str, Any] = {"rules": [{"reply": {"text": "ok"}}]}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SYSTEM = "You are careful. " * 400


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def system(mark: Any = MARK) -> list[dict[str, Any]]:
    return [{"type": "text", "text": SYSTEM, "cache_control": mark}]


async def usage(client: Any, body: dict[str, Any]) -> Any:
    return (await client.messages.create(**body)).usage


def turns(count: int, calls: int = 1, marks: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """A conversation of ``count`` tool turns with ``calls`` parallel calls; marks on the results of these turns."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Do it. " * 300}]
    for turn in range(count):
        ids = [f"toolu_{turn}_{n}" for n in range(calls)]
        uses = [{"type": "tool_use", "id": i, "name": "bash", "input": {"command": f"step {i}"}} for i in ids]
        results: list[dict[str, Any]] = [
            {"type": "tool_result", "tool_use_id": i, "content": f"output of {i} " * 40} for i in ids
        ]
        if turn in marks:
            results[-1]["cache_control"] = MARK
        messages += [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    return messages


async def test_a_second_request_reads_what_the_first_one_wrote_at_its_mark() -> None:
    async with serving(PLAYBOOK) as (_, client):
        first = await usage(client, request("one", system=system()))
        second = await usage(client, request("two", system=system()))
        other = await usage(client, request("two", system=system(), model="claude-haiku-5-5"))
    assert first.cache_read_input_tokens == 0
    assert first.cache_creation_input_tokens > 1500
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens == 0
    assert 0 < second.input_tokens < 20
    assert other.cache_read_input_tokens == 0


async def test_nothing_is_written_without_a_mark_or_below_the_minimum() -> None:
    async with serving(PLAYBOOK) as (_, client):
        plain = [await usage(client, request("one", system=SYSTEM)) for _ in range(2)]
        short = [
            await usage(
                client, request("one", system=[{"type": "text", "text": "brief", "cache_control": MARK}])
            )
            for _ in range(2)
        ]
    assert {u.cache_creation_input_tokens + u.cache_read_input_tokens for u in (*plain, *short)} == {0}


async def test_an_entry_lives_five_minutes_or_an_hour_and_reading_renews_it() -> None:
    clock = Clock()
    async with serving(PLAYBOOK, clock=clock) as (_, client):
        await usage(client, request("one", system=system()))
        clock.now += 299
        assert (await usage(client, request("one", system=system()))).cache_read_input_tokens > 0
        clock.now += 299
        assert (await usage(client, request("one", system=system()))).cache_read_input_tokens > 0
        clock.now += 301
        assert (await usage(client, request("one", system=system()))).cache_read_input_tokens == 0
        long = await usage(client, request("one", system=system(HOUR), model="claude-opus-5-5"))
        assert long.cache_creation.ephemeral_1h_input_tokens > 1500
        clock.now += 3599
        again = await usage(client, request("one", system=system(HOUR), model="claude-opus-5-5"))
        assert again.cache_read_input_tokens == long.cache_creation_input_tokens


async def test_changing_the_tools_or_the_system_loses_the_prefix_and_the_tool_choice_only_the_messages() -> (
    None
):
    marked = {"role": "user", "content": [{"type": "text", "text": "Do it. " * 500, "cache_control": MARK}]}
    async with serving(PLAYBOOK) as (_, client):
        whole = await usage(client, request(marked, system=system(), tools=[tool("bash")]))
        choice = await usage(
            client, request(marked, system=system(), tools=[tool("bash")], tool_choice={"type": "none"})
        )
        tools = await usage(client, request(marked, system=system(), tools=[tool("bash"), tool("read")]))
    assert 0 < choice.cache_read_input_tokens < whole.cache_creation_input_tokens
    assert tools.cache_read_input_tokens == 0


@pytest.mark.parametrize(("counting", "hit"), [("first-party", True), ("every-block", False)])
async def test_a_mark_looks_back_twenty_positions_and_parallel_calls_count_as_the_platform_says(
    counting: str, hit: bool
) -> None:
    playbook = {**PLAYBOOK, "cacheCounting": counting}
    async with serving(playbook) as (_, client):
        await usage(client, request(*turns(1, calls=12, marks=(0,))))
        second = await usage(client, request(*turns(2, calls=12, marks=(1,))))
    assert (second.cache_read_input_tokens > 0) is hit


async def test_a_long_conversation_with_marks_at_its_last_ends_reads_more_than_nine_tenths() -> None:
    read = total = 0
    async with serving(PLAYBOOK) as (_, client):
        for count in range(1, 51):
            body = request(*turns(count, marks=(count - 1, count - 2, count - 3)), system=system())
            used = await usage(client, body)
            if count > 5:
                read += used.cache_read_input_tokens
                total += used.cache_read_input_tokens + used.cache_creation_input_tokens + used.input_tokens
    assert read / total >= 0.9
