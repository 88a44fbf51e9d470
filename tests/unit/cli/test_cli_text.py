"""Lines and pictures of the command line, and its table of commands."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from missions.cli.app import main
from missions.cli.event_lines import event_line
from missions.cli.following import Seen
from missions.cli.live import picture
from missions.cli.summary import demo_lines, summary_json
from missions.model.mission import ActiveRun, Mission, Origin
from missions.model.usage import Usage
from missions.store.records import Record
from support.plans import mission_of, run_of

COMMANDS = [
    "new",
    "run",
    "resume",
    "pause",
    "cancel",
    "retry",
    "rerun-validation",
    "skip",
    "waive",
    "block",
    "unblock",
    "steer",
    "finish",
    "abandon",
    "delete",
    "status",
    "list",
    "watch",
    "show",
    "decide",
    "clear",
    "models",
    "validate",
    "estimate",
    "preflight",
    "templates",
    "chat",
    "send",
    "plan",
    "comment",
    "decisions",
    "settings",
    "demo",
    "budget",
    "lsp",
]


def record(kind: str, **data: Any) -> Record:
    return Record(1, 1, "2026-11-23T12:04:31.000Z", kind, data, 0, 0, "")


def drawn(mission: Mission, height: int = 44, **activity: Any) -> str:
    console = Console(file=io.StringIO(), width=110, force_terminal=False)
    console.print(picture(Seen(mission, [], activity), height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (record("worker_started", featureId="F1", runId="r", attempt=1), "▶ worker F1 — Parse ISO dates"),
        (
            record("validator_started", milestoneId="M1", runId="r", attempt=2),
            "▶ scrutiny M1 — Reading (attempt 2)",
        ),
        (
            record(
                "worker_finished",
                featureId="F1",
                runId="r",
                accepted=True,
                commit="abcdef0123456",
                summary="Done.",
            ),
            "✓ F1 done (commit abcdef012…): Done.",
        ),
        (
            record("worker_finished", featureId="F1", runId="r", accepted=False, outcome="ended"),
            "✗ F1 ended without",
        ),
        (
            record("validator_finished", milestoneId="M1", status="fail", summary="No."),
            "✗ scrutiny M1: fail No.",
        ),
        (
            record("mission_block_recorded", block={"reasonCategory": "stuck", "message": "a\x1b[31mb"}),
            "✗ The run repeated itself without progress. ab",
        ),
        (record("decision_requested", decision={"question": "Which?"}), "? Which?"),
        (record("mission_complete"), "✓ complete"),
    ],
)
def test_what_happens_is_one_clean_line(entry: Record, words: str) -> None:
    line = event_line(entry, mission_of())
    assert line is not None
    assert line.startswith("12:04:31  " + words[:9])
    assert words in line


@pytest.mark.parametrize(
    "kind", ["usage_recorded", "intent_recorded", "runner_acquired", "of_a_later_version"]
)
def test_what_only_programs_want_is_no_line(kind: str) -> None:
    assert event_line(record(kind), mission_of()) is None


def test_every_line_survives_records_without_their_fields() -> None:
    from missions.model.events import EVENTS

    for kind in EVENTS:
        event_line(record(kind), None)


def test_the_picture_shows_outline_unit_tool_and_figures() -> None:
    run = ActiveRun(
        kind="worker", itemId="F1", milestoneId="M1", runId="1790000000000-worker-F1", attempt=1,
        startedAt=datetime.now(UTC).isoformat(),
    )  # fmt: skip
    used = Usage(inputTokens=100, cacheReadTokens=900, outputTokens=10, requests=3, costMicroUsd=1_230_000)
    text = drawn(
        mission_of(status="running", activeRun=run, usage=used, demo=True),
        turn=3,
        tool="bash",
        summary="ls -l",
    )
    for words in ("Teach the importer about dates", "simulated model", "F1 Parse ISO dates", "worker F1", "turn 3",
                  "bash: ls -l", "90% from cache", "$1.23", "0/3"):  # fmt: skip
        assert words in text, words


def test_the_picture_says_what_is_waited_for() -> None:
    text = drawn(mission_of(status="running"), retry={"reason": "overloaded", "remainingSeconds": 7})
    assert "no unit is running" in text
    assert "waits for you to start it" in drawn(mission_of())


def test_a_long_outline_fits_the_screen_with_the_figures_below() -> None:
    text = drawn(mission_of(), height=16)
    assert len(text.splitlines()) <= 16
    assert "tokens" in text


def test_hostile_titles_reach_no_terminal() -> None:
    mission = mission_of(title="a\x1b]0;gotcha\x07b\u202ec", status="running")
    assert "\x1b" not in drawn(mission)
    assert "\u202e" not in drawn(mission)


def test_the_summary_of_the_demo_names_repairs_and_is_the_same_as_json() -> None:
    mission = mission_of(
        status="complete", branch="missions/x", runs=[run_of("worker", "F1"), run_of("validator", "M1", 2)]
    )
    mission.milestones[0].features[1].origin = Origin(
        kind="repair", runId=mission.runs[1].runId, defectId="D1"
    )
    lines = "\n".join(demo_lines(mission, "/somewhere", 61_000))
    assert "repairs D1 of scrutiny M1" in lines
    assert "1 min 01 s" in lines
    data = summary_json(mission, "/somewhere", 61_000)
    assert [f["origin"]["kind"] for f in data["features"]] == ["plan", "repair", "plan"]
    assert (len(data["runs"]), data["time"]["elapsedMs"]) == (2, 61_000)


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert f" {command} " in shown, command


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "lsp"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "Usage: missions " + command in capsys.readouterr().out
