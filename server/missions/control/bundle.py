"""Exporting a mission: which of its files travel, in which order, and how secrets are taken out on request.

Only reads the mission, also while a runner works on it: the journal is taken first, then everything that it names.
Locks, requests, snapshots of files and the state of processes stay where they are. Importing is ``bundle_import.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from missions import __version__
from missions.model.errors import MissionError
from missions.model.mission import SCHEMA_VERSION, Mission
from missions.repo.names import check_sha
from missions.repo.repository import Repository
from missions.store.blobs import MAX_BLOB
from missions.store.bundle import BundleWriter, Manifest, is_safe_name
from missions.store.catalog import view_mission
from missions.store.files import TEMPORARY, read_bytes
from missions.store.journal import SEGMENT_SIZE, utc_now
from missions.store.layout import JOURNAL, MissionDir, Store
from missions.store.records import BadLineError, decode, encode, parse_data
from missions.store.redact import Redactor

PACK = "repository.pack"
"""The commits of the mission, in a bundle that has them."""

SEGMENT = re.compile(r"event-log\.[1-9][0-9]{0,5}\.jsonl\Z")
TOP = frozenset(
    {"blobs", "plan", "skills", "chat", "orchestrator", "recovery-packets", "runs", "imported", "report.md"}
)
"""What of a mission directory travels, besides the journal."""

_TRANSCRIPT = re.compile(r"transcript(\.[0-9]+)?\.jsonl\Z")
_PLAN_MARK = "plan/.written.json"
_BLOB_NAME = re.compile(r"[0-9a-f]{64}")
_MOST_LEFT_OUT = 100


@dataclass(frozen=True)
class ExportResult:
    """The file that was written. ``left_out`` are files that did not fit into it."""

    mission: str
    output: Path
    size: int
    files: int
    left_out: tuple[str, ...]
    redacted: bool
    with_repository: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "mission": self.mission,
            "output": str(self.output),
            "size": self.size,
            "files": self.files,
            "leftOut": list(self.left_out),
            "redacted": self.redacted,
            "withRepository": self.with_repository,
        }


def export(
    store: Store,
    mission_id: str,
    output: Path | None = None,
    *,
    redact: bool = False,
    with_repository: bool = False,
    transcripts: bool = True,
    redactor: Redactor | None = None,
) -> ExportResult:
    """Write the mission to ``output`` (``<id>.tar.gz`` in the current folder by default; never over a file).

    ``redact`` takes secrets out of every text and leaves out what is not text; ``with_repository`` adds the commits of
    the mission's branch with their history. Raises ``not_found``, ``conflict``, ``repository`` or an I/O error.
    """
    directory = store.mission(mission_id)
    found = view_mission(store, mission_id)
    mission = found if isinstance(found, Mission) else None
    target = (output or Path(f"{mission_id}.tar.gz")).absolute()
    clean = (redactor or Redactor()) if redact else None
    left_out: list[str] = []
    with BundleWriter(target) as writer, tempfile.TemporaryDirectory(prefix="missions-") as folder:
        # The journal comes first: what it names was durable before it was named.
        journal = _journal(directory)
        names = _add_blobs(writer, directory, clean)
        for name, content in journal:
            writer.add_bytes(name, content if clean is None else _redacted_journal(content, clean, names))
        for name, path in _artifacts(directory, transcripts, left_out):
            _add(writer, name, path, clean, left_out)
        repository = _repository(mission, directory, Path(folder) / PACK if with_repository else None)
        if with_repository:
            writer.add_file(PACK, Path(folder) / PACK)
        writer.finish(
            Manifest(
                createdAt=utc_now(),
                createdBy=f"missions {__version__}",
                missionId=mission_id,
                schemaVersion=SCHEMA_VERSION,
                title=(clean.text(mission.title) if clean else mission.title) if mission else "",
                status=mission.status if mission else "damaged",
                redacted=redact,
                repository=repository,
                leftOut=tuple(left_out[:_MOST_LEFT_OUT]),
            )
        )
        count = len(writer.files)
    return ExportResult(
        mission_id, target, target.stat().st_size, count, tuple(left_out), redact, with_repository
    )


def _journal(directory: MissionDir) -> list[tuple[str, bytes]]:
    """Every segment, each as far as its last whole line."""
    segments = sorted(
        (path for path in directory.path.iterdir() if SEGMENT.match(path.name)),
        key=lambda path: int(path.name.split(".")[1]),
    )
    if directory.journal.exists():
        segments.append(directory.journal)
    found: list[tuple[str, bytes]] = []
    for path in segments:
        content = read_bytes(path, 2 * SEGMENT_SIZE)
        found.append((path.name, content[: content.rfind(b"\n") + 1]))
    return found


def _add_blobs(writer: BundleWriter, directory: MissionDir, clean: Redactor | None) -> dict[str, str]:
    """Add every blob; returns the new names of those that redaction changed."""
    renamed: dict[str, str] = {}
    if not directory.blobs.is_dir():
        return renamed
    for path in sorted(directory.blobs.iterdir()):
        if not _BLOB_NAME.fullmatch(path.name):
            continue
        if clean is None:
            writer.add_file(f"blobs/{path.name}", path)
            continue
        content = _redacted(path.name, read_bytes(path, MAX_BLOB), clean)
        if content is not None:
            name = hashlib.sha256(content).hexdigest()
            renamed[path.name] = name
            if f"blobs/{name}" not in writer.files:
                writer.add_bytes(f"blobs/{name}", content)
    return renamed


def _artifacts(directory: MissionDir, transcripts: bool, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    for top in sorted(TOP - {"blobs"}):
        path = directory.path / top
        if path.is_file() and not path.is_symlink():
            yield top, path
        for folder, folders, files in os.walk(path):
            folders.sort()
            for file in sorted(files):
                place = Path(folder, file)
                name = place.relative_to(directory.path).as_posix()
                if TEMPORARY.match(file) or name == _PLAN_MARK or file.endswith(".lock"):
                    continue
                if _TRANSCRIPT.match(file) and not transcripts:
                    left_out.append(name)
                    continue
                if not is_safe_name(name) or not _is_plain(place):
                    left_out.append(name.encode("utf-8", "backslashreplace").decode())
                    continue
                yield name, place


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _add(writer: BundleWriter, name: str, path: Path, clean: Redactor | None, left_out: list[str]) -> None:
    try:
        if clean is None:
            writer.add_file(name, path)
            return
        content = _redacted(path.name, read_bytes(path, MAX_BLOB), clean)
        if content is not None:
            writer.add_bytes(name, content)
            return
    except MissionError as error:
        # A runner may remove a file while it is exported, and some names do not fit.
        if error.code not in ("bad_argument", "store_corrupt") and path.exists():
            raise
    left_out.append(name)


# Redaction


def _redacted(name: str, content: bytes, clean: Redactor) -> bytes | None:
    """``content`` without secrets; None for what is no text."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if name.endswith(".jsonl"):
        return "".join(_redacted_json(line, clean, None) + "\n" for line in text.splitlines()).encode()
    if text[:1] in ("{", "["):
        return (_redacted_json(text, clean, 2) + "\n").encode()
    return clean.text(text).encode()


