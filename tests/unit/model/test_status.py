"""The status text, the costs and the JSON of a mission."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.model.costs import costs, milestone_of_run, time_split
from missions.model.figures import ago_text, duration_text, elapsed_ms, money_text, tokens_text
from missions.model.mission import ActiveRun, Decision, DecisionOption, Mission, TimeSplit
from missions.model.mission_json import list_json, mission_json
from missions.model.recovery import Block
from missions.model.status_text import status_text
from missions.model.usage import Usage
from support.plans import mission_of, run_of

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[3] / "docs" / "status-json.md"


def _busy_mission(**fields: Any) -> Mission:
    """A mission with runs of every kind whose usage adds up, and 5 micro-dollars of planning."""
    runs = [
        run_of("worker", "F1", 1, cost=10, milestoneId="M1", durationMs=1000),
        run_of("worker", "F1", 2, cost=20, milestoneId="M1", durationMs=2000),
        run_of("validator", "M1", 3, cost=40, milestoneId="M1"),
        run_of("worker", "F3", 4, cost=80, milestoneId="M2"),
        run_of("worker", "GONE", 5, cost=160, milestoneId="M9"),
    ]
    runs.append(run_of("recovery", runs[2].runId, 6, cost=320))
    spent = Usage(inputTokens=5, requests=1, costMicroUsd=5)
    for run in runs:
        spent += run.usage
    values: dict[str, Any] = {
        "status": "blocked",
        "runs": runs,
        "usage": spent,
        "usageByRole": {
            "planner": Usage(inputTokens=5, requests=1, costMicroUsd=5),
            "worker": Usage(inputTokens=270, requests=4, costMicroUsd=270),
            "validator": Usage(inputTokens=40, requests=1, costMicroUsd=40),
            "orchestrator": Usage(inputTokens=320, requests=1, costMicroUsd=320),
        },
        "latestBlock": Block(
            timestamp="2026-11-23T10:10:00.000Z",
            reasonCategory="validator_report_failed",
            kind="validator",
            validatorMode="scrutiny",
            failedItemId="M1",
            failedItemTitle="Reading",
            missionId="mission-1",
            runId=runs[2].runId,
            status="fail",
            message="A2 does not hold.\nSee the report.",
            failedAssertions=("A2",),
            artifactPaths=(f"runs/{runs[2].runId}/validation-report.md",),
        ),
        "time": TimeSplit(working=3_000, validating=2_000),
        "waitingSince": "2026-11-23T10:20:00.000Z",
    }
    return mission_of(**{**values, **fields})


# Text


def test_the_status_text_has_its_lines_in_order() -> None:
    lines = status_text(_busy_mission(), NOW).splitlines()
    names = [line.split(":")[0] for line in lines[: lines.index("")]]
    assert names == [
        "Mission",
        "ID",
        "Status",
        "Progress",
        "Dir",
        "Run lifecycle",
        "Lifecycle evaluation",
        "Last run",
        "Run item",
        "Run artifacts",
        "Blocked reason",
        "Block message",
        "Failed assertions",
        "Block artifacts",
        "Waits for",
        "Used",
        "Next suggested action",
    ]
    assert "Progress: 0/3" in lines
    assert "Block message: A2 does not hold. See the report." in lines
    assert lines[lines.index("") + 1 :] == [
        "○ M1: Reading",
        "  ○ F1: Parse ISO dates",
        "  ○ F2: Parse local dates",
        "○ M2: Reporting",
        "  ○ F3: Report bad dates",
    ]


def test_a_block_reason_is_shown_only_while_blocked_or_failed() -> None:
    for status in ("planned", "running", "paused", "complete"):
        assert "Blocked reason" not in status_text(_busy_mission(status=status), NOW)
    for status in ("blocked", "failed"):
        assert "Blocked reason: validator_report_failed in scrutiny M1 — Reading" in status_text(
            _busy_mission(status=status), NOW
        )


def test_the_outline_of_the_status_carries_marks_runs_and_commits() -> None:
    mission = _busy_mission(status="running")
    first, second = mission.milestones[0].features
    first.status, first.runId, first.commit = "complete", "1790000000002-worker-F1", "a" * 40
    second.status = "running"
    second.origin.kind = "repair"
    mission.milestones[0].status = "running"
    mission.milestones[0].validationState.scrutiny.runId = "1790000000003-validator-M1"
    mission.milestones[1].features[0].status = "skipped"
    text = status_text(mission, NOW)
    assert "⏳ M1: Reading [validator 1790000000003-validator-M1]" in text
    assert "  ✓ F1: Parse ISO dates [run 1790000000002-worker-F1] (aaaaaaaaaaa…)" in text
    assert "  ⏳ F2: Parse local dates (repair)" in text
    assert "  ↷ F3: Report bad dates" in text


def test_a_mission_that_never_ran_says_so() -> None:
    text = status_text(mission_of(), NOW)
    assert "Current run: none recorded" in text
    assert "Used:" not in text
    assert "missions run mission-20261123101530-a1b2c3" in text


def test_open_questions_and_hostile_texts_in_the_status() -> None:
    option = DecisionOption(id="more", label="More", consequence="Costs more.")
    decision = Decision(
        id="d1",
        kind="budget",
        question="Go \x1b[5mon?",
        options=(option,),
        requestedAt="2026-11-23T10:00:00.000Z",
    )
    text = status_text(
        _busy_mission(status="paused", pauseReason="Money\nis out.", decisions=[decision]), NOW
    )
    assert "Question d1: Go on? [more]" in text
    assert "Paused because: Money is out." in text
    assert "\x1b" not in text


# Costs and time


def test_costs_add_up_over_milestones_units_and_roles() -> None:
    mission = _busy_mission()
    parts = costs(mission)
    assert parts.total.costMicroUsd == 635
    assert [(m.id, m.runs, m.usage.costMicroUsd) for m in parts.milestones] == [("M1", 4, 390), ("M2", 1, 80)]
    assert parts.elsewhere.costMicroUsd == 5 + 160
    assert sum(m.usage.costMicroUsd for m in parts.milestones) + parts.elsewhere.costMicroUsd == 635
    assert sum(usage.costMicroUsd for usage in parts.roles.values()) == 635
    first = parts.units[0]
    assert (first.itemId, first.runs, first.usage.costMicroUsd, first.durationMs) == ("F1", 2, 30, 3000)
    assert sum(unit.usage.costMicroUsd for unit in parts.units) == 630
    assert dict(parts.runs)[mission.runs[3].runId].costMicroUsd == 80


def test_a_recovery_belongs_to_the_milestone_of_what_it_recovers() -> None:
    mission = _busy_mission()
    assert milestone_of_run(mission, mission.runs[-1]) == "M1"


def test_a_moved_feature_takes_its_costs_along() -> None:
    mission = _busy_mission()
    mission.milestones[1].features.append(mission.milestones[0].features.pop(0))
    assert [(m.id, m.usage.costMicroUsd) for m in costs(mission).milestones] == [("M1", 360), ("M2", 110)]


def test_what_is_going_on_now_counts_into_the_time() -> None:
    assert time_split(_busy_mission(), NOW).waitingHuman == 600_000
    run = ActiveRun(
        kind="validator",
        itemId="M1",
        runId="1790000000009-validator-M1",
        attempt=1,
        startedAt="2026-11-23T10:29:00.000Z",
    )
    mission = _busy_mission(status="running", waitingSince=None, activeRun=run)
    split = time_split(mission, NOW)
    assert (split.working, split.validating, split.waitingHuman) == (3_000, 62_000, 0)
    assert mission.time.validating == 2_000


# JSON


def test_the_json_of_a_mission_can_be_written_and_holds_the_row_of_the_list() -> None:
    mission = _busy_mission()
    row, whole = list_json(mission, NOW), mission_json(mission, NOW)
    assert json.loads(json.dumps(whole)) == whole
    assert {key: whole[key] for key in row} == row
    assert row["progress"] == {"completed": 0, "total": 3}
    assert row["reasonCategory"] == "validator_report_failed"
    assert whole["costs"]["total"]["costMicroUsd"] == 635
    assert whole["runs"][0]["usage"]["totalTokens"] == 10
    assert whole["time"]["waitingHumanMs"] == 600_000
    assert whole["block"]["failedAssertions"] == ["A2"]


def test_the_json_shows_no_block_while_the_mission_runs() -> None:
    whole = mission_json(_busy_mission(status="running"), NOW)
    assert whole["block"] is None
    assert whole["reasonCategory"] is None


def test_every_field_of_the_json_is_documented() -> None:
    documented = DOCUMENT.read_text(encoding="utf-8")
    for key in mission_json(_busy_mission(), NOW):
        assert f"`{key}`" in documented, key


# Figures


def test_figures_read_well() -> None:
    assert [money_text(n) for n in (0, 4_200, 1_234_567, 12_345_678_901)] == [
        "$0.00",
        "$0.0042",
        "$1.23",
        "$12,345.68",
    ]
    assert money_text(1_000_000, estimated=True) == "~$1.00"
    assert [tokens_text(n) for n in (980, 12_345, 999_960, 4_560_000)] == ["980", "12.3k", "1.00M", "4.56M"]
    assert [duration_text(s * 1000) for s in (0, 42, 200, 7500, 273_600)] == [
        "0 s",
        "42 s",
        "3 min 20 s",
        "2 h 05 min",
        "3 d 4 h",
    ]


def test_times_before_now_are_told_and_unknown_times_are_not() -> None:
    assert ago_text("2026-11-23T10:29:50.000Z", NOW) == "just now"
    assert ago_text("2026-11-23T10:00:00.000Z", NOW) == "30 min ago"
    assert ago_text("2026-11-22T10:00:00.000Z", NOW) == "24 h ago"
    assert ago_text("2026-11-13T10:00:00.000Z", NOW) == "10 d ago"
    assert ago_text("yesterday", NOW) == ""
    assert elapsed_ms(None, NOW) == 0
    assert elapsed_ms("2026-11-23T11:00:00.000Z", NOW) == 0
