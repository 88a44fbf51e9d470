"""The chat in a real terminal, typed as a person types: streaming, several lines, interrupting, commands, questions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Simulator
from missions.simulator.scripts import playbook_for
from support.desk import KEY, Desk
from support.liars import small_plan
from support.terminal import Terminal
from support.waiting import until

USERS = r"(?s)</mission_state>.*"
"""What the user said, after the state that travels with it."""


def rule(words: str, *replies: dict[str, Any]) -> dict[str, Any]:
    return {"when": {"role": "planner", "text": USERS + words}, "steps": list(replies)}


RULES = (
    # First, because words that were not answered stay beside those that follow.
    rule(
        "look",
        {"text": "Looking.", "tools": [{"name": "read", "input": {"path": "README.md"}}]},
        {"text": "It says hello."},
    ),
    rule(
        "markdown",
        {
            "text": "# Findings\n\nThe **first** paragraph.\n\n- one\n- two\n\n```python\nprint(1)\n```\n\nThe end."
        },
    ),
    rule(
        "slowly",
        {
            "text": "The beginning. " + "More words follow. " * 40,
            "faults": [{"kind": "stall", "after": 4, "seconds": 30}],
        },
    ),
    rule("two\nlines", {"text": "I saw both lines."}),
    rule("hostile", {"text": "before\u001b]0;gotcha\u0007after \u001b[31mred"}),
    rule(
        "go ahead",
        {"text": "Asking.", "tools": [{"name": "mission_start_execution", "input": {}}]},
        {"text": "Please confirm."},
    ),
    rule("a new boat", {"text": "What kind of boat?"}),
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def open_chat(desk: Desk) -> Generator[Callable[..., Terminal]]:
    """Opens terminals with a command; the service behind it is a planner by these rules and honest workers."""
    plan = small_plan()
    service = Simulator(playbook_for(plan).preceded_by(RULES))
    desk.environment.update(MISSIONS_BASE_URL=service.start(), ANTHROPIC_API_KEY=KEY)
    terminals: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        command = [sys.executable, "-m", "missions", *arguments]
        terminals.append(Terminal(command, desk.root, desk.environment))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
    service.stop()


def test_answers_stream_as_markdown_and_several_lines_can_be_said(desk: Desk, open_chat: Any) -> None:
    name = desk.saved()
    terminal = open_chat("chat", name)
    terminal.shows("planned")
    terminal.say("show me markdown")
    shown = terminal.shows("The end")
    assert "**first**" not in shown, "markdown is drawn, not printed"
    assert "• one" in shown
    assert shown.count("The first paragraph.") == 1
    terminal.ready()
    terminal.type("two")
    terminal.press("M-Enter")
    terminal.say("lines")
    terminal.shows("I saw both lines")
    terminal.say("hostile words")
    assert "beforeafter red" in terminal.shows("beforeafter")
    terminal.say("look at it")
    shown = terminal.shows("It says hello")
    assert "· read" in shown
    terminal.ready()
    terminal.press("C-d")
    terminal.shows("ended with 0")


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(desk: Desk, open_chat: Any) -> None:
    terminal = open_chat("chat", desk.saved())
    terminal.shows("planned")
    terminal.say("count slowly")
    terminal.shows("The beginning")
    terminal.press("C-c")
    terminal.shows("stopped; /continue")
    terminal.say("look at it")
    terminal.shows("It says hello")


def test_what_was_said_is_there_again_in_the_next_sitting(desk: Desk, open_chat: Any) -> None:
    name = desk.saved()
    first = open_chat("chat", name)
    first.shows("planned")
    first.say("look at it")
    first.shows("It says hello")
    first.say("/quit")
    first.shows("ended with 0")
    second = open_chat("chat", name)
    second.shows("> look at it")
    second.shows("It says hello")
    second.shows(r"^> *$")
    second.press("Up")
    second.press("Enter")
    until(lambda: second.screen().count("It says hello") == 2, 40, "the second answer")


def test_commands_after_a_slash_act_on_the_mission_and_are_completed(desk: Desk, open_chat: Any) -> None:
    name = desk.saved(small_plan(("F1", "F2")))
    terminal = open_chat("chat", name)
    terminal.shows("planned")
    terminal.say("/help")
    terminal.shows("/rerun-validation")
    terminal.say("/status")
    terminal.shows(f"ID: {name}")
    terminal.type("/prefl")
    terminal.press("Tab")
    terminal.shows(r"^> /preflight")
    terminal.press("Enter")
    terminal.shows("Commits by")
    terminal.say('/comment F2 "Too vague."')
    terminal.shows("noted at F2")
    assert [c.text for c in desk.mission(name).comments] == ["Too vague."]
    terminal.say("/abracadabra")
    terminal.shows("There is no /abracadabra")


def test_a_start_that_the_conversation_asks_for_waits_for_the_persons_yes(desk: Desk, open_chat: Any) -> None:
    name = desk.saved()
    terminal = open_chat("chat", name)
    terminal.shows("planned")
    terminal.say("go ahead")
    terminal.shows("Start version 1 of the plan")
    terminal.shows("Your answer, y or n")
    terminal.say("n")
    terminal.shows(r"Answered\.")
    assert desk.mission(name).status == "planned"
    terminal.say("go ahead")
    until(lambda: terminal.screen().count("Your answer, y or n") == 2, 40, "the second question")
    terminal.say("y")
    terminal.shows("it goes on in the background")
    until(lambda: desk.mission(name).status == "complete", 90, "the end of the mission")


def test_a_goal_on_a_terminal_begins_the_conversation_about_it(desk: Desk, open_chat: Any) -> None:
    terminal = open_chat("new", "a new boat")
    terminal.shows("What kind of boat")
    rows = desk.missions("list", "--json").json["missions"]
    assert [(row["title"], row["status"]) for row in rows] == [("a new boat", "planning")]
