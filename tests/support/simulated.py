"""Talking to the simulator with the real SDK: small builders for requests, tools and raw streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anthropic import AsyncAnthropic

from missions.simulator import Simulator

MODEL = "claude-sonnet-5-5"


def tool(name: str, **extra: Any) -> dict[str, Any]:
    """A tool without arguments worth mentioning."""
    return {"name": name, "description": name, "input_schema": {"type": "object", "properties": {}}, **extra}


def request(*messages: Any, **extra: Any) -> dict[str, Any]:
    """A request body; a plain string is a user message."""
    listed = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages]
    return {"model": MODEL, "max_tokens": 4096, "messages": listed, **extra}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def called(name: str = "bash", id: str = "toolu_1", **arguments: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": id, "name": name, "input": arguments}],
    }


def result(content: str, id: str = "toolu_1", **extra: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": id, "content": content, **extra}],
    }


@asynccontextmanager
async def serving(playbook: Any, **options: Any) -> AsyncIterator[tuple[Simulator, AsyncAnthropic]]:
    """A running simulator and a client for it."""
    simulator = Simulator(playbook, **options)
    base_url = simulator.start()
    try:
        async with AsyncAnthropic(api_key="any", base_url=base_url, max_retries=0, timeout=20) as client:
            yield simulator, client
    finally:
        simulator.stop()


async def events(client: AsyncAnthropic, body: dict[str, Any]) -> list[Any]:
    """All raw events of a streamed request."""
    stream = await client.messages.create(**body, stream=True)
    return [event async for event in stream]
