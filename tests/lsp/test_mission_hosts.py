"""Both hosts: whole missions, and what becomes of them when client, server or daemon end in every way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.engine import GO, REACHED, plan_of
from support.lsp_client import Client
from support.lsp_missions import START, Scene, counted, titles, waits


async def polite(client: Client) -> None:
    assert await client.stop() == 0


async def end_of_input(client: Client) -> None:
    client.close_input()
    await client.wait()


def signalled(number: signal.Signals) -> Callable[[Client], Awaitable[None]]:
    async def end(client: Client) -> None:
        os.kill(client.process.pid, number)
        await client.wait()

    return end


async def tree_kill(client: Client) -> None:
    """What editors do to a server that is slow: kill -9 down the process tree."""
    server = psutil.Process(client.process.pid)
    for process in [*server.children(recursive=True), server]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    await client.wait()


ENDS = {
    "polite": polite,
    "end of input": end_of_input,
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGHUP": signalled(signal.SIGHUP),
    "SIGKILL": signalled(signal.SIGKILL),
    "tree kill": tree_kill,
}


def commits(scene: Scene) -> list[str]:
    return scene.world.git("log", "--format=%s", f"main..missions/{scene.mission}").splitlines()


async def test_a_mission_of_its_own_process_goes_on_whatever_ends_its_window_and_each_new_one_finds_it(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    owner = None
    async with scene.serving(waits()):
        for end, ending in ENDS.items():
            async with scene.client() as client:
                if owner is None:
                    client.choices = list(START)
                    await client.run("run", deadline=60)
                    await scene.reached(client)
                    owner = scene.owner()
                await client.until(lambda c=client: counted(c, "running"), f"the mission before {end}")
                await client.until(lambda c=client: list(c.progress), f"the progress before {end}")
                await ending(client)
            assert (end, scene.owner(), scene.status) == (end, owner, "running")
        async with scene.client("neovim") as last:
            await last.until(lambda: list(last.progress), "the progress")
            scene.world.let_go()
            await scene.is_now(last, "complete")
            assert titles(last) == []
    assert scene.world.units() == ["worker F1", "scrutiny M1"]
    assert len(commits(scene)) == 1


async def test_a_mission_in_the_server_is_offered_and_resumed_without_loss_whatever_ended_the_server(
    tmp_path: Path,
) -> None:
    # Each end cuts through the run of another feature; what was done before is there each time.
    features = [f"F{number}" for number in range(1, len(ENDS) + 1)]
    scene = Scene(tmp_path, plan_of({"M1": features}))
    async with scene.serving(*(_waits_alone(feature) for feature in features)):
        for done, (end, ending) in enumerate(ENDS.items()):
            async with scene.client() as client:
                if done:
                    await _take_the_offer(client, end)
                else:
                    client.choices = list(START)
                    started = await client.run("run", {"host": "server"}, 60)
                    assert started["value"]["host"] == "server"
                reached = scene.root / f"{REACHED}-{features[done]}"
                await client.until(reached.exists, f"the worker before {end}", 60)
                assert (end, scene.owner(), len(commits(scene))) == (end, client.process.pid, done)
                await ending(client)
                await client.until(lambda c=client: not c.group(), f"the end of every process after {end}")
            assert (end, scene.status) == (end, "running")
            (scene.root / f"{GO}-{features[done]}").touch()
        async with scene.client() as last:
            await _take_the_offer(last, "all of them")
            await scene.is_now(last, "complete")
            assert scene.owner() in (None, last.process.pid)
    assert scene.world.units() == [*(f"worker {feature}" for feature in features), "scrutiny M1"]
    assert len(commits(scene)) == len(features)


def _waits_alone(feature: str) -> dict[str, Any]:
    """A worker that waits until it is let go by itself."""
    rule = json.dumps(waits(feature))
    return json.loads(rule.replace(REACHED, f"{REACHED}-{feature}").replace(GO, f"{GO}-{feature}"))


async def _take_the_offer(client: Client, after: str) -> None:
    client.settings = {"runner": {"host": "server"}}
    client.choices = ["Resume"]
    await client.until(lambda: titles(client), f"the offer, before {after}", 60)
    assert "was interrupted" in titles(client)[0]


async def test_a_mission_that_ran_in_a_server_does_not_go_on_without_a_yes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(waits()):
        async with scene.client() as client:
            client.choices = list(START)
            await client.run("run", {"host": "server"}, 60)
            await scene.reached(client)
            await ENDS["SIGKILL"](client)
        async with scene.client() as again:
            await again.until(lambda: titles(again), "the offer", 60)
            assert (await again.run("status"))["data"]["status"] == "running"
            assert scene.owner() is None
            again.choices = list(START)
            assert (await again.run("resume", {"host": "server"}, 60))["state"] == "applied"
            scene.world.let_go()
            await scene.is_now(again, "complete")


async def test_the_server_answers_while_a_mission_runs_in_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2", "F3"]}))
    async with scene.serving(), scene.client() as client:
        client.settings = {"runner": {"host": "server"}}
        client.choices = list(START)
        await client.run("run", deadline=60)
        answers = 0
        while scene.status not in ("complete", "blocked"):
            assert (await client.run("status"))["data"]["id"] == scene.mission
            answers += 1
        assert (scene.status, answers > 10) == ("complete", True)
        assert client.of("window/showMessage") == []


async def test_a_daemon_that_dies_is_started_again_by_one_of_several_servers(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    async with scene.serving(waits()), scene.client() as client, scene.client() as other:
        client.choices = list(START)
        await client.run("run", deadline=60)
        await scene.reached(client)
        scene.end_owner()
        scene.world.let_go()
        await scene.is_now(client, "complete")
        assert other.process.returncode is None
    # Both servers may start one; the second waits for the mission a moment and then may find it complete.
    assert len({event["epoch"] for event in scene.world.events("usage_recorded")}) == 2
    assert scene.world.units() == ["worker F1", "worker F2", "scrutiny M1"]


async def test_a_daemon_that_keeps_dying_is_left_after_three_restarts_and_said_so_once(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(waits()), scene.client() as client:
        client.choices = list(START)
        await client.run("run", deadline=60)

        def said() -> bool:
            scene.end_owner()
            return any("not started again" in shown["message"] for shown in client.of("window/showMessage"))

        await client.until(said, "the word about it", 120)
        runs = [e for e in scene.world.events("runner_acquired") if e["data"].get("purpose") == "run"]
        assert len(runs) == 4
        told = [shown["message"] for shown in client.of("window/showMessage")]
        # A process that is killed before it has the mission is told of by itself.
        assert (
            len([text for text in told if "take the mission" not in text and "took the mission" not in text])
            == 1
        )
        assert (await client.run("status"))["data"]["status"] == "running"


async def test_the_demo_begins_by_one_command_and_needs_no_key(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.env |= {"MISSIONS_DEMO_PACE": "0", "ANTHROPIC_API_KEY": ""}
    async with scene.client() as client:
        client.settings = {"runner": {"host": "server"}}
        client.choices = list(START)
        demo = await client.run("demo", {"folder": str(tmp_path / "tally")}, 60)
        mission = demo["data"]["mission"]
        assert demo["data"]["started"]["host"] == "server"

        def handed_off() -> bool:
            return any(scene.world.store.mission(mission).path.glob("runs/*/handoff.json"))

        await client.until(handed_off, "the first handoff", 120)
        error = await client.run_error("demo", {"folder": str(tmp_path / "tally")})
        assert error.data["code"] == "bad_argument"


async def test_a_key_of_the_client_reaches_the_daemon_through_a_pipe_and_no_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    secret = "sk-ant-api03-handed-over-by-the-client"
    scene.env |= {"ANTHROPIC_API_KEY": "", "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    async with scene.serving(), scene.client() as client:
        client.choices = list(START)
        assert (await client.run_error("run")).data["code"] == "no_credentials"
        assert (await client.request("missions/credentials", {}))["source"] == "none"
        assert (await client.request("missions/credentials", {"apiKey": secret}))["source"] == "client"
        client.choices = list(START)
        await client.run("run", deadline=60)
        await scene.is_now(client, "complete")
        assert (await client.request("missions/credentials", {}))["source"] == "none"
        error = await client.error("missions/credentials", {"apiKey": "x", "provider": "other"})
        assert error.data["code"] == "unsupported"
    assert scene.world.simulator is not None
    keys = {
        exchange.headers["authorization"].removeprefix("Bearer ")
        for exchange in scene.world.simulator.exchanges
    }
    assert keys == {secret}
    for path in scene.world.store.root.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


async def test_the_environment_wins_over_the_client_s_key(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.client() as client:
        assert (await client.request("missions/credentials", {"apiKey": "sk-other"}))[
            "source"
        ] == "environment"


@pytest.mark.parametrize("host", ["process", "server"])
async def test_the_editor_s_settings_hold_for_the_mission_that_it_starts(tmp_path: Path, host: str) -> None:
    scene = Scene(tmp_path, {**plan_of(), "budget": {"usd": 50}})
    async with scene.serving(), scene.client(initialize=False) as client:
        client.settings = {"budget": {"unitTurns": 77, "runs": 33}, "trace": "off", "server": {"path": "x"}}
        await client.initialize(scene.root)
        await client.run("run", {"accept": ["plan", "no-sandbox"], "host": host}, 60)
        await scene.is_now(client, "complete")
    assert (scene.world.mission.budget.unitTurns, scene.world.mission.budget.runs) == (77, 33)
