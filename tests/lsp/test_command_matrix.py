"""Every workspace command in every situation: good, wrong argument, out of place, owned by another process, cancelled.

Generated from the server's own list, so that a command that is added later fails here until it has its place.
"""

from __future__ import annotations

import asyncio
import json
import threading
import typing
from pathlib import Path
from typing import Any

import pytest

from bench.make_store import make_store
from missions.lsp.operations import OWN, PREFIX, SHARED
from missions.model.operations import BY_NAME
from missions.runner.errands import serve_inbox
from missions.store.catalog import MissionSummary, list_missions
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.engine import plan_of
from support.lsp_client import Client, LspError, connected
from support.lsp_missions import Scene, waits
from support.repositories import Playground

COMMANDS = (*SHARED, *OWN)

GOOD: dict[str, dict[str, Any]] = {
    "skip": {"feature": "F3", "reason": "not needed"},
    "retry": {"feature": "F2"},
    "rerun-validation": {"milestone": "M1"},
    "waive": {"defect": "D1", "reason": "accepted"},
    "block": {"reason": "wait"},
    "steer": {"text": "mind the gap"},
    "decide": {"answer": "yes"},
    "budget": {"usd": 3},
    "write-plan": {"plan": plan_of()},
    "revise-plan": {
        "reason": "why",
        "operations": [{"op": "edit_feature", "featureId": "F2", "description": "Write it shorter."}],
    },
    "comment": {"text": "Why three?"},
    "answer-comment": {"comment": "c1", "answer": "Three are enough."},
    "restore": {"list": True},
    "request-confirmation": {"op": "run", "question": "Go?"},
    "send": {"text": "hello"},
    "repair": {"defect": "D1"},
    "open": {"document": "control"},
    "complete": {"kind": "feature"},
    "gc": {"dryRun": True},
    "export": {"path": "mission.tar.gz"},
    "import": {"path": "mission.tar.gz"},
}
"""Arguments that have the right form; a command that is not here needs none."""

OUT_OF_PLACE: dict[str, str] = {
    "run": "planning complete failed",
    "resume": "planning complete failed",
    "pause": "planning planned paused blocked complete failed",
    "cancel": "planning planned running paused blocked complete failed",
    "retry": "planned complete failed",
    "rerun-validation": "planned running paused blocked complete failed",
    "skip": "complete failed",
    "waive": "planning planned complete failed",
    "block": "planning planned complete failed",
    "unblock": "planning planned running paused complete failed",
    "steer": "planning planned running paused blocked complete failed",
    "revise-plan": "planning",
    "comment": "complete failed",
    "request-confirmation": "complete failed",
    "finish": "planning planned running paused blocked",
    "abandon": "complete failed",
    "apply-plan": "planning planned running paused blocked complete failed",
}
"""The states of a mission in which a command is refused; the missions here run nowhere and no plan file is edited."""

IN_ANY_STATE = frozenset(
    [
        "new",
        "write-plan",
        "answer-comment",
        "decide",
        "budget",
        "delete",
        "status",
        "list",
        "show",
        "clear",
        "models",
        "validate",
        "estimate",
        "restore",
        "send",
        "repair",
        "gc",
        "control",
        "open",
        "export",
        "import",
        "doctor",
        "demo",
        "watch",
        "complete",
    ]
)
"""They look, or something else than the mission's state decides about them."""


async def test_every_command_has_its_place_in_these_tables(tmp_path: Path) -> None:
    async with connected(tmp_path / "home", initialize=False) as client:
        advertised = (await client.initialize(tmp_path))["capabilities"]["executeCommandProvider"]["commands"]
    assert sorted(advertised) == sorted(PREFIX + name for name in COMMANDS)
    assert set(OUT_OF_PLACE) | IN_ANY_STATE == set(COMMANDS)
    assert not set(OUT_OF_PLACE) & IN_ANY_STATE


def wrong_values() -> list[tuple[str, str, Any]]:
    """For every command each of its fields with a value of the wrong type."""
    found: list[tuple[str, str, Any]] = []
    for name in COMMANDS:
        if name in OWN:
            hints = typing.get_type_hints(OWN[name][0])
            fields = {"".join(_camel(field)): hint for field, hint in hints.items()}
        else:
            fields = {field: info.annotation for field, info in BY_NAME[name].arguments.model_fields.items()}
        for field, hint in fields.items():
            text = hint is str or str in typing.get_args(hint)
            found.append((name, field, [5] if text else "neither this nor that"))
    return found


def _camel(name: str) -> list[str]:
    head, *rest = name.split("_")
    return [head, *(part.capitalize() for part in rest)]


async def test_every_field_of_every_command_refuses_another_type_and_is_named(tmp_path: Path) -> None:
    async with connected(tmp_path / "home", "bare", tmp_path) as client:
        for name, field, value in wrong_values():
            error = await client.run_error(name, {**GOOD.get(name, {}), field: value})
            assert (name, field, error.code, error.data["code"]) == (name, field, -32602, "bad_argument")
            assert field in error.message, (name, error.message)
            assert error.data["nextStep"], name