def _redacted_json(text: str, clean: Redactor, indent: int | None) -> str:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return clean.text(text)
    return json.dumps(clean.value(value), indent=indent, ensure_ascii=False)


def _redacted_journal(content: bytes, clean: Redactor, names: dict[str, str]) -> bytes:
    """The same records, in their order and numbers, without secrets and with the blobs' new names."""
    lines: list[bytes] = []
    for line in content.splitlines():
        try:
            record = decode(line)
            data = parse_data(record)
        except BadLineError as error:
            raise MissionError(
                "store_corrupt",
                f"The journal is damaged ({error}), so it cannot be redacted.",
                "Export without --redact, and look at the file before you pass it on.",
            ) from error
        data = cast("dict[str, Any]", _renamed(clean.value(data), lambda old: names.get(old, old)))
        lines.append(encode(record.seq, record.epoch, record.ts, record.type, data))
    return b"".join(lines)


def _renamed(value: Any, new: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return _BLOB_NAME.sub(lambda match: new(match[0]), value)
    if isinstance(value, list):
        return [_renamed(item, new) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _renamed(item, new) for key, item in cast("dict[str, Any]", value).items()}
    return value


# Repository


def _repository(mission: Mission | None, directory: MissionDir, pack: Path | None) -> dict[str, Any] | None:
    """What the importer has to know of the repository; the commits go into ``pack``."""
    if mission is None or mission.baseCommit is None:
        if pack is not None:
            raise MissionError(
                "wrong_state",
                "The mission has no commits to take along: it has not begun.",
                "Export without --with-repository.",
            )
        return None
    tip = mission.tipCommit or mission.baseCommit
    facts = {
        "base": mission.baseCommit,
        "tip": tip,
        "branch": mission.branch,
        "workspace": mission.workspace.kind,
    }
    if pack is not None:
        place = directory.git / "tree" if mission.workspace.kind == "clone" else Path(mission.cwd)
        repo = Repository.find(place)
        if (repo.common_dir / "shallow").exists():
            raise MissionError(
                "repository",
                f"The history in {repo.root} is cut off (a shallow clone), so it cannot be taken along.",
                "Complete it with `git fetch --unshallow`, or export without --with-repository.",
            )
        facts["objectFormat"] = repo.object_format()
        wanted = f"{check_sha(tip)}\n{check_sha(mission.baseCommit)}\n".encode()
        options = ("--revs", "--stdout", "-q", "--delta-base-offset")
        repo.git.run("pack-objects", *options, data=wanted, target=pack, timeout=3600)
    return facts


def is_journal(name: str) -> bool:
    """Whether a file of a bundle is a segment of the journal."""
    return name == JOURNAL or bool(SEGMENT.match(name))
