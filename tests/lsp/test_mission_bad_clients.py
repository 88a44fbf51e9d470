"""Clients that misbehave while missions run: the missions and the other windows do not notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engine import plan_of
from support.lsp_client import connected
from support.lsp_missions import Scene, counted, last


@pytest.mark.parametrize("host", ["process", "server"])
async def test_a_client_that_stops_reading_finds_the_newest_state_when_it_reads_again(
    tmp_path: Path, host: str
) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    async with scene.serving(), scene.client() as client:
        client.notify("missions/tree/visibility", {"visible": True})
        await client.run("run", {"accept": ["plan", "no-sandbox"], "host": host}, 60)
        client.stop_reading()
        await scene.is_now(client, "complete")
        client.read_again()
        await client.until(lambda: counted(client, "completed"), "the newest status")
        assert (await client.run("status"))["data"]["status"] == "complete"
        versions = [change["version"] for change in client.of("missions/tree/didChange")]
        assert versions == sorted(set(versions))
        assert client.of("window/showMessage") == []


async def test_one_window_that_hangs_does_not_keep_another_from_working(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(), scene.client() as stuck, scene.client() as good:
        stuck.stop_reading()
        await good.run("run", {"accept": ["plan", "no-sandbox"]}, 60)
        await scene.is_now(good, "complete")
        await good.until(lambda: counted(good, "completed"), "the status")
        stuck.read_again()
        await stuck.until(lambda: counted(stuck, "completed"), "the status of the other window")
        assert last(stuck.of("missions/status")) == last(good.of("missions/status"))


async def test_a_store_that_cannot_be_used_is_said_once_and_looking_still_answers(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.world.store.root.chmod(0o777)
    try:
        async with scene.client() as client:
            await client.until(lambda: client.of("window/showMessage"), "the word about it")
            assert (await client.run("list"))["data"]["missions"][0]["id"] == scene.mission
            error = await client.run_error("skip", {"feature": "F1", "reason": "x"})
            assert error.data["code"] == "store_unusable"
            assert len(client.of("window/showMessage")) == 1
            status = await client.until(lambda: last(client.of("missions/status")), "the status")
            assert status["health"] == "error"
    finally:
        scene.world.store.root.chmod(0o700)


async def test_a_setting_of_the_editor_that_cannot_be_used_is_told_by_its_name_when_it_comes(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path / "home", "vscode", tmp_path) as client:
        client.settings = {"budget": {"usd": "a lot"}}
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        (told,) = await client.until(lambda: client.of("window/showMessage"), "the word about it")
        assert "missions.budget.usd is not used" in told["message"]
