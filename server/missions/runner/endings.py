"""How a sitting ended when it ended without a submission, for all roles alike: cancelled, paused, out of budget or provider.

Records the events that pause or interrupt a run; troubles that block are returned, not recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.events import Event
from missions.runner.bench import Bench
from missions.runner.blocking import Trouble, budget_decision
from missions.runner.unit_run import Sitting
from missions.runner.workplace import HEAD, RunStart
from missions.store.files import check_not_full
from missions.store.journal import utc_now

_MOST_KEPT = 200
"""With more files of somebody else's than a record can name nothing is put back."""


@dataclass(frozen=True)
class Ending:
    """What is left to do after a unit."""

    trouble: Trouble | None = None
    interrupted: bool = False
    """The run ended without a verdict; its half-done work was or must be put back."""
    events: tuple[Event, ...] = ()
    """How the run ended, still to be recorded: together with the block, so that no crash can part them."""


async def put_back(bench: Bench, run_id: str, start: RunStart, keep: Sequence[str] = ()) -> list[str]:
    """Keep what the run left as its snapshot and put the tree back, except what somebody else changed (``keep``); an
    intent makes it repeatable after a crash."""
    step = f"{run_id}/put-back"
    kept = list(keep) if len(keep) <= _MOST_KEPT else [HEAD]
    bench.log.record(ev.IntentRecorded(stepId=step, kind="put-back", key=run_id, pre={"keep": kept}))
    changed = await asyncio.to_thread(bench.place.put_back, run_id, start, kept)
    bench.log.record(
        ev.EffectRecorded(
            stepId=step, kind="put-back", outcome={"paths": changed[:100], "count": len(changed)}
        )
    )
    return changed


def common_ending(bench: Bench, run_id: str, sitting: Sitting) -> Ending | None:
    """The ending of a sitting that was cancelled, paused, or stopped by budget or provider; ``None`` for all others."""
    outcome, log = sitting.outcome, bench.log
    if outcome.kind == "cancelled":
        log.record(
            ev.RunInterrupted(
                runId=run_id,
                reason="cancelled",
                durationMs=sitting.duration_ms,
                providerWaitMs=outcome.provider_wait_ms,
            )
        )
        if bench.mission.status == "running":
            log.record(ev.MissionPaused(reason="The current run was cancelled."))
        return Ending(interrupted=True)
    if outcome.kind in ("paused", "budget_reached", "provider_unavailable") or _unreachable(sitting):
        log.record(
            ev.RunSuspended(
                runId=run_id,
                reason=outcome.kind,
                durationMs=sitting.duration_ms,
                providerWaitMs=outcome.provider_wait_ms,
            )
        )
    if outcome.kind == "paused":
        log.record(
            ev.MissionPaused(
                reason="Paused as asked; the run goes on where it was when you resume.", runId=run_id
            )
        )
        return Ending()
    if outcome.kind == "budget_reached":
        _budget(bench, run_id, sitting)
        return Ending()
    if outcome.kind == "provider_unavailable" or _unreachable(sitting):
        run = bench.mission.run(run_id)
        item = run.itemId if run else bench.mission.id
        return Ending(
            Trouble(
                "provider_unavailable",
                outcome.detail,
                run.kind if run else "mission",
                item,
                item,
                run_id=run_id,
                milestone_id=run.milestoneId if run else None,
            )
        )
    return None


def fullness(bench: Bench) -> MissionError | None:
    """Why what failed just now failed because a disk is full; ``None`` if none is."""
    try:
        for place in (bench.directory.path, bench.place.root):
            check_not_full(place)
    except MissionError as error:
        return error
    return None


def full_disk(bench: Bench, run_id: str, sitting: Sitting) -> Ending | None:
    """The ending of a run that came to nothing on a full disk: nobody's fault, its unit is tried again after a resume."""
    error = fullness(bench)
    if error is None:
        return None
    mission = bench.mission
    item = mission.currentFeatureId or mission.currentMilestoneId or mission.id
    interrupted = ev.RunInterrupted(
        runId=run_id,
        reason="disk_full",
        durationMs=sitting.duration_ms,
        providerWaitMs=sitting.outcome.provider_wait_ms,
    )
    trouble = Trouble("disk_full", str(error), "mission", item, mission.title)
    return Ending(trouble, interrupted=True, events=(interrupted,))


def _unreachable(sitting: Sitting) -> bool:
    """The provider answers, but not to us: a wrong key, no money, no such model. Nothing of the run is lost by waiting."""
    return sitting.outcome.kind == "failed" and sitting.outcome.data.get("status") in (401, 402, 403, 404)


def _budget(bench: Bench, run_id: str, sitting: Sitting) -> None:
    """Which limit was reached, as event and as a question; the run stays open and goes on inside after a raise."""
    mission, state = bench.mission, bench.mission.budget
    run = mission.run(run_id)
    turns = state.unitTurns or bench.settings.budget.unitTurns
    used: dict[tuple[str, str], tuple[int, int | None]] = {
        ("turns", "unit"): (sitting.outcome.turns, turns),
        ("usd", "unit"): (run.usage.costMicroUsd if run else 0, state.unitUsdMicro),
        ("wall", "unit"): (run.durationMs - run.providerWaitMs if run else 0, state.unitWallMs),
        ("usd", "mission"): (mission.usage.costMicroUsd, state.usdMicro),
        ("tokens", "mission"): (mission.usage.total_tokens, state.tokens),
        ("wall", "mission"): (mission.time.working + mission.time.validating, state.wallMs),
    }
    kind, scope = str(sitting.outcome.data["limit"]), str(sitting.outcome.data["scope"])
    spent, limit = used[kind, scope]
    reach_budget(bench, kind, limit or spent, spent, scope, sitting.outcome.detail, run_id)


def reach_budget(
    bench: Bench, kind: str, limit: int, spent: int, scope: str, detail: str, run_id: str | None
) -> None:
    """Record that a limit was reached: event, pause, question."""
    mission, log = bench.mission, bench.log
    item = mission.currentFeatureId or mission.currentMilestoneId or mission.id
    block = {
        "timestamp": utc_now(),
        "reasonCategory": "budget_reached",
        "kind": "mission",
        "failedItemId": item,
        "failedItemTitle": mission.title,
        "missionId": mission.id,
        "milestoneId": mission.currentMilestoneId,
        "runId": run_id,
        "message": detail or f"The {kind} budget is used up.",
    }
    log.record_all(
        [
            ev.BudgetReached.model_validate({"kind": kind, "limit": limit, "spent": spent, "scope": scope}),
            ev.MissionBlockRecorded.model_validate({"block": block}),
            ev.DecisionRequested(decision=budget_decision(mission, kind, limit, spent, scope, utc_now())),
        ]
    )
