"""Bytes become messages, whatever stands between them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from missions.lsp.framing import Frames, Problem


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def bodies(found: list[bytes | Problem]) -> list[bytes]:
    return [item for item in found if isinstance(item, bytes)]


def problems(found: list[bytes | Problem]) -> list[str]:
    return [item.reason for item in found if isinstance(item, Problem)]


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_messages_arrive_whole_however_the_stream_is_cut(messages: list[bytes], step: int) -> None:
    stream = b"".join(frame(message) for message in messages)
    frames = Frames()
    found = [item for at in range(0, len(stream), step) for item in frames.feed(stream[at : at + step])]
    assert found == messages


@pytest.mark.parametrize(
    "header",
    [
        b"content-length: 2\r\n\r\n",
        b"Content-Type: x; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length:2\r\nContent-Type: x\r\n\r\n",
        b"Content-Length: 2\n\n",
        b"\r\n\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_unusual_headers_are_understood(header: bytes) -> None:
    found = Frames().feed(header + b"{}")
    assert found == [b"{}"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b'{"jsonrpc": "2.0"}',
        b"\x00\xff\n" * 10_000,
        b"x" * 100_000,
    ],
)
def test_after_garbage_the_next_message_is_read_and_one_problem_reported(garbage: bytes) -> None:
    found = Frames().feed(garbage + frame(b"{1}") + frame(b"{2}"))
    assert bodies(found) == [b"{1}", b"{2}"]
    assert len(problems(found)) == 1


def test_a_body_that_is_longer_than_announced_costs_only_itself() -> None:
    frames = Frames()
    found = frames.feed(b"Content-Length: 3\r\n\r\n{12345}" + frame(b"{6}"))
    assert bodies(found)[-1] == b"{6}"
    assert len(problems(found)) == 1


def test_an_oversized_message_is_skipped_without_being_kept() -> None:
    frames = Frames(limit=100)
    found = frames.feed(b"Content-Length: 1000000\r\n\r\n")
    for _ in range(1000):
        found += frames.feed(b"x" * 1000)
    found += frames.feed(frame(b"{}"))
    assert bodies(found) == [b"{}"]
    assert "1000000 bytes" in problems(found)[0]


def test_no_input_makes_it_raise_or_keep_growing() -> None:
    dice = random.Random(7)
    pieces = [
        b"Content-Length:",
        b" 5",
        b"\r\n",
        b"\r\n\r\n",
        b"{}",
        b"abc",
        b":",
        b"\x00",
        b"content-length: 0\r\n\r\n",
    ]
    frames = Frames(limit=1000)
    for _ in range(5000):
        frames.feed(dice.choice(pieces))
    frames.feed(b"\n\r\n" + b"y" * 2000 + b"\r\n\r\n")
    assert frames.feed(frame(b"{last}"))[-1] == b"{last}"
