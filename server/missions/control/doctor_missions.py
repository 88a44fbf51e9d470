"""What the doctor sees of one mission: its records, its owner, its processes, and what somebody changed by hand.

Takes no lock and writes nothing; mending goes through the store's own repair, as the next owner would do it.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path

from missions.agent.sandbox.identity import ProcessIdentity, survivors
from missions.control.doctor_store import narrow, too_open
from missions.control.finding import Finding
from missions.control.gc import HALF_MADE_AFTER
from missions.control.hand_edits import hand_edits
from missions.model.errors import MissionError
from missions.model.ids import MISSION_ID, RUN_ID
from missions.model.mission import Mission
from missions.runner.plan_files import edited_files
from missions.runner.unit_run import RunRecord
from missions.store import inbox
from missions.store.blobs import read_blob
from missions.store.bounded_json import Limits, read_json
from missions.store.files import TEMPORARY, unlink
from missions.store.layout import MissionDir, Store
from missions.store.lock import Owner, read_lock_info
from missions.store.mission_log import MissionLog
from missions.store.replay import Replay, replay

_SNAPSHOT = Limits(size=32 * 1024 * 1024)
_WHO = Owner(face="doctor")


def look_at_strays(store: Store) -> list[Finding]:
    """Directories with the name of a mission that hold none."""
    found: list[Finding] = []
    if not store.root.is_dir():
        return found
    for path in sorted(store.root.iterdir()):
        if MISSION_ID.match(path.name) and path.is_dir() and not store.mission(path.name).exists():
            other = (path / "mission.json").is_file()
            step = (
                "If another program wrote it, `missions import` takes it over."
                if other
                else "Move it away; nothing in it can be run."
            )
            what = f"{path.name} has no journal, so it is no mission."
            found.append(Finding("no-journal", "warning", what, step, mission=path.name))
    return found


def look_at_mission(store: Store, mission_id: str) -> list[Finding]:
    """Findings about one mission; never raises for what is in its files."""
    directory = store.mission(mission_id)
    try:
        state = replay(directory)
    except MissionError as error:
        return [_unreadable(directory, error)]
    owned = _alive(directory)
    found = [*_records(store, directory, state, owned)]
    if state.mission is not None:
        found += _owner(store, directory, state.mission, owned)
        found += [*_edits(directory, state.mission), *_blobs(directory, state.mission)]
    found += [*_processes(directory, owned), *_left_files(directory, owned), *_modes(directory)]
    return found


# Records


def _records(store: Store, directory: MissionDir, state: Replay, owned: bool) -> Iterator[Finding]:
    if state.problem is not None:
        yield _unreadable(directory, state.problem)
        return
    assert state.mission is not None
    mend = functools.partial(_repair, store, directory.id)
    if state.reader.fragment and not owned:
        yield Finding(
            "torn-tail",
            "warning",
            f"The journal ends within a line ({state.reader.fragment} bytes): a write was cut short. "
            "Nothing that was reported as done is lost.",
            "The next start sets the rest aside; `missions doctor --fix` does it now.",
            directory.id,
            mend,
        )
    if state.snapshot_problem is not None:
        edits = _edited_snapshot(directory, state.mission)
        also = f" Changed by hand: {'; '.join(edits)}." if edits else ""
        step = "`missions doctor --fix` writes it anew from the journal."
        what = f"{state.snapshot_problem}.{also}"
        yield Finding(
            "snapshot-edited" if edits or "edited" in what else "snapshot-stale",
            "warning",
            what,
            step,
            directory.id,
            None if owned else mend,
        )
    elif not directory.snapshot.exists():
        what = "mission.json is missing; it is derived from the journal."
        step = "`missions doctor --fix` writes it anew."
        yield Finding("snapshot-missing", "warning", what, step, directory.id, None if owned else mend)


def _unreadable(directory: MissionDir, error: MissionError) -> Finding:
    if error.code == "schema_newer":
        return Finding("schema-newer", "warning", error.message, error.next_step, directory.id)
    if error.code != "store_corrupt":
        return Finding("mission-unreadable", "error", error.message, error.next_step, directory.id)
    step = (
        "Bring the files back from a copy (`missions import` of an export, or your backup); `missions export` "
        "keeps what is there. Nothing behind the damage is trusted, and nothing is thrown away."
    )
    return Finding("journal-damaged", "error", error.message, step, directory.id)


def _blobs(directory: MissionDir, mission: Mission) -> Iterator[Finding]:
    """Content that the state rests on; what only history names is looked at when it is read."""
    packet = mission.recovery.packet if mission.recovery else None
    for what, name in (("plan", mission.plan.blob), ("report", mission.report), ("packet", packet)):
        if name:
            try:
                read_blob(directory, name)
            except MissionError as error:
                yield Finding(
                    "content-damaged",
                    "error",
                    f"The {what} cannot be read: {error.message}",
                    "Bring the file back from a copy (an export, or your backup).",
                    directory.id,
                )


def _repair(store: Store, mission_id: str) -> None:
    """What the next owner does anyway: set a torn tail aside, rebuild the snapshot, take over from a dead owner."""
    with MissionLog.acquire(store, mission_id, _WHO, purpose="repair") as log:
        log.snapshot()


def _edited_snapshot(directory: MissionDir, mission: Mission) -> list[str]:
    try:
        return hand_edits(read_json(directory.snapshot, _SNAPSHOT), mission)
    except MissionError:
        return []


# Owner and processes


def _alive(directory: MissionDir) -> bool:
    info = read_lock_info(directory)
    return info is not None and info.alive() is not False


def _owner(store: Store, directory: MissionDir, mission: Mission, owned: bool) -> Iterator[Finding]:
    info = read_lock_info(directory)
    if info is not None and not owned:
        yield Finding(
            "stale-lock",
            "warning",
            f"Its last owner ({info.face}, process {info.pid}, since {info.since}) died without letting go.",
            "The next start takes over; nothing has to be removed by hand.",
            directory.id,
            functools.partial(_repair, store, directory.id),
        )
    if mission.status == "running" and not owned:
        what = "It counts as running, but nobody runs it."
        yield Finding("runner-gone", "warning", what, f"missions resume {directory.id}", directory.id)
    waiting = inbox.waiting(directory)
    if waiting and not owned:
        what = f"{len(waiting)} requests wait for an owner."
        yield Finding("requests-waiting", "info", what, f"missions resume {directory.id}", directory.id)


def _processes(directory: MissionDir, owned: bool) -> Iterator[Finding]:
    if owned:
        return
    for path in _run_dirs(directory):
        record = RunRecord.load(directory.run(path.name))
        if record is None or record.supervisor is None:
            continue
        try:
            alive = survivors(ProcessIdentity(**record.supervisor))
        except TypeError:
            continue
        if alive:
            shown = ", ".join(map(str, alive[:10]))
            yield Finding(
                "orphan-process",
                "warning",
                f"Commands of the run {path.name} still run without a runner (process {shown}).",
                f"missions resume {directory.id} ends them when the run goes on; or end them yourself.",
                directory.id,
            )


def _run_dirs(directory: MissionDir) -> list[Path]:
    try:
        return sorted(path for path in directory.runs.iterdir() if RUN_ID.match(path.name) and path.is_dir())
    except OSError:
        return []


# Files


def _edits(directory: MissionDir, mission: Mission) -> Iterator[Finding]:
    edited = edited_files(directory)
    if edited:
        yield Finding(
            "plan-edited",
            "warning",
            f"{', '.join(edited)} differ from the accepted plan (version {mission.plan.version}): a proposal.",
            "Apply it as a revision of the plan; until then the accepted plan holds.",
            directory.id,
        )


def _left_files(directory: MissionDir, owned: bool) -> Iterator[Finding]:
    limit = time.time() - HALF_MADE_AFTER
    folders = [directory.path, directory.plan, directory.blobs, directory.packets, *_run_dirs(directory)]
    if not owned:
        left = [path for folder in folders for path in _temporaries(folder, limit)]
        if left:
            yield Finding(
                "temporary-files",
                "warning",
                f"{len(left)} temporary files were left by a process that died.",
                "`missions doctor --fix` removes them.",
                directory.id,
                functools.partial(_remove_all, left),
            )
    torn = [path.name for path in directory.path.glob("event-log.torn-*")]
    if torn:
        what = f"{len(torn)} torn ends of the journal were set aside earlier."
        yield Finding("torn-files", "info", what, "`missions gc` removes them after 30 days.", directory.id)


def _temporaries(folder: Path, limit: float) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if TEMPORARY.match(entry.name) and entry.stat(follow_symlinks=False).st_mtime < limit
            ]
    except OSError:
        return []


def _remove_all(paths: list[Path]) -> None:
    for path in paths:
        unlink(path)


def _modes(directory: MissionDir) -> Iterator[Finding]:
    try:
        paths = [directory.path, *directory.path.iterdir()]
    except OSError:
        return
    opened = too_open(paths)
    if opened:
        yield Finding(
            "permissions",
            "error",
            f"Others may read {opened[0]}" + (f" and {len(opened) - 1} more." if len(opened) > 1 else "."),
            "`missions doctor --fix` takes that right away.",
            directory.id,
            functools.partial(narrow, opened),
        )
