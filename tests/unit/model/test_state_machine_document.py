"""The document of the states says what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from missions.model import events as ev
from missions.model.fold import apply
from missions.model.mission import Mission
from missions.model.recovery import CATEGORIES, OUTCOMES
from support.histories import MISSION, History
from support.plans import plan_json

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "state-machine.md").read_text("utf-8")
NEW_PLAN = {**plan_json(), "title": "Teach the importer more about dates"}


def _failed() -> History:
    history = History().started()
    history.work("F1", accepted=False)
    return history.packet().block("handoff_rejected")


def _paused() -> History:
    history = History().started()
    history.add(ev.MissionPaused(reason="now"))
    return history


def _ended(history: History, *ops: str) -> History:
    for op in ops:
        history.ask(op)
    history.ask("write-plan", plan=NEW_PLAN)
    return history


def _complete() -> History:
    history = History().started()
    history.add(ev.MissionComplete())
    return history


def _held_recovery() -> History:
    history = _failed()
    history.add(ev.RecoveryRequested())
    history.block("budget_reached", kind="mission")
    history.ask("resume")
    return history


def _recovered() -> History:
    history = _failed()
    run = "1790000000900-recovery-1"
    history.add(
        ev.RecoveryRequested(),
        ev.RecoveryDispatched(runId=run, attempt=1, packet="1" * 64),
        ev.RecoveryOutcomeChosen(runId=run, exitCode=0, outcome="resume", chosen="resume", reason="again"),
    )
    return history


COURSES: tuple[Callable[[], History], ...] = (
    lambda: _ended(_complete()),
    lambda: _ended(History().started(), "abandon"),
    lambda: _ended(_paused(), "abandon"),
    lambda: _ended(_failed(), "abandon"),
    lambda: _ended(History().planned(), "abandon"),
    _held_recovery,
    _recovered,
    lambda: _after(_failed(), "resume"),
    lambda: _after(_failed(), "unblock"),
    lambda: _after(_failed(), "retry"),
    lambda: _after(History().started(), "block"),
    lambda: _after(_paused(), "block"),
    lambda: _after(_paused(), "resume"),
)
"""Every way the status of a mission changes, by legal requests and by what the runner records."""


def _after(history: History, op: str) -> History:
    history.ask(op)
    return history


def _changes(history: History) -> set[tuple[str, str]]:
    mission: Mission | None = None
    before = "[*]"
    found: set[tuple[str, str]] = set()
    for entry in history.entries:
        mission = apply(mission, entry, history.blobs.__getitem__, MISSION)
        assert mission is not None
        if mission.status != before:
            found.add((before, mission.status))
        before = mission.status
    return found


def test_the_diagram_holds_every_change_of_status_and_no_other() -> None:
    drawn = set(re.findall(r"^    (\S+) --> (\S+) :", DOCUMENT, re.M))
    happened = set[tuple[str, str]]()
    for course in COURSES:
        happened |= _changes(course())
    assert drawn == happened


def test_the_table_of_blocks_is_the_table_of_the_code() -> None:
    rows = [
        [c.strip() for c in line.strip("|").split("|")]
        for line in DOCUMENT.splitlines()
        if line.startswith("| `")
    ]
    found = {row[0].strip("`"): row for row in rows if len(row) == 8}
    assert set(found) == set(CATEGORIES)
    for name, category in CATEGORIES.items():
        flags = [
            "yes" if flag else "no" for flag in (category.packet, category.orchestrator, category.decision)
        ]
        operations = ", ".join(f"`{op}`" for op in category.operations)
        expected = [category.shown, category.status, *flags, str(category.exit_code), operations]
        assert found[name][1:] == expected, name


def test_every_outcome_is_explained() -> None:
    assert [o.outcome for o in OUTCOMES if f"| `{o.outcome}` |" not in DOCUMENT] == []
