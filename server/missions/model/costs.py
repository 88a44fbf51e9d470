"""What a mission used: tokens, money and time per run, unit, milestone, role and in all.

Added up from the runs in the snapshot, so the parts always sum to the whole; what belongs to no run (planning in the
chat) has its own line. Prices are not here: costs were fixed when the calls were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from missions.model.figures import elapsed_ms
from missions.model.mission import Mission, Run, RunKind, TimeSplit
from missions.model.reports import ValidatorMode
from missions.model.usage import Usage


@dataclass(frozen=True)
class UnitCost:
    """All runs of one unit: a feature, a validation of a milestone, or a recovery."""

    kind: RunKind
    validatorMode: ValidatorMode | None
    itemId: str
    milestoneId: str | None
    runs: int
    durationMs: int
    usage: Usage


@dataclass(frozen=True)
class MilestoneCost:
    """All runs of a milestone: its features, its validations, and the recoveries of their blocks."""

    id: str
    title: str
    runs: int
    durationMs: int
    usage: Usage


@dataclass(frozen=True)
class Costs:
    """``total`` is ``elsewhere`` plus all milestones, and also the sum of all roles."""

    total: Usage
    roles: dict[str, Usage]
    milestones: tuple[MilestoneCost, ...]
    units: tuple[UnitCost, ...]
    runs: tuple[tuple[str, Usage], ...]
    elsewhere: Usage
    """What belongs to no milestone: planning, chat, and runs of milestones that were removed."""


def costs(mission: Mission) -> Costs:
    """Everything a mission used so far, by its parts."""
    by_unit: dict[tuple[RunKind, ValidatorMode | None, str], list[Run]] = {}
    by_milestone: dict[str, list[Run]] = {}
    for run in mission.runs:
        by_unit.setdefault((run.kind, run.validatorMode, run.itemId), []).append(run)
        home = milestone_of_run(mission, run)
        if home is not None:
            by_milestone.setdefault(home, []).append(run)
    milestones = tuple(
        MilestoneCost(m.id, m.title, len(runs), sum(r.durationMs for r in runs), _sum(runs))
        for m in mission.milestones
        for runs in [by_milestone.get(m.id, [])]
    )
    placed = Usage()
    for milestone in milestones:
        placed += milestone.usage
    return Costs(
        total=mission.usage,
        roles=dict(mission.usageByRole),
        milestones=milestones,
        units=tuple(
            UnitCost(
                kind,
                mode,
                item,
                milestone_of_run(mission, runs[0]),
                len(runs),
                sum(r.durationMs for r in runs),
                _sum(runs),
            )
            for (kind, mode, item), runs in by_unit.items()
        ),
        runs=tuple((run.runId, run.usage) for run in mission.runs),
        elsewhere=_minus(mission.usage, placed),
    )


def milestone_of_run(mission: Mission, run: Run) -> str | None:
    """The milestone a run belongs to; a recovery belongs where the run it is about belongs. None if it is gone."""
    if run.kind == "recovery":
        about = mission.run(run.itemId)
        if about is not None and about.kind != "recovery":
            return milestone_of_run(mission, about)
    home = run.milestoneId
    if run.kind == "worker":
        milestone = mission.milestone_of(run.itemId)
        home = milestone.id if milestone is not None else home
    return home if mission.milestone(home) is not None else None


def time_split(mission: Mission, now: datetime) -> TimeSplit:
    """The recorded times plus what is going on at ``now``: the current run, or the wait for the human."""
    split = mission.time.model_copy()
    run = mission.activeRun
    if mission.waitingSince is not None:
        split.waitingHuman += elapsed_ms(mission.waitingSince, now)
    elif run is not None and run.kind == "validator":
        split.validating += elapsed_ms(run.startedAt, now)
    elif run is not None:
        split.working += elapsed_ms(run.startedAt, now)
    return split


def costs_json(mission: Mission) -> dict[str, Any]:
    """``costs`` of the JSON of a mission: usage by role, milestone and unit; see ``docs/status-json.md``."""
    parts = costs(mission)
    return {
        "total": usage_json(parts.total),
        "roles": {role: usage_json(usage) for role, usage in sorted(parts.roles.items())},
        "milestones": [
            {"id": m.id, "runs": m.runs, "durationMs": m.durationMs, "usage": usage_json(m.usage)}
            for m in parts.milestones
        ],
        "units": [
            {
                "kind": unit.kind,
                "validatorMode": unit.validatorMode,
                "itemId": unit.itemId,
                "milestoneId": unit.milestoneId,
                "runs": unit.runs,
                "durationMs": unit.durationMs,
                "usage": usage_json(unit.usage),
            }
            for unit in parts.units
        ],
        "elsewhere": usage_json(parts.elsewhere),
    }


def usage_json(usage: Usage) -> dict[str, Any]:
    """The fields of :class:`Usage`, and ``totalTokens`` and ``cacheShare`` (0 to 1)."""
    return {
        **usage.model_dump(mode="json"),
        "totalTokens": usage.total_tokens,
        "cacheShare": round(usage.cache_share, 4),
    }


def _sum(runs: list[Run]) -> Usage:
    total = Usage()
    for run in runs:
        total += run.usage
    return total


def _minus(whole: Usage, part: Usage) -> Usage:
    return Usage(
        inputTokens=max(0, whole.inputTokens - part.inputTokens),
        outputTokens=max(0, whole.outputTokens - part.outputTokens),
        cacheReadTokens=max(0, whole.cacheReadTokens - part.cacheReadTokens),
        cacheWrite5mTokens=max(0, whole.cacheWrite5mTokens - part.cacheWrite5mTokens),
        cacheWrite1hTokens=max(0, whole.cacheWrite1hTokens - part.cacheWrite1hTokens),
        requests=max(0, whole.requests - part.requests),
        costMicroUsd=max(0, whole.costMicroUsd - part.costMicroUsd),
        estimated=whole.estimated,
    )
