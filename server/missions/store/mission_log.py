"""The owner's handle on one mission: kernel lock, epoch, journal, folded state, snapshot.

Whoever holds a ``MissionLog`` is the only writer of that mission. An event is durable before :meth:`MissionLog.record`
returns. It never decides what happens in a mission, and it never writes once it lost the mission to somebody else.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from missions.model.errors import MissionError
from missions.model.events import (
    Event,
    MissionCreated,
    MissionRunnerLockRecovered,
    RunnerAcquired,
    RunnerReleased,
)
from missions.model.fold import apply
from missions.model.mission import Mission
from missions.store.blobs import plan_of, write_blob
from missions.store.files import make_dir, remove_tree, rename, sweep_temporaries, touch
from missions.store.journal import JournalReader, JournalWriter, utc_now
from missions.store.layout import MissionDir, Store
from missions.store.lock import LockInfo, MissionLock, Owner, ProcessIdentity, read_lock_info
from missions.store.records import Record
from missions.store.replay import Replay, replay
from missions.store.snapshot import write_snapshot

SNAPSHOT_EVERY = 200
"""Events after which a snapshot is due even without a transition."""

Purpose = Literal["run", "apply", "repair"]

_ABANDONED_AFTER = 3600.0
"""Seconds after which a half-made mission directory belongs to nobody."""


@dataclass(frozen=True)
class RecoveredFrom:
    """What the owner found that a clean end would not have left."""

    previous: LockInfo | None = None
    """The owner that died without releasing, if it was described."""
    died: bool = False
    """The last owner did not release."""
    torn: Path | None = None
    """Where the torn tail of the journal was put."""
    snapshot_problem: str | None = None
    """Why the snapshot was rebuilt."""
    swept: int = 0
    """Temporary files that were removed."""


class MissionLog:
    """One mission, owned. Use as a context manager, or call :meth:`release`."""

    def __init__(
        self, directory: MissionDir, lock: MissionLock, found: Replay, who: Owner, epoch: int
    ) -> None:
        """Use :meth:`acquire` or :meth:`create`."""
        self.directory = directory
        self.owner = who
        self.recovered: RecoveredFrom | None = None
        """What had to be repaired when the mission was taken; None after a clean end."""
        self._lock = lock
        self._mutex = threading.RLock()
        self._plan_of = plan_of(directory)
        self._mission = found.mission
        self._requests = found.reader.requests
        self._writer = JournalWriter(found.reader, epoch)
        self._snapshot_seq = found.mission.lastSeq if found.mission and not found.records else 0
        self._last_crc = found.last_crc
        self._released = False

    @classmethod
    def acquire(
        cls, store: Store, mission_id: str, who: Owner, wait: float = 0, purpose: Purpose = "run"
    ) -> MissionLog:
        """Take the mission: lock, repair of a torn tail, replay, next epoch, ``runner_acquired``.

        Raises ``not_found``, ``locked`` (names the owner), ``store_unusable``, ``store_corrupt``, ``schema_newer`` or an
        I/O error; nothing was changed then, except that a torn tail may have been set aside.
        """
        directory = store.mission(mission_id)
        if not directory.exists():
            raise MissionError(
                "not_found", f"There is no mission {mission_id}.", "`missions list` shows the missions."
            )
        store.ensure()
        lock = MissionLock.acquire(directory, wait)
        try:
            log = cls._take(directory, lock, who, purpose)
        except BaseException:
            lock.drop()
            raise
        touch(store.wake)
        return log

    @classmethod
    def _take(cls, directory: MissionDir, lock: MissionLock, who: Owner, purpose: Purpose) -> MissionLog:
        found = replay(directory)
        if found.problem is not None:
            raise found.problem
        previous = read_lock_info(directory)
        log = cls(directory, lock, found, who, found.reader.last_epoch + 1)
        try:
            me = ProcessIdentity.own()
            log.record(RunnerAcquired(purpose=purpose, face=who.face, **me.model_dump()))
            died = found.reader.last_seq > 0 and found.reader.last_type != RunnerReleased.type
            if died:
                known = previous.model_dump() if previous is not None else {}
                log.record(MissionRunnerLockRecovered(previousOwner=known))
            lock.describe(who, log.epoch, utc_now())
            swept = _sweep(directory) if died or previous is not None else 0
            recovered = RecoveredFrom(
                previous if died else None, died, log._writer.torn, found.snapshot_problem, swept
            )
            if recovered != RecoveredFrom():
                log.recovered = recovered
                log.snapshot()
        except BaseException:
            log._writer.close()
            raise
        return log

    @classmethod
    def create(cls, store: Store, mission_id: str, who: Owner, first: MissionCreated) -> MissionLog:
        """Make the mission with its first event, all or nothing, and own it; ``conflict`` if the id is taken."""
        store.ensure()
        directory = store.mission(mission_id)
        if directory.path.exists():
            raise _taken(mission_id)
        _sweep_half_made(store)
        making = MissionDir(mission_id, store.root / f".new-{mission_id}-{secrets.token_hex(6)}")
        make_dir(making.path, "mission")
        lock = None
        try:
            for part in ("tmp", "new", "done"):
                make_dir(making.inbox / part, "inbox")
            lock = MissionLock.acquire(making)
            writer = JournalWriter(JournalReader(making), epoch=1)
            writer.append(first.type, first.data())
            writer.close()
            try:
                rename(making.path, directory.path, "mission")
            except MissionError as error:
                raise _taken(mission_id) if directory.exists() else error from error
            lock.moved_to(directory)
            found = replay(directory)
            log = cls(directory, lock, found, who, epoch=1)
            lock.describe(who, log.epoch, utc_now())
            log.snapshot()
        except BaseException:
            if lock is not None:
                lock.drop()
            with contextlib.suppress(MissionError):
                remove_tree(making.path, "mission")
            raise
        return log

    @property
    def mission(self) -> Mission:
        """The state after the last recorded event; :meth:`record` changes it in place."""
        assert self._mission is not None
        return self._mission

    @property
    def epoch(self) -> int:
        """This ownership's number; every record carries it."""
        return self._writer.epoch

    def record(self, event: Event, request_id: str | None = None) -> Record:
        """As :meth:`record_all` for one event."""
        return self.record_all([event], request_id)[0]

    def record_all(self, events: Sequence[Event], request_id: str | None = None) -> list[Record]:
        """Append ``events`` durably, all or none, and fold them; a snapshot follows when one is due.

        ``request_id`` is the inbox request that they answer; each of them carries it. Raises ``store_tampered`` if the
        journal or the lock is no longer ours, ``disk_full`` or ``io_failed``: then nothing happened.
        """
        answer = {} if request_id is None else {"requestId": request_id}
        contents = [(event.type, event.data() | answer) for event in events]
        with self._mutex:
            self._check_owned()
            before = _transition(self._mission)
            ts = utc_now()
            try:
                # Folded first: an event that the fold cannot take must never reach the journal.
                for seq, (kind, data) in enumerate(contents, self._writer.last_seq + 1):
                    preview = _Preview(seq, self.epoch, ts, kind, data)
                    self._mission = apply(self._mission, preview, self._plan_of, self.directory.id)
                records = self._writer.append_all(contents, ts)
            except BaseException:
                self._mission = self._as_written()
                raise
            self._last_crc = records[-1].crc
            if request_id is not None:
                self._requests.add(request_id)
            due = records[-1].seq - self._snapshot_seq >= SNAPSHOT_EVERY
            if due or _transition(self._mission) != before:
                # The events are durable; without the snapshot nothing is lost but time.
                with contextlib.suppress(MissionError):
                    self.snapshot()
            return records

    def applied(self, request_id: str) -> bool:
        """Whether an event of this mission already answers the request."""
        return request_id in self._requests

    def blob(self, content: bytes) -> str:
        """Store immutable content durably; return its SHA-256, to be named by an event."""
        with self._mutex:
            self._check_owned()
            return write_blob(self.directory, content)

    def watch(self) -> None:
        """From now on notice every change of the journal from outside, wherever it is made; for runs without a sandbox."""
        with self._mutex:
            self._writer.watch()

    def verify(self) -> None:
        """Raise ``store_tampered`` if the watched journal is not what was written here."""
        with self._mutex:
            if not self._writer.intact():
                raise MissionError(
                    "store_tampered",
                    f"The journal of {self.directory.id} was changed by somebody else.",
                    "Look at what the commands of the last run did.",
                )

    def mend(self) -> Path | None:
        """Put a watched journal back to what was written here; returns where the foreign content went, if there was any."""
        with self._mutex:
            self._check_owned()
            aside = self._writer.mend()
            if aside is not None:
                # An append that failed has read the foreign content.
                self._mission = self._as_written()
                self.snapshot()
            return aside

    def snapshot(self) -> None:
        """Write ``mission.json`` for the state as it is."""
        with self._mutex:
            self._check_owned()
            write_snapshot(self.directory, self.mission, self._last_crc)
            self._snapshot_seq = self.mission.lastSeq

    def release(self, reason: str) -> None:
        """Record why, bring the snapshot up to date and free the lock; a second call does nothing.

        It never raises: an owner that cannot write any more frees the mission all the same.
        """
        with self._mutex:
            if self._released:
                return
            with contextlib.suppress(MissionError):
                self.record(RunnerReleased(reason=reason))
                self.snapshot()
            self._close()

    def destroy(self) -> None:
        """Remove the mission with everything in it. What is not in the user's repository is lost."""
        with self._mutex:
            self._check_owned()
            gone = self.directory.path.with_name(f".gone-{self.directory.id}-{secrets.token_hex(6)}")
            rename(self.directory.path, gone, "mission")
            self._close()
            remove_tree(gone, "mission")

    def _close(self) -> None:
        self._released = True
        self._writer.close()
        self._lock.release()

    def _check_owned(self) -> None:
        if self._released:
            raise MissionError("locked", f"{self.directory.id} was released.", "Take it again.")
        self._lock.check()

    def _as_written(self) -> Mission | None:
        """The state without the event that could not be recorded."""
        found = replay(self.directory)
        return found.mission if found.problem is None else self._mission

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release("ended" if kind is None else f"failed: {kind.__name__}")


