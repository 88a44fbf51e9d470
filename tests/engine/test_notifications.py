"""Telling the outside: once for what matters, without secrets, and never in the mission's way."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from missions.control.caller import Caller
from missions.control.requests import send
from missions.model import events as ev
from missions.model.mission import Decision, DecisionOption
from missions.runner.notify import Notifier
from missions.settings import NotifySettings
from missions.simulator.scripts import playbook_for
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from missions.store.redact import Redactor
from support.engine import World, finished, plan_of, waiting_worker
from support.waiting import until_async


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def notify_by_command(world: World, out: Path) -> None:
    script = out.with_suffix(".sh")
    script.write_text(f"#!/bin/sh\ncat >> '{out}'; echo >> '{out}'\n")
    script.chmod(0o755)
    settings = {"notify": {"command": str(script), "events": ["blocked", "decision", "complete", "budget"]}}
    (world.store.root / "settings.json").write_text(json.dumps(settings))


async def test_completion_is_told_once_by_the_users_command(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of())
    out = tmp_path / "told.jsonl"
    notify_by_command(world, out)
    world.create()
    assert (await world.run()).exit_code == 0
    assert [(t["event"], t["mission"]) for t in told(out)] == [("complete", world.mission.id)]


async def test_a_runner_that_starts_again_does_not_tell_it_twice(tmp_path: Path) -> None:
    plan = plan_of(budget={"runs": 1})
    world = World(tmp_path, plan)
    out = tmp_path / "told.jsonl"
    notify_by_command(world, out)
    world.create()
    assert (await world.run()).exit_code == 13
    first = told(out)
    assert [t["event"] for t in first] == ["budget"]
    assert first[0]["options"][0]["id"] == "raise"
    world.decide("raise")
    await world.resume()
    assert [t["event"] for t in told(out)] == ["budget", "complete"]


async def test_a_webhook_gets_json_without_secrets(tmp_path: Path) -> None:
    received: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        world = World(tmp_path, {**plan_of(), "title": "Rotate the key sk-ant-api03-" + "A" * 80})
        settings = {"notify": {"webhook": f"http://127.0.0.1:{server.server_port}/hook"}}
        (world.store.root / "settings.json").write_text(json.dumps(settings))
        world.create()
        await world.run()
    finally:
        server.shutdown()
        server.server_close()
    assert [json.loads(body)["event"] for body in received] == ["complete"]
    assert b"sk-ant-api03" not in b"".join(received)


async def test_a_command_that_fails_does_not_disturb_the_mission(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of())
    (world.store.root / "settings.json").write_text(json.dumps({"notify": {"command": "/does/not/exist"}}))
    world.create()
    assert (await world.run(playbook_for(world.plan))).exit_code == 0


async def test_a_command_that_hangs_keeps_no_request_waiting(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    called, go = tmp_path / "called", tmp_path / "go"
    script = tmp_path / "slow.sh"
    script.write_text(f"#!/bin/sh\ntouch '{called}'\nuntil [ -e '{go}' ]; do sleep 0.05; done\n")
    script.chmod(0o755)
    (world.store.root / "settings.json").write_text(json.dumps({"notify": {"command": str(script)}}))
    with world.serving(world.playbook(waiting_worker("F1"))) as url:
        task = asyncio.create_task(world.runner(url).run())
        await world.reached()
        question = {"op": "cancel", "args": {}, "question": "Cancel it?"}
        caller = Caller(world.store, "test", "ada", environment={})
        await asyncio.to_thread(send, caller, "request-confirmation", world.id, question)
        await until_async(called.exists, what="the call of the command")
        assert (await world.ask("pause")).state == "applied", "while the command hangs"
        assert not go.exists()
        go.touch()
        world.let_go()
        assert (await finished(task)).exit_code == 11


def asked(world: World, *names: str) -> None:
    options = (DecisionOption(id="yes", label="Yes", consequence="Fine."),)
    with MissionLog.acquire(world.store, world.id, Owner(face="test")) as log:
        for name in names:
            decision = Decision(
                id=name,
                kind="block",
                question=f"{name}?",
                options=options,
                requestedAt="2026-11-23T10:00:00.000Z",
            )
            log.record(ev.DecisionRequested(decision=decision))


async def test_what_was_answered_before_anybody_was_told_is_not_told(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of())
    out = tmp_path / "told.jsonl"
    notify_by_command(world, out)
    world.create()
    asked(world, "old")
    world.decide("yes")
    assert (await world.run()).exit_code == 0
    assert [t["event"] for t in told(out)] == ["complete"]


async def test_of_many_calls_within_a_minute_the_latest_is_made_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, plan_of())
    out = tmp_path / "told.jsonl"
    notify_by_command(world, out)
    world.create()
    moment = 0.0
    settings = NotifySettings(command=str(out.with_suffix(".sh")))
    directory = world.store.mission(world.id)
    notifier = Notifier(directory, settings, Redactor(), at_once=2, clock=lambda: moment)
    asked(world, "q1", "q2", "q3", "q4")
    await notifier.catch_up(world.mission)
    assert [t["decision"] for t in told(out)] == ["q1", "q2"]
    moment = 59.0
    await notifier.catch_up(world.mission)
    assert len(told(out)) == 2
    moment = 61.0
    await notifier.catch_up(world.mission)
    assert [t["decision"] for t in told(out)] == ["q1", "q2", "q3", "q4"]
    asked(world, "q5", "q6")
    await notifier.catch_up(world.mission, last=True)
    assert [t["decision"] for t in told(out)][4:] == ["q6"], (
        "nobody waits for the rest of a minute at the end"
    )
