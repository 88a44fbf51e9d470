"""The main chat over the protocol: streamed answers, cancel, history, and decisions that stay with the user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Simulator
from missions.simulator.demo import demo_plan, make_repository
from support.lsp_client import Client, connected

RULES: list[dict[str, Any]] = [
    {"when": {"role": "planner", "text": "hello"}, "reply": {"text": "Hello."}},
    {
        "when": {"role": "planner", "text": "save it", "step": 0},
        "reply": {
            "text": "Saving.",
            "tools": [{"name": "mission_write_plan", "input": {"plan": demo_plan()}}],
        },
    },
    {"when": {"role": "planner", "text": "save it", "step": 1}, "reply": {"text": "Saved."}},
    {
        "when": {"role": "planner", "text": "go ahead", "step": 0},
        "reply": {"text": "Asking.", "tools": [{"name": "mission_start_execution", "input": {}}]},
    },
    {"when": {"role": "planner", "text": "go ahead", "step": 1}, "reply": {"text": "Please confirm."}},
    {
        "when": {"role": "planner", "text": "take your time"},
        "reply": {"text": "slow " * 400, "faults": [{"kind": "stall", "seconds": 60}]},
    },
    {
        "when": {"role": "planner", "text": "tell me"},
        "reply": {
            "text": "Told. " * 40,
            "faults": [{"kind": "stall", "after": 4, "seconds": 60, "times": 1}],
        },
    },
    {"when": {"role": "planner"}, "reply": {"text": "Which **measures**?"}},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    make_repository(tmp_path / "repository")
    with Simulator({"rules": RULES}) as url:
        monkeypatch.setenv("MISSIONS_BASE_URL", url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789abcdef")
        yield tmp_path


def ends(client: Client) -> list[dict[str, Any]]:
    return client.of("missions/chat/end")


def streamed(client: Client, message: str) -> str:
    deltas = [d for d in client.of("missions/chat/delta") if d["message"] == message and d["kind"] == "text"]
    return "".join(d["text"] for d in deltas)


async def test_an_answer_streams_ends_and_is_in_the_history(place: Path) -> None:
    async with connected(place / "store", "vscode", place / "repository") as client:
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        sent = await client.request("missions/chat/send", {"chat": chat, "text": "I want more measures"})
        await client.until(lambda: ends(client), "the end of the answer", 60)
        assert ends(client)[0]["outcome"] == "complete"
        assert streamed(client, sent["message"]) == "Which **measures**?"
        entries = (await client.request("missions/chat/history", {"chat": chat}))["entries"]
        assert [(e["role"], e["text"]) for e in entries] == [
            ("user", "I want more measures"),
            ("assistant", "Which **measures**?"),
        ]


async def test_the_next_server_knows_what_was_said_and_goes_on(place: Path) -> None:
    async with connected(place / "store", "vscode", place / "repository") as client:
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        await client.request("missions/chat/send", {"chat": chat, "text": "save it"})
        await client.until(lambda: ends(client), "the end of the answer", 60)
    async with connected(place / "store", "vscode", place / "repository") as client:
        opened = await client.request("missions/chat/open", {})
        assert opened["chat"] == chat
        assert opened["title"] == demo_plan()["title"]
        assert len((await client.request("missions/chat/history", {"chat": chat}))["entries"]) >= 2
        await client.run("comment", {"path": "F1", "text": "What about ties?"})
        assert (await client.run_error("comment", {"path": "F99", "text": "?"})).data["code"] == "not_found"
        remarks = (await client.run("show", {"artifact": "comments"}))["data"]["text"]
        assert "at F1" in remarks
        assert "Not answered yet." in remarks


async def test_a_start_that_the_conversation_asks_for_is_put_before_the_user_with_all_that_will_happen(
    place: Path,
) -> None:
    asked: list[str] = []

    def no(params: Any) -> Any:
        asked.append(str(params["message"]))
        return {"title": "No"}

    async with connected(place / "store", "vscode", place / "repository") as client:
        client.handlers["window/showMessageRequest"] = no
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        for number, words in enumerate(("save it", "go ahead"), 1):
            await client.request("missions/chat/send", {"chat": chat, "text": words})
            await client.until(lambda number=number: len(ends(client)) == number, "the end of the answer", 60)
        await client.until(lambda: asked, "the question", 60)
        for fact in (
            "Start version 1",
            "Repository",
            "Branch",
            "Units",
            "Budget",
            "Models",
            "Sandbox",
            "Network",
        ):
            assert fact in asked[0], asked
        told = [d["state"] for d in client.of("missions/decision")]
        await client.until(
            lambda: "answered" in [d["state"] for d in client.of("missions/decision")], "the answer", 60
        )
        assert told[:1] == ["opened"]
        assert (await client.run("status"))["data"]["status"] == "planned"


async def test_an_answer_can_be_cancelled_and_the_chat_goes_on(place: Path) -> None:
    async with connected(place / "store", "vscode", place / "repository") as client:
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        await client.request("missions/chat/send", {"chat": chat, "text": "take your time"})
        second = await client.error("missions/chat/send", {"chat": chat, "text": "and this"})
        assert second.data["code"] == "locked"
        await client.request("missions/chat/cancel", {"chat": chat})
        await client.until(lambda: ends(client), "the end of the answer", 60)
        assert ends(client)[0]["outcome"] == "cancelled"
        assert (await client.request("missions/chat/open", {"chat": chat}))["unanswered"] is True
        await client.request("missions/chat/send", {"chat": chat, "text": "hello"})
        await client.until(lambda: len(ends(client)) == 2, "the end of the answer", 60)
        assert ends(client)[1]["outcome"] == "complete"
        assert not (await client.request("missions/chat/open", {"chat": chat})).get("unanswered")


async def test_an_answer_that_died_with_the_server_is_finished_by_the_next_one(place: Path) -> None:
    async with connected(place / "store", "vscode", place / "repository") as client:
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        await client.request("missions/chat/send", {"chat": chat, "text": "tell me"})
        await client.until(lambda: client.of("missions/chat/delta"), "the first words", 60)
        client.process.kill()
        await client.process.wait()
    async with connected(place / "store", "vscode", place / "repository") as client:
        opened = await client.request("missions/chat/open", {"chat": chat})
        assert opened["unanswered"] is True
        sent = await client.request("missions/chat/send", {"chat": chat, "text": ""})
        await client.until(lambda: ends(client), "the end of the answer", 60)
        assert ends(client)[0]["outcome"] == "complete"
        assert streamed(client, sent["message"]).startswith("Told.")
        entries = (await client.request("missions/chat/history", {"chat": chat}))["entries"]
        assert [e["role"] for e in entries] == ["user", "assistant"]


async def test_an_unknown_chat_and_an_empty_message_are_clear_errors(place: Path) -> None:
    async with connected(place / "store", "bare", place / "repository") as client:
        unknown = await client.error(
            "missions/chat/send", {"chat": "mission-20260101000000-aaaaaa", "text": "x"}
        )
        assert unknown.data["code"] == "not_found"
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        assert (await client.error("missions/chat/send", {"chat": chat, "text": "  "})).data[
            "code"
        ] == "bad_argument"


async def test_the_server_itself_never_loads_the_model_client(place: Path) -> None:
    async with connected(place / "store", "vscode", place / "repository") as client:
        chat = (await client.request("missions/chat/open", {"fresh": True}))["chat"]
        await client.request("missions/chat/send", {"chat": chat, "text": "hello"})
        await client.until(lambda: ends(client), "the end of the answer", 60)
        maps = Path(f"/proc/{client.process.pid}/maps").read_text()
        assert "jiter" not in maps, "anthropic's parser is loaded in the server"
