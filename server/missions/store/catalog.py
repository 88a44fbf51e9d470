"""What missions there are and how they stand, for everybody who only looks.

No lock, no change to a mission, and no exception for what is in one mission's files: a damaged mission is shown as
such and the others as they are. The index beside the missions is disposable: deleting it costs only time.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, cast

from missions import __version__
from missions.model.errors import ErrorCode, MissionError
from missions.model.fold import fold
from missions.model.ids import MISSION_ID
from missions.model.mission import DONE, SCHEMA_VERSION, Mission
from missions.model.next_action import needs_you, waits_for
from missions.model.view import current_task
from missions.store.blobs import plan_of
from missions.store.bounded_json import Limits, read_json
from missions.store.files import atomic_write
from missions.store.journal import JournalReader
from missions.store.layout import JOURNAL, MissionDir, Store, segment_name
from missions.store.records import Record
from missions.store.replay import replay

_INDEX_FORM = f"2/{SCHEMA_VERSION}/{__version__}"
_INDEX_LIMITS = Limits(size=256 * 1024 * 1024)
_REWRITE_AFTER = 16
"""Changed rows after which the index is written again; fewer are simply looked up again."""

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class DamagedMission:
    """A mission that cannot be shown: damaged, or written by a newer version (``schema_newer``)."""

    id: str
    problem: str
    code: ErrorCode = "store_corrupt"
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class MissionSummary:
    """One line of a list of missions; the names are those of ``Mission``."""

    id: str
    title: str
    status: str
    cwd: str
    createdAt: str
    updatedAt: str
    lastSeq: int
    epoch: int
    schemaVersion: int
    cleared: bool
    demo: bool
    branch: str | None
    activeRunId: str | None
    blockCategory: str | None
    blockMessage: str | None
    openDecisions: int
    milestonesDone: int
    milestones: int
    featuresDone: int
    features: int
    runs: int
    currentTask: str
    waitsFor: str | None
    needsYou: bool
    costMicroUsd: int
    costEstimated: bool

    @classmethod
    def of(cls, mission: Mission) -> MissionSummary:
        """The summary of a mission."""
        features = mission.all_features()
        block = mission.latestBlock
        return cls(
            id=mission.id,
            title=mission.title,
            status=mission.status,
            cwd=mission.cwd,
            createdAt=mission.createdAt,
            updatedAt=mission.updatedAt,
            lastSeq=mission.lastSeq,
            epoch=mission.epoch,
            schemaVersion=mission.schemaVersion,
            cleared=mission.cleared,
            demo=mission.demo,
            branch=mission.branch,
            activeRunId=mission.activeRun.runId if mission.activeRun else None,
            blockCategory=block.reasonCategory if block else None,
            blockMessage=block.message[:300] if block else None,
            openDecisions=len(mission.decisions),
            milestonesDone=sum(m.status in DONE for m in mission.milestones),
            milestones=len(mission.milestones),
            featuresDone=sum(f.status in DONE for f in features),
            features=len(features),
            runs=len(mission.runs),
            currentTask=current_task(mission),
            waitsFor=waits_for(mission),
            needsYou=needs_you(mission),
            costMicroUsd=mission.usage.costMicroUsd,
            costEstimated=mission.usage.estimated,
        )


def view_mission(store: Store, mission_id: str) -> Mission | DamagedMission:
    """How a mission stands now; ``not_found`` if there is none, never an exception for what its files hold."""
    directory = store.mission(mission_id)
    if not directory.exists():
        raise _not_found(mission_id)
    return _view(directory)


def list_missions(store: Store) -> list[MissionSummary | DamagedMission]:
    """All missions, sorted by id (that is, by the time they were made)."""
    index = _read_index(store.index)
    changed = 0
    shown: list[MissionSummary | DamagedMission] = []
    rows: dict[str, tuple[_Stamp, MissionSummary]] = {}
    for mission_id, stamp in _stamps(store):
        row = index.get(mission_id)
        if row is None or row[0] != stamp:
            changed += 1
            mission = _view(store.mission(mission_id))
            if isinstance(mission, DamagedMission):
                # Not indexed: its cause may go away without a change of the journal.
                shown.append(mission)
                continue
            row = (stamp, MissionSummary.of(mission))
        rows[mission_id] = row
        shown.append(row[1])
    if changed >= _REWRITE_AFTER or len(index) > len(rows) + _REWRITE_AFTER:
        _write_index(store.index, rows)
    return shown


class MissionFollower:
    """One mission, kept up to date by reading only what was appended."""

    def __init__(self, store: Store, mission_id: str) -> None:
        self._directory = store.mission(mission_id)
        self._reader: JournalReader | None = None
        self.mission: Mission | DamagedMission | None = None
        """As of the last :meth:`refresh`; every change is a new object."""
        self.restarted = False
        """The last refresh had to begin anew, because what was read before had been taken back."""

    def refresh(self) -> list[Record]:
        """Read on; return the new records. The first call returns those behind the snapshot. ``not_found`` if gone."""
        if not self._directory.exists():
            self.mission, self._reader = None, None
            raise _not_found(self._directory.id)
        self.restarted = False
        if self._reader is None or not isinstance(self.mission, Mission):
            return self._begin()
        records = self._reader.read_new()
        if self._reader.shrunk or self._reader.problems:
            self.restarted = True
            known = self.mission.lastSeq
            return [record for record in self._begin() if record.seq > known]
        if records:
            try:
                self.mission = fold(self.mission, records, plan_of(self._directory), self._directory.id)
            except (MissionError, ValueError, KeyError, TypeError):
                return self._begin()
        return records

    def _begin(self) -> list[Record]:
        found = replay(self._directory)
        self._reader = found.reader
        self.mission = found.mission if found.problem is None else _damaged(self._directory.id, found.problem)
        return found.records


def _view(directory: MissionDir) -> Mission | DamagedMission:
    try:
        found = replay(directory)
    except MissionError as error:
        return _damaged(directory.id, error)
    if found.problem is not None:
        return _damaged(directory.id, found.problem)
    assert found.mission is not None
    return found.mission


def _damaged(mission_id: str, error: MissionError) -> DamagedMission:
    return DamagedMission(mission_id, error.message, error.code, error.next_step)


def _not_found(mission_id: str) -> MissionError:
    return MissionError(
        "not_found", f"There is no mission {mission_id}.", "`missions list` shows the missions."
    )


def _stamps(store: Store) -> list[tuple[str, _Stamp]]:
    """Every mission with what changes whenever its journal does."""
    try:
        with os.scandir(store.root) as entries:
            names = sorted(
                e.name for e in entries if MISSION_ID.match(e.name) and e.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []
    found: list[tuple[str, _Stamp]] = []
    for name in names:
        # Plain strings: with ten thousand missions, path objects cost more than the calls.
        for file in (JOURNAL, segment_name(1)):
            with contextlib.suppress(OSError):
                stat = os.lstat(f"{store.root}/{name}/{file}")
                found.append((name, (stat.st_ino, stat.st_size, stat.st_mtime_ns)))
                break
    return found


def _read_index(path: Path) -> dict[str, tuple[_Stamp, MissionSummary]]:
    if not path.is_file():
        return {}
    try:
        document = cast(dict[str, Any], read_json(path, _INDEX_LIMITS))
        if document["form"] != _INDEX_FORM:
            return {}
        rows = cast(list[list[Any]], document["rows"])
        width = len(fields(MissionSummary))
        if any(len(row) != width + 3 for row in rows):
            return {}
        return {row[3]: ((row[0], row[1], row[2]), MissionSummary(*row[3:])) for row in rows}
    except (MissionError, KeyError, TypeError, ValueError):
        return {}


def _write_index(path: Path, rows: dict[str, tuple[_Stamp, MissionSummary]]) -> None:
    document = {"form": _INDEX_FORM, "rows": [[*stamp, *astuple(row)] for stamp, row in rows.values()]}
    content = json.dumps(document, separators=(",", ":")).encode()
    # Without it the next list is slower; a store that cannot be written is listed all the same.
    with contextlib.suppress(MissionError):
        atomic_write(path, content, "index", durable=False)
