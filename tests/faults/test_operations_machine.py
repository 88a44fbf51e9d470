"""Any order of operations, units, crashes, spoiled files, take-overs and restarts: nothing promised is lost, and what the
files say is always one and the same mission.

Crashes are real: a forked process applies the request and is killed at one of its writes.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.fold import fold
from missions.model.mission import Mission
from missions.model.schedule import Idle, next_unit
from missions.runner.applying import apply_request
from missions.runner.errands import serve_inbox
from missions.store import inbox
from missions.store.blobs import plan_of
from missions.store.catalog import DamagedMission, view_mission
from missions.store.inbox import By, Request
from missions.store.journal import JournalReader
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from support.fault_forms import size
from support.forked import Forked, Say
from support.histories import History
from support.missions_on_disk import MISSION, WHO
from support.plans import plan_json

_REQUESTS = st.sampled_from(
    [
        ("resume", {}),
        ("run", {"accept": ["plan"]}),
        ("pause", {}),
        ("pause", {"now": True}),
        ("cancel", {}),
        ("retry", {"feature": "F1"}),
        ("retry", {}),
        ("skip", {"feature": "F2", "reason": "not needed"}),
        ("skip", {"feature": "F3", "reason": "not needed"}),
        ("rerun-validation", {"milestone": "M1"}),
        ("waive", {"defect": "D1", "reason": "fine"}),
        ("block", {"reason": "by hand"}),
        ("unblock", {}),
        ("steer", {"text": "faster"}),
        ("decide", {"answer": "yes"}),
        ("set-budget", {"runs": 90}),
        ("comment", {"text": "why?"}),
        ("write-plan", {"plan": plan_json()}),
        ("abandon", {}),
        ("finish", {}),
        ("no-such-operation", {}),
    ]
)


class Operations(RuleBasedStateMachine):
    """One mission, at most one owner, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder / "home")
        self.store.ensure()
        MissionLog.create(self.store, MISSION, WHO, ev.MissionCreated(title="x", cwd="/")).release("made")
        self.directory = self.store.mission(MISSION)
        self.log: MissionLog | None = None
        self.promised: dict[int, str] = {}
        self.asked: set[str] = set()
        self.runs = 0
        self.apply("write-plan", {"plan": plan_json()})
        self.apply("run", {"accept": ["plan"]})

    def teardown(self) -> None:
        if self.log is not None:
            self.log.release("the end")
        shutil.rmtree(self.folder)

    # What faces and runners do

    def apply(self, op: str, args: dict[str, Any]) -> None:
        request = Request(op=op, args=args, by=By(face="test"))
        self.asked.add(request.id)
        with self.owned() as log:
            before = log.mission.model_copy(deep=True)
            try:
                apply_request(log, request, child_runs=log.mission.activeRun is not None)
            except MissionError as error:
                assert error.message
                assert log.mission == before, "a refused request changed something"

    @contextlib.contextmanager
    def owned(self) -> Any:
        """The mission, held for one step or by the runner that holds it anyway."""
        if self.log is not None:
            yield self.log
        else:
            with MissionLog.acquire(self.store, MISSION, WHO, purpose="apply") as log:
                yield log

    @rule(request=_REQUESTS)
    def request(self, request: tuple[str, dict[str, Any]]) -> None:
        self.apply(*request)

    @rule(request=_REQUESTS)
    def request_by_inbox(self, request: tuple[str, dict[str, Any]]) -> None:
        """Twice the same file: applied once."""
        if request[0] == "no-such-operation":
            return
        asked = Request(op=request[0], args=request[1], by=By(face="test"))
        inbox.submit(self.directory, asked)
        with self.owned() as log:
            serve_inbox(log, None)
        first = inbox.result(self.directory, asked.id)
        assert first is not None
        assert first.state in ("applied", "refused")
        if log.applied(asked.id):
            inbox.submit(self.directory, asked)
            with self.owned() as log:
                serve_inbox(log, None)

    @precondition(lambda self: self.log is None)
    @rule()
    def take(self) -> None:
        self.log = MissionLog.acquire(self.store, MISSION, WHO)

    @precondition(lambda self: self.log is not None)
    @rule()
    def restart(self) -> None:
        assert self.log is not None
        self.log.release("restart")
        self.log = MissionLog.acquire(self.store, MISSION, WHO)

    @precondition(lambda self: self.log is not None)
    @rule(accepted=st.booleans(), cut=st.booleans())
    def unit(self, accepted: bool, cut: bool) -> None:
        """What a runner records of the next unit: done, refused, or only begun."""
        assert self.log is not None
        mission = self.log.mission
        if mission.status != "running" or mission.activeRun is not None:
            return
        unit = next_unit(mission)
        if isinstance(unit, Idle):
            if unit.reason == "complete":
                self.log.record(ev.MissionComplete())
            return
        history = History()
        history._mission = mission.model_copy(deep=True)
        self.runs += 1
        history._runs = self.runs
        history.entries = []
        history.blobs = _Plans(self.directory)  # type: ignore[assignment]
        if unit.kind == "worker" and unit.itemId:
            history.begin(unit.itemId) if cut else history.work(unit.itemId, accepted=accepted)
            if not (cut or accepted):
                history.packet().block("handoff_rejected", item=unit.itemId)
        elif unit.kind in ("scrutiny", "user-testing") and unit.itemId:
            if cut:
                history.begin_validation(unit.itemId, unit.kind)
            else:
                history.validate(unit.itemId, "pass" if accepted else "fail", unit.kind)
                if not accepted:
                    history.packet().block("validator_report_failed", "validator", unit.itemId)
        self.log.record_all(
            [ev.parse_event(entry.type, entry.data) for entry in history.entries] or [_idle()]
        )

    # What happens to them

    @rule(request=_REQUESTS, at=st.integers(1, 24), torn=st.booleans())
    def killed(self, request: tuple[str, dict[str, Any]], at: int, torn: bool) -> None:
        """A process that applies this is killed at one of its writes; sometimes half a line stays."""
        self.drop()

        def work(say: Say) -> None:
            with MissionLog.acquire(self.store, MISSION, WHO, purpose="apply") as log:
                say(f"{log.mission.lastSeq}")
                with contextlib.suppress(MissionError):
                    apply_request(
                        log, Request(op=request[0], args=request[1], by=By(face="t")), child_runs=False
                    )
                say(f"{log.mission.lastSeq}")

        code, said = Forked(work, failpoint=f"*:kill@{at}").end()
        assert code in (0, -signal.SIGKILL)
        seqs = {record.seq for record in self.records()}
        assert all(int(line) in seqs for line in said), "an acknowledged event is lost"
        if torn and code:
            with self.directory.journal.open("ab") as out:
                out.write(b'{"seq":7,"epo')

    def drop(self) -> None:
        """The owner dies without a word."""
        if self.log is not None:
            self.log._close()  # pyright: ignore[reportPrivateUsage]
            self.log = None

    @rule()
    def crash(self) -> None:
        self.drop()

    @rule(how=st.sampled_from(["gone", "empty", "half", "nul", "edited", "junk"]))
    def spoil_the_snapshot(self, how: str) -> None:
        path = self.directory.snapshot
        if not path.exists():
            return
        good = path.read_bytes()
        if how == "gone":
            path.unlink()
            return
        spoiled = {
            "empty": b"",
            "half": good[: len(good) // 2],
            "nul": bytes(len(good)),
            "edited": good.replace(b'"running"', b'"complete"').replace(b'"paused"', b'"complete"'),
            "junk": b"\xff{]",
        }
        path.write_bytes(spoiled[how])

    @precondition(lambda self: self.log is None)
    @rule(at=st.integers(0, 10_000), flip=st.integers(1, 255))
    def spoil_the_journal(self, at: int, flip: int) -> None:
        """A changed byte anywhere but in the last line is never taken for a history; the right bytes mend it."""
        good = self.directory.journal.read_bytes()
        end = good[:-1].rfind(b"\n")
        if end < 1:
            return
        at %= end
        spoiled = bytearray(good)
        spoiled[at] ^= flip
        self.directory.journal.write_bytes(spoiled)
        assert isinstance(view_mission(self.store, MISSION), DamagedMission)
        with pytest.raises(MissionError):
            MissionLog.acquire(self.store, MISSION, WHO)
        self.directory.journal.write_bytes(good)

    @precondition(lambda self: self.log is not None)
    @rule()
    def taken_over(self) -> None:
        """Somebody removes the lock and takes the mission; the former owner may not write any more."""
        assert self.log is not None
        old = self.log
        self.directory.lock.unlink()
        self.log = MissionLog.acquire(self.store, MISSION, WHO)
        before = self.directory.journal.read_bytes()
        with pytest.raises(MissionError):
            old.record(ev.MissionAbandoned())
        old._close()  # pyright: ignore[reportPrivateUsage]
        assert self.directory.journal.read_bytes() == before

    # What always holds

    def records(self) -> list[Any]:
        reader = JournalReader(self.directory)
        found = reader.read_new()
        assert reader.problems == []
        return found

    @invariant()
    def one_history_and_one_mission(self) -> None:
        records = self.records()
        types = {record.seq: record.type for record in records}
        assert list(types) == list(range(1, len(records) + 1))
        assert self.promised.items() <= types.items(), "an acknowledged event is lost or another one"
        self.promised = types
        epochs = [record.epoch for record in records]
        assert epochs == sorted(epochs)
        seen = view_mission(self.store, MISSION)
        assert isinstance(seen, Mission), seen
        assert seen == fold(None, records, plan_of(self.directory), MISSION)
        if self.log is not None:
            assert self.log.mission == seen

    @invariant()
    def no_request_counts_twice(self) -> None:
        answers = Counter(
            (record.data["requestId"], record.type, json.dumps(record.data, sort_keys=True))
            for record in self.records()
            if "requestId" in record.data
        )
        assert all(count == 1 for count in answers.values())


class _Plans:
    """The plans of the mission, as `History` looks them up."""

    def __init__(self, directory: Any) -> None:
        self._plan: Callable[[str], Any] = plan_of(directory)

    def __getitem__(self, name: str) -> Any:
        return self._plan(name)


def _idle() -> ev.Event:
    return ev.IntentRecorded(stepId="nothing", kind="test")


Operations.TestCase.settings = settings(
    max_examples=size(20, 150),
    stateful_step_count=size(25, 40),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(size(900, 7200))
class TestOperations(Operations.TestCase):
    """Run by Hypothesis; a failure prints the rules that lead to it."""