def in_each_state(folder: Path) -> tuple[Store, dict[str, str]]:
    """A store with one mission in each state; none is at work and their repositories do not exist."""
    store = make_store(folder, 8)
    rows = [row for row in list_missions(store) if isinstance(row, MissionSummary)]
    return store, {row.status: row.id for row in reversed(rows)}


async def test_every_command_that_a_state_does_not_allow_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    store, missions = in_each_state(tmp_path / "store")
    before = {name: store.mission(name).journal.stat().st_size for name in missions.values()}
    async with connected(store.root, "bare", tmp_path) as client:
        for name, states in OUT_OF_PLACE.items():
            for state in states.split():
                # A feature or milestone is looked for before the state is judged, so there must be one.
                argument = {**GOOD.get(name, {}), "mission": missions[state]}
                error = await client.run_error(name, argument)
                assert (name, state, error.code, error.data["code"]) == (name, state, -32803, "wrong_state")
                assert error.data["nextStep"], (name, state)
        listed = {row["id"]: row["status"] for row in (await client.run("list"))["data"]["missions"]}
    assert {listed[mission]: mission for mission in missions.values()} == missions
    # Whoever judges a request owns the mission for a moment, which is recorded; nothing else is.
    for name, size in before.items():
        added = store.mission(name).journal.read_bytes()[size:].splitlines()
        assert {json.loads(line)["type"] for line in added} <= {"runner_acquired", "runner_released"}


async def test_what_a_state_allows_is_done(tmp_path: Path) -> None:
    store, missions = in_each_state(tmp_path / "store")
    repository = Playground(tmp_path / "user").root
    async with connected(store.root, "bare", repository) as client:

        async def done(name: str, state: str, **changes: Any) -> dict[str, Any]:
            argument = {**GOOD.get(name, {}), **changes, "mission": missions[state]}
            answer = await client.run(name, argument, 60)
            assert answer["state"] == "applied", (name, answer)
            assert answer["message"] and answer["seq"], name
            return answer

        async def status(state: str) -> str:
            return (await client.run("status", {"mission": missions[state]}))["data"]["status"]

        await done("pause", "running")
        assert await status("running") == "paused"
        await done("block", "paused")
        assert await status("paused") == "blocked"
        await done("unblock", "paused")
        assert await status("paused") == "paused"
        await done("retry", "paused")
        await done("skip", "paused")
        await done("budget", "paused")
        await done("revise-plan", "planned")
        await done("write-plan", "planning")
        assert await status("planning") == "planned"
        asked = await done("comment", "planned")
        await done("answer-comment", "planned", comment=f"c{asked['seq']}")
        gone = str(tmp_path / "mission.tar.gz")
        await client.run("export", {"mission": missions["planned"], "path": gone}, 60)
        await client.run("delete", {"mission": missions["planned"], "confirmed": True})
        assert (await client.run_error("status", {"mission": missions["planned"]})).data[
            "code"
        ] == "not_found"
        assert (await client.run("import", {"path": gone}, 60))["data"]["mission"] == missions["planned"]
        await done("request-confirmation", "planned", args={"accept": ["plan"]})
        assert (await client.run("decide", {"mission": missions["planned"], "answer": "no"}))["seq"]
        await done("abandon", "planned")
        assert await status("planned") == "failed"
        assert (await client.run("clear", {"confirmed": True}))["value"]["cleared"]


WITH_ANOTHER_OWNER: dict[str, str] = {
    "run": "applied",
    "resume": "applied",
    "retry": "wrong_state",
    "rerun-validation": "wrong_state",
    "skip": "applied",
    "waive": "not_found",
    "block": "wrong_state",
    "unblock": "wrong_state",
    "steer": "applied",
    "decide": "not_found",
    "budget": "applied",
    "write-plan": "applied",
    "revise-plan": "applied",
    "comment": "applied",
    "answer-comment": "not_found",
    "request-confirmation": "applied",
    "finish": "wrong_state",
    "delete": "locked",
    "repair": "not_found",
    "apply-plan": "wrong_state",
    "send": "applied",
    "restore": "applied",
    "pause": "applied",
    "cancel": "applied",
    "abandon": "applied",
}
"""What a window gets that does not run the mission, while its worker works; the looking commands answer as always."""


