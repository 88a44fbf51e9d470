"""Missions as JSON for programs: ``status --json`` and ``list --json``, the same from every face.

The field names are a contract (``docs/status-json.md``): fields may be added, never renamed or removed. Texts are as the
plan has them: programs that show them must clean them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from missions.model.costs import costs_json, time_split, usage_json
from missions.model.mission import Feature, Milestone, Mission, TimeSplit
from missions.model.next_action import lifecycle, needs_you, next_action, waits_for
from missions.model.view import current_block, current_task, place, progress, section_of


def list_json(mission: Mission, now: datetime) -> dict[str, Any]:
    """One row of ``list --json``: what a list shows of a mission."""
    where, done = place(mission.cwd), progress(mission.all_features())
    block = current_block(mission)
    return {
        "id": mission.id,
        "title": mission.title,
        "status": mission.status,
        "section": section_of(mission.status),
        "cwd": mission.cwd,
        "location": where.location,
        "demo": mission.demo,
        "cleared": mission.cleared,
        "createdAt": mission.createdAt,
        "updatedAt": mission.updatedAt,
        "progress": {"completed": done.completed, "total": done.total},
        "currentTask": current_task(mission),
        "waitsFor": waits_for(mission),
        "needsYou": needs_you(mission),
        "reasonCategory": block.reasonCategory if block is not None else None,
        "costMicroUsd": mission.usage.costMicroUsd,
        "time": _time(time_split(mission, now)),
    }


def mission_json(mission: Mission, now: datetime, runner_alive: bool | None = None) -> dict[str, Any]:
    """All of ``status --json``: the row of the list and everything below it."""
    block, cycle, action = (
        current_block(mission),
        lifecycle(mission, runner_alive),
        next_action(mission, runner_alive),
    )
    return {
        **list_json(mission, now),
        "waitsFor": waits_for(mission, runner_alive),
        "goal": mission.goal,
        "planVersion": mission.plan.version,
        "branch": mission.branch,
        "baseCommit": mission.baseCommit,
        "tipCommit": mission.tipCommit,
        "workspace": mission.workspace.kind,
        "executionStartedAt": mission.executionStartedAt,
        "completedAt": mission.completedAt,
        "finishedAt": mission.finishedAt,
        "pauseRequestedAt": mission.pauseRequestedAt,
        "pauseReason": mission.pauseReason,
        "currentMilestoneId": mission.currentMilestoneId,
        "currentFeatureId": mission.currentFeatureId,
        "lifecycle": {"state": cycle.state, "reason": cycle.reason, "evaluation": cycle.evaluation},
        "nextAction": {"sentence": action.sentence, "operations": list(action.operations)},
        "block": block.model_dump(mode="json", exclude_none=True) if block is not None else None,
        "decisions": [d.model_dump(mode="json", exclude_none=True) for d in mission.decisions],
        "activeRun": mission.activeRun.model_dump(mode="json", exclude_none=True)
        if mission.activeRun
        else None,
        "milestones": [_milestone(milestone) for milestone in mission.milestones],
        "runs": [
            {
                **run.model_dump(mode="json", exclude={"usage"}),
                "usage": usage_json(run.usage),
            }
            for run in mission.runs
        ],
        "models": {role: choice.model_dump(mode="json") for role, choice in sorted(mission.models.items())},
        "budget": mission.budget.model_dump(mode="json"),
        "costs": costs_json(mission),
        "lastSeq": mission.lastSeq,
        "epoch": mission.epoch,
    }


def _milestone(milestone: Milestone) -> dict[str, Any]:
    state = milestone.validationState
    return {
        "id": milestone.id,
        "title": milestone.title,
        "status": milestone.status,
        "claims": list(milestone.claims),
        "userTesting": milestone.userTesting.required,
        "failureCount": state.failureCount,
        "scrutiny": {
            "runId": state.scrutiny.runId,
            "verdict": state.scrutiny.verdict,
            "commit": state.scrutiny.commit,
        },
        "userTestingResult": {
            "runId": state.userTesting.runId,
            "verdict": state.userTesting.verdict,
            "commit": state.userTesting.commit,
        },
        "waived": [w.model_dump(mode="json") for w in state.waived],
        "features": [_feature(feature) for feature in milestone.features],
    }


def _feature(feature: Feature) -> dict[str, Any]:
    return {
        "id": feature.id,
        "title": feature.title,
        "status": feature.status,
        "dependencies": list(feature.dependencies),
        "claims": list(feature.claims),
        "runId": feature.runId,
        "commit": feature.commit,
        "attempts": feature.attempts,
        "origin": feature.origin.model_dump(mode="json", exclude_none=True),
        "reason": feature.reason,
    }


def _time(split: TimeSplit) -> dict[str, int]:
    return {
        "workingMs": split.working,
        "validatingMs": split.validating,
        "waitingHumanMs": split.waitingHuman,
        "waitingProviderMs": split.waitingProvider,
    }
