"""What is typed after a slash, and how a streaming answer is cut into what stays and what is drawn anew."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from missions.cli import slash
from missions.cli.answering import Lines
from missions.cli.markdown_stream import MarkdownStream, finished
from missions.model.errors import MissionError
from missions.model.mission import Decision, DecisionOption
from support.plans import mission_of

NAME = "mission-20261123100000000-abc123"


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("/pause --now", ("pause", NAME, "--now")),
        ("/skip F1 --reason 'no time'", ("skip", NAME, "F1", "--reason", "no time")),
        ("/run", ("run", NAME, "--detach")),
        ("/run --headless", ("run", NAME, "--headless")),
        ("/decisions", ("decisions",)),
        ("/models worker", ("models", "worker")),
        ("/status mission-20261123100000000-zzzzzz", ("status", "mission-20261123100000000-zzzzzz")),
        ("/retry --help", ("retry", "--help")),
        ("/rerun", ("rerun-validation", NAME)),
        ("/validate", ("validate", NAME)),
        ("/validate other.json", ("validate", "other.json")),
    ],
)
def test_a_line_becomes_a_command_on_the_mission_of_the_chat(line: str, arguments: tuple[str, ...]) -> None:
    assert slash.read(line, NAME).arguments == arguments


@pytest.mark.parametrize("line", ["/nonsense", "/re F1", "/chat", "/demo", "/skip 'F1"])
def test_what_is_no_command_here_says_what_there_is(line: str) -> None:
    with pytest.raises(MissionError) as refused:
        slash.read(line, NAME)
    assert refused.value.code == "bad_argument"
    assert refused.value.next_step


def test_every_command_that_fits_is_listed_and_completed_with_its_meaning() -> None:
    listed = "\n".join(slash.help_lines())
    for name in (
        "pause",
        "resume",
        "retry",
        "skip",
        "waive",
        "decide",
        "comment",
        "preflight",
        "budget",
        "quit",
    ):
        assert f"/{name}" in listed, name
    assert dict(slash.completions("/pa", None)).keys() == {"/pause"}
    assert "--now" in dict(slash.completions("/pause --", None))
    assert list(slash.completions("pause", None)) == []


def test_ids_of_the_mission_are_completed() -> None:
    option = DecisionOption(id="red", label="Red", consequence="It is red.")
    asked = Decision(
        id="q1", kind="block", question="Which?", options=(option,), requestedAt="2026-11-23T10:00:00Z"
    )
    mission = mission_of(decisions=[asked])
    words = dict(slash.completions("/decide ", mission))
    assert {"q1", "red", "F1", "M1"} <= words.keys()
    assert dict(slash.completions("/skip F2", mission)).keys() == {"F2"}


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("one line", ""),
        ("one\n\n", ""),
        ("one\n\ntwo", "one\n\n"),
        ("- one\n\n  more of it", ""),
        ("```\ncode\n\nmore\n", ""),
        ("```\ncode\n\nmore\n```\n\nafter", "```\ncode\n\nmore\n```\n\n"),
        ("a\n\nb\n\nc", "a\n\nb\n\n"),
    ],
)
def test_only_what_no_further_piece_changes_is_finished(text: str, done: str) -> None:
    assert finished(text) == (done, text[len(done) :])


def test_an_answer_in_small_pieces_is_drawn_once_and_without_anything_hostile() -> None:
    console = Console(file=io.StringIO(), width=60, force_terminal=False)
    answer = "# Title\n\nA **bold** word\x1b]0;gotcha\x07.\n\n[here](https://example.org/x)\n"
    with MarkdownStream(console) as view:
        for character in answer:
            view.event("text", {"text": character})
        view.event("tool_start", {"name": "read", "summary": "a\x1b[31mb"})
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.count("A bold word") == 1
    assert "gotcha" not in shown
    assert "https://example.org/x" in shown, "a link says where it leads"
    assert "· read: ab" in shown


def shown(*events: tuple[str, dict[str, Any]]) -> str:
    out = io.StringIO()
    view = Lines(out)
    for kind, data in events:
        view.event(kind, data)
    view.end()
    return out.getvalue()


def test_a_wait_is_one_line_and_not_a_countdown() -> None:
    waits = [
        ("retry_wait", {"reason": "overloaded", "remainingSeconds": left}) for left in (12.0, 7.0, 2.0, 30.0)
    ]
    assert shown(("turn", {}), *waits, ("text", {"text": "Here."})).splitlines() == [
        "· overloaded; trying again in 12.0 s",
        "· overloaded; trying again in 30.0 s",
        "Here.",
    ]


def test_only_words_that_were_shown_can_be_cut_off() -> None:
    assert shown(("turn", {}), ("discarded", {})) == ""
    assert shown(
        ("turn", {}), ("text", {"text": "Half a"}), ("discarded", {}), ("discarded", {})
    ).splitlines() == [
        "Half a",
        "· cut off; the answer begins again",
    ]


def test_a_tool_that_was_refused_is_seen() -> None:
    assert "mission_write_plan was refused" in shown(
        ("tool_end", {"name": "mission_write_plan", "isError": True})
    )
    assert shown(("tool_end", {"name": "read", "isError": False})) == ""