async def test_a_window_that_is_not_the_owner_gets_every_command_answered_by_the_owner(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2", "F3"]}))
    more: dict[str, dict[str, Any]] = {
        "delete": {"confirmed": True},
        "run": {"accept": ["plan", "no-sandbox"]},
        "write-plan": {"plan": scene.world.plan},
    }
    async with scene.serving(waits()), scene.client() as owner, scene.client("bare") as client:
        await owner.run("run", {"accept": ["plan", "no-sandbox"], "host": "server"}, 60)
        await scene.reached(owner)
        for name in ("status", "list", "show", "validate", "estimate", "models", "watch", "control", "open"):
            answer = await client.run(name, GOOD.get(name, {}), 60)
            assert answer.get("data") or answer["uri"], name
        for name, expected in WITH_ANOTHER_OWNER.items():
            argument = {**GOOD.get(name, {}), **more.get(name, {}), "mission": scene.mission}
            assert (name, await outcome(client, name, argument)) == (name, expected)
        await scene.is_now(client, "failed")
    kinds = {event["type"] for event in scene.world.events()}
    assert kinds >= {"feature_skipped", "budget_changed", "mission_current_child_cancel_requested"}


async def outcome(client: Client, name: str, argument: dict[str, Any]) -> str:
    """``applied`` or ``queued``, or the code of the error."""
    try:
        answer = await client.run(name, argument, 60)
    except LspError as error:
        assert error.data["nextStep"], name
        return error.data["code"]
    return answer.get("state", "answered")


async def test_every_command_that_waits_for_the_owner_can_be_cancelled_and_then_never_takes_effect(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    before = scene.world.mission.lastSeq
    inbox = scene.world.store.mission(scene.mission).inbox / "new"
    waiting = [name for name in SHARED if BY_NAME[name].inbox and name not in ("run", "resume", "decide")]
    async with scene.client() as client:
        await client.run("status")
        # An owner that never looks into its inbox.
        with MissionLog.acquire(scene.world.store, scene.mission, Owner(face="test")):
            for name in waiting:
                seen = set(inbox.iterdir())
                params = {"command": PREFIX + name, "arguments": [GOOD.get(name, {})]}
                number = client.send_request("workspace/executeCommand", params)
                await client.until(lambda seen=seen: set(inbox.iterdir()) - seen, f"the request of {name}")
                client.notify("$/cancelRequest", {"id": number})
                with pytest.raises(LspError) as caught:
                    await client.response(number)
                assert (name, caught.value.code) == (name, -32800)
                assert (name, caught.value.data["message"]) == (
                    name,
                    "It was cancelled before it took effect.",
                )
                assert list(inbox.iterdir()) == []
        # The next one to take the mission would serve its inbox.
        await client.run_error("pause")
        assert (await client.run("status"))["data"]["id"] == scene.mission
    later = [e["type"] for e in scene.world.events() if e["seq"] > before]
    assert set(later) == {"runner_acquired", "runner_released"}


async def test_a_cancelled_command_was_applied_or_withdrawn_never_both_and_its_answer_says_which(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    directory = scene.world.store.mission(scene.mission)
    new = directory.inbox / "new"
    answers: dict[str, str] = {}
    ended = threading.Event()

    def owner() -> None:
        with MissionLog.acquire(scene.world.store, scene.mission, Owner(face="test")) as log:
            while not ended.wait(0.004):
                serve_inbox(log, None)

    async with scene.client() as client:
        await client.run("status")
        working = threading.Thread(target=owner)
        working.start()
        await client.until(lambda: scene.owner() is not None, "the owner")
        try:
            for number in range(40):
                params = {"command": f"{PREFIX}budget", "arguments": [{"usd": 100 + number}]}
                sent = client.send_request("workspace/executeCommand", params)
                # From before the request is written to after it was applied.
                await asyncio.sleep(number % 8 * 0.004)
                client.notify("$/cancelRequest", {"id": sent})
                try:
                    reply = await client.response(sent)
                    answers[reply["request"]] = reply["state"]
                except LspError as error:
                    assert error.data["code"] == "cancelled"
        finally:
            ended.set()
            working.join()
        assert list(new.iterdir()) == []
    applied = [e["data"]["requestId"] for e in scene.world.events() if e["type"] == "budget_changed"]
    assert sorted(applied) == sorted(answers)
    assert set(answers.values()) <= {"applied"}


async def test_every_command_that_is_cancelled_at_once_is_answered_once_and_harms_nothing(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    async with scene.client() as client:
        await client.run("status")
        numbers: dict[str, Any] = {}
        for name in COMMANDS:
            argument = {
                **GOOD.get(name, {}),
                **({"folder": str(tmp_path / "demo")} if name == "demo" else {}),
            }
            params = {"command": PREFIX + name, "arguments": [argument]}
            numbers[name] = client.send_request("workspace/executeCommand", params)
            client.notify("$/cancelRequest", {"id": numbers[name]})
        results = await asyncio.gather(
            *(client.response(number, 60) for number in numbers.values()), return_exceptions=True
        )
        for name, result in zip(numbers, results, strict=True):
            assert isinstance(result, (dict, LspError)), (name, result)
        cancelled = [r for r in results if isinstance(r, LspError) and r.code == -32800]
        assert len(cancelled) > len(COMMANDS) // 2
        assert client.stray == []
        assert client.of("window/showMessage") == []
        assert (await client.run("doctor", {"mission": scene.mission}))["data"]["healthy"] is True
