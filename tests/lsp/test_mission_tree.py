"""The Mission Control tree and the status item as a client sees them change."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from missions.model import events as ev
from missions.model.view import SECTIONS
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from support.engine import plan_of
from support.lsp_client import Client, connected
from support.lsp_missions import START, Scene, counted, last, waits
from support.missions_on_disk import MISSION, WHO, new_mission, new_store

TITLES = [title for _, title, _ in SECTIONS]


async def children(client: Client, node: str | None = None) -> list[dict[str, Any]]:
    return (await client.request("missions/tree/children", {"nodeId": node} if node else {}))["nodes"]


async def ancestors(client: Client, node: str) -> list[str]:
    answer = await client.request("missions/tree/parent", {"nodeId": node})
    return [found["id"] for found in answer["ancestors"]]


async def all_nodes(client: Client, node: str | None = None) -> dict[str, dict[str, Any]]:
    """The whole tree below a node, by id."""
    found: dict[str, dict[str, Any]] = {}
    for child in await children(client, node):
        assert child["id"] not in found
        found[child["id"]] = child
        if child["collapsible"] != "none":
            found |= await all_nodes(client, child["id"])
    return found


async def agreed(first: Client, second: Client) -> dict[str, dict[str, Any]]:
    """The tree that both servers show, once they do."""
    async with asyncio.timeout(20):
        while True:
            trees = await asyncio.gather(all_nodes(first), all_nodes(second))
            if trees[0] == trees[1]:
                return trees[0]


def record(store: Store, mission: str, *events: ev.Event) -> None:
    with MissionLog.acquire(store, mission, WHO, purpose="apply") as log:
        log.record_all(list(events))


def health(client: Client) -> str | None:
    """What the last status said; none before the first."""
    status = last(client.of("missions/status"))
    return status["health"] if status else None


async def test_an_empty_store_has_an_empty_tree(tmp_path: Path) -> None:
    async with connected(tmp_path / "home", "vscode", tmp_path) as client:
        assert await children(client) == []
        assert await children(client, "mission:mission-20200101000000-nobody") == []
        assert await children(client, "section:completed") == []
        assert await children(client, "nonsense") == []
        assert await ancestors(client, "nonsense") == []


async def test_sections_missions_milestones_features_and_documents_are_nodes_with_a_way_back(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"], "M2": ["F3"]}))
    async with scene.client() as client:
        roots = await children(client)
        assert [node["label"] for node in roots] == TITLES
        assert [node["description"] for node in roots] == ["0", "0", "0", "1", "0"]
        nodes = await all_nodes(client)
        mission = f"mission:{scene.mission}"
        assert nodes[mission]["contextValue"] == "mission.planned"
        assert nodes[mission]["icon"] == "checklist"
        # Short, because a side bar is narrow; whoever listens hears all of it.
        assert nodes[mission]["description"] == "0/3 · next F1"
        assert nodes[mission]["accessibilityLabel"].endswith("F1: Piece F1")
        assert nodes[mission]["command"]["command"] == "missions.open"
        assert nodes[f"{mission}/feature:F3"]["label"] == "F3 Piece F3"
        documents = [node for name, node in nodes.items() if "/document:" in name]
        assert [node["label"] for node in documents] == [
            "Mission Control",
            "Objective",
            "Plan",
            "Validation contract",
        ]
        assert all(node["accessibilityLabel"] for node in nodes.values())
        assert await ancestors(client, f"{mission}/feature:F3") == [
            "section:planned",
            mission,
            f"{mission}/milestone:M2",
        ]
        assert await ancestors(client, mission) == ["section:planned"]
        assert await ancestors(client, "section:planned") == []
        assert await ancestors(client, f"{mission}/feature:F9") == []
        for name in nodes:
            way = await ancestors(client, name)
            assert name.startswith("section:") or way[0] == "section:planned"


async def test_ids_stay_the_same_in_another_server(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.client() as first:
        before = await all_nodes(first)
    async with scene.client("lsp318") as second:
        assert await all_nodes(second) == before


async def test_only_a_visible_tree_hears_of_changes_and_each_has_a_greater_version(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    new_mission(store)
    async with connected(store.root, "vscode", tmp_path) as client:
        await children(client)
        await client.until(lambda: client.of("missions/status"), "the first status")
        record(store, MISSION, ev.MissionAbandoned(reason="no"))
        await client.until(lambda: counted(client, "failed"), "the status")
        assert client.of("missions/tree/didChange") == []
        client.notify("missions/tree/visibility", {"visible": True})
        first = await client.until(lambda: client.of("missions/tree/didChange"), "what was missed")
        assert first[0]["nodeIds"] == []
        versions = [first[0]["version"]]
        for number in range(3):
            seen = len(client.of("missions/tree/didChange"))
            record(store, MISSION, ev.IntentRecorded(stepId=f"s{number}", kind="test"))
            change = await client.until(lambda n=seen: client.of("missions/tree/didChange")[n:], "a change")
            assert f"mission:{MISSION}" in change[0]["nodeIds"]
            versions.append(change[0]["version"])
        assert versions == sorted(set(versions))
        client.notify("missions/tree/visibility", {"visible": False})
        answer = await client.request("missions/tree/children", {})
        assert answer["version"] >= versions[-1]


@pytest.mark.parametrize("profile", ["neovim", "lsp318", "bare"])
async def test_a_client_without_our_extension_hears_nothing_of_ours(tmp_path: Path, profile: str) -> None:
    scene = Scene(tmp_path)
    async with scene.client(profile) as client:
        announced = (client.capabilities.get("experimental") or {}).get("missions")
        client.notify("missions/tree/visibility", {"visible": True})
        await client.run("status")
        scene.request("skip", feature="F1", reason="not needed")
        await client.until(lambda: scene.world.mission.feature("F1").status == "skipped", "the change")
        if announced:
            await client.until(lambda: client.of("missions/status"), "the status")
        else:
            assert not [name for name, _ in client.notifications if name.startswith("missions/")]


async def test_a_mission_that_is_deleted_while_it_is_shown_is_gone_from_the_tree(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    new_mission(store)
    async with connected(store.root, "vscode", tmp_path) as client:
        assert len(await children(client)) == 5
        client.notify("missions/tree/visibility", {"visible": True})
        shutil.rmtree(store.mission(MISSION).path)
        await client.until(lambda: client.of("missions/tree/didChange"), "the change")
        assert await children(client) == []
        assert await children(client, f"mission:{MISSION}") == []
        assert (await client.run_error("status", {"mission": MISSION})).data["code"] == "not_found"
        assert client.of("window/showMessage") == []


async def test_a_journal_that_is_damaged_while_it_is_shown_becomes_a_node_that_says_so(
    tmp_path: Path,
) -> None:
    store = new_store(tmp_path)
    journal = new_mission(store, 20)
    other = "mission-20261123000001-abc124"
    new_mission(store, mission_id=other)
    async with connected(store.root, "vscode", tmp_path) as client:
        client.notify("missions/tree/visibility", {"visible": True})
        await children(client)
        lines = journal.read_bytes().splitlines(keepends=True)
        lines[5] = lines[5].replace(b'"seq":6', b'"seq":7')
        store.mission(MISSION).snapshot.unlink()
        journal.write_bytes(b"".join(lines))
        await client.until(lambda: health(client) == "error", "the health")
        nodes = await children(client, "section:blockedFailed")
        assert [(node["id"], node["contextValue"]) for node in nodes] == [
            (f"mission:{MISSION}", "mission.damaged")
        ]
        assert (await client.run_error("status", {"mission": MISSION})).data["code"] == "store_corrupt"
        assert (await client.run("status", {"mission": other}))["data"]["id"] == other
        assert len(client.of("window/showMessage")) <= 1


async def test_a_long_section_is_shown_in_parts(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    ids = [f"mission-20261123000000-{number:06d}" for number in range(450)]
    for mission in ids:
        new_mission(store, mission_id=mission)
    async with connected(store.root, "vscode", tmp_path) as client:
        first = await children(client, "section:planned")
        assert len(first) == 201
        assert first[-1]["label"] == "250 more…"
        second = await children(client, first[-1]["id"])
        third = await children(client, second[-1]["id"])
        shown = [node["id"] for node in [*first[:-1], *second[:-1], *third]]
        assert sorted(shown) == [f"mission:{mission}" for mission in ids]
        assert await ancestors(client, third[-1]["id"]) == [
            "section:planned",
            "section:planned:200",
            "section:planned:400",
        ]
        assert await ancestors(client, "section:planned:400") == ["section:planned", "section:planned:200"]


async def test_foreign_text_in_titles_has_no_effect(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    title = "A <b>title</b> [x](command:evil) \u202e`\x1b[31m\nsecond"
    with MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title=title, cwd="/somewhere")):
        pass
    async with connected(store.root, "vscode", tmp_path) as client:
        node = (await children(client, "section:planned"))[0]
        assert "\x1b" not in str(node)
        assert "\u202e" not in str(node)
        assert "\n" not in node["label"]
        assert "<b>" not in node["tooltip"]
        assert "](command:" not in node["tooltip"]


async def test_two_servers_agree_on_a_running_mission_within_a_moment(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(waits()), scene.client() as first, scene.client() as second:
        for client in (first, second):
            client.notify("missions/tree/visibility", {"visible": True})
            await children(client)
        first.choices = list(START)
        await first.run("run", deadline=60)
        await scene.reached(first)
        for client in (first, second):
            await client.until(lambda c=client: counted(c, "running"), "running")
        tree = await agreed(first, second)
        run = [node for name, node in tree.items() if "/run:" in name]
        assert [node["contextValue"] for node in run] == ["run.worker.running"]
        scene.world.let_go()
        await scene.is_now(first, "complete")
        for client in (first, second):
            await client.until(lambda c=client: counted(c, "completed"), "complete")
        await agreed(first, second)
        assert last(first.of("missions/status")) == last(second.of("missions/status"))
