"""A mission's history in memory: events folded one after the other, and the units that honest runs record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from missions.model import events as ev
from missions.model.contract import PlanDocument
from missions.model.fold import apply
from missions.model.judgement import Ask, Judgement, blob_name
from missions.model.mission import Mission
from missions.model.recovery import Block, BlockCategory
from missions.model.requests import judge
from support.plans import plan_document

MISSION = "mission-20261123101530-a1b2c3"
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """A journal record as the fold sees it."""

    seq: int
    type: str
    data: dict[str, Any]
    ts: str
    epoch: int = 1


@dataclass
class History:
    """Events, and the mission that they give."""

    plan: PlanDocument = field(default_factory=plan_document)
    entries: list[Entry] = field(default_factory=list[Entry])
    blobs: dict[str, PlanDocument] = field(default_factory=dict[str, PlanDocument])
    _mission: Mission | None = None
    _runs: int = 0

    @property
    def mission(self) -> Mission:
        assert self._mission is not None
        return self._mission

    def add(self, *events: ev.Event) -> Mission:
        """Fold these events; each a second after the one before."""
        for event in events:
            at = START + timedelta(seconds=len(self.entries))
            stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self.entries.append(Entry(len(self.entries) + 1, event.type, event.data(), stamp))
            self._mission = apply(self._mission, self.entries[-1], self.blobs.__getitem__, MISSION)
        return self.mission

    def planned(self) -> History:
        """Created, with its plan saved."""
        blob = blob_name(self.plan.as_bytes())
        self.blobs[blob] = self.plan
        count = len(self.plan.features())
        self.add(
            ev.MissionCreated(title="A mission", cwd="/somewhere"),
            ev.InteractivePlanWritten(title=self.plan.title, features=count, planVersion=1, blob=blob),
        )
        return self

    def started(self) -> History:
        """Planned and started, with its settings frozen."""
        self.planned().add(
            ev.MissionExecutionStarted(planVersion=1),
            ev.SettingsFrozen(baseCommit="0" * 40, branch="missions/x"),
        )
        return self

    def begin(self, feature: str) -> str:
        """A worker of this feature has started; its run id."""
        self._runs += 1
        run = f"{1790000000000 + self._runs}-worker-{feature}"
        milestone = self.mission.milestone_of(feature)
        self.add(
            ev.WorkerStarted(
                runId=run, attempt=1, featureId=feature, milestoneId=milestone.id if milestone else None
            )
        )
        return run

    def work(self, *features: str, accepted: bool = True) -> str:
        """Workers that ended; the last run id."""
        run = ""
        for feature in features:
            run = self.begin(feature)
            self.add(
                ev.WorkerFinished(
                    runId=run,
                    featureId=feature,
                    exitCode=0,
                    outcome="complete",
                    accepted=accepted,
                    commit=f"{self._runs:040x}",
                    durationMs=1000,
                )
            )
        return run

    def begin_validation(self, milestone: str, mode: str = "scrutiny") -> str:
        """A validator has started; its run id."""
        self._runs += 1
        name = "validator" if mode == "scrutiny" else "user-testing"
        run = f"{1790000000000 + self._runs}-{name}-{milestone}"
        kind = ev.ValidatorStarted if mode == "scrutiny" else ev.UserTestingStarted
        self.add(kind(runId=run, attempt=1, milestoneId=milestone))
        return run

    def validate(self, milestone: str, verdict: Any = "pass", mode: str = "scrutiny") -> str:
        """A validation with this verdict, counted if it failed; its run id."""
        run = self.begin_validation(milestone, mode)
        kind = ev.ValidatorFinished if mode == "scrutiny" else ev.UserTestingFinished
        self.add(
            kind(
                runId=run,
                milestoneId=milestone,
                exitCode=0,
                outcome="submitted",
                status=verdict,
                durationMs=500,
            )
        )
        state = self.mission.milestone(milestone)
        if verdict == "fail" and state is not None:
            count, limit = state.validationState.failureCount + 1, self.mission.failure_limit(state)
            self.add(
                ev.MilestoneValidationFailed(
                    milestoneId=milestone,
                    runId=run,
                    validatorMode="user-testing" if mode == "user-testing" else "scrutiny",
                    failureCount=count,
                    failureLimit=limit,
                    limitExceeded=count >= limit,
                )
            )
        return run

    def block(self, category: BlockCategory, kind: str = "worker", item: str = "F1", **more: Any) -> History:
        """A block of this category, as a failed unit records it."""
        values = {
            "timestamp": "2026-11-23T10:00:00.000Z",
            "reasonCategory": category,
            "kind": kind,
            "failedItemId": item,
            "failedItemTitle": item,
            "missionId": MISSION,
            "message": f"{category} happened",
            "featureId": item if kind == "worker" else None,
            "milestoneId": item if kind == "validator" else None,
            **more,
        }
        self.add(ev.MissionBlockRecorded(block=Block.model_validate(values)))
        return self

    def packet(self) -> History:
        """A packet for the block that comes next."""
        self.add(ev.OrchestratorRecoveryPacketCreated(packet="1" * 64, signature="worker:F1:|x|", runId="r"))
        return self

    def judge(self, op: str, *, child_runs: bool = False, expect: Any = None, **args: Any) -> Judgement:
        """How a request is judged now."""
        ask = Ask(op, args, {"face": "test"}, "2026-11-23T12:00:00.000Z", expect or {})
        return judge(
            self.mission,
            ask,
            child_runs=child_runs,
            plan_of=self.blobs.__getitem__,
            defects_of=lambda run: [],
        )

    def ask(self, op: str, **args: Any) -> Mission:
        """Judge a request and fold what it leads to."""
        judgement = self.judge(op, **args)
        for content in judgement.blobs:
            self.blobs[blob_name(content)] = PlanDocument.model_validate_json(content)
        return self.add(*judgement.events)
