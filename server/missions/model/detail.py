"""One mission in full, as every face shows it: its outline, runs, block, and which artifact to show first.

Values only, made from the snapshot; artifacts are named by paths relative to the mission's directory and never read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from missions.model.mission import Milestone, Mission
from missions.model.next_action import Lifecycle, NextAction, lifecycle, next_action
from missions.model.plain_text import one_line
from missions.model.recovery import Block
from missions.model.usage import Usage
from missions.model.view import Card, Progress, card, current_block, current_task, icon, progress, run_title


@dataclass(frozen=True)
class FeatureLine:
    id: str
    title: str
    status: str
    current: bool
    icon: str
    runId: str | None
    commit: str | None
    origin: str


@dataclass(frozen=True)
class MilestoneLine:
    id: str
    title: str
    status: str
    current: bool
    icon: str
    progress: Progress
    validatorRunId: str | None
    userTestingRunId: str | None
    failures: int
    features: tuple[FeatureLine, ...]


@dataclass(frozen=True)
class RunLine:
    runId: str
    title: str
    status: str
    icon: str
    startedAt: str
    durationMs: int
    usage: Usage


@dataclass(frozen=True)
class Output:
    """A candidate for what the detail shows; ``path`` is relative to the mission's directory, or ``text`` stands for itself."""

    source: Literal[
        "block-artifact",
        "validation-report",
        "handoff",
        "stderr",
        "transcript",
        "objective",
        "next-step",
        "none",
    ]
    path: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Detail:
    """One mission in full. ``outputs`` are in order of preference: a face shows the first that exists."""

    card: Card
    outline: tuple[MilestoneLine, ...]
    runs: tuple[RunLine, ...]
    block: Block | None
    lifecycle: Lifecycle
    next: NextAction
    outputs: tuple[Output, ...]


def outline(mission: Mission) -> tuple[MilestoneLine, ...]:
    """Milestones and features with what is current."""
    run = mission.activeRun
    current = run.itemId if run is not None and run.kind == "worker" else mission.currentFeatureId
    return tuple(_milestone_line(mission, milestone, current) for milestone in mission.milestones)


def _milestone_line(mission: Mission, milestone: Milestone, current: str | None) -> MilestoneLine:
    state = milestone.validationState
    return MilestoneLine(
        id=milestone.id,
        title=one_line(milestone.title, 120),
        status=milestone.status,
        current=milestone.id == mission.currentMilestoneId,
        icon=icon(milestone.status),
        progress=progress(milestone.features),
        validatorRunId=state.scrutiny.runId,
        userTestingRunId=state.userTesting.runId,
        failures=state.failureCount,
        features=tuple(
            FeatureLine(
                id=feature.id,
                title=one_line(feature.title, 120),
                status=feature.status,
                current=feature.id == current,
                icon=icon(feature.status),
                runId=feature.runId,
                commit=feature.commit,
                origin=feature.origin.kind,
            )
            for feature in milestone.features
        ),
    )


def detail(mission: Mission, now: datetime, runner_alive: bool | None = None) -> Detail:
    """Everything about one mission that is not in a file."""
    return Detail(
        card=card(mission, now, runner_alive=runner_alive),
        outline=outline(mission),
        runs=tuple(
            RunLine(
                run.runId,
                run_title(mission, run),
                run.status,
                icon(run.status),
                run.startedAt,
                run.durationMs,
                run.usage,
            )
            for run in mission.runs
        ),
        block=current_block(mission),
        lifecycle=lifecycle(mission, runner_alive),
        next=next_action(mission, runner_alive),
        outputs=outputs(mission),
    )


def outputs(mission: Mission) -> tuple[Output, ...]:
    """What to show of a mission, best first; the last one always exists."""
    block = current_block(mission)
    if block is not None:
        found = [Output("block-artifact", path) for path in block.artifactPaths if _inside(path)]
        if block.runId is not None:
            found += _of_run(block.runId, ("validation-report", "handoff", "stderr", "transcript"))
        return (*found, Output("none", text=one_line(block.message, 2000) or block.reasonCategory))
    if mission.activeRun is not None and mission.status == "running":
        run = mission.activeRun.runId
        return (*_of_run(run, ("transcript", "stderr")), Output("none", text=current_task(mission)))
    if mission.status == "complete":
        finished = [r for r in mission.runs if r.kind == "validator" and r.validatorMode != "user-testing"]
        finished = finished or [r for r in mission.runs if r.kind == "worker"]
        found = _of_run(finished[-1].runId, ("validation-report", "handoff")) if finished else []
        return (*found, Output("next-step", text="The mission is complete."))
    if mission.status in ("planned", "planning", "paused"):
        return (
            Output("objective", "plan/objective.md"),
            Output("next-step", text=next_action(mission).sentence),
        )
    return (Output("next-step", text=current_task(mission)),)


_FILES: dict[str, str] = {
    "validation-report": "validation-report.md",
    "handoff": "handoff.md",
    "stderr": "stderr.txt",
    "transcript": "transcript.jsonl",
}


def _of_run(
    run_id: str, kinds: Sequence[Literal["validation-report", "handoff", "stderr", "transcript"]]
) -> list[Output]:
    return [Output(kind, f"runs/{run_id}/{_FILES[kind]}") for kind in kinds]


def _inside(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return bool(path) and parts[0] != "" and ":" not in parts[0] and ".." not in parts
