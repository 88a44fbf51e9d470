"""Reading and writing plans in an editor: ids resolve, states explain themselves, fields complete."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.engine import World
from support.lsp_client import Client, connected
from support.plans import plan_json
from support.standing_missions import copy_of, failed_validation, open_file, open_text, position_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    return failed_validation(tmp_path_factory.mktemp("failed"))


@pytest.fixture
def failed(run_once: World, tmp_path: Path) -> World:
    return copy_of(run_once, tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(run_once: World) -> AsyncIterator[Client]:
    """One server for the tests that only read."""
    async with connected(run_once.store.root, "vscode", run_once.root) as client:
        yield client


@pytest.fixture
def reader(window: Client) -> Client:
    window.forget()
    return window


def file_of(world: World, name: str) -> Path:
    return world.store.mission(world.id).path / name


async def hover(client: Client, place: str, position: dict[str, int]) -> str:
    """The text of the hover at a position; empty if there is none."""
    found = await client.request("textDocument/hover", {"textDocument": {"uri": place}, "position": position})
    return "" if found is None else found["contents"]["value"]


async def places(client: Client, method: str, place: str, position: dict[str, int]) -> list[tuple[str, str]]:
    """Name of the file (or document) and the text of the first line of each location."""
    params: dict[str, Any] = {"textDocument": {"uri": place}, "position": position}
    if method == "references":
        params["context"] = {"includeDeclaration": True}
    found = await client.request(f"textDocument/{method}", params)
    shown: list[tuple[str, str]] = []
    for location in found:
        text = ""
        if location["uri"].startswith("file:"):
            line = location["range"]["start"]["line"]
            text = Path(location["uri"].removeprefix("file://")).read_text("utf-8").splitlines()[line].strip()
        shown.append((location["uri"].rsplit("/", 1)[1], text))
    return shown


async def labels(client: Client, place: str, position: dict[str, int]) -> list[str]:
    params = {"textDocument": {"uri": place}, "position": position}
    found = await client.request("textDocument/completion", params)
    return [item["label"] for item in found["items"]]


async def test_hover_explains_features_milestones_and_assertions(reader: Client, run_once: World) -> None:
    path = file_of(run_once, "plan/features.json")
    place, text = open_file(reader, path), path.read_text()
    feature = await hover(reader, place, position_of(text, '"F1"'))
    assert "Feature F1" in feature
    assert "It is done." in feature
    assert "Attempt 1: complete" in feature
    assert "Claims A1" in feature
    milestone = await hover(reader, place, position_of(text, '"M1"'))
    assert "**The mission stopped here.**" in milestone
    assert "Failed 1 of at most 5 times" in milestone
    assertion = await hover(reader, place, position_of(text, '"A1"'))
    assert "Piece F1 is there." in assertion
    assert "does not hold" in assertion
    waiting = await hover(reader, place, position_of(text, '"F3"'))
    assert "has not begun" in waiting


async def test_definition_and_references_cross_the_files_of_a_plan(reader: Client, run_once: World) -> None:
    path = file_of(run_once, "plan/features.json")
    place, text = open_file(reader, path), path.read_text()
    claim = position_of(text, '"A1"')
    assert await places(reader, "definition", place, claim) == [("validation-contract.json", '"id": "A1",')]
    found = await places(reader, "references", place, claim)
    assert ("features.json", '"A1"') in found
    assert any(name == "validation-report.md" for name, _ in found)
    feature = await places(reader, "references", place, position_of(text, '"F1"'))
    assert ("features.json", '"id": "F1",') in feature
    assert any(name == "handoff.md" for name, _ in feature)


@pytest.mark.parametrize("profile", ["vscode", "bare"])
async def test_ids_in_handoffs_reports_and_pages_resolve(failed: World, profile: str) -> None:
    worker, validator = failed.mission.runs[0], failed.mission.runs[2]
    async with connected(failed.store.root, profile, failed.root) as client:
        path = file_of(failed, f"runs/{worker.runId}/handoff.json")
        place, text = open_file(client, path), path.read_text()
        assert await places(client, "definition", place, position_of(text, '"F1"')) == [
            ("features.json", '"id": "F1",')
        ]
        assert worker.commit is not None
        commit = position_of(text, worker.commit)
        assert "was made by" in await hover(client, place, commit)
        readable = "review.md" if profile == "vscode" else "handoff.md"
        assert [name for name, _ in await places(client, "definition", place, commit)] == [readable]
        changed = await places(client, "definition", place, position_of(text, "work/F1.txt"))
        assert [name for name, _ in changed] == ["F1.txt"]

        report = file_of(failed, f"runs/{validator.runId}/validation-report.md")
        place, text = open_file(client, report), report.read_text()
        assert await places(client, "definition", place, position_of(text, "D1")) == [("README.md", "hello")]
        links = await client.request("textDocument/documentLink", {"textDocument": {"uri": place}})
        assert any(link["target"].endswith("README.md") for link in links)

        page = (await client.request("missions/content", {"uri": f"missions:/{failed.id}/control.md"}))[
            "text"
        ]
        place = f"missions:/{failed.id}/control.md"
        open_text(client, place, page)
        assert "scrutiny M1" in await hover(client, place, position_of(page, validator.runId))
        symbols = await client.request("textDocument/documentSymbol", {"textDocument": {"uri": place}})
        (root,) = symbols
        assert next(child["name"] for child in root["children"]) == "Why it stopped"
        folds = await client.request("textDocument/foldingRange", {"textDocument": {"uri": place}})
        assert len(folds) >= 4


async def test_symbols_and_folds_show_the_plan_as_milestones_and_features(failed: World) -> None:
    async with connected(failed.store.root, "neovim", failed.root) as client:
        place = open_file(client, file_of(failed, "plan/plan.json"))
        found = await client.request("textDocument/documentSymbol", {"textDocument": {"uri": place}})
        assert [(s["name"], [c["name"] for c in s["children"]]) for s in found[:2]] == [
            ("M1", ["F1", "F2"]),
            ("M2", ["F3"]),
        ]
        assert [s["name"] for s in found[2:]] == ["A1", "A2", "A3"]
        assert await client.request("textDocument/foldingRange", {"textDocument": {"uri": place}})


async def test_hints_and_lenses_show_states_costs_and_the_estimate(reader: Client, run_once: World) -> None:
    place = open_file(reader, file_of(run_once, "plan/features.json"))
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}
    hints = await reader.request("textDocument/inlayHint", {"textDocument": {"uri": place}, "range": whole})
    said = [hint["label"] for hint in hints]
    assert any(label.startswith("about ") and "$" in label for label in said)
    assert any(label.startswith("✓ complete, 1 run, ") for label in said)
    assert any(label.startswith("✗ failed") for label in said)
    assert "Piece F1 is there." in said
    lenses = await reader.request("textDocument/codeLens", {"textDocument": {"uri": place}})
    titles = [lens["command"]["title"] for lens in lenses]
    assert titles[0].startswith("✗ blocked, 2 of 3 features, ")
    assert "scrutiny: fail" in titles
    assert "Rerun validation" in titles
    (open_review,) = [lens["command"] for lens in lenses if lens["command"]["title"] == "scrutiny: fail"]
    await reader.request(
        "workspace/executeCommand",
        {"command": open_review["command"], "arguments": open_review["arguments"]},
    )
    (shown,) = reader.asked("window/showDocument")
    assert shown["uri"].endswith("review.md")


async def test_lenses_and_hints_are_asked_for_again_when_the_mission_changes(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        for method in ("codeLens", "inlayHint"):
            client.handlers[f"workspace/{method}/refresh"] = lambda params: None
        place = open_file(client, file_of(failed, "plan/features.json"))
        await client.request("textDocument/codeLens", {"textDocument": {"uri": place}})
        failed.request("unblock")
        await client.until(lambda: client.asked("workspace/codeLens/refresh"), "lenses again")
        await client.until(lambda: client.asked("workspace/inlayHint/refresh"), "hints again")


async def test_a_plan_of_ones_own_can_be_saved_as_a_mission_from_its_lens(failed: World) -> None:
    path = failed.user.folder / "dates.plan.json"
    path.write_text(json.dumps(plan_json(), indent=2))
    async with connected(failed.store.root, "vscode", failed.root) as client:
        place = open_file(client, path)
        lenses = await client.request("textDocument/codeLens", {"textDocument": {"uri": place}})
        (save,) = [lens["command"] for lens in lenses if lens["command"]["title"] == "Save as a new mission"]
        before = set(failed.store.mission_ids())
        await client.request(
            "workspace/executeCommand", {"command": save["command"], "arguments": save["arguments"]}
        )
        assert len(set(failed.store.mission_ids()) - before) == 1


async def test_completion_offers_ids_that_fit_values_and_missing_fields(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place = (folder / "dates.plan.json").as_uri()
    plan = plan_json()
    plan["milestones"][0]["features"][1]["dependencies"] = [""]
    plan["milestones"][1]["features"][0]["claims"] = [""]
    text = json.dumps(plan, indent=1)
    async with connected(tmp_path / "store", "vscode", folder) as client:
        open_text(client, place, text)
        depends = position_of(text, '""', after='"F2"')
        assert await labels(client, place, depends) == ["F1"]
        claims = await labels(client, place, position_of(text, '""', after='"F3"'))
        assert claims[0] == "A3"
        assert set(claims) == {"A1", "A2", "A3", "A4"}
        severity = position_of(text, '"critical"')
        assert await labels(client, place, severity) == ["critical", "major", "minor"]
        fields = await labels(client, place, position_of(text, "{", after='"milestones"', shift=1))
        assert fields == ["userTesting", "failureLimit", "claims"]


async def test_completion_works_in_json_that_is_being_typed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place = (folder / "half.plan.json").as_uri()
    text = '{"milestones": [{"id": "M1", "features": [{"id": "F1"}, {"id": "F2", "dependencies": ["F'
    async with connected(tmp_path / "store", "vscode", folder) as client:
        open_text(client, place, text)
        params = {"textDocument": {"uri": place}, "position": {"line": 0, "character": len(text)}}
        found = await client.request("textDocument/completion", params)
        (item,) = found["items"]
        assert item["label"] == "F1"
        edit = item["textEdit"]["range"]
        assert text[edit["start"]["character"] : edit["end"]["character"]] == "F"


async def test_positions_are_counted_as_the_client_counts_them(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place = (folder / "wide.plan.json").as_uri()
    plan = plan_json()
    text = json.dumps(plan, ensure_ascii=False)
    text = text.replace(plan["title"], "Dätes 😀 " + plan["title"], 1).replace(
        '"dependencies": ["F1"]', '"dependencies": ["F9"]'
    )
    before = text[: text.index('"F9"')]
    for profile, column in (
        ("vscode", len(before.encode("utf-16-le")) // 2),
        ("neovim", len(before.encode())),
    ):
        async with connected(tmp_path / "store", profile, folder) as client:
            open_text(client, place, text)
            await client.until(lambda: client.diagnostics.get(place), "findings")
            (found,) = [d for d in client.diagnostics[place] if d["code"] == "unknown-dependency"]
            assert found["range"]["start"]["character"] == column, profile


async def test_nothing_is_said_about_files_that_are_not_ours(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        path = failed.root / "src/app.py"
        place = open_file(client, path)
        here = {"textDocument": {"uri": place}, "position": {"line": 0, "character": 1}}
        assert await client.request("textDocument/hover", here) is None
        assert not await client.request("textDocument/codeLens", {"textDocument": {"uri": place}})
        settings = failed.root / "package.json"
        place = settings.as_uri()
        open_text(client, place, '{"title": 1, "milestones": 3}')
        assert not await client.request("textDocument/documentSymbol", {"textDocument": {"uri": place}})
        assert client.diagnostics.get(place, []) == []
