"""The status of a mission as text, the same for chat, command line and editor.

Lines of ``name: value`` and then the outline. Derived from the current state only: a block reason stands there while
the mission is blocked or failed, and no longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from missions.model.costs import time_split
from missions.model.figures import duration_text, money_text, tokens_text
from missions.model.mission import ActiveRun, Mission, Run
from missions.model.next_action import lifecycle, next_action, waits_for
from missions.model.plain_text import one_line
from missions.model.view import current_block, mark, place, progress, run_title

SHOWN_FEATURES = 500


def status_text(mission: Mission, now: datetime, runner_alive: bool | None = None) -> str:
    """All lines, joined. ``runner_alive`` says whether a process holds the mission's lock; None if unknown."""
    return "\n".join([*_head(mission, now, runner_alive), "", *_outline(mission)]).rstrip() + "\n"


def _head(mission: Mission, now: datetime, runner_alive: bool | None) -> Iterator[str]:
    done, cycle = progress(mission.all_features()), lifecycle(mission, runner_alive)
    yield f"Mission: {one_line(mission.title, 200)}{' (demo)' if mission.demo else ''}"
    yield f"ID: {mission.id}"
    yield f"Status: {mission.status}"
    yield f"Progress: {done.completed}/{done.total}"
    yield f"Dir: {place(mission.cwd).cwd}"
    yield f"Run lifecycle: {cycle.state} ({cycle.reason})"
    yield f"Lifecycle evaluation: {cycle.evaluation}"
    yield from _run(mission)
    yield from _block(mission)
    for decision in mission.decisions:
        answers = ", ".join(one_line(option.id, 40) for option in decision.options)
        yield f"Question {one_line(decision.id, 60)}: {one_line(decision.question, 300)}{f' [{answers}]' if answers else ''}"
    waiting = waits_for(mission, runner_alive)
    if waiting is not None:
        yield f"Waits for: {waiting}"
    if mission.usage.requests or mission.runs:
        yield _used(mission, now)
    yield f"Next suggested action: {next_action(mission, runner_alive).sentence}"


def _run(mission: Mission) -> Iterator[str]:
    run: Run | ActiveRun | None = mission.activeRun or (mission.runs[-1] if mission.runs else None)
    if run is None:
        yield "Current run: none recorded"
        return
    label = "Current run" if mission.activeRun is not None else "Last run"
    yield f"{label}: attempt {run.attempt}, {run.runId}"
    yield f"Run item: {run_title(mission, run)}"
    yield f"Run artifacts: runs/{run.runId}"


def _block(mission: Mission) -> Iterator[str]:
    block = current_block(mission)
    if block is not None:
        where = block.validatorMode or block.kind
        run = f", run {block.runId}" if block.runId else ""
        said = f", reported {one_line(block.status, 40)}" if block.status else ""
        item = f"{one_line(block.failedItemId, 60)} — {one_line(block.failedItemTitle, 120)}"
        yield f"Blocked reason: {block.reasonCategory} in {where} {item}{run}{said}"
        if block.message:
            yield f"Block message: {one_line(block.message, 500)}"
        if block.failedAssertions:
            yield f"Failed assertions: {', '.join(one_line(a, 40) for a in block.failedAssertions)}"
        if block.artifactPaths:
            yield f"Block artifacts: {', '.join(one_line(path, 200) for path in block.artifactPaths)}"
    elif mission.status == "paused" and mission.pauseReason:
        yield f"Paused because: {one_line(mission.pauseReason, 300)}"
    if mission.status == "failed" and mission.pauseReason:
        yield f"Given up because: {one_line(mission.pauseReason, 300)}"


def _used(mission: Mission, now: datetime) -> str:
    split, usage = time_split(mission, now), mission.usage
    return (
        f"Used: {money_text(usage.costMicroUsd, usage.estimated)}, {tokens_text(usage.total_tokens)} tokens, "
        f"{len(mission.runs)} runs; working {duration_text(split.working)}, validating {duration_text(split.validating)}, "
        f"waiting for you {duration_text(split.waitingHuman)}, for the model service {duration_text(split.waitingProvider)}"
    )


def _outline(mission: Mission) -> Iterator[str]:
    left = SHOWN_FEATURES
    for milestone in mission.milestones:
        state = milestone.validationState
        runs = f" [validator {state.scrutiny.runId}]" if state.scrutiny.runId else ""
        runs += f" [user testing {state.userTesting.runId}]" if state.userTesting.runId else ""
        yield f"{mark(milestone.status)} {milestone.id}: {one_line(milestone.title, 120)}{runs}"
        for feature in milestone.features[: max(0, left)]:
            run = f" [run {feature.runId}]" if feature.runId else ""
            commit = f" ({one_line(feature.commit, 12)})" if feature.commit else ""
            origin = " (repair)" if feature.origin.kind == "repair" else ""
            yield f"  {mark(feature.status)} {feature.id}: {one_line(feature.title, 120)}{origin}{run}{commit}"
        left -= len(milestone.features)
