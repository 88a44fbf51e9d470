"""What a mission waits for, whether that is the human, and what can be done next.

Derived from the state alone, so that every face says the same. The operations are those that ``requests.py`` would accept;
it decides, this module only proposes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.recovery import CATEGORIES, Category


@dataclass(frozen=True)
class NextAction:
    """A sentence for people and the operations that are legal now, most useful first."""

    sentence: str
    operations: tuple[str, ...]


@dataclass(frozen=True)
class Lifecycle:
    """Whether something advances the mission, and how one knows."""

    state: Literal["active", "completed", "blocked", "interrupted"]
    reason: str
    evaluation: Literal["complete", "blocked", "interrupted", "active"]


def stopping_category(mission: Mission) -> Category | None:
    """The category of the block that stops the mission now (blocked, or paused by it); None if nothing does."""
    block = mission.latestBlock
    if block is None:
        return None
    category = CATEGORIES[block.reasonCategory]
    if mission.status == "blocked" or (mission.status == "paused" and category.status == "paused"):
        return category
    return None


def lifecycle(mission: Mission, runner_alive: bool | None = None) -> Lifecycle:
    """``runner_alive`` says whether a process holds the mission's lock; None if nobody looked."""
    if mission.status == "complete":
        return Lifecycle("completed", "the mission is complete", "complete")
    if mission.status in ("blocked", "failed"):
        return Lifecycle("blocked", f"the mission is {mission.status}", "blocked")
    if mission.status == "running":
        if runner_alive is False:
            return Lifecycle("interrupted", "no process advances the mission", "interrupted")
        reason = "a process advances the mission" if runner_alive else "as the records say"
        return Lifecycle("active", reason, "active")
    if mission.activeRun is not None:
        return Lifecycle("interrupted", "the current run goes on when the mission is resumed", "interrupted")
    return Lifecycle("completed", "no unit is running", "active")


def orchestrator_at_work(mission: Mission) -> bool:
    """Whether a block is in the hands of the orchestrator, so that the human need not act yet."""
    return (
        mission.status == "blocked"
        and mission.recovery is not None
        and mission.recovery.state in ("requested", "running")
    )


def needs_you(mission: Mission) -> bool:
    """Whether the mission stands still until the human does something."""
    if mission.status in ("complete", "failed"):
        return False
    if mission.decisions:
        return True
    if mission.status == "blocked":
        return not orchestrator_at_work(mission)
    block = mission.latestBlock
    return (
        mission.status == "paused"
        and stopping_category(mission) is not None
        and block is not None
        and block.reasonCategory != "provider_unavailable"
    )


def waits_for(mission: Mission, runner_alive: bool | None = None) -> str | None:
    """What has to happen before the mission goes on, as a short phrase; None if nothing has to."""
    if mission.status in ("complete", "failed"):
        return None
    decision = mission.blocking_decision() or (mission.decisions[0] if mission.decisions else None)
    if decision is not None:
        return f"your answer: {one_line(decision.question, 120)}"
    block = mission.latestBlock
    match mission.status:
        case "planning":
            return "a plan"
        case "planned":
            return "you to start it"
        case "blocked":
            return "the orchestrator" if orchestrator_at_work(mission) else "you to deal with the block"
        case "paused" if block is not None and block.reasonCategory == "provider_unavailable":
            return "the model service"
        case "paused":
            return "you to resume it"
        case _:
            return _running(mission, runner_alive)


def _running(mission: Mission, runner_alive: bool | None) -> str | None:
    if runner_alive is False:
        return "a process to go on with it"
    return "the current unit to end before it pauses" if mission.pauseRequestedAt is not None else None


def next_action(mission: Mission, runner_alive: bool | None = None) -> NextAction:
    """What to do now, and with which operations."""
    name = mission.id
    if mission.decisions and mission.status not in ("complete", "failed"):
        decision = mission.decisions[0]
        category = stopping_category(mission)
        others = tuple(op for op in category.operations if op != "decide") if category else ("abandon",)
        return NextAction(
            f"Answer the question “{one_line(decision.question, 160)}” with "
            f"`missions decide {name} {one_line(decision.id, 60)} <answer>`.",
            ("decide", *others),
        )
    match mission.status:
        case "planning":
            return NextAction(
                f"Continue planning in the chat: `missions chat {name}`.", ("write-plan", "delete")
            )
        case "planned":
            return NextAction(
                f"Start it with `missions run {name}`.", ("run", "write-plan", "revise-plan", "delete")
            )
        case "running":
            return _while_running(mission, runner_alive)
        case "paused":
            return _while_paused(mission)
        case "blocked":
            return _while_blocked(mission)
        case "failed":
            return NextAction("It was given up; look at what is there before you try again.", ("delete",))
        case "complete":
            return _when_complete(mission)


def _while_running(mission: Mission, runner_alive: bool | None) -> NextAction:
    run = mission.activeRun
    if runner_alive is False:
        look = f"Look at runs/{run.runId}, then go" if run is not None else "Go"
        return NextAction(f"{look} on with `missions run {mission.id}`.", ("run", "abandon"))
    watch = f" in runs/{run.runId}" if run is not None else ""
    if mission.pauseRequestedAt is not None:
        return NextAction("It pauses after the current unit.", ("pause", "cancel", "steer"))
    return NextAction(
        f"Watch it with `missions watch {mission.id}`, or look at the transcript{watch}.",
        ("pause", "steer", "cancel", "block"),
    )


def _while_paused(mission: Mission) -> NextAction:
    category = stopping_category(mission)
    resume = f"resume with `missions resume {mission.id}`."
    if category is None:
        return NextAction(resume[0].upper() + resume[1:], ("resume", "abandon"))
    return NextAction(f"{category.shown} Deal with that, then {resume}", category.operations)


def _while_blocked(mission: Mission) -> NextAction:
    category = stopping_category(mission)
    if category is None:
        return NextAction(
            f"Take the block away with `missions unblock {mission.id}`.", ("unblock", "abandon")
        )
    if orchestrator_at_work(mission):
        sentence = f"{category.shown} The orchestrator looks for a way on; wait, or decide yourself."
    else:
        ways = [op for op in category.operations if op != "decide"]
        named = ", ".join(ways[:-1]) + f" or {ways[-1]}" if len(ways) > 1 else ways[0]
        sentence = f"{category.shown} Look at the packet and the artifacts, then {named}."
    return NextAction(sentence, tuple(op for op in category.operations if op != "decide"))


def _when_complete(mission: Mission) -> NextAction:
    if mission.branch is not None and mission.finishedAt is None:
        return NextAction(
            f"Review the branch {one_line(mission.branch, 80)}, then `missions finish {mission.id}`.",
            ("finish", "clear"),
        )
    return NextAction("Hide it with `missions clear`.", ("clear",))
