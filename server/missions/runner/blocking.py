"""Recording a block: which category it really is, its packet, and whether orchestrator or human comes next.

The only place that turns a failed unit into ``mission_block_recorded``. It knows the guards against loops. It never runs
the orchestrator and never repairs anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from missions.model import events as ev
from missions.model.documents import packet_markdown
from missions.model.events import Event
from missions.model.mission import Decision, DecisionOption, Mission
from missions.model.recovery import CATEGORIES, Block, BlockCategory, make_packet
from missions.settings import RecoverySettings
from missions.store.files import atomic_write, make_dir
from missions.store.journal import utc_now
from missions.store.mission_log import MissionLog


@dataclass(frozen=True)
class Trouble:
    """What went wrong with a unit, before it is known what that means for the mission."""

    category: BlockCategory
    message: str
    kind: str
    """``worker``, ``validator``, ``recovery`` or ``mission``."""
    item_id: str
    item_title: str
    milestone_id: str | None = None
    feature_id: str | None = None
    run_id: str | None = None
    mode: str | None = None
    exit_code: int | None = None
    status: str | None = None
    dirty: str | None = None
    failed_assertions: tuple[str, ...] = ()
    defects: tuple[dict[str, object], ...] = ()
    artifacts: tuple[str, ...] = field(default=())
    limit_exceeded: bool = False


def record_block(
    log: MissionLog, trouble: Trouble, limits: RecoverySettings, ended: Sequence[Event] = ()
) -> Block:
    """Write the packet's files, then record everything at once: how the run ended, packet, block, what comes next.

    One record of all, because a crash between them would leave a failed run that nobody asks about.
    """
    block = _block(log, trouble)
    escalated = _guarded(log.mission, block, limits)
    category = CATEGORIES[escalated.reasonCategory]
    events: list[Event] = list(ended)
    if category.packet:
        escalated, created = _packet(log, escalated, category.orchestrator)
        events.append(created)
    events.append(ev.MissionBlockRecorded(block=escalated))
    if category.orchestrator:
        asked = ev.RecoveryRequested(blockRunId=escalated.runId, reasonCategory=escalated.reasonCategory)
        events.append(asked)
    elif category.decision:
        events.append(ev.DecisionRequested(decision=decision_about(log.mission, escalated)))
    log.record_all(events)
    return escalated


def _block(log: MissionLog, trouble: Trouble) -> Block:
    directory = log.directory
    return Block.model_validate(
        {
            "timestamp": utc_now(),
            "reasonCategory": trouble.category,
            "kind": trouble.kind,
            "validatorMode": trouble.mode,
            "failedItemId": trouble.item_id,
            "failedItemTitle": trouble.item_title,
            "missionId": directory.id,
            "milestoneId": trouble.milestone_id,
            "featureId": trouble.feature_id,
            "runId": trouble.run_id,
            "runDir": f"runs/{trouble.run_id}" if trouble.run_id else None,
            "exitCode": trouble.exit_code,
            "status": trouble.status,
            "dirty": (trouble.dirty or "")[:8000] or None,
            "message": trouble.message[:8000],
            "failedAssertions": trouble.failed_assertions,
            "defects": trouble.defects[:50],
            "artifactPaths": trouble.artifacts,
            "limitExceeded": trouble.limit_exceeded,
        }
    )


def _guarded(mission: Mission, block: Block, limits: RecoverySettings) -> Block:
    """The guards against loops: the same problem too often, or too many recoveries without progress."""
    if not CATEGORIES[block.reasonCategory].orchestrator:
        return block
    if block.limitExceeded:
        return block.model_copy(update={"reasonCategory": "validation_limit_exceeded"})
    again = mission.recoveriesBySignature.get(block.signature(), 0)
    if again >= limits.perSignature:
        message = f"{block.message}\n\nThe same problem was recovered {again} times and came back."
        return block.model_copy(
            update={"reasonCategory": "retry_limit_exceeded", "message": message, "limitExceeded": True}
        )
    if mission.recoveriesSinceProgress >= limits.perMission:
        message = f"{block.message}\n\n{mission.recoveriesSinceProgress} recoveries without a finished feature in between."
        return block.model_copy(
            update={"reasonCategory": "retry_limit_exceeded", "message": message, "limitExceeded": True}
        )
    return block


def _packet(log: MissionLog, block: Block, orchestrator: bool) -> tuple[Block, Event]:
    directory = log.directory
    base = f"{block.timestamp.replace(':', '-').replace('.', '-')}-{block.runId or 'mission'}"
    paths = (f"recovery-packets/{base}.json", f"recovery-packets/{base}.md")
    block = block.model_copy(update={"artifactPaths": (*block.artifactPaths, *paths)})
    packet = make_packet(
        directory.id, log.mission.title, block.timestamp, block, "orchestrator/transcript.jsonl", orchestrator
    )
    content = (
        json.dumps(packet.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False) + "\n"
    ).encode("utf-8", "backslashreplace")
    blob = log.blob(content)
    make_dir(directory.packets, "packet")
    atomic_write(directory.path / paths[0], content, "packet")
    atomic_write(
        directory.path / paths[1], packet_markdown(packet).encode("utf-8", "backslashreplace"), "packet"
    )
    created = ev.OrchestratorRecoveryPacketCreated(
        runId=block.runId,
        featureId=block.featureId,
        packet=blob,
        packetPaths=paths,
        signature=block.signature(),
    )
    return block, created


def decision_about(mission: Mission, block: Block) -> Decision:
    """The question a block puts to the human, with what each answer does."""
    options: list[DecisionOption] = []
    if block.kind == "validator" and block.milestoneId:
        rerun = {"milestone": block.milestoneId, "mode": block.validatorMode}
        options.append(
            DecisionOption(
                id="rerun-validation",
                label="Validate again",
                consequence="The milestone is validated once more when you resume.",
                op="rerun-validation",
                args=rerun,
            )
        )
    elif block.featureId:
        options.append(
            DecisionOption(
                id="retry",
                label="Retry",
                consequence=f"{block.featureId} runs again when you resume.",
                op="retry",
                args={"feature": block.featureId},
            )
        )
        skip = {"feature": block.featureId, "reason": "skipped by decision"}
        options.append(
            DecisionOption(
                id="skip",
                label="Skip",
                consequence=f"{block.featureId} is left out; later work goes on without it.",
                op="skip",
                args=skip,
            )
        )
    else:
        options.append(
            DecisionOption(
                id="unblock",
                label="Go on",
                consequence="The block is taken away; resume to continue with the state as it is.",
                op="unblock",
            )
        )
    if block.reasonCategory == "repository_changed":
        options.insert(
            0,
            DecisionOption(
                id="accept",
                label="Keep the changes",
                consequence="Your changes stay; the mission goes on from the repository as it is.",
                op="unblock",
                args={"adopt": True},
            ),
        )
    options.append(
        DecisionOption(
            id="abandon",
            label="Abandon",
            consequence="The mission ends as failed; its branch is kept.",
            op="abandon",
        )
    )
    return Decision(
        id=f"block-{block.runId or mission.lastSeq}",
        kind="block",
        question=f"{CATEGORIES[block.reasonCategory].shown} What shall happen?",
        context=block.message,
        options=tuple(options),
        requestedAt=block.timestamp,
        runId=block.runId,
    )


_ONE_MORE_REQUEST = {"usd": 1_000_000, "tokens": 250_000}
"""Enough for one request with a long prompt and a long answer."""


def budget_decision(mission: Mission, kind: str, limit: int, spent: int, scope: str, at: str) -> Decision:
    """The question a used-up budget puts to the human. Raising is by half, at least; nothing happens by silence."""
    more = max(limit + limit // 2, spent + spent // 4, limit + 1)
    stands = "is used up"
    if spent < limit:
        # What is left does not cover the worst case of one more request; half of a small limit might not either.
        more = max(more, limit + _ONE_MORE_REQUEST.get(kind, 1))
        stands = "does not cover another request"
    args = {
        "usd": {"usd": more / 1_000_000},
        "tokens": {"tokens": more},
        "wall": {"wallMinutes": more / 60_000},
        "runs": {"runs": more},
        "turns": {"unitTurns": more},
    }[kind]
    if scope == "unit" and kind in ("usd", "wall"):
        args = {"unitUsd": more / 1_000_000} if kind == "usd" else {"unitMinutes": more / 60_000}
    shown = {
        "usd": f"${more / 1_000_000:.2f}",
        "tokens": f"{more:,} tokens",
        "wall": f"{more // 60_000} minutes",
        "runs": f"{more} runs",
        "turns": f"{more} turns",
    }[kind]
    return Decision(
        id=f"budget-{mission.lastSeq}",
        kind="budget",
        question=f"The {kind} budget of the {scope} {stands} ({_amount(kind, spent)} of {_amount(kind, limit)} used). What shall happen?",
        options=(
            DecisionOption(
                id="raise",
                label=f"Raise to {shown}",
                consequence="The mission can be resumed with the new limit.",
                op="budget",
                args=dict(args),
            ),
            DecisionOption(
                id="abandon",
                label="Abandon",
                consequence="The mission ends as failed; its branch is kept.",
                op="abandon",
            ),
        ),
        requestedAt=at,
    )


def _amount(kind: str, value: int) -> str:
    return {
        "usd": f"${value / 1_000_000:.2f}",
        "tokens": f"{value:,} tokens",
        "wall": f"{value // 60_000} min",
        "runs": f"{value} runs",
        "turns": f"{value} turns",
    }[kind]
