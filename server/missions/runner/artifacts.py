"""Reading artifacts of a mission by the path that packets and faces name, within bounds.

Only files below the mission directory that are meant for readers; never the inbox, the lock or the git backup. Reads, never
writes.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from missions.model.errors import MissionError
from missions.model.plain_text import many_lines
from missions.store.layout import MissionDir

_READABLE = (
    "runs",
    "plan",
    "skills",
    "recovery-packets",
    "report.md",
    "mission.json",
    "event-log.jsonl",
    "orchestrator",
    "imported",
)
_MOST = 24_000


def read_artifact(directory: MissionDir, path: str, tail: bool = False) -> str:
    """At most 24,000 characters of an artifact, from its beginning or its end; clean text."""
    relative = PurePosixPath(path)
    if (
        relative.is_absolute()
        or ".." in relative.parts
        or not relative.parts
        or relative.parts[0] not in _READABLE
    ):
        raise MissionError(
            "bad_argument",
            f"{path} is not an artifact of the mission.",
            "Artifacts lie under " + ", ".join(_READABLE) + ".",
        )
    target = directory.path / relative
    if (
        target.is_symlink()
        or not target.resolve().is_relative_to(directory.path.resolve())
        or not target.is_file()
    ):
        raise MissionError(
            "not_found",
            f"There is no artifact {path}.",
            "`mission_status` and the packet name the artifacts there are.",
        )
    size = target.stat().st_size
    with target.open("rb") as source:
        if tail and size > _MOST:
            source.seek(size - _MOST)
        content = source.read(_MOST)
    cut = f"\n… ({size} bytes in all)" if size > _MOST else ""
    return many_lines(content.decode("utf-8", "replace"), _MOST) + cut
