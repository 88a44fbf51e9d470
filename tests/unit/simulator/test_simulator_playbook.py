"""What a playbook can say, where it says it, and what it refuses to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Playbook, PlaybookError
from support.simulated import called, request, result, said, serving, tool

TASK = "Task: worker feature F1\nRun: 17-worker-F1\nRepository: /repo/of mine"


def rule(say: Any, **when: Any) -> dict[str, Any]:
    return {"when": when, "reply": {"text": say}}


async def answers(rules: list[Any], *bodies: dict[str, Any]) -> list[str]:
    found: list[str] = []
    async with serving({"rules": rules}) as (_, client):
        for body in bodies:
            message = await client.messages.create(**body)
            found.append("".join(block.text for block in message.content if block.type == "text"))
    return found


@pytest.mark.parametrize(
    ("first", "tools", "system", "role"),
    [
        ("Task: worker feature F1", [], "", "worker"),
        ("Task: scrutiny milestone M1", [], "", "scrutiny"),
        ("Task: user-testing milestone M1", [], "", "user-testing"),
        ("Task: recovery R1", [], "", "orchestrator"),
        ("Task: planning", [], "", "planner"),
        ("hello", ["bash", "submit_handoff"], "", "worker"),
        ("hello", ["submit_validation_report"], "", "scrutiny"),
        ("hello", ["submit_user_testing_report"], "", "user-testing"),
        ("hello", ["submit_recovery"], "", "orchestrator"),
        ("hello", ["submit_recovery", "mission_write_plan"], "", "planner"),
        ("hello", [], "You are the runtime orchestrator of one mission.\nworker", "orchestrator"),
        ("hello", [], "", "other"),
    ],
)
async def test_the_role_follows_from_the_task_the_tools_or_the_system_prompt(
    first: str, tools: list[str], system: str, role: str
) -> None:
    extra: dict[str, Any] = {"system": system} if system else {}
    body = request(first, tools=[tool(name) for name in tools], **extra)
    assert await answers([rule("yes", role=role), rule("no")], body) == ["yes"]


async def test_the_first_rule_that_fits_answers() -> None:
    rules = [
        rule("after an error", result="exit code [1-9]"),
        rule("F2", task="F2"),
        rule("later", turn={"from": 1}),
        rule("first"),
    ]
    history = [TASK, called(), result("run 1 · exit code 2")]
    other = request("Task: worker feature F2\nRun: x")
    assert await answers(
        rules, request(TASK), request(*history), request(TASK, called(), result("ok")), other
    ) == [
        "first",
        "after an error",
        "later",
        "F2",
    ]


async def test_a_script_follows_the_turns_and_repeats_its_last_reply_only_if_told() -> None:
    once = {"when": {"turn": {"from": 0}}, "turns": [{"text": "one"}, {"text": "two"}]}
    bodies = [request("a"), request("a", said("x"), "b"), request("a", said("x"), "b", said("y"), "c")]
    assert await answers([once, rule("over")], *bodies) == ["one", "two", "over"]
    assert await answers([{**once, "repeatLast": True}], *bodies) == ["one", "two", "two"]


async def test_a_chat_answers_what_was_said_last_step_by_step() -> None:
    pause = {"tools": [{"name": "mission_runner_command", "input": {"command": "pause"}}], "text": "Pausing."}
    rules = [
        {"when": {"text": "pause"}, "steps": [pause, {"text": "It pauses after this unit."}]},
        rule("Two features are done.", text="(?i)status"),
    ]
    tools = [tool("mission_runner_command"), tool("mission_write_plan")]
    talk = ["Status update?", said("Two features are done."), "Please pause."]
    done = [*talk, called("mission_runner_command", command="pause"), result("pausing")]
    got = await answers(
        rules, request(talk[0], tools=tools), request(*talk, tools=tools), request(*done, tools=tools)
    )
    assert got == ["Two features are done.", "Pausing.", "It pauses after this unit."]


async def test_another_attempt_at_a_task_is_another_conversation() -> None:
    rules = [rule("again", attempt={"from": 2}), rule("first time")]
    again = TASK.replace("17", "18")
    numbered = f"{TASK.replace('17', '19')}\nAttempt: 1"
    got = await answers(rules, request(TASK), request(TASK), request(again), request(TASK), request(numbered))
    assert got == ["first time", "first time", "again", "first time", "first time"]


async def test_a_new_task_in_a_running_conversation_starts_at_its_first_turn() -> None:
    rules = [
        {"when": {"role": "orchestrator", "task": "R2"}, "turns": [{"text": "second recovery"}]},
        {"when": {"role": "orchestrator", "task": "R1"}, "turns": [{"text": "first recovery"}]},
    ]
    history = ["Task: recovery R1\nRun: r1", said("first recovery"), "Task: recovery R2\nRun: r2"]
    assert await answers(rules, request(*history)) == ["second recovery"]


async def test_an_interrupted_call_is_made_again() -> None:
    script = {"turns": [{"tools": [{"name": "bash", "input": {"command": "make"}}]}, {"text": "made"}]}
    cut = result("interrupted, effects unknown", is_error=True)
    async with serving({"rules": [script]}) as (simulator, client):
        again = await client.messages.create(
            **request(TASK, called(command="make"), cut, tools=[tool("bash")])
        )
        assert again.stop_reason == "tool_use"
        call = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in again.content]}
        body = request(
            TASK, called(command="make"), cut, call, result("ok", again.content[0].id), tools=[tool("bash")]
        )
        assert (await client.messages.create(**body)).content[0].text == "made"
        assert again.content[0].id != "toolu_1"
        assert simulator.unmatched == []


async def test_templates_take_values_from_the_conversation() -> None:
    script = {
        "turns": [
            {
                "text": "{{task}} of {{run}} in {{repository}}, attempt {{attempt}}, base {{first:^Base commit: (\\w+)}}"
            },
            {
                "tools": [
                    {
                        "name": "submit_handoff",
                        "input": {
                            "commit": "{{result:^[0-9a-f]{7}$}}",
                            "run": "{{run:^git}}",
                            "exit": "{{exit:^make}}",
                            "line": "{{number:^(\\d+):def}}",
                            "ran": {"$commands": "make"},
                            "exactly": {"$ordinal": "make test"},
                            "text": {"$lines": ["a", "b {{task}}"]},
                            "raw": {"$literal": "{{task}}"},
                        },
                    }
                ]
            },
        ]
    }
    make = called(id="toolu_1", command="make test")
    git = called(id="toolu_2", command="git rev-parse HEAD")
    history = [
        make,
        result("run 1 · exit code 2 · 0.1 s\n12:def f"),
        git,
        result("run 2 · exit code 0\nabc1234", "toolu_2"),
    ]
    first = f"{TASK}\nBase commit: 99aa"
    async with serving({"rules": [script]}) as (_, client):
        opening = await client.messages.create(**request(first))
        assert opening.content[0].text == "F1 of 17-worker-F1 in /repo/of mine, attempt 1, base 99aa"
    shifted = {"turns": [{"text": "-"}, {"text": "-"}, script["turns"][1]]}
    async with serving({"rules": [shifted]}) as (simulator, client):
        message = await client.messages.create(**request(first, *history))
        assert simulator.unmatched == []
    assert message.content[0].input == {
        "commit": "abc1234",
        "run": 2,
        "exit": 2,
        "line": 12,
        "ran": [{"run": 1, "command": "make test", "exitCode": 2, "notes": None}],
        "exactly": 1,
        "text": "a\nb F1\n",
        "raw": "{{task}}",
    }


async def test_a_placeholder_that_finds_nothing_is_said_and_never_made_up() -> None:
    async with serving({"rules": [rule("at {{result:^[0-9a-f]{40}$}}")]}) as (simulator, client):
        message = await client.messages.create(**request(TASK))
    assert "no tool result matches" in message.content[0].text
    assert len(simulator.unmatched) == 1


async def test_two_servers_with_one_playbook_count_their_uses_apart() -> None:
    playbook = Playbook.from_data({"rules": [{**rule("once"), "times": 1}, rule("then")]})
    for _ in range(2):
        async with serving(playbook) as (_, client):
            got = [(await client.messages.create(**request("a"))).content[0].text for _ in range(2)]
        assert got == ["once", "then"]


def test_text_of_files_beside_the_playbook_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "code.txt").write_text("x = '{{braces}}'\n")
    (tmp_path / "book.json").write_text('{"rules": [{"reply": {"text": {"$file": "code.txt"}}}]}')
    book = Playbook.load(tmp_path / "book.json")
    assert book.rules[0].replies[0]["text"] == {"$literal": "x = '{{braces}}'\n"}
    (tmp_path / "out.json").write_text('{"rules": [{"reply": {"text": {"$file": "../secret"}}}]}')
    with pytest.raises(PlaybookError, match="not a file beside the playbook"):
        Playbook.load(tmp_path / "out.json")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "/: must be an object"),
        ({"rulez": []}, "unknown rulez"),
        ({"rules": [{"when": {"role": "worker"}}]}, "/rules/0: needs one of reply, turns, steps"),
        ({"rules": [{"turns": []}]}, "must not be empty"),
        ({"rules": [{"reply": {"txt": "a"}}]}, "/rules/0/reply/0: unknown txt"),
        ({"rules": [{"when": {"rôle": "x"}, "reply": {}}]}, "/rules/0/when: unknown"),
        ({"rules": [{"when": {"result": "("}, "reply": {}}]}, "/rules/0/when/result"),
        ({"rules": [{"when": {"turn": "one"}, "reply": {}}]}, "must be an object"),
        ({"faults": [{"kind": "earthquake"}]}, "unknown fault 'earthquake'"),
        ({"faults": [{"kind": "stall", "secs": 3}]}, "unknown secs"),
        ({"cacheCounting": "none"}, "/cacheCounting"),
    ],
)
def test_a_playbook_that_does_not_keep_to_the_format_is_refused_with_the_place(data: Any, words: str) -> None:
    with pytest.raises(PlaybookError, match=words):
        Playbook.from_data(data)
