"""The runner: one coroutine that owns a mission and advances it, unit by unit, until nothing can run.

Takes the lock, serves the inbox, asks ``schedule.next_unit``, runs that unit and records what came of it. It decides nothing
about order, acceptance or recovery itself, and nothing above can tell in which host it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from missions.agent.credentials import Credentials, Provider
from missions.agent.model import ModelClient
from missions.agent.prices import PriceTable
from missions.agent.tool import NobodyWatches, Observer
from missions.model import events as ev
from missions.model.errors import TOO_MANY_FILES, MissionError, too_many_files
from missions.model.mission import Mission
from missions.model.recovery import CATEGORIES, BlockCategory
from missions.model.schedule import Idle, Unit, next_unit
from missions.runner.baseline import record_baseline
from missions.runner.bench import Bench
from missions.runner.blocking import Trouble, record_block
from missions.runner.child import Activity, ChildControl
from missions.runner.endings import Ending, fullness, reach_budget
from missions.runner.errands import expire_decisions, publish, serve_inbox, settle_intents
from missions.runner.leases import settle_buffers
from missions.runner.notify import Notifier, OutageWatch
from missions.runner.plan_files import write_plan_files
from missions.runner.recovery_unit import RecoveryUnit
from missions.runner.report import write_report
from missions.runner.starting import open_place, prepare
from missions.runner.tampered import settle_tampering
from missions.runner.unit_run import discard_ahead, open_ahead
from missions.runner.validator_unit import ValidatorUnit
from missions.runner.worker_unit import WorkerUnit
from missions.settings import LoadedSettings, Settings
from missions.store.files import check_free_space, failure
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from missions.store.redact import Redactor

_INBOX_EVERY = 0.25
_ACQUIRE_WITHIN = 2.0
_LOG = logging.getLogger("missions.runner")

_PAUSING: dict[str, BlockCategory] = {
    "disk_full": "disk_full",
    "io_failed": "disk_full",
    "sandbox_unavailable": "sandbox_unavailable",
}
"""Errors of a unit that pause the mission, by code."""
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""What the system answers when it is the disk that fails, wherever in a unit."""
_FATAL = ("locked", "store_tampered", "store_corrupt", "schema_newer", "store_unusable")
"""Errors after which this process must not write any more."""


@dataclass(frozen=True)
class RunResult:
    """Why the runner stopped. Exit codes: 0 complete, 1 error, 10 blocked, 11 paused, 12 decision, 13 budget, 14 provider, 130 interrupted."""

    exit_code: int
    reason: str
    status: str


Unit_ = WorkerUnit | ValidatorUnit | RecoveryUnit


