"""Taking over a mission that pi-missions 0.1.2 wrote: its plan, what is really done, and its history.

The source is only read. What it calls complete stays complete when the commit is in the repository here; a validation
counts when its report says so. Everything it wrote is kept under ``imported/`` in the new mission.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from missions.control.arrival import Arrival
from missions.control.bundle_import import Imported
from missions.control.pi_plan import PiFeature, PiMilestone, PiPlan, convert
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.ids import MISSION_ID, new_mission_id
from missions.model.lint import Finding, errors_of, lint_plan
from missions.model.mission import DONE
from missions.model.reports import ValidatorMode
from missions.repo.commits import is_ancestor
from missions.repo.repository import Repository
from missions.store.blobs import MAX_BLOB
from missions.store.bounded_json import Limits as JsonLimits
from missions.store.bounded_json import read_json
from missions.store.bundle import Limits, is_safe_name
from missions.store.files import AppendFile, check_free_space, failure, make_dir, read_bytes
from missions.store.layout import JOURNAL, Store

HISTORY = "imported"
"""Folder of a mission that keeps what another program wrote."""

_MISSION = JsonLimits(size=32 * 1024 * 1024)
_TEXT = 1024 * 1024
_HEARTBEAT = 20.0
"""Seconds after which pi-missions itself gives an owner up."""
_CHUNK = 1024 * 1024
_FEATURES_PER_EVENT = 100
_SKILLS = ("worker", "validator-scrutiny", "validator-user-testing")

_ImportedStatus = Literal["pending", "complete", "skipped"]


def is_pi_mission(path: Path) -> bool:
    """Whether ``path`` is a directory as pi-missions keeps one: a ``mission.json``, and no journal of ours."""
    return path.is_dir() and (path / "mission.json").is_file() and not (path / "runner.lock").exists()


def import_pi_mission(
    store: Store, source: Path, cwd: Path | None = None, *, limits: Limits | None = None
) -> Imported:
    """Make a mission of ours from the directory ``source``, to work in the repository at ``cwd`` (by default its own).

    Raises ``bad_argument`` if there is no such mission, ``store_corrupt`` if its state cannot be read, ``locked`` while
    pi-missions runs it, ``repository`` if its repository is not here. Then nothing was imported.
    """
    if not is_pi_mission(source):
        raise MissionError(
            "bad_argument",
            f"{source} is not a mission directory of pi-missions.",
            "Name a folder with a mission.json, or a file written by `missions export`.",
        )
    raw = _state(source)
    _refuse_running(source)
    repo = _repository(raw, cwd)
    converted = convert(raw, _read(source / "plan" / "objective.md"), _contract(source), _skills(source))
    plan, findings = lint_plan(converted.plan)
    original = raw["id"] if isinstance(raw.get("id"), str) else source.name
    with Arrival(store) as arrival:
        wanted = (
            original
            if MISSION_ID.match(original)
            else new_mission_id(datetime.now(UTC), secrets.randbits(31))
        )
        mission_id = arrival.name(wanted)
        notes = [*converted.repairs]
        notes += _keep_history(source, arrival.directory.path / HISTORY, limits or Limits())
        log = source / JOURNAL
        history = arrival.blob(read_bytes(log, MAX_BLOB)) if log.is_file() and not log.is_symlink() else None
        place = str(Path(os.path.realpath(cwd or str(raw.get("cwd")))))
        created = ev.MissionCreated(
            title=str(converted.plan["title"]),
            cwd=place,
            goal=str(converted.plan["objective"])[:4000],
            importedFrom=f"pi-missions:{original[:200]}",
        )
        events: list[ev.Event] = [created]
        accepted = plan is not None and not errors_of(findings)
        if plan is None or not accepted:
            notes.append(
                "Its plan cannot be accepted as it is; mend what the findings name and save it anew."
            )
        else:
            blob = arrival.blob(plan.as_bytes())
            count = len(plan.features())
            events.append(
                ev.InteractivePlanWritten(
                    title=plan.title, features=count, planVersion=1, blob=blob, by="import"
                )
            )
        progress = _progress(source, raw, converted, repo, place, original, history, notes)
        events += progress if accepted else _unplanned(progress)
        mission = arrival.settle(events)
    if mission_id != original:
        notes.insert(0, f"{original[:100]} became {mission_id}.")
    shown = tuple(_shown(findings))
    return Imported(
        mission_id,
        original,
        mission.title,
        mission.status,
        mission.cwd,
        None,
        "pi-missions",
        tuple(notes),
        shown,
    )


def _shown(findings: list[Finding]) -> Iterator[dict[str, Any]]:
    for finding in findings:
        yield finding.as_json()


# Reading


def _state(source: Path) -> dict[str, Any]:
    raw: object = read_json(source / "mission.json", _MISSION)
    known = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    if known.get("schemaVersion", 1) != 1 or not ({"milestones", "features", "status"} & known.keys()):
        raise MissionError(
            "store_corrupt",
            f"{source / 'mission.json'} is not the state of a mission of pi-missions 0.1.2.",
            "Choose another directory; nothing was imported.",
        )
    return known


def _refuse_running(source: Path) -> None:
    try:
        raw: object = read_json(source / "runner-lock.json")
        lock = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
        beat = datetime.fromisoformat(str(lock.get("heartbeatAt"))).timestamp()
    except (MissionError, ValueError):
        return  # a lock that cannot be read counts as none, as it does there
    if lock.get("status") != "released" and abs(time.time() - beat) < _HEARTBEAT:
        raise MissionError(
            "locked",
            f"pi-missions is running this mission now (process {lock.get('ownerPid')}).",
            "Pause it there, then import it.",
        )


def _repository(raw: dict[str, Any], cwd: Path | None) -> Repository:
    if cwd is not None:
        return Repository.find(cwd)
    named = raw.get("cwd")
    try:
        if isinstance(named, str) and Path(named).is_absolute():
            return Repository.find(Path(named))
    except (MissionError, OSError, ValueError):
        pass
    raise MissionError(
        "repository",
        f"The repository of the mission is not here ({str(named)[:200]}).",
        "Name the one it shall work in: --cwd DIR.",
    )


def _read(path: Path) -> str:
    try:
        return read_bytes(path, _TEXT).decode("utf-8", "replace") if path.is_file() else ""
    except MissionError:
        return ""


def _contract(source: Path) -> object:
    try:
        return read_json(source / "plan" / "validation-contract.json")
    except MissionError:
        return None


def _skills(source: Path) -> dict[str, str]:
    return {name: _read(source / "skills" / name / "SKILL.md") for name in _SKILLS}


# Progress


def _progress(
    source: Path,
    raw: dict[str, Any],
    converted: PiPlan,
    repo: Repository,
    cwd: str,
    original: str,
    history: str | None,
    notes: list[str],
) -> list[ev.Event]:
    features = {name: _feature(name, state, repo, notes) for name, state in converted.features.items()}
    _warn_of_branch(features, repo, notes)
    passed = {
        m["id"]: modes
        for m in converted.plan["milestones"]
        if all(features[f["id"]].status in DONE for f in m["features"])
        and (modes := _passed(source, converted.milestones[m["id"]]))
    }
    status = str(raw.get("status"))
    started = bool(raw.get("executionStartedAt")) or status not in ("planning", "planned")
    reason = f"Imported from pi-missions, where it was {status}; look at it, then resume."
    names = list(features)
    events: list[ev.Event] = [
        ev.MissionImported(
            source="pi-missions",
            originalId=original[:200],
            cwd=cwd,
            history=history,
            started=started,
            features={name: features[name] for name in names[at : at + _FEATURES_PER_EVENT]},
            passed=passed if at == 0 else {},
            reason=reason[:500],
        )
        for at in range(0, len(names) or 1, _FEATURES_PER_EVENT)
    ]
    whole = all(
        len(passed.get(m["id"], ())) == 1 + converted.milestones[m["id"]].needs_user_testing
        for m in converted.plan["milestones"]
    )
    if status == "complete" and features and whole:
        events.append(ev.MissionComplete())
    elif status == "complete":
        notes.append("It counted as complete, but not all of it can be confirmed; what is open runs again.")
    return events


def _unplanned(progress: list[ev.Event]) -> list[ev.Event]:
    """What is left of the progress when there is no plan that it could belong to."""
    first = next(event for event in progress if isinstance(event, ev.MissionImported))
    return [first.model_copy(update={"features": {}, "passed": {}, "started": False, "reason": ""})]


def _feature(name: str, state: PiFeature, repo: Repository, notes: list[str]) -> ev.ImportedFeature:
    if state.status == "skipped":
        return ev.ImportedFeature(status="skipped", reason="Skipped in pi-missions.")
    if state.status != "complete":
        return ev.ImportedFeature(status="pending")
    commit = _resolved(repo, state.commit)
    if commit is not None:
        return ev.ImportedFeature(status="complete", commit=commit)
    why = (
        f"It was complete in pi-missions, but its commit ({state.commit or 'none'}) is not in the repository."
    )
    notes.append(f"{name} runs again: {why}")
    return ev.ImportedFeature(status="pending", reason=why)


def _resolved(repo: Repository, name: str | None) -> str | None:
    """The full id of a commit that is named by at least seven hex digits."""
    if name is None or not 7 <= len(name) <= 64 or any(c not in "0123456789abcdef" for c in name.lower()):
        return None
    found = repo.git.run("rev-parse", "--verify", "-q", name.lower() + "^{commit}", allowed=(0, 1, 128))
    return found.line if found.code == 0 and found.line else None


def _warn_of_branch(features: dict[str, ev.ImportedFeature], repo: Repository, notes: list[str]) -> None:
    head = repo.head().sha
    away = [
        name
        for name, feature in features.items()
        if feature.commit is not None and (head is None or not is_ancestor(repo, feature.commit, head))
    ]
    if away:
        notes.append(
            f"The commits of {', '.join(away[:10])} are not on the branch that is checked out; "
            "switch to the one that has them before you resume."
        )


def _passed(source: Path, milestone: PiMilestone) -> tuple[ValidatorMode, ...]:
    if not _says_pass(source, milestone.scrutiny, "validation-report.json"):
        return ()
    if milestone.needs_user_testing and _says_pass(
        source, milestone.user_testing, "user-testing-report.json"
    ):
        return ("scrutiny", "user-testing")
    return ("scrutiny",)


def _says_pass(source: Path, run_id: str | None, name: str) -> bool:
    """Whether a report says pass and nothing in it says otherwise."""
    if run_id is None:
        return False
    try:
        raw: object = read_json(source / "runs" / run_id / name)
    except MissionError:
        return False
    report = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    answers, defects = report.get("assertions", []), report.get("defects", [])
    if report.get("status") != "pass" or not isinstance(answers, list) or not isinstance(defects, list):
        return False
    return all(
        isinstance(a, dict) and cast("dict[str, Any]", a).get("status") == "pass"
        for a in cast("list[object]", answers)
    ) and all(
        isinstance(d, dict) and cast("dict[str, Any]", d).get("severity") == "minor"
        for d in cast("list[object]", defects)
    )


# History


def _keep_history(source: Path, target: Path, limits: Limits) -> list[str]:
    """Copy every plain file below ``source``; links and odd names are left out and counted."""
    left_out = count = total = 0
    make_dir(target)
    check_free_space(target)
    for folder, folders, names in os.walk(source):
        folders.sort()
        left_out += sum(Path(folder, name).is_symlink() for name in folders)
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(source).as_posix()
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or not is_safe_name(f"{HISTORY}/{relative}"):
                left_out += 1
                continue
            count, total = count + 1, total + status.st_size
            if count > limits.files or total > limits.total or status.st_size > limits.one:
                raise MissionError(
                    "store_corrupt",
                    f"{source} holds more than can be imported.",
                    "Remove large files below its runs first.",
                )
            _copy(path, target / relative)
    return [f"{left_out} links or files with unusual names were not taken along."] if left_out else []


def _copy(source: Path, target: Path) -> None:
    make_dir(target.parent)
    file = AppendFile(target, "transcript")
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            while piece := stream.read(_CHUNK):
                file.append(piece, sync=False)
        file.sync()
    except OSError as error:
        raise failure(error, source, "read") from error
    finally:
        file.close()
