"""What the runner does besides units: requests from the inbox, deadlines, open intents, bringing a clone's commits home.

Each is one short call between or beside units. Nothing here runs a model or a command.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Decision, Mission
from missions.repo.branch import branch_for
from missions.repo.clone import publish as publish_clone
from missions.repo.repository import Repository
from missions.runner.applying import apply_request
from missions.runner.bench import Bench
from missions.runner.child import ChildControl
from missions.store import inbox
from missions.store.inbox import By, Request, Result
from missions.store.mission_log import MissionLog

_LOG = logging.getLogger("missions.runner")
_FATAL = ("locked", "store_tampered", "disk_full", "io_failed")
_HARMLESS = (None, "pause", "cancel", "block")
"""What an option may do that a deadline chooses: nothing that starts, spends or widens anything."""


def serve_inbox(log: MissionLog, child: ChildControl | None) -> int:
    """Apply the waiting requests and act on the child for those that ask for it; returns how many were answered."""
    answered = 0
    for request in inbox.pending(log.directory, log.applied):
        with inbox.taking(log.directory, request.id) as taken:
            if taken:
                inbox.done(log.directory, request.id, _served(log, child, request))
                answered += 1
    return answered


def _served(log: MissionLog, child: ChildControl | None, request: Request) -> Result:
    try:
        applied = apply_request(log, request, child_runs=child is not None)
    except MissionError as error:
        if error.code in _FATAL:
            raise
        return Result.refused(error)
    if child is not None:
        if applied.judgement.signal == "pause-now":
            child.pause.set()
        elif applied.judgement.signal == "cancel":
            child.cancel.set()
        elif applied.judgement.signal == "steer":
            child.steer(str(request.args.get("text", "")))
    return Result(state="applied", seq=applied.seq)


def overdue(mission: Mission) -> list[Decision]:
    """The open decisions whose deadline has passed and that say what happens then, as far as silence may decide it."""
    now = datetime.now(UTC)
    return [
        decision
        for decision in mission.decisions
        if decision.deadline is not None
        and decision.onDeadline is not None
        and datetime.fromisoformat(decision.deadline) <= now
        and _may_be_silent(decision)
    ]


def _may_be_silent(decision: Decision) -> bool:
    # The answer to a question of the orchestrator's wakes it: that is work, and so the human's.
    chosen = next((o for o in decision.options if o.id == decision.onDeadline), None)
    return chosen is not None and chosen.op in _HARMLESS and decision.kind != "ask-user"


def expire_decisions(log: MissionLog) -> None:
    """Apply what a decision says about its deadline, once it has passed; also when it passed while nothing ran."""
    for decision in overdue(log.mission):
        request = Request(
            op="decide",
            args={"decision": decision.id, "answer": str(decision.onDeadline)},
            by=By(face="deadline"),
        )
        try:
            apply_request(log, request, child_runs=False)
        except MissionError as error:
            if error.code in _FATAL:
                raise
            # What the decision wanted to do is not legal any more; the question stays for the human.
            _LOG.warning("the deadline of %s passed, but its answer is refused: %s", decision.id, error)


def settle_intents(bench: Bench) -> None:
    """Finish steps that an earlier runner had begun: half-done work that was being put back."""
    log = bench.log
    for step, intent in list(log.mission.openIntents.items()):
        if intent.get("kind") != "put-back":
            continue
        run_id = str(intent.get("key"))
        start = bench.place.begun(run_id)
        pre: dict[str, Any] = intent.get("pre") or {}
        keep: list[str] = pre.get("keep") or []
        changed = bench.place.put_back(run_id, start, keep, again=True)
        log.record(
            ev.EffectRecorded(
                stepId=step, kind="put-back", outcome={"paths": changed[:100], "count": len(changed)}
            )
        )
        active = log.mission.activeRun
        if active is not None and active.runId == run_id:
            log.record(
                ev.RunInterrupted(
                    runId=run_id, reason="its half-done work was put back when the runner stopped"
                )
            )


def publish(bench: Bench) -> None:
    """Bring the commits of a private clone into the user's repository; nothing to do in place."""
    mission = bench.mission
    if mission.workspace.kind != "clone":
        return
    user = Repository.find(Path(mission.cwd))
    publish_clone(bench.place.repository, user, mission.id, user.branch_tip(branch_for(mission.id)))