class Runner:
    """Advances one mission. Make one per attempt; :meth:`run` may be called once."""

    def __init__(
        self,
        store: Store,
        mission_id: str,
        *,
        settings: LoadedSettings,
        credentials: Callable[[], Credentials],
        face: str,
        watcher: Observer | None = None,
    ) -> None:
        self._store = store
        self._mission_id = mission_id
        self._loaded = settings
        self._credentials = credentials
        self._face = face
        self._watcher = watcher or NobodyWatches()
        self._child: ChildControl | None = None
        self._beginning = False
        """A unit was chosen and has not begun: a request now would be judged on a state that is about to end."""
        self._interrupted = False
        self._task: asyncio.Task[RunResult] | None = None
        self._last_unit: str | None = None

    async def run(self) -> RunResult:
        """Own the mission and advance it until nothing can run; ``locked`` if another process owns it."""
        self._task = asyncio.current_task()
        log = await self._acquire()
        reason = "stopped"
        try:
            result = await self._owned(log)
            reason = result.reason
            return result
        except OSError as error:
            if (scarce := too_many_files(error)) is not None:
                raise scarce from error
            raise
        finally:
            log.release(reason)

    async def _acquire(self) -> MissionLog:
        """Take the mission; a short operation of another face may hold it for a moment."""
        deadline = asyncio.get_running_loop().time() + _ACQUIRE_WITHIN
        while True:
            try:
                return MissionLog.acquire(self._store, self._mission_id, Owner(face=self._face))
            except MissionError as error:
                if error.code != "locked" or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)

    def pause(self) -> None:
        """Stop at the next checkpoint and pause the mission; for a signal or a closing host."""
        self._interrupted = True
        if self._child is not None:
            self._child.pause.set()

    def stop_at_once(self) -> None:
        """Stop without another word; the state is durable and the run goes on inside at the next start."""
        self._interrupted = True
        if self._task is not None:
            self._task.cancel()

    async def _owned(self, log: MissionLog) -> RunResult:
        with contextlib.suppress(MissionError):
            write_plan_files(log.directory, log.mission)
        serve_inbox(log, None)
        expire_decisions(log)
        idle = next_unit(log.mission)
        if isinstance(idle, Idle) and idle.reason not in ("all_done", "no_runnable", "pause"):
            return _result(log.mission, idle)
        settings = self._settings(log.mission)
        async with AsyncExitStack() as stack:
            bench = await self._bench(log, settings, stack)
            notifier = Notifier(log.directory, self._loaded.settings.notify, bench.redactor)
            bench.watcher = OutageWatch(self._watcher, notifier, lambda: log.mission)
            errands = asyncio.create_task(self._errands(log), name="errands")
            stack.push_async_callback(_ended, errands)
            telling = asyncio.create_task(notifier.follow(lambda: log.mission), name="notifications")
            stack.push_async_callback(_ended, telling)
            result = await self._advance(bench)
            await notifier.catch_up(log.mission, last=True)
            return result

    def _settings(self, mission: Mission) -> Settings:
        """The frozen settings, with where credentials come from added from outside; or, before the start, the effective ones."""
        if not mission.settings:
            return self._loaded.settings
        known = {k: v for k, v in mission.settings.items() if k in Settings.model_fields}
        outside = {"credentials": self._loaded.settings.credentials, "notify": self._loaded.settings.notify}
        frozen = Settings.model_validate({**known, **outside})
        # Where the provider is may change between two starts (another gateway, the simulator's port); it is not part of the plan.
        return frozen.model_copy(
            update={"provider": self._loaded.settings.provider, "runner": self._loaded.settings.runner}
        )

    async def _bench(self, log: MissionLog, settings: Settings, stack: AsyncExitStack) -> Bench:
        mission = log.mission
        if mission.demo:
            from missions.simulator.demo import DEMO_PACE, demo_playbook
            from missions.simulator.service import Simulator

            service = Simulator(
                demo_playbook(), pace=float(os.environ.get("MISSIONS_DEMO_PACE") or DEMO_PACE)
            )
            base_url = service.start()
            stack.callback(service.stop)
            credentials = Credentials("api_key", "no-key-for-the-simulator", "the simulator")
            provider = Provider(base_url=base_url)
        else:
            credentials = await asyncio.to_thread(self._credentials)
            provider = Provider(name=settings.provider.kind, base_url=settings.provider.baseUrl)
        model = ModelClient(credentials, provider)
        model.warm()
        stack.push_async_callback(model.close)
        caches = settings.workspace.ignore
        place = (
            await asyncio.to_thread(open_place, log.directory, mission, caches)
            if mission.baseCommit
            else await asyncio.to_thread(prepare, log, settings, caches)
        )
        stack.callback(place.close)
        redactor = Redactor(values=credentials.secrets())
        return Bench(
            self._store,
            log,
            settings,
            model,
            PriceTable.load(),
            redactor,
            place,
            Activity(log.directory),
            self._watcher,
        )

    async def _errands(self, log: MissionLog) -> None:
        """While a unit runs: serve the inbox within a quarter of a second."""
        while True:
            await asyncio.sleep(_INBOX_EVERY)
            if not self._beginning:
                serve_inbox(log, self._child)

    async def _advance(self, bench: Bench) -> RunResult:
        log = bench.log
        try:
            _room(bench)
            await asyncio.to_thread(settle_intents, bench)
            await record_baseline(bench)
            if bench.mission.tipCommit != bench.mission.baseCommit:
                await asyncio.to_thread(publish, bench)
        except MissionError as error:
            if error.code in _FATAL:
                raise
            return self._pause_for(bench, error)
        while True:
            serve_inbox(log, None)
            expire_decisions(log)
            if self._interrupted:
                return self._interruption(bench)
            following = next_unit(log.mission)
            if isinstance(following, Unit):
                result = await self._unit(bench, following)
                if result is not None:
                    return result
                continue
            if following.reason == "all_done":
                write_report(log)
                log.record(ev.MissionComplete(commit=log.mission.tipCommit))
                return RunResult(0, "complete", log.mission.status)
            if following.reason == "no_runnable":
                record_block(log, _no_runnable(log.mission, following), bench.settings.recovery)
                continue
            if following.reason == "pause":
                log.record(
                    ev.MissionPausedAfterCurrent(
                        requestedAt=log.mission.pauseRequestedAt, completedUnit=self._last_unit
                    )
                )
            return _result(log.mission, following)

    async def _unit(self, bench: Bench, unit: Unit) -> RunResult | None:
        """Run one unit; a result stops the runner."""
        log = bench.log
        self._beginning = True
        try:
            _room(bench)
            if unit.resumes is None and await self._may_not_begin(bench, unit):
                return None
            seat = self._seat(bench, unit)
            if unit.kind != "recovery" and unit.resumes is None:
                open_ahead(bench, seat.run_dir)
            await seat.prepare()
            self._child = ChildControl(log, seat.run_id, lambda: None)
            self._beginning = False
            if self._interrupted:
                self._child.pause.set()
            ending = await seat.run(self._child)
            self._last_unit = unit.label
            self._record(bench, ending)
            if self._child.cancel.is_set() and log.mission.status == "running":
                log.record(ev.MissionPaused(reason="The run had ended before it could be cancelled."))
            if unit.kind == "worker" and ending.trouble is None:
                await asyncio.to_thread(publish, bench)
        except MissionError as error:
            return self._stopped_by(bench, unit, error)
        except OSError as error:
            if error.errno not in _DISK_ERRORS:
                return self._internal(bench, error)
            where = Path(os.fsdecode(error.filename)) if error.filename else bench.place.root
            return self._stopped_by(bench, unit, failure(error, where, "work with"))
        except Exception as error:
            return self._internal(bench, error)
        finally:
            self._child = None
            self._beginning = False
            await discard_ahead(bench)
        return None

    def _seat(self, bench: Bench, unit: Unit) -> Unit_:
        if unit.kind == "worker":
            return WorkerUnit(bench, unit)
        return RecoveryUnit(bench, unit) if unit.kind == "recovery" else ValidatorUnit(bench, unit)

    async def _may_not_begin(self, bench: Bench, unit: Unit) -> bool:
        """What keeps a fresh run from beginning: the run budget, or someone else's changes in the repository."""
        mission, log = bench.mission, bench.log
        limit = mission.budget.runs
        if limit is not None and len(mission.runs) >= limit:
            reach_budget(bench, "runs", limit, len(mission.runs), "mission", f"{limit} runs were made.", None)
            return True
        if unit.kind == "recovery":
            return False
        if mission.workspace.adopt:
            commit, dirty = await asyncio.to_thread(bench.place.adopted)
            log.record(ev.RepositoryAdopted(commit=commit, protectedPaths=dirty))
        if unit.kind == "worker" and mission.workspace.kind == "inPlace":
            waited = await settle_buffers(log, bench.place.root, lambda: self._interrupted)
            if waited:
                return True
        stranger = await asyncio.to_thread(bench.place.strangers, mission)
        if stranger is None:
            return False
        kind = "worker" if unit.kind == "worker" else "validator"
        trouble = Trouble(
            "repository_changed",
            stranger,
            kind,
            unit.itemId,
            unit.itemId,
            unit.milestoneId,
            unit.itemId if kind == "worker" else None,
        )
        record_block(log, trouble, bench.settings.recovery)
        return True

    def _record(self, bench: Bench, ending: Ending) -> None:
        if ending.trouble is not None:
            record_block(bench.log, ending.trouble, bench.settings.recovery, ending.events)

    def _interruption(self, bench: Bench) -> RunResult:
        log = bench.log
        if log.mission.status == "running":
            run = log.mission.activeRun.runId if log.mission.activeRun else None
            log.record(ev.MissionPaused(reason="Interrupted; resume to go on.", runId=run))
        return RunResult(130, "interrupted", log.mission.status)

    def _stopped_by(self, bench: Bench, unit: Unit, error: MissionError) -> RunResult | None:
        if error.code == "store_tampered" and settle_tampering(
            bench.log, unit, error, bench.settings.recovery
        ):
            return None
        if error.code in _FATAL:
            raise error
        if error.code == "repository_changed":
            kind = "worker" if unit.kind == "worker" else "validator"
            record_block(
                bench.log,
                Trouble("repository_changed", str(error), kind, unit.itemId, unit.itemId, unit.milestoneId),
                bench.settings.recovery,
            )
            return None
        if error.code == "not_found" and unit.resumes is not None:
            bench.log.record(
                ev.MissionInterruptedRunReset(
                    runId=unit.resumes, reason=error.message, before={"status": bench.mission.status}
                )
            )
            return None
        return self._pause_for(bench, error)

    def _pause_for(self, bench: Bench, error: MissionError) -> RunResult:
        """Pause the mission for an error that is nobody's defect: no disk, no sandbox, a repository that cannot be used."""
        if error.code not in _PAUSING and (full := fullness(bench)) is not None:
            # Git, for one, does not always say why it could not write.
            error = MissionError("disk_full", f"{full.message} {error.message}", full.next_step)
        # Only a pause: the category of what the disk refuses would call it full.
        scarce = error.data.get("errno") in TOO_MANY_FILES
        category = _PAUSING.get(error.code, "internal_error")
        mission = bench.mission
        item = mission.currentFeatureId or mission.currentMilestoneId or mission.id
        if scarce or error.code not in _PAUSING:
            bench.log.record(
                ev.MissionPaused(
                    reason=str(error),
                    runId=mission.activeRun.runId if mission.activeRun else None,
                    category=error.code,
                )
            )
            return RunResult(11, str(error), bench.mission.status)
        record_block(
            bench.log, Trouble(category, str(error), "mission", item, mission.title), bench.settings.recovery
        )
        return RunResult(CATEGORIES[category].exit_code, str(error), bench.mission.status)

    def _internal(self, bench: Bench, error: Exception) -> RunResult:
        if (scarce := too_many_files(error)) is not None:
            return self._pause_for(bench, scarce)
        if isinstance(error, OSError) and (full := fullness(bench)) is not None:
            return self._pause_for(bench, full)
        error_id = secrets.token_hex(4)
        _LOG.exception("internal error %s in %s", error_id, self._mission_id)
        shown = f"Missions itself failed (error {error_id}: {type(error).__name__})."
        bench.log.record(
            ev.MissionBackgroundExecutionFailed(
                error=f"{type(error).__name__}: {error}"[:2000], errorId=error_id, source="runner"
            )
        )
        mission = bench.mission
        item = mission.currentFeatureId or mission.currentMilestoneId or mission.id
        record_block(
            bench.log,
            Trouble("internal_error", shown, "mission", item, mission.title),
            bench.settings.recovery,
        )
        return RunResult(1, shown, bench.mission.status)


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, MissionError):
        await task


