"""From the files of a mission to its state: the snapshot if it is genuine, and every record behind it.

The whole journal is verified each time; only what the snapshot does not hold is parsed and folded. It takes no lock and
writes nothing; damage is part of the answer, not an exception.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from missions.model.errors import MissionError
from missions.model.fold import fold
from missions.model.mission import Mission
from missions.store.blobs import plan_of
from missions.store.journal import Damage, JournalReader
from missions.store.layout import MissionDir
from missions.store.records import Record
from missions.store.snapshot import read_snapshot


@dataclass
class Replay:
    """What the files say."""

    mission: Mission | None
    """None before ``mission_created``, and when ``problem`` is set."""
    reader: JournalReader
    """Stands at the end of what could be read."""
    records: list[Record] = field(default_factory=list[Record])
    """The records behind the snapshot."""
    problem: MissionError | None = None
    """Why the state cannot be told: ``store_corrupt``, ``schema_newer`` or an I/O error."""
    snapshot_problem: str | None = None
    """Why the snapshot was not used; it is rebuilt by the next owner."""

    @property
    def last_crc(self) -> str:
        """Checksum of the last record."""
        return self.records[-1].crc if self.records else self.reader.after_crc


def replay(directory: MissionDir) -> Replay:
    """The state of a mission; never raises for what is in its files."""
    # The snapshot is read first: the journal that is read after it is at least as long.
    snapshot = read_snapshot(directory)
    problem = snapshot.problem if snapshot is not None else None
    if snapshot is not None and snapshot.newer is not None:
        return Replay(None, JournalReader(directory), problem=_newer(directory, snapshot.newer))
    if snapshot is not None and snapshot.mission is not None and snapshot.seal is not None:
        last_seq = snapshot.mission.lastSeq
        found = _fold(directory, snapshot.mission, last_seq) if snapshot.usable else _fold(directory, None, 0)
        if found.problem is not None:
            return found
        if found.reader.last_seq < last_seq:
            return _shorter(directory, found.reader, last_seq)
        if not snapshot.usable or found.reader.after_crc == snapshot.seal.crc:
            return found
        problem = "mission.json disagrees with the journal"
    found = _fold(directory, None, 0)
    found.snapshot_problem = problem
    return found


def _shorter(directory: MissionDir, reader: JournalReader, last_seq: int) -> Replay:
    """A genuine snapshot knows records that the journal lacks: part of the history is gone."""
    reason = f"it ends with record {reader.last_seq}, but mission.json was made from record {last_seq}"
    damage = Damage(directory.journal.name, reader.lines + 1, reader.offset, reason)
    return Replay(None, reader, problem=damage.error())


def _fold(directory: MissionDir, start: Mission | None, after: int) -> Replay:
    reader = JournalReader(directory, after)
    try:
        records = reader.read_new()
        if reader.problems:
            return Replay(None, reader, problem=reader.problems[0].error())
        mission = fold(start, records, plan_of(directory), directory.id)
    except MissionError as error:
        return Replay(None, reader, problem=error)
    except (ValueError, KeyError, TypeError) as error:
        # The records are whole but mean nothing to this version's fold; other missions must not suffer.
        return Replay(None, reader, problem=_not_understood(directory, error))
    if mission is None:
        return Replay(
            None, reader, problem=Damage(directory.journal.name, 1, 0, "there is no mission_created").error()
        )
    return Replay(mission, reader, records)


def _newer(directory: MissionDir, version: int) -> MissionError:
    return MissionError(
        "schema_newer",
        f"{directory.id} was written by a newer version of Missions (schema {version}).",
        "Update Missions; this version leaves it untouched.",
        schemaVersion=version,
    )


def _not_understood(directory: MissionDir, error: Exception) -> MissionError:
    return MissionError(
        "store_corrupt",
        f"The journal of {directory.id} cannot be understood ({type(error).__name__}: {str(error)[:200]}).",
        "Run `missions doctor`; a newer version of Missions may have written it.",
    )
