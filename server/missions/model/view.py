"""What every face shows: the overview in its sections, a mission's card, the status line.

Values only, made from snapshots; faces draw them and add nothing of their own. All texts from plans and models are
cleaned here. Never holds state and never offers anything that changes a mission.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal, Protocol

from missions.model.costs import time_split
from missions.model.mission import DONE, ActiveRun, Feature, Mission, Run, TimeSplit
from missions.model.next_action import needs_you, waits_for
from missions.model.plain_text import columns, one_line
from missions.model.recovery import Block
from missions.model.usage import Usage

SectionId = Literal["blockedFailed", "running", "paused", "planned", "completed"]
Mark = Literal["✓", "⏳", "✗", "↷", "○"]
ViewSeverity = Literal["error", "warning", "info"]

SECTIONS: tuple[tuple[SectionId, str, tuple[str, ...]], ...] = (
    ("blockedFailed", "Blocked / Failed", ("blocked", "failed")),
    ("running", "Running", ("running",)),
    ("paused", "Paused", ("paused",)),
    ("planned", "Planned", ("planning", "planned")),
    ("completed", "Completed", ("complete",)),
)
"""Id, title and statuses of the sections, in the order every face shows them."""

STATUS_LINE_COLUMNS = 120

_ICONS = {
    "blocked": "error",
    "failed": "error",
    "running": "sync~spin",
    "validating": "beaker",
    "paused": "debug-pause",
    "planning": "comment-discussion",
    "planned": "checklist",
    "complete": "pass-filled",
    "skipped": "debug-step-over",
    "pending": "circle-large-outline",
    "pass": "pass-filled",
    "fail": "error",
    "inconclusive": "question",
    "interrupted": "debug-disconnect",
}
_MARKS: dict[str, Mark] = {
    "complete": "✓",
    "pass": "✓",
    "running": "⏳",
    "validating": "⏳",
    "failed": "✗",
    "blocked": "✗",
    "fail": "✗",
    "skipped": "↷",
}


def icon(status: str) -> str:
    """The codicon of a status of a mission, milestone, feature or run."""
    return _ICONS.get(status, "circle-large-outline")


def mission_icon(status: str, asks: bool) -> str:
    """The codicon of a mission; ``asks`` says that it waits for the human."""
    return "bell-dot" if asks and status != "blocked" else icon(status)


def mission_severity(status: str, asks: bool) -> ViewSeverity | None:
    """How much a mission wants to be looked at; ``asks`` says that it waits for the human."""
    if status in ("blocked", "failed"):
        return "error" if asks or status == "failed" else "warning"
    return "warning" if asks else None


def mark(status: str) -> Mark:
    """The sign of a status in plain text."""
    return _MARKS.get(status, "○")


@dataclass(frozen=True)
class Place:
    """Where a mission works: the folder, its name, and with its parent's name if that tells more."""

    cwd: str
    repo: str
    worktree: str | None

    @property
    def location(self) -> str:
        return self.worktree or self.repo


@dataclass(frozen=True)
class Progress:
    """Features that are complete or skipped, of all."""

    completed: int
    total: int

    @property
    def percent(self) -> int:
        return self.completed * 100 // self.total if self.total else 0

    def bar(self, cells: int = 4) -> str:
        filled = (self.completed * cells * 2 + self.total) // (self.total * 2) if self.total else 0
        return "▰" * filled + "▱" * (cells - filled)


@dataclass(frozen=True)
class Card:
    """A mission in a list. Times are milliseconds; ``busyMs`` is working and validating."""

    id: str
    title: str
    status: str
    section: SectionId
    place: Place
    currentTask: str
    progress: Progress
    usage: Usage
    busyMs: int
    time: TimeSplit
    waitsFor: str | None
    needsYou: bool
    icon: str
    severity: ViewSeverity | None
    updatedAt: str
    demo: bool
    cleared: bool


@dataclass(frozen=True)
class Section:
    id: SectionId
    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Damaged:
    """A mission that cannot be shown, and why."""

    id: str
    problem: str


@dataclass(frozen=True)
class Overview:
    """All five sections, also the empty ones; damaged missions never hide the others."""

    sections: tuple[Section, ...]
    damaged: tuple[Damaged, ...]

    @property
    def cards(self) -> tuple[Card, ...]:
        return tuple(card for section in self.sections for card in section.cards)

    @property
    def counts(self) -> dict[SectionId, int]:
        return {section.id: len(section.cards) for section in self.sections}

    @property
    def needs_you(self) -> int:
        """How many missions wait for the human."""
        return sum(card.needsYou for card in self.cards)


@lru_cache(maxsize=512)
def place(cwd: str) -> Place:
    """The labels of a folder; ``/x/worktrees/feature-a`` is ``feature-a`` and ``worktrees/feature-a``."""
    windows = "\\" in cwd or (len(cwd) > 1 and cwd[1] == ":")
    path = PureWindowsPath(cwd) if windows else PurePosixPath(cwd)
    repo, parent = one_line(path.name, 80), one_line(path.parent.name, 80)
    worktree = f"{parent}/{repo}" if parent and repo and parent != repo else None
    return Place(one_line(cwd, 400), repo or one_line(cwd, 80), worktree)


def progress(features: Iterable[Feature]) -> Progress:
    statuses = [feature.status for feature in features]
    return Progress(sum(status in DONE for status in statuses), len(statuses))


def section_of(status: str) -> SectionId:
    """The section that shows missions of this status."""
    return next(section for section, _, statuses in SECTIONS if status in statuses)


