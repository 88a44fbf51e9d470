"""The snapshot ``mission.json``: the folded mission, sealed so that a stale or edited one is noticed.

The seal says which record the snapshot ends with and sums up its content. The snapshot is derived: losing it costs
only time. Nothing here reads the journal.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from missions import __version__
from missions.model.errors import MissionError
from missions.model.mission import SCHEMA_VERSION, Mission
from missions.store.bounded_json import Limits, parse_json
from missions.store.files import atomic_write, read_bytes
from missions.store.layout import MissionDir

LIMITS = Limits(size=32 * 1024 * 1024)

_SEAL_MARK = b',\n  "seal": '


class Seal(BaseModel):
    """What the snapshot was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    crc: str
    """Checksum of the journal record ``lastSeq``."""
    version: str
    """The version whose fold made it: another one folds again."""
    sum: str
    """SHA-256 of the snapshot without its seal."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as found; ``mission`` only if its content is what was written."""

    mission: Mission | None = None
    seal: Seal | None = None
    problem: str | None = None
    newer: int | None = None
    """Its schema version, if that is newer than this program's."""

    @property
    def usable(self) -> bool:
        """Whether the fold may go on from here."""
        return self.mission is not None and self.seal is not None and self.seal.version == __version__


def write_snapshot(directory: MissionDir, mission: Mission, crc: str) -> None:
    """Replace the snapshot; ``crc`` is the checksum of the mission's last record."""
    body = mission.model_dump_json(indent=2).encode()
    seal = Seal(crc=crc, version=__version__, sum=hashlib.sha256(body).hexdigest())
    end = body.rindex(b"\n}")
    atomic_write(
        directory.snapshot, body[:end] + _SEAL_MARK + seal.model_dump_json().encode() + b"\n}\n", "snapshot"
    )


def read_snapshot(directory: MissionDir) -> Snapshot | None:
    """The snapshot, or None if there is none; a bad one is reported, never raised."""
    if not directory.snapshot.is_file():
        return None
    try:
        content = read_bytes(directory.snapshot, LIMITS.size)
    except MissionError as error:
        return Snapshot(problem=error.message)
    body, mark, tail = content.rpartition(_SEAL_MARK)
    body += b"\n}"
    try:
        seal = Seal.model_validate_json(tail.removesuffix(b"\n}\n")) if mark else None
        if seal is not None and hashlib.sha256(body).hexdigest() == seal.sum:
            version = int(json.loads(body)["schemaVersion"])
            if version > SCHEMA_VERSION:
                return Snapshot(newer=version)
            mission = Mission.model_validate_json(body)
            if mission.id == directory.id:
                return Snapshot(mission, seal)
            return Snapshot(problem=f"mission.json belongs to {mission.id}")
        found = parse_json(content, str(directory.snapshot), LIMITS)
        version = cast(dict[str, Any], found).get("schemaVersion") if isinstance(found, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            return Snapshot(newer=version)
    except MissionError as error:
        return Snapshot(problem=error.message)
    except (ValidationError, ValueError, KeyError, TypeError):
        return Snapshot(problem="mission.json is not a snapshot")
    return Snapshot(problem="mission.json was edited: it is derived from the journal and is not an input")
