"""One streamed reply: what is kept, what is refused, what a fault means."""

from __future__ import annotations

from typing import Any

import pytest

from missions.agent.faults import classify, retry_after
from missions.agent.turn import BrokenTurnError, Turn, TurnAccumulator, strict_json


def fed(*events: dict[str, Any]) -> TurnAccumulator:
    accumulator = TurnAccumulator()
    for event in events:
        accumulator.feed(event)
    return accumulator


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def whole(*events: dict[str, Any], reason: str = "end_turn") -> Turn:
    return fed(
        *events,
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ).finish()


def test_usage_is_overwritten_at_the_end_not_added() -> None:
    start = {
        "type": "message_start",
        "message": {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}},
    }
    assert whole(start).usage == {"input_tokens": 5, "output_tokens": 9}


def test_a_call_without_arguments_has_an_empty_input() -> None:
    turn = whole(
        *block(
            0,
            {"type": "tool_use", "id": "a", "name": "x", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
        )
    )
    assert turn.calls[0]["input"] == {}
    assert not turn.bad_inputs


def test_thinking_keeps_its_signature_and_unknown_blocks_stay_as_they_came() -> None:
    odd = {"type": "crystal", "facets": [1, None]}
    turn = whole(
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "s=="},
        ),
        *block(1, odd, {"type": "sparkle_delta"}),
    )
    assert turn.content == [{"type": "thinking", "thinking": "hm", "signature": "s=="}, odd]
    assert turn.unknown_deltas == ("sparkle_delta",)


def test_a_character_split_over_two_deltas_is_whole_again() -> None:
    turn = whole(
        *block(
            0,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "\ud83d"},
            {"type": "text_delta", "text": "\ude00"},
        )
    )
    assert turn.text == "😀"


def test_pings_and_unknown_events_are_ignored() -> None:
    assert whole({"type": "ping"}, {"type": "weather"}).content == []


def test_a_reply_without_its_end_is_broken() -> None:
    with pytest.raises(BrokenTurnError):
        fed({"type": "message_start", "message": {}}).finish()
    with pytest.raises(BrokenTurnError):
        fed({"type": "message_stop"}).finish()


@pytest.mark.parametrize("raw", ['{"a":1,"a":2}', '{"a":NaN}', '{"a":Infinity}', '{"a":'])
def test_strict_json_refuses_what_is_not_json(raw: str) -> None:
    with pytest.raises(ValueError):
        strict_json(raw)


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind"),
    [
        (200, "overloaded_error", "", "transient"),
        (529, "overloaded_error", "", "transient"),
        (502, None, "<html>", "transient"),
        (409, None, "", "transient"),
        (429, "rate_limit_error", "", "rate_limited"),
        (402, "billing_error", "", "out_of_funds"),
        (400, "invalid_request_error", "prompt is too long: 2 > 1", "too_long"),
        (413, "request_too_large", "", "too_long"),
        (400, "invalid_request_error", "max_tokens", "rejected"),
        (401, "authentication_error", "", "rejected"),
    ],
)
def test_faults_are_told_apart_by_type_and_status(
    status: int, type_: str | None, message: str, kind: str
) -> None:
    assert classify(status, type_, None, message) == kind


def test_the_wait_is_read_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "1500", "retry-after": "7"}) == 1.5
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, now=40.0) == 60
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
