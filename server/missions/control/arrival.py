"""A mission that arrives from elsewhere: built beside the others, checked, and put into the store all at once.

Whatever fails before that leaves nothing behind but what the store sweeps anyway. It knows the store's form and no form
of any source.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from missions.model.errors import MissionError
from missions.model.events import Event, RunnerReleased
from missions.model.ids import check_mission_id, new_mission_id
from missions.model.mission import Mission
from missions.runner.plan_files import write_plan_files
from missions.store.blobs import write_blob
from missions.store.files import make_dir, remove_tree, rename
from missions.store.journal import JournalReader, JournalWriter
from missions.store.layout import MissionDir, Store
from missions.store.replay import Replay, replay
from missions.store.snapshot import write_snapshot


class Arrival:
    """The directory in which a mission is built; use as a context manager."""

    def __init__(self, store: Store, prefix: str = "new") -> None:
        store.ensure()
        self._store = store
        self._place = store.root / f".new-{prefix}-{secrets.token_hex(6)}"
        self.directory = MissionDir("mission-arriving", self._place)
        """Where its files are put; the id is that of :meth:`name` later."""
        make_dir(self._place, "mission")

    def name(self, wanted: str) -> str:
        """Choose the mission's id: ``wanted``, or a new one if that is taken."""
        mission_id = check_mission_id(wanted)
        if (self._store.root / mission_id).exists():
            mission_id = new_mission_id(datetime.now(UTC), secrets.randbits(31))
        self.directory = MissionDir(mission_id, self._place)
        return mission_id

    def blob(self, content: bytes) -> str:
        """As ``MissionLog.blob``."""
        return write_blob(self.directory, content)

    def read(self) -> Mission:
        """The mission as its files say now; ``store_corrupt`` if they cannot be understood."""
        return self._mission(self._replay())

    def _replay(self) -> Replay:
        try:
            return replay(self.directory)
        except (AttributeError, IndexError, AssertionError, RecursionError, OverflowError) as error:
            # Records of another author may be whole and mean nothing.
            raise MissionError(
                "store_corrupt",
                f"The journal cannot be understood ({type(error).__name__}).",
                "Export the mission again where it came from; nothing was imported.",
            ) from error

    def _mission(self, found: Replay) -> Mission:
        if found.problem is not None:
            raise MissionError(
                found.problem.code,
                found.problem.message,
                "Export the mission again where it came from; nothing was imported.",
                **found.problem.data,
            )
        assert found.mission is not None
        return found.mission

    def settle(self, events: Sequence[Event]) -> Mission:
        """Append ``events`` to the journal and put the mission into the store; returns it as it is there."""
        found = self._replay() if self.directory.exists() else Replay(None, JournalReader(self.directory))
        if found.problem is not None:
            raise found.problem
        writer = JournalWriter(found.reader, found.reader.last_epoch + 1)
        try:
            last = [*events, RunnerReleased(reason="imported")]
            records = writer.append_all([(event.type, event.data()) for event in last])
        finally:
            writer.close()
        mission = self.read()
        for part in ("tmp", "new", "done"):
            make_dir(self.directory.inbox / part, "inbox")
        if mission.plan.version:
            write_plan_files(self.directory, mission)
        write_snapshot(self.directory, mission, records[-1].crc)
        target = self._store.mission(self.directory.id)
        if target.path.exists():
            raise MissionError("conflict", f"There already is a mission {target.id}.", "Import again.")
        rename(self._place, target.path, "mission")
        self.directory = target
        return mission

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place.exists():
            with contextlib.suppress(MissionError):
                remove_tree(self._place, "mission")