def current_task(mission: Mission) -> str:
    """What is worked on, or would be next, as one clean line."""
    run = mission.activeRun
    if run is not None:
        return run_title(mission, run)
    features = mission.all_features()
    named = mission.feature(mission.currentFeatureId)
    candidates = [named] if named is not None and named.status not in DONE else []
    for status in ("running", "failed", "pending"):
        candidates += [f for f in features if f.status == status]
    if candidates and mission.status not in ("complete", "planning"):
        return f"{one_line(candidates[0].id, 40)}: {one_line(candidates[0].title, 120)}"
    if mission.status not in ("complete", "planning", "planned"):
        milestone = mission.milestone(mission.currentMilestoneId) or next(
            (m for m in mission.milestones if m.status not in DONE), None
        )
        if milestone is not None:
            return f"{one_line(milestone.id, 40)}: {one_line(milestone.title, 120)}"
    resting = {"complete": "Complete", "failed": "Given up", "planning": "Planning"}
    return resting.get(mission.status, "Ready to start" if features else "No work planned")


def run_result(run: Run) -> str:
    """What came of a run, for people: its status, and how it ended where that says more."""
    told = run.outcome in (None, "submitted", run.status)
    return run.status if told else f"{run.status}, {run.outcome}"


def run_title(mission: Mission, run: Run | ActiveRun) -> str:
    """``worker F3 — Parse dates``, ``scrutiny M1 — …``, ``recovery of worker F3 — …``."""
    item = one_line(run.itemId, 60)
    if run.kind == "recovery":
        about = mission.run(run.itemId)
        return (
            f"recovery of {run_title(mission, about)}" if about and about.kind != "recovery" else "recovery"
        )
    kind = (run.validatorMode or "scrutiny") if run.kind == "validator" else "worker"
    found = mission.feature(run.itemId) if run.kind == "worker" else mission.milestone(run.itemId)
    return f"{kind} {item} — {one_line(found.title, 120)}" if found is not None else f"{kind} {item}"


def card(mission: Mission, now: datetime, cleared: bool = False, runner_alive: bool | None = None) -> Card:
    """The card of one mission."""
    split = time_split(mission, now)
    asks = needs_you(mission)
    return Card(
        id=mission.id,
        title=one_line(mission.title, 120) or mission.id,
        status=mission.status,
        section=section_of(mission.status),
        place=place(mission.cwd),
        currentTask=current_task(mission),
        progress=progress(mission.all_features()),
        usage=mission.usage,
        busyMs=split.working + split.validating,
        time=split,
        waitsFor=waits_for(mission, runner_alive),
        needsYou=asks,
        icon=mission_icon(mission.status, asks),
        severity=mission_severity(mission.status, asks),
        updatedAt=mission.updatedAt,
        demo=mission.demo,
        cleared=cleared or mission.cleared,
    )


def overview(
    missions: Iterable[Mission],
    cleared: Collection[str],
    now: datetime,
    damaged: Sequence[Damaged] = (),
    include_cleared: bool = False,
) -> Overview:
    """Missions by section, newest first. Completed missions that were cleared are hidden unless asked for."""
    cards = [card(mission, now, mission.id in cleared) for mission in missions]
    shown = [c for c in cards if include_cleared or not (c.cleared and c.status == "complete")]
    shown.sort(key=lambda c: (c.title, c.id))
    shown.sort(key=lambda c: c.updatedAt, reverse=True)
    return Overview(
        tuple(
            Section(section, title, tuple(c for c in shown if c.section == section))
            for section, title, _ in SECTIONS
        ),
        tuple(Damaged(one_line(d.id, 64), one_line(d.problem, 300)) for d in damaged),
    )


def current_block(mission: Mission) -> Block | None:
    """The block, only while it is one: blocked or failed."""
    return mission.latestBlock if mission.status in ("blocked", "failed") else None


class Line(Protocol):
    """What ranks a mission; a whole mission and a line of a list both have it."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def updatedAt(self) -> str: ...  # noqa: N802 (the name of the record's field)
    @property
    def cleared(self) -> bool: ...


def status_line(
    missions: Iterable[Mission], preferred: str | None = None, cleared: Collection[str] = ()
) -> str | None:
    """One line of at most 120 columns about the mission that matters most; None when no mission is open."""
    whole = {mission.id: mission for mission in missions}
    return status_line_of(whole.values(), whole.get, preferred, cleared)


def status_line_of(
    lines: Iterable[Line],
    whole: Callable[[str], Mission | None],
    preferred: str | None = None,
    cleared: Collection[str] = (),
) -> str | None:
    """As :func:`status_line`, from lines of a list; ``whole`` gives the one mission that is looked at in full."""
    visible = [m for m in lines if m.status != "complete" or (m.id not in cleared and not m.cleared)]
    ranked = sorted(visible, key=lambda m: (m.title, m.id))
    ranked.sort(key=lambda m: m.updatedAt, reverse=True)
    order = [section for section, _, _ in SECTIONS]
    ranked.sort(key=lambda m: order.index(section_of(m.status)))
    still_open = [m for m in ranked if m.status != "complete"]
    if not still_open:
        return None
    chosen = next((m for m in still_open if m.id == preferred), still_open[0])
    mission = whole(chosen.id)
    parts = [f"mission: {chosen.status}"]
    if mission is not None:
        done, block = progress(mission.all_features()), current_block(mission)
        if block is not None:
            parts.append(block.reasonCategory)
        parts.append(f"{done.completed}/{done.total} {done.bar()}")
    others = [section_of(m.status) for m in still_open if m.id != chosen.id]
    if "running" in others:
        parts.append(f"+{others.count('running')} running")
    if "blockedFailed" in others:
        parts.append(f"{others.count('blockedFailed')} blocked")
    line = " · ".join(parts)
    return line if columns(line) <= STATUS_LINE_COLUMNS else one_line(line, STATUS_LINE_COLUMNS)
