"""The command line as a user meets it: one process per command, clear errors, documented exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.desk import KEY, Desk
from support.liars import small_plan


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def plan_file(desk: Desk, plan: object) -> str:
    path = desk.folder / "plan.json"
    path.write_text(json.dumps(plan))
    return str(path)


def test_a_mistyped_command_is_an_error_with_a_suggestion_and_never_a_new_mission(desk: Desk) -> None:
    said = desk.missions("puase")
    assert said.code == 2
    assert "'pause'" in said.err
    assert not desk.store.root.exists()
    as_json = desk.missions("puase", "--json")
    assert as_json.code == 2
    assert as_json.json["error"]["code"] == "bad_argument"


def test_a_plan_goes_from_file_to_mission_to_status_and_list(desk: Desk) -> None:
    said = desk.missions("new", "--from", plan_file(desk, small_plan()), "--json")
    assert said.code == 0, said.err
    name = said.json["mission"]
    status = desk.missions("status", "--json").json
    assert (status["id"], status["status"], status["planVersion"]) == (name, "planned", 1)
    assert "Next suggested action" in desk.missions("status", name).out
    assert [row["id"] for row in desk.missions("list", "--json").json["missions"]] == [name]
    assert "Put the pieces in place" in desk.missions("list").out


def test_a_plan_can_come_from_standard_input_and_cwd_names_the_repository(desk: Desk) -> None:
    said = desk.missions(
        "new",
        "--from",
        "-",
        "--cwd",
        str(desk.root),
        "--json",
        cwd=desk.folder,
        given=json.dumps(small_plan()),
    )
    assert said.code == 0, said.err
    assert said.json["value"]["cwd"] == str(desk.root)


def test_a_bad_plan_lists_every_finding_with_its_place_and_writes_nothing(desk: Desk) -> None:
    plan = small_plan(("F1", "F2"))
    plan["milestones"][0]["features"][1]["dependencies"] = ["F7"]
    del plan["skills"]["worker"]
    said = desk.missions("new", "--from", plan_file(desk, plan))
    assert said.code == 1
    assert "error /skills/worker" in said.err
    assert desk.missions("validate", plan_file(desk, plan)).code == 1
    found = desk.missions("validate", plan_file(desk, plan), "--json").json
    assert found["ok"] is False
    assert all(f["path"] and f["fix"] for f in found["findings"])
    assert not desk.store.root.exists() or desk.store.mission_ids() == []


def test_an_unattended_run_without_a_key_says_what_is_missing_and_changes_nothing(desk: Desk) -> None:
    name = desk.saved()
    before = desk.journal(name)
    said = desk.missions("run", name, "--headless", "--yes", "--no-sandbox")
    assert said.code == 1
    assert "ANTHROPIC_API_KEY" in said.err
    assert "missions demo" in said.err
    assert desk.journal(name) == before
    assert desk.user.git("branch", "--show-current") == "main"


def test_each_gate_needs_its_own_flag_else_the_run_ends_with_12(desk: Desk) -> None:
    name = desk.saved(small_plan(network=["example.org"]))
    desk.user.write("README.md", "changed\n")
    said = desk.missions("run", name, "--headless", ANTHROPIC_API_KEY=KEY)
    assert said.code == 12
    for flag in ("--yes", "--allow-dirty", "--allow-network"):
        assert flag in said.err
    assert "README.md" in said.err
    as_json = desk.missions("run", name, "--yes", "--json", "--no-sandbox", ANTHROPIC_API_KEY=KEY)
    assert as_json.code == 12
    assert as_json.json["error"]["data"]["gates"] == ["dirty", "network"]
    assert desk.mission(name).status == "planned"


def test_a_run_of_a_mission_that_waits_for_an_answer_ends_with_12(desk: Desk) -> None:
    name = desk.saved()
    desk.asking(name)
    said = desk.missions("run", name, "--headless", "--yes")
    assert said.code == 12
    assert "Which colour?" in said.err
    shown = desk.missions("show", name, "decisions").out
    assert "red: Red — It is red." in shown
    assert desk.missions("decide", name, "green").code == 2
    answered = desk.missions("decide", name, "decision-1", "red", "--no-resume", "--json")
    assert (answered.code, answered.json["state"]) == (0, "applied")


def test_a_mission_that_another_process_holds_is_locked_and_names_it(desk: Desk) -> None:
    name = desk.saved()
    with desk.owned(name) as log:
        said = desk.missions(
            "run", name, "--headless", "--yes", "--no-sandbox", "--json", ANTHROPIC_API_KEY=KEY
        )
        assert (said.code, said.json["error"]["code"]) == (1, "locked")
        queued = desk.missions("pause", name, "--json")
        assert queued.json["state"] == "queued"
        assert log.epoch


def test_an_unattended_mission_runs_to_its_end_and_prints_one_document(desk: Desk) -> None:
    plan = small_plan()
    service = desk.service(plan)
    try:
        name = desk.saved(plan)
        said = desk.missions("run", name, "--headless", "--yes", "--no-sandbox", "--json")
    finally:
        service.stop()
    assert said.code == 0, said.err
    assert (said.json["status"], said.json["mission"]["id"]) == ("complete", name)
    assert "✓ F1 done" in said.err
    assert KEY not in said.out + said.err
    again = desk.missions("run", name, "--headless", "--yes")
    assert (again.code, "complete" in again.out) == (0, True)
    events = desk.missions("watch", name, "--jsonl", "--since", "0")
    kinds = [json.loads(line)["type"] for line in events.out.splitlines()]
    assert kinds[0] == "mission_created"
    assert "mission_complete" in kinds
    merged = desk.missions("finish", name, "--merge", "--json").json
    assert (merged["value"]["branch"], merged["value"]["merge"]) == ("main", "fast_forwarded")


def test_at_a_terminal_the_start_shows_what_will_happen_asks_and_then_draws(desk: Desk) -> None:
    plan = small_plan()
    service = desk.service(plan)
    try:
        name = desk.saved(plan)
        declined = desk.typed("run", answer="n")
        assert declined.code == 12
        for words in (
            "Repository",
            "Branch",
            "Budget",
            "Models",
            "Sandbox",
            "Network",
            "its budget?",
            "not started",
        ):
            assert words in declined.out, words
        assert desk.mission(name).status == "planned"
        accepted = desk.typed("run", answer="y")
    finally:
        service.stop()
    assert accepted.code == 0, accepted.out
    assert "F1 Piece 1" in accepted.out
    assert f"{name}: complete" in accepted.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("status", "mission-20990101000000-zzzzzz"), 1, "There is no mission"),
        (("status", "mission-UPPER"), 2, "is not a mission id"),
        (("status",), 1, "No mission belongs to"),
        (("skip", "F1"), 2, "reason"),
        (("new",), 2, "--from"),
        (("new", "--from", "no-such-plan.json"), 2, "cannot be read"),
        (("run", "--what"), 2, "--what"),
        (("settings", "sandbox.mood"), 2, "There is no setting"),
        (("models", "painter"), 2, "There is no role"),
        (("clear", "mission-20990101000000-zzzzzz", "--yes"), 1, "There is no mission"),
    ],
)
def test_wrong_uses_are_told_apart_by_exit_code_and_say_what_to_do(
    desk: Desk, arguments: tuple[str, ...], code: int, words: str
) -> None:
    said = desk.missions(*arguments)
    assert (said.code, words in said.err) == (code, True), said
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("arguments", [["--version"], ["list"], ["status"]])
def test_looking_never_loads_the_model_client_or_the_editor_protocol(
    desk: Desk, arguments: list[str]
) -> None:
    desk.saved()
    code = (
        "import sys\nsys.argv = ['missions', *sys.argv[1:]]\nfrom missions.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write('\\n'.join({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=desk.root, env=desk.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = set(done.stderr.split())
    assert not loaded & {"anthropic", "lsprotocol", "pygls", "git", "httpx"}
    if arguments == ["--version"]:
        assert not loaded & {"rich", "typer", "pydantic"}
        assert done.stdout.startswith("missions ")


def test_importing_control_loads_neither_client_nor_protocol(desk: Desk) -> None:
    code = "import sys, missions.control.control; print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not set(done.stdout.split()) & {"anthropic", "pygls", "lsprotocol", "rich", "typer", "git"}


def test_the_schema_of_plans_ships_with_the_program(desk: Desk) -> None:
    said = desk.missions("validate", "--schema", cwd=desk.folder)
    assert said.code == 0
    assert "milestones" in said.json["properties"]
    rules = desk.missions("validate", "--rules", "--json").json
    assert {"not-json", "unknown-field"} <= {rule["id"] for rule in rules}
    assert len(rules) >= 25
    assert all(rule["fix"].endswith(".") for rule in rules), "each rule says how to mend"
