"""Unsaved documents of an editor and missions at work in the same repository."""

from __future__ import annotations

from pathlib import Path

from support.engine import plan_of
from support.lsp_client import Client
from support.lsp_missions import Scene, titles, waits


def dirty(client: Client, *paths: Path) -> None:
    client.notify("missions/buffers", {"dirty": [path.as_uri() for path in paths]})


def leases(scene: Scene) -> list[Path]:
    return sorted((scene.world.store.mission(scene.mission).inbox / "leases").glob("*.json"))


async def test_the_user_is_asked_before_a_unit_and_saving_lets_it_begin(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    unsaved = scene.root / "README.md"
    async with scene.serving(), scene.client() as client:
        await client.run("status")
        dirty(client, unsaved)
        await client.until(lambda: leases(scene), "the lease")
        client.choices = ["Start"]
        await client.run("run", {"accept": ["no-sandbox"]}, 60)
        await client.until(
            lambda: any("unsaved changes" in title for title in titles(client)), "the question", 60
        )
        assert "README.md" in titles(client)[-1]
        assert scene.world.units() == []
        dirty(client)
        await scene.is_now(client, "complete")
        assert leases(scene) == []
    answers = [event["data"]["answer"] for event in scene.world.events("decision_answered")]
    assert answers == ["saved"]


async def test_going_on_protects_the_unsaved_files_and_asks_no_second_time(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    async with scene.serving(), scene.client() as client:
        dirty(client, scene.root / "README.md", tmp_path / "elsewhere.txt")
        await client.until(lambda: leases(scene), "the lease")
        client.choices = ["Start", "Go on"]
        await client.run("run", {"accept": ["no-sandbox"]}, 60)
        await scene.is_now(client, "complete")
    noted = [event["data"]["paths"] for event in scene.world.events("unsaved_buffers_noted")]
    assert noted[0] == ["README.md"]
    assert len(scene.world.events("decision_requested")) == 1


async def test_waiting_pauses_the_mission_before_its_unit(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(), scene.client() as client:
        dirty(client, scene.root / "README.md")
        await client.until(lambda: leases(scene), "the lease")
        client.choices = ["Start", "Wait"]
        await client.run("run", {"accept": ["no-sandbox"]}, 60)
        await scene.is_now(client, "paused")
        assert scene.world.units() == []


async def test_a_lease_ends_with_its_server(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving():
        async with scene.client() as client:
            dirty(client, scene.root / "README.md")
            await client.until(lambda: leases(scene), "the lease")
            client.process.kill()
            await client.wait()
        async with scene.client() as again:
            again.choices = ["Start"]
            await again.run("run", {"accept": ["no-sandbox"]}, 60)
            await scene.is_now(again, "complete")
    assert scene.world.events("decision_requested") == []


async def test_files_that_a_run_changed_and_that_are_open_are_named(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    uri = (scene.root / "work/F1.txt").as_uri()
    async with scene.serving(waits("F1")), scene.client() as client:
        for opened in (uri, (scene.root / "README.md").as_uri()):
            document = {"uri": opened, "languageId": "plaintext", "version": 1, "text": ""}
            client.notify("textDocument/didOpen", {"textDocument": document})
        client.choices = ["Start"]
        await client.run("run", {"accept": ["no-sandbox"]}, 60)
        await scene.reached(client)
        scene.world.let_go()
        changed = await client.until(lambda: client.of("missions/filesChanged"), "the changed files", 60)
        assert changed[0] == {"mission": scene.mission, "uris": [uri]}
        await scene.is_now(client, "complete")
        assert len(client.of("missions/filesChanged")) == 1


async def test_plan_files_that_a_revision_wrote_anew_and_that_are_open_are_named(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    plan = scene.world.store.mission(scene.mission).plan
    async with scene.client() as client:
        for name in ("features.json", "objective.md"):
            opened = plan / name
            document = {
                "uri": opened.as_uri(),
                "languageId": "json",
                "version": 1,
                "text": opened.read_text(),
            }
            client.notify("textDocument/didOpen", {"textDocument": document})
        await client.until(lambda: client.of("missions/status"), "the first status")
        scene.request("budget", usd=4.0)
        change = {"op": "edit_feature", "featureId": "F1", "description": "Write it shorter."}
        scene.request("revise-plan", reason="shorter", operations=[change])
        changed = await client.until(lambda: client.of("missions/filesChanged"), "the plan file", 60)
        assert changed == [{"mission": scene.mission, "uris": [(plan / "features.json").as_uri()]}]
