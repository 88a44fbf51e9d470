"""What an editor's problem list shows of missions: set, updated and cleared, also for files that nobody has opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.engine import World
from support.lsp_client import PROFILES, Client, connected
from support.plans import plan_json
from support.standing_missions import (
    actions_at,
    blocked_worker,
    coded,
    copy_of,
    failed_validation,
    open_text,
    uri,
)

FEATURES = "plan/features.json"


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    return failed_validation(tmp_path_factory.mktemp("failed"))


@pytest.fixture(scope="module")
def blocked_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    return blocked_worker(tmp_path_factory.mktemp("blocked"))


@pytest.fixture
def failed(run_once: World, tmp_path: Path) -> World:
    return copy_of(run_once, tmp_path)


@pytest.fixture
def blocked(blocked_once: World, tmp_path: Path) -> World:
    return copy_of(blocked_once, tmp_path)


async def shown(client: Client, uri_: str, *codes: str) -> list[dict[str, object]]:
    """Wait until a document has exactly these codes."""
    await client.until(
        lambda: coded(client, uri_) == sorted(codes), f"{codes} on {uri_}: {client.diagnostics}"
    )
    return client.diagnostics[uri_]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_failed_validation_is_shown_on_the_source_line_and_on_the_plan(
    failed: World, profile: str
) -> None:
    async with connected(failed.store.root, profile, failed.root) as client:
        readme = (failed.root / "README.md").as_uri()
        (defect,) = await shown(client, readme, "defect")
        assert defect["range"]["start"]["line"] == 0
        assert defect["range"]["end"]["character"] == len("hello")
        assert "Something is missing" in defect["message"]
        assert defect["severity"] == 1
        assert defect["source"] == "missions"
        assert defect["data"]["defect"] == "D1"
        (block,) = await shown(client, uri(failed, FEATURES), "validator_report_failed")
        text = (failed.store.mission(failed.id).path / FEATURES).read_text().splitlines()
        assert '"M1"' in text[block["range"]["start"]["line"]]
        related = [Path(r["location"]["uri"]).name for r in block.get("relatedInformation", [])]
        capable = profile != "bare"
        assert ("validation-report.md" in related) is capable
        assert any(name.endswith(".md") and "validator-M1" in name for name in related) is capable


async def test_a_blocked_worker_is_shown_at_its_feature(blocked: World) -> None:
    async with connected(blocked.store.root, "neovim", blocked.root) as client:
        (block,) = await shown(client, uri(blocked, FEATURES), "worker_reported_blocked")
        text = (blocked.store.mission(blocked.id).path / FEATURES).read_text().splitlines()
        assert '"F2"' in text[block["range"]["start"]["line"]]
        related = [Path(r["location"]["uri"]).name for r in block["relatedInformation"]]
        assert "handoff.md" in related


async def test_only_missions_of_this_windows_folders_are_shown(failed: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with connected(failed.store.root, "vscode", elsewhere) as client:
        await client.run("list")
        await client.request("missions/tree/children", {})
        folder = {"uri": failed.root.as_uri(), "name": "here"}
        event = {"added": [folder], "removed": []}
        assert client.diagnostics == {}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        await shown(client, (failed.root / "README.md").as_uri(), "defect")
        event = {"added": [], "removed": [folder]}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        await shown(client, (failed.root / "README.md").as_uri())


async def test_diagnostics_follow_the_state(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        readme, features = (failed.root / "README.md").as_uri(), uri(failed, FEATURES)
        await shown(client, readme, "defect")
        failed.request("waive", defect="D1", reason="It is meant to be missing.")
        await shown(client, readme)
        await shown(client, features, "validator_report_failed")
        failed.request("unblock")
        await shown(client, features)
        failed.request("block", reason="Wait for the release.")
        (block,) = await shown(client, features, "manual")
        assert "Wait for the release." in block["message"]
        failed.request("abandon", reason="No longer wanted.")
        (given_up,) = await shown(client, features, "abandoned")
        assert given_up["severity"] == 2


async def test_a_new_server_shows_the_same_and_clears_what_an_old_one_left(failed: World) -> None:
    readme, features = (failed.root / "README.md").as_uri(), uri(failed, FEATURES)
    async with connected(failed.store.root, "vscode", failed.root) as client:
        await shown(client, readme, "defect")
        client.process.kill()
        await client.wait()
    async with connected(failed.store.root, "vscode", failed.root) as client:
        await shown(client, readme, "defect")
        await shown(client, features, "validator_report_failed")
        client.process.kill()
        await client.wait()
    failed.request("waive", defect="D1", reason="Settled while no editor looked.")
    failed.request("unblock")
    async with connected(failed.store.root, "vscode", failed.root) as client:
        await client.until(lambda: client.diagnostics.get(readme) == [], "the clearing of the source file")
        await client.until(lambda: client.diagnostics.get(features) == [], "the clearing of the plan")


async def test_a_defect_becomes_a_repair_feature_and_then_only_informs(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        readme = (failed.root / "README.md").as_uri()
        (defect,) = await shown(client, readme, "defect")
        offered = await actions_at(client, readme, defect)
        command = offered["Turn D1 into a repair feature"]
        result = await client.request("workspace/executeCommand", _plain(command))
        assert result["state"] == "applied"
        repair = failed.mission.all_features()[2]
        assert repair.origin.kind == "repair"
        assert (repair.origin.defectId, repair.origin.runId) == ("D1", defect["data"]["run"])
        await client.until(
            lambda: [d["severity"] for d in client.diagnostics[readme]] == [3], "the lower severity"
        )
        offered = await actions_at(client, readme, client.diagnostics[readme][0])
        assert "Turn D1 into a repair feature" not in offered
        assert "Resume the mission" in offered


async def test_a_defect_is_waived_with_a_reason_from_the_problem_list(failed: World) -> None:
    async with connected(failed.store.root, "neovim", failed.root) as client:
        readme = (failed.root / "README.md").as_uri()
        (defect,) = await shown(client, readme, "defect")
        offered = await actions_at(client, readme, defect)
        await client.request("workspace/executeCommand", _plain(offered["Waive D1: accepted as it is"]))
        await shown(client, readme)
        (waiver,) = failed.mission.milestones[0].validationState.waived
        assert waiver.defectId == "D1"
        assert "Accepted as it is" in waiver.reason


async def test_a_validation_is_rerun_from_the_problem_list(failed: World) -> None:
    async with connected(failed.store.root, "bare", failed.root) as client:
        (block,) = await shown(client, uri(failed, FEATURES), "validator_report_failed")
        offered = await actions_at(client, uri(failed, FEATURES), block)
        await client.request("workspace/executeCommand", _plain(offered["Rerun the validation of M1"]))
        await shown(client, uri(failed, FEATURES))
        assert failed.events("validation_rerun_requested")


async def test_a_feature_is_retried_from_the_problem_list(blocked: World) -> None:
    async with connected(blocked.store.root, "vscode", blocked.root) as client:
        (block,) = await shown(client, uri(blocked, FEATURES), "worker_reported_blocked")
        offered = await actions_at(client, uri(blocked, FEATURES), block)
        await client.request("workspace/executeCommand", _plain(offered["Retry feature F2"]))
        await shown(client, uri(blocked, FEATURES))
        feature = blocked.mission.feature("F2")
        assert feature is not None
        assert feature.status == "pending"


async def test_what_a_run_left_is_opened_from_the_problem_list(failed: World) -> None:
    async with connected(failed.store.root, "vscode", failed.root) as client:
        (block,) = await shown(client, uri(failed, FEATURES), "validator_report_failed")
        offered = await actions_at(client, uri(failed, FEATURES), block)
        for title in ("Open the report", "Open the transcript", "Open the recovery packet"):
            await client.request("workspace/executeCommand", _plain(offered[title]))
        opened = [params["uri"] for params in client.asked("window/showDocument")]
        assert [Path(one).name.split("-validator")[-1] for one in opened][:2] == [
            "review.md",
            "transcript.md",
        ]
        assert "recovery-packets" in opened[2]


def _plain(command: dict[str, object]) -> dict[str, object]:
    return {"command": command["command"], "arguments": command["arguments"]}


# Plan files


async def test_an_open_plan_is_judged_while_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place = (folder / "dates.plan.json").as_uri()
    async with connected(tmp_path / "store", "vscode", folder) as client:
        plan = plan_json()
        plan["milestones"][0]["features"][1]["dependencies"] = ["F9"]
        text = json.dumps(plan, indent=2)
        open_text(client, place, text)
        await client.until(lambda: "unknown-dependency" in coded(client, place), "the finding")
        (finding,) = [d for d in client.diagnostics[place] if d["code"] == "unknown-dependency"]
        line = text.splitlines()[finding["range"]["start"]["line"]]
        assert line.strip() == '"F9"'
        assert line[finding["range"]["start"]["character"] : finding["range"]["end"]["character"]] == '"F9"'
        good = json.dumps(plan_json(), indent=2)
        change = {"textDocument": {"uri": place, "version": 2}, "contentChanges": [{"text": good}]}
        client.notify("textDocument/didChange", change)
        await client.until(lambda: "unknown-dependency" not in coded(client, place), "the clearing")
        client.notify("textDocument/didClose", {"textDocument": {"uri": place}})
        await shown(client, place)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not-json"),
        ('{"title": ', "not-json"),
        ("[1, 2]", "plan-not-object"),
        ("\x00\x01", "not-json"),
        ('{"a":' * 5000, "plan-too-deep"),
        ('{"title": "x", "title": "y"}', "duplicate-key"),
    ],
)
async def test_a_broken_plan_is_a_finding_and_every_question_is_answered(
    tmp_path: Path, text: str, code: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place = (folder / "broken.plan.json").as_uri()
    async with connected(tmp_path / "store", "vscode", folder) as client:
        open_text(client, place, text)
        await client.until(lambda: code in coded(client, place), code)
        await ask_everything(client, place)


async def ask_everything(client: Client, place: str, line: int = 0, character: int = 3) -> None:
    """Every language question once; none may fail."""
    document = {"textDocument": {"uri": place}}
    here = {**document, "position": {"line": line, "character": character}}
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 9999, "character": 0}}
    for method, params in (
        ("hover", here),
        ("definition", here),
        ("references", {**here, "context": {"includeDeclaration": True}}),
        ("completion", here),
        ("documentSymbol", document),
        ("foldingRange", document),
        ("documentLink", document),
        ("codeLens", document),
        ("inlayHint", {**document, "range": whole}),
        ("codeAction", {**document, "range": whole, "context": {"diagnostics": []}}),
    ):
        await client.request(f"textDocument/{method}", params)


async def test_a_plan_of_twenty_megabytes_is_refused_without_delay_for_others(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    large, small = (folder / "large.plan.json").as_uri(), (folder / "small.plan.json").as_uri()
    async with connected(tmp_path / "store", "neovim", folder) as client:
        plan = plan_json(objective="x" * 20_000_000)
        open_text(client, large, json.dumps(plan))
        open_text(client, small, "{}")
        await shown(client, large, "plan-too-large")
        await client.until(lambda: "missing-field" in coded(client, small), "the other plan")
        await ask_everything(client, large)


async def test_hostile_text_in_a_plan_is_named_and_never_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place = (folder / "hostile.plan.json").as_uri()
    async with connected(tmp_path / "store", "vscode", folder) as client:
        evil = "\u202egnp.exe \x1b]8;;http://evil.example\x07 [x](command:workbench.action.quit) <img src=x>"
        plan = plan_json(title=evil)
        plan["milestones"][0]["features"][0]["id"] = "F1\u202e"
        open_text(client, place, json.dumps(plan, indent=1))
        await client.until(lambda: "hostile-text" in coded(client, place), "the finding")
        said = json.dumps(client.diagnostics[place], ensure_ascii=False)
        assert "\u202e" not in said
        assert "\x1b" not in said
        await ask_everything(client, place, 1, 12)


async def test_an_edited_plan_file_is_a_proposal_that_an_action_applies(failed: World) -> None:
    directory = failed.store.mission(failed.id)
    path = directory.path / FEATURES
    async with connected(failed.store.root, "vscode", failed.root) as client:
        await shown(client, path.as_uri(), "validator_report_failed")
        raw = json.loads(path.read_text())
        raw["milestones"][1]["features"][0]["title"] = "Another title"
        path.write_text(json.dumps(raw, indent=2))
        await client.until(
            lambda: "plan-differs" in coded(client, path.as_uri()), "the note on the unopened file"
        )
        (note,) = [d for d in client.diagnostics[path.as_uri()] if d["code"] == "plan-differs"]
        offered = await actions_at(client, path.as_uri(), note)
        client.choices = ["Revise", "Revise"]
        result = await client.request(
            "workspace/executeCommand", _plain(offered["Apply the edited plan as a revision"])
        )
        assert result["state"] == "applied"
        feature = failed.mission.feature("F3")
        assert feature is not None
        assert feature.title == "Another title"
        await shown(client, path.as_uri(), "validator_report_failed")


async def test_an_edit_that_touches_finished_work_is_refused_with_the_reason(failed: World) -> None:
    path = failed.store.mission(failed.id).path / FEATURES
    async with connected(failed.store.root, "vscode", failed.root) as client:
        raw = json.loads(path.read_text())
        raw["milestones"][0]["features"][0]["description"] = "Something else than what was built already."
        path.write_text(json.dumps(raw, indent=2))
        await client.until(lambda: "revision-finished-feature" in coded(client, path.as_uri()), "the finding")
        error = await client.run_error("apply-plan", {"mission": failed.id})
        assert error.data["code"] == "plan_invalid"
        assert failed.mission.plan.version == 1


async def test_a_plan_file_that_is_no_json_is_shown_and_not_applied(failed: World) -> None:
    path = failed.store.mission(failed.id).path / FEATURES
    async with connected(failed.store.root, "neovim", failed.root) as client:
        path.write_text("{ broken")
        await client.until(lambda: "not-json" in coded(client, path.as_uri()), "the finding")
        error = await client.run_error("apply-plan", {"mission": failed.id})
        assert error.data["code"] == "plan_invalid"


# Bad times


async def test_a_journal_damaged_under_our_eyes_clears_what_cannot_be_known(failed: World) -> None:
    journal = failed.store.mission(failed.id).journal
    async with connected(failed.store.root, "vscode", failed.root) as client:
        readme = (failed.root / "README.md").as_uri()
        await shown(client, readme, "defect")
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*lines[:3], b'{"seq": broken\n', *lines[4:]]))
        await shown(client, readme)
        assert client.of("window/showMessage") == []
        journal.write_bytes(b"".join(lines))
        await shown(client, readme, "defect")


async def test_a_mission_that_is_deleted_takes_its_diagnostics_along(failed: World) -> None:
    async with connected(failed.store.root, "neovim", failed.root) as client:
        readme, features = (failed.root / "README.md").as_uri(), uri(failed, FEATURES)
        await shown(client, readme, "defect")
        shutil.rmtree(failed.store.mission(failed.id).path)
        await shown(client, readme)
        await shown(client, features)


async def test_two_windows_show_the_same(failed: World) -> None:
    async with (
        connected(failed.store.root, "vscode", failed.root) as one,
        connected(failed.store.root, "neovim", failed.root) as other,
    ):
        readme = (failed.root / "README.md").as_uri()
        await shown(one, readme, "defect")
        await shown(other, readme, "defect")
        await one.run("waive", {"mission": failed.id, "defect": "D1", "reason": "Seen in one window."})
        await shown(one, readme)
        await shown(other, readme)


async def test_a_report_that_names_places_outside_the_repository_marks_only_the_plan(failed: World) -> None:
    run = failed.mission.runs[2].runId
    report = failed.store.mission(failed.id).run(run).report("scrutiny")
    content = json.loads(report.read_bytes())
    content["defects"][0]["locations"] = [
        {"path": "../../../../../../../etc/passwd", "startLine": 1},
        {"path": "/etc/passwd", "startLine": 1},
        {"path": "gone.py", "startLine": 900},
    ]
    report.write_text(json.dumps(content))
    async with connected(failed.store.root, "vscode", failed.root) as client:
        await shown(client, uri(failed, FEATURES), "defect", "validator_report_failed")
        assert [place for place in client.diagnostics if "passwd" in place] == []
