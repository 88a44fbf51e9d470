"""The read-only documents: what they say, for every kind of client, and that they follow what happens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.engine import World, plan_of
from support.lsp_client import PROFILES, connected
from support.standing_missions import copy_of, failed_validation


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    return failed_validation(tmp_path_factory.mktemp("failed"))


@pytest.fixture
def failed(run_once: World, tmp_path: Path) -> World:
    return copy_of(run_once, tmp_path)


def names(world: World) -> dict[str, str]:
    """The documents of a mission by their kind."""
    worker, validator = world.mission.runs[0].runId, world.mission.runs[2].runId
    return {
        "overview": "control.md",
        "mission": f"{world.id}/control.md",
        "handoff": f"{world.id}/runs/{worker}/review.md",
        "report": f"{world.id}/runs/{validator}/review.md",
        "transcript": f"{world.id}/runs/{worker}/transcript.md",
        "blocks": "help/blocks.md",
        "rules": "help/rules.md",
    }


async def test_each_document_says_what_it_is_for(failed: World) -> None:
    wanted = {
        "overview": ["## Blocked / Failed (1)", "Put the pieces in place", f"({failed.id}/control.md)"],
        "mission": [
            "Status: **blocked**",
            "## Why it stopped",
            "validator_report_failed",
            "F1",
            "attempt 1]",
        ],
        "handoff": [
            "Handoff F1",
            f"commit [`{failed.mission.runs[0].commit[:12]}`](#changes)",
            "## Commands that really ran",
            "git add",
            "## Changes",
            "+F1: Piece F1",
            "Cost:",
        ],
        "report": ["Verdict: **fail**", "Defect D1", "test -e a-file-that-is-missing", "| 1 |"],
        "transcript": ["turn 1", "Starting F1", "Calls `bash`"],
        "blocks": ["## validator_report_failed"],
        "rules": ["## unknown-dependency"],
    }
    async with connected(failed.store.root, "lsp318", failed.root) as client:
        for kind, name in names(failed).items():
            by_standard = await client.request("workspace/textDocumentContent", {"uri": f"missions:/{name}"})
            own = await client.request("missions/content", {"uri": f"missions:{name}"})
            assert own["languageId"] == "markdown"
            if kind not in ("overview", "mission"):  # those tell how long ago
                assert own["text"] == by_standard["text"]
            for text in wanted[kind]:
                assert text in by_standard["text"], (kind, by_standard["text"])


async def test_a_document_that_does_not_exist_is_refused_with_a_way_on(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        for name, code in (
            ("nothing.md", "not_found"),
            (f"{failed.id}/report.md", "not_found"),
            (f"{failed.id}/runs/1790000000000-worker-F9/review.md", "not_found"),
            (f"{failed.id}/runs/../../secret/review.md", "not_found"),
            (f"{failed.id}/runs/%2e%2e/review.md", "bad_argument"),
            ("mission-20200101000000-abcdef/control.md", "not_found"),
            ("..%2f..%2fetc/control.md", "not_found"),
        ):
            error = await client.error("missions/content", {"uri": f"missions:/{name}"})
            assert error.data["code"] == code, name
            assert error.data["nextStep"]
        error = await client.error("missions/content", {"uri": "file:///etc/passwd"})
        assert error.data["code"] == "bad_argument"


async def test_a_shown_document_is_refreshed_when_its_mission_changes(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        place = f"missions:/{failed.id}/control.md"
        client.handlers["workspace/textDocumentContent/refresh"] = lambda params: None
        before = await client.request("workspace/textDocumentContent", {"uri": place})
        assert "**blocked**" in before["text"]
        failed.request("unblock")
        await client.until(
            lambda: {"uri": place} in client.asked("workspace/textDocumentContent/refresh"), "the refresh"
        )
        after = await client.request("workspace/textDocumentContent", {"uri": place})
        assert "**paused**" in after["text"]


async def test_a_transcript_is_refreshed_while_it_grows(failed: World) -> None:
    run = failed.mission.runs[0].runId
    path = failed.store.mission(failed.id).run(run).transcript
    async with connected(failed.store.root, "lsp318", failed.root) as client:
        place = f"missions:/{failed.id}/runs/{run}/transcript.md"
        client.handlers["workspace/textDocumentContent/refresh"] = lambda params: None
        await client.request("workspace/textDocumentContent", {"uri": place})
        record = {"at": "2026-11-23T10:00:00.000Z", "type": "assistant", "turn": 77, "content": []}
        with path.open("a", encoding="ascii") as transcript:
            transcript.write(json.dumps(record) + "\n")
        await client.until(lambda: client.asked("workspace/textDocumentContent/refresh"), "the refresh")
        text = await client.request("workspace/textDocumentContent", {"uri": place})
        assert "turn 77" in text["text"]


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_client_gets_the_review_of_a_run_in_a_form_that_it_can_read(
    failed: World, profile: str
) -> None:
    run = failed.mission.runs[0].runId
    async with connected(failed.store.root, profile, failed.root) as client:
        given = {"mission": failed.id, "document": "review", "run": run}
        result = await client.run("open", given)
        scheme = urlsplit(result["uri"]).scheme
        if scheme == "file":
            path = Path(unquote(urlsplit(result["uri"]).path))
            assert "Handoff F1" in path.read_text("utf-8")
            assert path.stat().st_mode & 0o077 == 0
            assert path.parents[3].stat().st_mode & 0o077 == 0
        shown = [params["uri"] for params in client.asked("window/showDocument")]
        assert shown == ([] if profile == "bare" else [result["uri"]])
        assert result["shown"] is (profile != "bare")
    if scheme == "file":
        assert not path.exists()


async def test_a_poor_clients_file_follows_what_happens(failed: World) -> None:
    async with connected(failed.store.root, "bare", failed.root) as client:
        result = await client.run("control", {"mission": failed.id})
        path = Path(unquote(urlsplit(result["uri"]).path))
        assert "**blocked**" in path.read_text("utf-8")
        failed.request("unblock")
        await client.until(lambda: "**paused**" in path.read_text("utf-8"), "the new text")


async def test_hostile_words_have_no_effect_in_documents(tmp_path: Path) -> None:
    evil = "</h1><script>x</script> [go](command:workbench.action.quit) ![i](http://evil.example/x.png) `` | \u202e\x1b[31m"
    plan = plan_of({"M1": ["F1"]})
    plan["milestones"][0]["objective"] = "Everything holds."
    world = World(tmp_path, plan)
    world.create(accept=None)
    world.request("abandon", reason=evil)
    async with connected(world.store.root, "vscode", world.root) as client:
        for name in ("control.md", f"{world.id}/control.md"):
            text = (await client.request("missions/content", {"uri": f"missions:/{name}"}))["text"]
            for harmful in ("<script", "](command:", "](http", "\u202e", "\x1b"):
                assert harmful not in text.replace("\\<", "").replace("\\](", ""), (name, harmful)


async def test_a_mission_that_is_deleted_while_its_document_is_shown_leaves_a_sentence(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        place = f"missions:/{failed.id}/control.md"
        client.handlers["workspace/textDocumentContent/refresh"] = lambda params: None
        await client.request("workspace/textDocumentContent", {"uri": place})
        shutil.rmtree(failed.store.mission(failed.id).path)
        await client.until(lambda: client.asked("workspace/textDocumentContent/refresh"), "the refresh")
        error = await client.error("workspace/textDocumentContent", {"uri": place})
        assert error.data["code"] == "not_found"
