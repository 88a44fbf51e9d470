"""Requests that fail: what is waited for, what is given up, what is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from missions.agent.budget import Budget, Limits
from missions.agent.loop import Control, RetryPolicy
from missions.agent.prices import PriceTable
from support.agent_world import World
from support.scripted_model import ScriptedModel, Step, call, failing, reply, text
from support.waiting import until_async

GOOD = call("end", "submit_handoff", {"status": "good"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def broken(step: Step, keep: int) -> Step:
    step.events = step.events[:keep]
    return step


IN_STREAM = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'


@pytest.mark.parametrize(
    "fault",
    [
        failing(529, "overloaded_error"),
        failing(500, "api_error"),
        failing(429, "rate_limit_error", retry_after_ms="20"),
        Step(status=502, raw=b"<html>bad gateway</html>"),
        broken(reply(call("a", "note", {"line": "never"})), 1),
        broken(reply(call("a", "note", {"line": "never"})), 4),
        broken(reply(call("a", "note", {"line": "never"})), 5),
        reply(call("a", "note", {"line": "never"}), stop=None),
        reply(call("a", "note", {"line": "never"}), call("a", "note", {"line": "never"})),
        Step(raw=IN_STREAM),
        Step(events=broken(reply(text("half")), 3).events, raw=IN_STREAM),
        Step(raw=b"event: message_start\ndata: {not json\n\n"),
    ],
    ids=[
        "529",
        "500",
        "429",
        "502-html",
        "cut-early",
        "cut-in-call",
        "cut-after-call",
        "no-stop-reason",
        "doubled-ids",
        "error-event",
        "late-error-event",
        "not-json",
    ],
)
async def test_a_passing_fault_is_retried_and_leaves_nothing_in_the_history(
    world: World, fault: Step
) -> None:
    with ScriptedModel(fault, reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert world.note.lines() == []
    assert server.bodies[0]["messages"] == server.bodies[-1]["messages"]
    assert any(record["kind"] == "discarded" for record in world.records("note"))


async def test_discarded_attempts_are_counted_as_estimates(world: World) -> None:
    with ScriptedModel(broken(reply(text("x" * 400)), 3), reply(GOOD)) as server:
        ended = await world.run(server)
    first, second = world.watcher.of("usage")
    assert (first["discarded"], second["discarded"]) == (True, False)
    assert first["usage"]["estimated"] is True
    assert first["usage"]["outputTokens"] >= 100
    assert ended.usage.requests == 2


async def test_silence_is_a_passing_fault(world: World) -> None:
    world.read_timeout = 0.3
    quiet = broken(reply(text("x")), 2)
    quiet.hold = True
    with ScriptedModel(quiet, reply(GOOD)) as server:
        assert (await world.run(server)).kind == "submitted"


@pytest.mark.parametrize(
    ("status", "type_", "says"),
    [
        (401, "authentication_error", "credentials"),
        (403, "permission_error", "permissions"),
        (404, "not_found_error", "model"),
        (400, "invalid_request_error", "refused the request"),
    ],
)
async def test_a_refused_request_fails_at_once_with_a_sentence(
    world: World, status: int, type_: str, says: str
) -> None:
    with ScriptedModel(failing(status, type_, "No.")) as server:
        ended = await world.run(server)
    assert ended.kind == "failed"
    assert says in ended.detail
    assert len(server.bodies) == 1


async def test_a_wait_of_an_hour_is_not_sat_out_and_names_when_to_come_back(world: World) -> None:
    with ScriptedModel(failing(429, "rate_limit_error", retry_after="3600")) as server:
        ended = await world.run(server)
    assert ended.kind == "provider_unavailable"
    assert ended.data["wakeAfterSeconds"] == 3600


async def test_an_outage_longer_than_allowed_ends_as_provider_unavailable(world: World) -> None:
    world.limits = Limits(provider_wait_ms=2_000)
    world.options = {"retry": RetryPolicy(first=0.05, longest=0.2)}
    with ScriptedModel(*[failing(529, "overloaded_error") for _ in range(400)]) as server:
        ended = await world.run(server)
    assert ended.kind == "provider_unavailable"
    assert 1 < len(server.bodies) < 400
    assert world.watcher.of("retry_wait")


async def test_a_spending_limit_is_not_waited_for(world: World) -> None:
    with ScriptedModel(failing(402, "billing_error", "out of credit")) as server:
        ended = await world.run(server)
    assert ended.kind == "provider_unavailable"
    assert "spending limit" in ended.detail


async def test_a_wait_can_be_cancelled(world: World) -> None:
    world.options = {"retry": RetryPolicy(countdown=0.05)}
    with ScriptedModel(failing(429, "rate_limit_error", retry_after="300")) as server:
        running = asyncio.create_task(world.run(server))
        await until_async(
            lambda: len({one["remainingSeconds"] for one in world.watcher.of("retry_wait")}) > 1
        )
        world.control.cancel.set()
        assert (await asyncio.wait_for(running, 20)).kind == "cancelled"
    left = [one["remainingSeconds"] for one in world.watcher.of("retry_wait")]
    assert left[0] > left[-1]


async def test_a_cancel_in_mid_stream_drops_the_partial_reply_and_a_resume_asks_again(world: World) -> None:
    half = broken(reply(text("half a sentence"), call("a", "note", {"line": "no"})), 3)
    half.hold = True
    with ScriptedModel(half, reply(GOOD)) as server:
        running = asyncio.create_task(world.run(server))
        await until_async(lambda: bool(world.watcher.of("text")))
        world.control.cancel.set()
        assert (await asyncio.wait_for(running, 20)).kind == "cancelled"
        again = await world.run(server, Control())
    assert again.kind == "submitted"
    assert server.raw[0] == server.raw[1]
    assert again.usage.estimated


async def test_refused_thinking_is_dropped_once_and_the_run_goes_on(world: World) -> None:
    from support.scripted_model import thinking

    steps = [
        reply(thinking("deep"), call("a", "note", {"line": "one"})),
        failing(
            400,
            "invalid_request_error",
            "messages.1: thinking blocks do not match the prefix they were made for",
        ),
        reply(GOOD),
    ]
    with ScriptedModel(*steps) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert "deep" not in str(server.bodies[-1]["messages"])


async def test_a_budget_that_allows_no_step_makes_no_request(world: World) -> None:
    world.limits = Limits(usd_micro=10)
    with ScriptedModel() as server:
        ended = await world.run(server)
    assert ended.kind == "budget_reached"
    assert not server.bodies


async def test_near_the_budget_one_last_request_hands_off_and_other_calls_do_not_run(world: World) -> None:
    world.limits = Limits(tokens=14_000)
    big = reply(call("a", "note", {"line": "one"}), output=3_000)
    with ScriptedModel(big, reply(call("b", "note", {"line": "two"}), GOOD)) as server:
        ended = await world.run(server)
    assert ended.kind == "submitted"
    assert world.note.lines() == ["one"]
    assert "This is the last request" in str(server.bodies[1]["messages"])


async def test_without_a_hand_off_the_last_request_ends_as_budget_reached(world: World) -> None:
    world.limits = Limits(tokens=14_000)
    big = reply(call("a", "note", {"line": "one"}), output=3_000)
    with ScriptedModel(big, reply(call("b", "note", {"line": "two"}))) as server:
        ended = await world.run(server)
    assert ended.kind == "budget_reached"
    assert world.note.lines() == ["one"]


async def test_the_last_turn_is_kept_for_the_hand_off(world: World) -> None:
    world.options = {"max_turns": 3}
    steps = [reply(call(f"c{n}", "note", {"line": str(n)})) for n in range(3)]
    with ScriptedModel(*steps) as server:
        ended = await world.run(server)
    assert ended.kind == "budget_reached"
    assert world.note.lines() == ["0", "1"]


async def test_children_spend_their_parents_budget(world: World) -> None:
    parent = Budget(Limits(), PriceTable.load())
    world.options = {"budget": parent.child(Limits())}
    with ScriptedModel(reply(GOOD)) as server:
        ended = await world.run(server)
    assert parent.spent.costMicroUsd == ended.usage.costMicroUsd > 0


async def test_a_model_without_a_price_is_counted_and_flagged(world: World) -> None:
    from missions.model.usage import ModelChoice

    world.options = {"model": ModelChoice(model="somebody-elses-model")}
    with ScriptedModel(reply(GOOD)) as server:
        ended = await world.run(server)
    assert ended.usage.estimated
    assert ended.usage.costMicroUsd > 0
