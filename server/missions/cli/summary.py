"""What stands after a run, as lines and as JSON: how it ended, the demo's summary.

Pure. It draws on the mission and what ``control`` found; it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from missions.cli.output import program
from missions.model.costs import usage_json
from missions.model.figures import duration_text, money_text, tokens_text
from missions.model.mission import Mission
from missions.model.next_action import next_action
from missions.model.plain_text import one_line
from missions.model.view import mark, run_title

if TYPE_CHECKING:
    from missions.runner.runner import RunResult


def closing_lines(mission: Mission, result: RunResult) -> list[str]:
    """How a run ended, what it used, and what to do next."""
    ended = {0: "complete", 130: "interrupted; it goes on where it was"}.get(
        result.exit_code, one_line(result.reason, 300)
    )
    usage = mission.usage
    return [
        f"{mission.id}: {mission.status}" + (f" — {ended}" if ended != mission.status else ""),
        f"Used {money_text(usage.costMicroUsd, usage.estimated)}, {tokens_text(usage.total_tokens)} tokens, "
        f"{len(mission.runs)} runs.",
        next_action(mission, False).sentence,
    ]


def summary_json(mission: Mission, repository: str, elapsed_ms: int) -> dict[str, Any]:
    """The whole of a finished demonstration as one JSON object."""
    return {
        "simulated": True,
        "mission": mission.id,
        "status": mission.status,
        "repository": repository,
        "branch": mission.branch,
        "features": [
            {
                "id": feature.id,
                "title": feature.title,
                "milestone": milestone.id,
                "status": feature.status,
                "commit": feature.commit,
                "origin": feature.origin.model_dump(mode="json", exclude_none=True),
            }
            for milestone in mission.milestones
            for feature in milestone.features
        ],
        "runs": [
            {
                "id": run.runId,
                "kind": run.kind,
                "mode": run.validatorMode,
                "item": run.itemId,
                "status": run.status,
                "durationMs": run.durationMs,
                "usage": usage_json(run.usage),
            }
            for run in mission.runs
        ],
        "usage": usage_json(mission.usage),
        "time": {
            "elapsedMs": elapsed_ms,
            "workingMs": mission.time.working,
            "validatingMs": mission.time.validating,
            "waitingHumanMs": mission.time.waitingHuman,
            "waitingProviderMs": mission.time.waitingProvider,
        },
    }


def demo_lines(mission: Mission, repository: str, elapsed_ms: int) -> list[str]:
    """The summary of a demonstration for people, with where to look."""
    usage, split = mission.usage, mission.time
    lines = [
        "",
        f"{mission.title}: {mission.status} (the model was simulated, everything else was real)",
        "",
        "Features",
    ]
    for milestone in mission.milestones:
        for feature in milestone.features:
            origin = feature.origin
            about = mission.run(origin.runId)
            found_by = f" of {about.validatorMode or about.kind} {about.itemId}" if about else ""
            why = f"  repairs {origin.defectId}{found_by}" if origin.kind == "repair" else ""
            commit = (feature.commit or "no commit")[:10]
            lines.append(
                f"  {mark(feature.status)} {feature.id:<10} {commit:<10} {one_line(feature.title, 50)}{why}"
            )
    lines += ["Validations and repairs"]
    lines += [
        f"  {mark(run.status)} {run.status:<12} {one_line(run_title(mission, run), 90)}"
        for run in mission.runs
        if run.kind != "worker"
    ]
    lines += [
        f"Runs     {len(mission.runs)}",
        f"Tokens   {tokens_text(usage.total_tokens)}, {usage.cache_share:.0%} of the prompts from the cache",
        f"Cost     {money_text(usage.costMicroUsd)} at list prices, had the model been real",
        f"Time     {duration_text(elapsed_ms)}; working {duration_text(split.working)}, validating {duration_text(split.validating)}, "
        f"waiting for you {duration_text(split.waitingHuman)}, for the model {duration_text(split.waitingProvider)}",
        "",
        "Where to look",
        f"  {program()} show {mission.id} report",
        f"  {program()} show {mission.id} transcript F1",
        f"  git -C {repository} log --oneline {mission.branch or ''}",
    ]
    return lines
