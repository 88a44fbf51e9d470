"""What every face shows of missions: sections, cards, status line, detail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from missions.model import operations
from missions.model.detail import detail, outputs
from missions.model.mission import ActiveRun, Decision, DecisionOption, Mission, Recovery, TimeSplit
from missions.model.next_action import lifecycle, needs_you, next_action, waits_for
from missions.model.plain_text import columns
from missions.model.recovery import CATEGORIES, Block, BlockCategory
from missions.model.view import (
    SECTIONS,
    Damaged,
    card,
    current_block,
    current_task,
    overview,
    place,
    run_title,
    status_line,
)
from support.plans import mission_of, run_of

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
STATUSES = ("planning", "planned", "running", "paused", "blocked", "complete", "failed")


def _mission(number: int = 1, **fields: Any) -> Mission:
    return mission_of(**{"id": f"mission-{number}", "title": f"Mission {number}", **fields})


def _active(kind: Any = "worker", item: str = "F1") -> ActiveRun:
    return ActiveRun(
        kind=kind,
        itemId=item,
        validatorMode="user-testing" if kind == "validator" else None,
        milestoneId="M1",
        runId=f"1790000000001-{kind}-{item}",
        attempt=1,
        startedAt="2026-11-23T10:20:00.000Z",
    )


def _block(category: BlockCategory = "worker_reported_blocked", **fields: Any) -> Block:
    values: dict[str, Any] = {
        "timestamp": "2026-11-23T10:10:00.000Z",
        "reasonCategory": category,
        "kind": "worker",
        "failedItemId": "F1",
        "failedItemTitle": "Parse ISO dates",
        "missionId": "mission-1",
        "runId": "1790000000001-worker-F1",
        "message": "The library is missing.",
    }
    return Block(**{**values, **fields})


def _decision(**fields: Any) -> Decision:
    values: dict[str, Any] = {
        "id": "d1",
        "kind": "ask-user",
        "question": "Which calendar?",
        "options": (DecisionOption(id="julian", label="Julian", consequence="Old dates change."),),
        "requestedAt": "2026-11-23T10:10:00.000Z",
    }
    return Decision(**{**values, **fields})


# The overview


def test_all_five_sections_are_always_there_in_the_fixed_order() -> None:
    empty = overview([], set(), NOW)
    assert [section.id for section in empty.sections] == [
        "blockedFailed",
        "running",
        "paused",
        "planned",
        "completed",
    ]
    missions = [_mission(number, status=status) for number, status in enumerate(STATUSES)]
    shown = overview(missions, set(), NOW)
    assert [[c.status for c in s.cards] for s in shown.sections] == [
        ["blocked", "failed"],
        ["running"],
        ["paused"],
        ["planning", "planned"],
        ["complete"],
    ]
    assert shown.counts["planned"] == 2
    assert {status for _, _, statuses in SECTIONS for status in statuses} == set(STATUSES)


def test_missions_sort_by_update_time_then_title_then_id() -> None:
    missions = [
        _mission(1, title="Beta"),
        _mission(3, title="Alpha"),
        _mission(2, title="Alpha"),
        _mission(4, title="Zeta", updatedAt="2026-11-23T11:00:00.000Z"),
    ]
    assert [c.id for c in overview(missions, set(), NOW).cards] == [
        "mission-4",
        "mission-2",
        "mission-3",
        "mission-1",
    ]


def test_only_completed_missions_can_be_cleared_from_view() -> None:
    missions = [_mission(1, status="complete"), _mission(2, status="running"), _mission(3, status="complete")]
    cleared = {"mission-1", "mission-2"}
    assert [c.id for c in overview(missions, cleared, NOW).cards] == ["mission-2", "mission-3"]
    everything = overview(missions, cleared, NOW, include_cleared=True).cards
    assert [(c.id, c.cleared) for c in everything] == [
        ("mission-2", True),
        ("mission-1", True),
        ("mission-3", False),
    ]
    assert missions[0].status == "complete"


def test_a_damaged_mission_is_named_and_hides_no_other() -> None:
    shown = overview([_mission(1)], set(), NOW, damaged=[Damaged("mission-9", "Line 3 is \x1b[31mbroken.")])
    assert [c.id for c in shown.cards] == ["mission-1"]
    assert shown.damaged == (Damaged("mission-9", "Line 3 is broken."),)


@pytest.mark.parametrize(
    ("cwd", "repo", "worktree", "location"),
    [
        ("/x/worktrees/feature-a", "feature-a", "worktrees/feature-a", "worktrees/feature-a"),
        ("/app/app", "app", None, "app"),
        ("/repo", "repo", None, "repo"),
        ("/", "/", None, "/"),
        ("C:\\work\\repo", "repo", "work/repo", "work/repo"),
        ("/x/evil\x1b[2J/re\npo", "re po", "evil/re po", "evil/re po"),
    ],
)
def test_places_are_labelled_by_folder_and_parent(
    cwd: str, repo: str, worktree: str | None, location: str
) -> None:
    where = place(cwd)
    assert (where.repo, where.worktree, where.location) == (repo, worktree, location)


def test_a_card_says_what_is_done_what_it_cost_and_how_long_it_took() -> None:
    mission = _mission(
        status="running",
        activeRun=_active(),
        time=TimeSplit(working=60_000, validating=30_000, waitingHuman=5_000),
    )
    mission.milestones[0].features[0].status = "complete"
    mission.milestones[1].features[0].status = "skipped"
    shown = card(mission, NOW)
    assert (shown.progress.completed, shown.progress.total, shown.progress.percent) == (2, 3, 66)
    assert shown.busyMs == 60_000 + 30_000 + 600_000
    assert shown.currentTask == "worker F1 — Parse ISO dates"
    assert (shown.needsYou, shown.severity, shown.waitsFor) == (False, None, None)


def test_hostile_titles_reach_no_face() -> None:
    mission = _mission(
        title="\x1b]8;;http://evil\x07Click\x1b]8;;\x07 \u202eme\nnow",
        decisions=[_decision(question="a\x07\nb")],
    )
    mission.milestones[0].features[0].title = "red\x1b[31m\x9b2J"
    shown = repr(
        (overview([mission], set(), NOW), detail(mission, NOW), next_action(mission), waits_for(mission))
    )
    assert card(mission, NOW).title == "Click me now"
    assert "\\x1b" not in shown
    assert "\\x9b" not in shown
    assert "\\u202e" not in shown
    assert "\\x07" not in shown


# What is worked on


def test_the_current_task_is_the_run_then_the_first_feature_that_matters() -> None:
    mission = _mission(status="running", activeRun=_active("validator", "M1"))
    assert current_task(mission) == "user-testing M1 — Reading"
    mission.activeRun = None
    assert current_task(mission) == "F1: Parse ISO dates"
    mission.milestones[0].features[1].status = "failed"
    assert current_task(mission) == "F2: Parse local dates"
    mission.currentFeatureId = "F3"
    assert current_task(mission) == "F3: Report bad dates"
    for feature in mission.all_features():
        feature.status = "complete"
    mission.currentMilestoneId = "M2"
    assert current_task(mission) == "M2: Reporting"
    assert current_task(_mission(status="complete")) == "Complete"
    assert current_task(_mission(status="planning", milestones=[])) == "Planning"


def test_a_recovery_is_titled_by_what_it_recovers() -> None:
    failed = run_of("validator", "M1", 1)
    mission = _mission(runs=[failed, run_of("recovery", failed.runId, 2), run_of("recovery", "mission-1", 3)])
    assert [run_title(mission, run) for run in mission.runs] == [
        "scrutiny M1 — Reading",
        "recovery of scrutiny M1 — Reading",
        "recovery",
    ]


def test_a_block_is_shown_only_while_it_is_one() -> None:
    for status in STATUSES:
        mission = _mission(status=status, latestBlock=_block())
        assert (current_block(mission) is not None) == (status in ("blocked", "failed"))


# Who has to act


def test_the_human_is_needed_for_decisions_and_for_blocks_nobody_works_on() -> None:
    recovery = Recovery(packet="0" * 64, signature="s", state="requested")
    closed = recovery.model_copy(update={"state": "closed"})
    assert not needs_you(_mission(status="running"))
    assert needs_you(_mission(status="running", decisions=[_decision()]))
    assert needs_you(_mission(status="blocked", latestBlock=_block("manual")))
    assert not needs_you(_mission(status="blocked", latestBlock=_block(), recovery=recovery))
    assert needs_you(_mission(status="blocked", latestBlock=_block(), recovery=closed))
    assert not needs_you(_mission(status="paused", pauseReason="As asked."))
    assert needs_you(_mission(status="paused", latestBlock=_block("disk_full")))
    assert not needs_you(_mission(status="paused", latestBlock=_block("provider_unavailable")))
    assert not needs_you(_mission(status="complete"))


@pytest.mark.parametrize(
    ("fields", "phrase"),
    [
        ({"status": "planning"}, "a plan"),
        ({"status": "planned"}, "you to start it"),
        ({"status": "running"}, None),
        (
            {"status": "running", "pauseRequestedAt": "2026-11-23T10:00:00.000Z"},
            "the current unit to end before it pauses",
        ),
        ({"status": "running", "decisions": [_decision()]}, "your answer: Which calendar?"),
        ({"status": "paused"}, "you to resume it"),
        ({"status": "paused", "latestBlock": _block("provider_unavailable")}, "the model service"),
        ({"status": "blocked", "latestBlock": _block()}, "you to deal with the block"),
        ({"status": "complete"}, None),
        ({"status": "failed"}, None),
    ],
)
def test_what_a_mission_waits_for_is_said_in_a_phrase(fields: dict[str, Any], phrase: str | None) -> None:
    assert waits_for(_mission(**fields)) == phrase


def test_the_next_action_names_only_operations_that_exist() -> None:
    missions = [_mission(status=status) for status in STATUSES]
    missions += [_mission(status="blocked", latestBlock=_block(category)) for category in CATEGORIES]
    missions += [_mission(status="paused", latestBlock=_block(category)) for category in CATEGORIES]
    missions += [
        _mission(status=status, latestBlock=_block(), decisions=[_decision()])
        for status in STATUSES
        if status not in ("complete", "failed")
    ]
    known = {*operations.BY_NAME, "doctor"}
    for mission in missions:
        action = next_action(mission)
        assert action.sentence.endswith("."), action
        assert action.operations, mission.status
        assert set(action.operations) <= known, action


def test_a_waiting_question_comes_before_everything_else() -> None:
    mission = _mission(
        status="paused", latestBlock=_block("budget_reached"), decisions=[_decision(kind="budget")]
    )
    action = next_action(mission)
    assert action.operations == ("decide", "abandon")
    assert "missions decide mission-1 d1" in action.sentence


def test_a_running_mission_without_a_process_is_interrupted() -> None:
    mission = _mission(status="running", activeRun=_active())
    assert lifecycle(mission, runner_alive=True).state == "active"
    assert lifecycle(mission).state == "active"
    cycle = lifecycle(mission, runner_alive=False)
    assert (cycle.state, cycle.evaluation) == ("interrupted", "interrupted")
    assert next_action(mission, runner_alive=False).operations[0] == "run"
    assert waits_for(mission, runner_alive=False) == "a process to go on with it"
    assert lifecycle(_mission(status="paused", activeRun=_active())).state == "interrupted"
    assert lifecycle(_mission(status="complete")).evaluation == "complete"


# The detail


def test_the_outline_marks_what_is_current() -> None:
    mission = _mission(status="running", activeRun=_active(item="F2"), currentMilestoneId="M1")
    mission.milestones[0].features[0].status = "complete"
    shown = detail(mission, NOW)
    assert [(m.id, m.current) for m in shown.outline] == [("M1", True), ("M2", False)]
    assert [(f.id, f.current) for m in shown.outline for f in m.features] == [
        ("F1", False),
        ("F2", True),
        ("F3", False),
    ]
    assert shown.outline[0].progress.completed == 1


def test_a_block_shows_its_artifacts_then_the_files_of_its_run() -> None:
    block = _block(artifactPaths=("recovery-packets/p.md", "/etc/passwd", "../other/x"))
    found = outputs(_mission(status="blocked", latestBlock=block))
    assert [output.path for output in found] == [
        "recovery-packets/p.md",
        "runs/1790000000001-worker-F1/validation-report.md",
        "runs/1790000000001-worker-F1/handoff.md",
        "runs/1790000000001-worker-F1/stderr.txt",
        "runs/1790000000001-worker-F1/transcript.jsonl",
        None,
    ]
    assert found[-1].text == "The library is missing."


def test_what_is_shown_of_a_mission_follows_its_state() -> None:
    running = outputs(_mission(status="running", activeRun=_active()))
    assert [o.source for o in running] == ["transcript", "stderr", "none"]
    runs = [run_of("worker", "F1", 1), run_of("validator", "M1", 2), run_of("worker", "F3", 3)]
    complete = outputs(_mission(status="complete", runs=runs))
    assert complete[0].path == "runs/1790000000002-validator-M1/validation-report.md"
    assert [o.source for o in complete] == ["validation-report", "handoff", "next-step"]
    for status in ("planned", "planning", "paused"):
        assert outputs(_mission(status=status))[0].path == "plan/objective.md"
    assert [o.source for o in outputs(_mission(status="failed"))] == ["next-step"]


# The status line


def test_the_status_line_is_about_the_mission_that_matters_most() -> None:
    missions = [
        _mission(1, status="running"),
        _mission(2, status="blocked", latestBlock=_block("dirty_worktree")),
        _mission(3, status="running"),
        _mission(4, status="complete"),
    ]
    assert status_line(missions) == "mission: blocked · dirty_worktree · 0/3 ▱▱▱▱ · +2 running"
    assert status_line(missions, preferred="mission-1") == (
        "mission: running · 0/3 ▱▱▱▱ · +1 running · 1 blocked"
    )
    assert status_line(missions, preferred="mission-4") == status_line(missions)


@pytest.mark.parametrize(
    ("done", "bar"), [(0, "0/3 ▱▱▱▱"), (1, "1/3 ▰▱▱▱"), (2, "2/3 ▰▰▰▱"), (3, "3/3 ▰▰▰▰")]
)
def test_the_bar_of_the_status_line_is_rounded(done: int, bar: str) -> None:
    mission = _mission(status="running")
    for feature in mission.all_features()[:done]:
        feature.status = "complete"
    assert status_line([mission]) == f"mission: running · {bar}"


def test_a_running_mission_shows_no_old_reason_in_the_status_line() -> None:
    line = status_line([_mission(status="running", latestBlock=_block())])
    assert line == "mission: running · 0/3 ▱▱▱▱"


def test_the_status_line_is_empty_when_no_mission_is_open_and_never_too_wide() -> None:
    assert status_line([]) is None
    assert status_line([_mission(status="complete")]) is None
    many = [_mission(n, status="blocked", latestBlock=_block("no_runnable_pending_work")) for n in range(300)]
    line = status_line(many)
    assert line is not None
    assert columns(line) <= 120
