"""Immutable content of a mission, named by its SHA-256: plans, reports, packets, large outputs.

A blob is durable before anything names it, and its content is checked whenever it is read. It is never changed.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable

from pydantic import ValidationError

from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.store.files import atomic_write, make_dir, read_bytes
from missions.store.layout import MissionDir

MAX_BLOB = 256 * 1024 * 1024
"""Bytes."""

_NAME = re.compile(r"[0-9a-f]{64}\Z")


def write_blob(directory: MissionDir, content: bytes) -> str:
    """Store ``content`` durably; return its name."""
    name = hashlib.sha256(content).hexdigest()
    path = directory.blobs / name
    try:
        if hashlib.sha256(read_bytes(path, MAX_BLOB)).hexdigest() == name:
            return name
    except MissionError:
        pass  # not there yet, or damaged: written anew
    make_dir(directory.blobs, "blob")
    atomic_write(path, content, "blob")
    return name


def read_blob(directory: MissionDir, name: str) -> bytes:
    """The content of the blob ``name``; ``store_corrupt`` if it is missing or not what its name says."""
    if not _NAME.match(name):
        raise _missing(directory, name[:80], "has no valid name")
    path = directory.blobs / name
    if not path.is_file():
        raise _missing(directory, name, "is missing")
    content = read_bytes(path, MAX_BLOB)
    if hashlib.sha256(content).hexdigest() != name:
        raise _missing(directory, name, "is damaged")
    return content


def plan_of(directory: MissionDir) -> Callable[[str], PlanDocument]:
    """The loader of accepted plans that the fold of this mission needs."""
    return functools.partial(_plan, directory)


@functools.lru_cache(maxsize=32)
def _plan(directory: MissionDir, name: str) -> PlanDocument:
    try:
        return PlanDocument.model_validate_json(read_blob(directory, name))
    except ValidationError as error:
        raise _missing(directory, name, "is not a plan") from error


def _missing(directory: MissionDir, name: str, how: str) -> MissionError:
    return MissionError(
        "store_corrupt",
        f"The content {name[:12]} of {directory.id} {how}.",
        "Restore it from a backup, or export what is left of the mission.",
        file=str(directory.blobs / name),
    )
