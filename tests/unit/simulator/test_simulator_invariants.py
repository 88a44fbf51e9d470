"""Requests that the service would refuse are refused by the simulator, with the service's kind of error."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import anthropic
import pytest

from missions.simulator import Simulator
from support.simulated import called, request, result, said, serving, tool

PLAYBOOK = {"rules": [{"reply": {"text": "ok"}}]}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def text(words: str, mark: Any = None) -> dict[str, Any]:
    return {"type": "text", "text": words, **({"cache_control": mark} if mark else {})}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
OPEN = {"type": "object", "properties": {}}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the first message is not the user's": (request(said("a"), "b"), "first message"),
    "the last message is the assistant's": (request("a", said("b")), "prefill"),
    "a call is not answered": (request("a", called(), "b"), "without `tool_result`"),
    "a call at the end is not answered": (
        request("a", called(), result("x"), called(id="toolu_2"), "c"),
        "toolu_2",
    ),
    "a result has no call": (request("a", said("b"), result("x")), "unexpected `tool_use_id`"),
    "a result comes twice": (request("a", called(), user(RESULT, RESULT)), "single result"),
    "text comes before a result": (request("a", called(), user(text("b"), RESULT)), "must come first"),
    "a call id is used twice": (request("a", called(), result("x"), called(), result("x")), "must be unique"),
    "a text is empty": (request(user(text(""))), "non-empty"),
    "a text is blank": (request(user(text(" \n"))), "non-whitespace"),
    "a message is empty": (request(user()), "non-empty content"),
    "there are five marks": (request(user(*[text(str(n), MARK) for n in range(5)])), "maximum of 4"),
    "a longer mark follows a shorter one": (
        request(user(text("a", MARK), text("b", HOUR))),
        "must not come after",
    ),
    "the temperature is set": (request("a", temperature=0.5), "temperature"),
    "a tool is forced": (request("a", tools=[tool("bash")], tool_choice={"type": "any"}), "tool_choice"),
    "thinking is switched off": (request("a", thinking={"type": "disabled"}), "thinking.type"),
    "a tool name comes twice": (request("a", tools=[tool("bash"), tool("bash")]), "unique"),
    "a strict schema is open": (request("a", tools=[tool("bash", strict=True)]), "additionalProperties"),
    "a system message precedes a user message": (
        request("a", {"role": "system", "content": "note"}, "b"),
        "system message must follow",
    ),
    "there is an unknown field": (request("a", wishes="many"), "Extra inputs"),
    "too many tokens are wanted": (request("a", max_tokens=200_000), "max_tokens"),
    "an image is too large": (
        request(
            user(
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "A" * 7_500_000},
                }
            )
        ),
        "5 MB",
    ),
    "a thinking block was never issued": (
        request(
            "a",
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "eA=="}]},
            "b",
        ),
        "Invalid `signature`",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=list(REFUSED))
async def test_a_request_is_refused_when(case: str) -> None:
    body, words = REFUSED[case]
    async with serving(PLAYBOOK) as (simulator, client):
        # The client's own typing must not get in the way of sending what is wrong.
        with pytest.raises(anthropic.BadRequestError, match=words) as refused:
            await client.post("/v1/messages", body=body, cast_to=dict)
        assert refused.value.type == "invalid_request_error"
        assert refused.value.request_id
        assert all(exchange.status == 400 for exchange in simulator.exchanges)


ACCEPTED: dict[str, dict[str, Any]] = {
    "a plain question": request("a"),
    "two user messages in a row": request("a", "b"),
    "a note of the system after results": request(
        "a", called(), result("x"), {"role": "system", "content": "note"}
    ),
    "results followed by text": request("a", called(), user(RESULT, text("b"))),
    "four marks, the longest first": request(
        user(text("a", HOUR), text("b", HOUR), text("c", MARK), text("d", MARK))
    ),
    "a closed strict schema": request(
        "a", tools=[tool("done", strict=True, input_schema={**OPEN, "additionalProperties": False})]
    ),
    "no words at all, to warm the cache": request("a", max_tokens=0),
    "a forced tool on a model that allows it": request(
        "a", model="claude-haiku-4-5", tools=[tool("bash")], tool_choice={"type": "any"}
    ),
}


@pytest.mark.parametrize("case", ACCEPTED, ids=list(ACCEPTED))
async def test_a_request_is_accepted_with(case: str) -> None:
    async with serving(PLAYBOOK) as (_, client):
        message = await client.messages.create(**ACCEPTED[case])
    assert message.role == "assistant"


async def test_a_prompt_that_outgrows_the_window_is_refused_with_both_numbers() -> None:
    async with serving({**PLAYBOOK, "contextWindow": 1000}) as (_, client):
        with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > 1000 maximum"):
            await client.messages.create(**request("x" * 5000))


async def test_a_request_over_32_mb_is_refused_as_too_large() -> None:
    async with serving(PLAYBOOK) as (_, client):
        with pytest.raises(anthropic.APIStatusError) as refused:
            await client.messages.create(**request("x" * (33 * 1024 * 1024)))
    assert refused.value.status_code == 413


def test_half_a_surrogate_pair_is_refused() -> None:
    # The SDK cannot even send this, a thinner client can.
    with Simulator(PLAYBOOK) as url:
        body = json.dumps(request("a \ud83d b")).encode()
        bare = urllib.request.Request(f"{url}/v1/messages", data=body, headers={"x-api-key": "any"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(bare)