def _room(bench: Bench) -> None:
    """Before anything is begun: on a disk that is nearly full, commands and git fail in ways that look like the model's."""
    for place in (bench.directory.path, bench.place.root):
        check_free_space(place)


def _no_runnable(mission: Mission, idle: Idle) -> Trouble:
    listed = "\n".join(
        f"- {p.featureId} ({p.status}): waits for {', '.join(p.unsatisfied) or 'nothing'}"
        for p in idle.pending
    )
    first = idle.pending[0].featureId if idle.pending else mission.id
    milestone = mission.milestone_of(first)
    return Trouble(
        "no_runnable_pending_work",
        f"{idle.detail}\n{listed}",
        "mission",
        first,
        first,
        milestone_id=milestone.id if milestone else None,
        feature_id=first if idle.pending else None,
        status="no runnable pending work",
        exit_code=0,
    )


def _result(mission: Mission, idle: Idle) -> RunResult:
    """The exit code of a mission at rest."""
    block = mission.latestBlock
    codes = {
        "complete": 0,
        "failed": 1,
        "not_started": 12,
        "decision": 12,
        "blocked": 10,
        "paused": 11,
        "pause": 11,
    }
    code = codes.get(idle.reason, 1)
    category = CATEGORIES[block.reasonCategory] if block is not None else None
    if category is not None and mission.status in ("blocked", "paused"):
        # A question of the orchestrator's is a decision too, whatever the block was.
        code = category.exit_code if idle.reason != "decision" or category.decision else 12
    elif idle.reason == "decision" and any(d.kind == "budget" for d in mission.decisions):
        code = 13
    open_question = mission.blocking_decision() if idle.reason == "decision" else None
    reason = open_question.question if open_question is not None else idle.detail
    return RunResult(code, reason or idle.reason, mission.status)