@dataclass(frozen=True, slots=True)
class _Preview:
    """A record that is not written yet, for the fold."""

    seq: int
    epoch: int
    ts: str
    type: str
    data: dict[str, Any]


def _transition(mission: Mission | None) -> tuple[Any, ...]:
    """What a snapshot should never lag behind."""
    if mission is None:
        return ()
    return mission.status, mission.activeRun.runId if mission.activeRun else None, mission.plan.version


def _sweep(directory: MissionDir) -> int:
    """Remove what dead owners left half-written; the inbox and the chat have other writers and are left alone."""
    places = [directory.path, directory.plan, directory.skills, directory.blobs, directory.packets]
    with contextlib.suppress(OSError):
        places += [place for place in directory.runs.iterdir() if place.is_dir() and not place.is_symlink()]
    swept = sum(sweep_temporaries(place) for place in places)
    return swept + sweep_temporaries(directory.inbox / "tmp", older_than=time.time() - _ABANDONED_AFTER)


def _sweep_half_made(store: Store) -> None:
    limit = time.time() - _ABANDONED_AFTER
    sweep_temporaries(store.root, limit)
    with contextlib.suppress(OSError, MissionError):
        for path in store.root.iterdir():
            if path.name.startswith((".new-", ".gone-")) and path.lstat().st_mtime < limit:
                remove_tree(path, "mission")


def _taken(mission_id: str) -> MissionError:
    return MissionError("conflict", f"There already is a mission {mission_id}.", "Choose another id.")
