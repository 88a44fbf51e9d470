"""Importing an exported mission: checked completely, bound to a repository here, and standing still when it arrives.

Nothing in a bundle is trusted: not its settings, which are replaced by those of this machine, not its processes, and not
its commits, which are checked like a stranger's. An existing mission is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from missions.control.arrival import Arrival
from missions.control.bundle import PACK, TOP, is_journal
from missions.model import events as ev
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.mission import Mission, Workspace
from missions.repo.branch import branch_for
from missions.repo.clone import make_clone
from missions.repo.commits import exists, is_ancestor
from missions.repo.git import GitError
from missions.repo.names import check_branch, check_sha
from missions.repo.ref_update import compare_and_swap
from missions.repo.repository import Repository
from missions.settings import load_settings
from missions.store.blobs import plan_of
from missions.store.bounded_json import Limits as JsonLimits
from missions.store.bounded_json import read_json
from missions.store.bundle import Limits, Manifest, unpack
from missions.store.files import atomic_write, make_dir, rename, unlink
from missions.store.layout import Store

_RUN_RECORD = JsonLimits(size=1024 * 1024)


@dataclass(frozen=True)
class Imported:
    """A mission that arrived. ``notes`` are sentences for people: what was done, what is left to do."""

    mission: str
    original: str
    title: str
    status: str
    cwd: str
    branch: str | None
    source: str
    notes: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    """Findings of the plan's lint, as JSON."""

    def as_json(self) -> dict[str, Any]:
        return {
            "mission": self.mission,
            "originalId": self.original,
            "title": self.title,
            "status": self.status,
            "cwd": self.cwd,
            "branch": self.branch,
            "source": self.source,
            "notes": list(self.notes),
            "findings": list(self.findings),
        }


@dataclass
class Binding:
    """Where the mission works from now on."""

    cwd: str
    frozen: ev.SettingsFrozen | None = None
    notes: list[str] = field(default_factory=list[str])


def import_bundle(
    store: Store, bundle: Path, cwd: Path | None = None, *, limits: Limits | None = None
) -> Imported:
    """Take the mission in ``bundle`` into the store, to work in the repository at ``cwd`` (by default where it was).

    Raises ``store_corrupt`` or ``schema_newer`` for a bundle that is not right, ``repository`` when the mission's
    commits are not in that repository, ``disk_full`` and I/O errors. Then nothing was imported.
    """
    with Arrival(store) as arrival:
        manifest = unpack(bundle, arrival.directory.path, limits)
        _check_names(manifest)
        mission_id = arrival.name(manifest.missionId)
        pack = _take_pack(arrival, manifest)
        _forget_processes(arrival)
        mission = arrival.read()
        binding = _bind(store, arrival, mission, cwd, pack)
        if pack is not None:
            unlink(pack)
        settled = arrival.settle(_events(mission, binding, manifest, _checksum(bundle)))
    if mission_id != manifest.missionId:
        binding.notes.insert(0, f"{manifest.missionId} exists here already, so it became {mission_id}.")
    if manifest.redacted:
        binding.notes.append("It was redacted when it was exported.")
    return Imported(
        mission_id,
        manifest.missionId,
        settled.title,
        settled.status,
        settled.cwd,
        settled.branch,
        "bundle",
        tuple(binding.notes),
    )


def _check_names(manifest: Manifest) -> None:
    for name, entry in manifest.files.items():
        top, _, rest = name.partition("/")
        if not (is_journal(name) or name == PACK or (top in TOP and (bool(rest) != (top == "report.md")))):
            raise _foreign(f"{name} does not belong to a mission")
        if top == "blobs" and rest != entry.sha256:
            raise _foreign(f"{name} is not what its name says")


def _foreign(why: str) -> MissionError:
    return MissionError(
        "store_corrupt",
        f"The bundle cannot be imported: {why}.",
        "Export the mission again where it came from; nothing was imported.",
    )


def _take_pack(arrival: Arrival, manifest: Manifest) -> Path | None:
    """The file with the commits, out of the way of the mission's own files."""
    if PACK not in manifest.files:
        return None
    make_dir(arrival.directory.git)
    beside = arrival.directory.git / PACK
    rename(arrival.directory.path / PACK, beside)
    return beside


def _forget_processes(arrival: Arrival) -> None:
    """What a run says of its processes is meaningless here, and must never be acted on."""
    for path in arrival.directory.runs.glob("*/run.json"):
        try:
            raw = read_json(path, _RUN_RECORD)
        except MissionError:
            unlink(path, "run")
            continue
        known = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
        if "supervisor" in known:
            del known["supervisor"]
            atomic_write(path, (json.dumps(known, indent=2) + "\n").encode(), "run")


def _events(mission: Mission, binding: Binding, manifest: Manifest, checksum: str) -> list[ev.Event]:
    events: list[ev.Event] = []
    if mission.activeRun is not None:
        run = mission.activeRun.runId
        why = "the mission was moved to another place"
        events.append(ev.MissionInterruptedRunReset(runId=run, reason=why, before={"status": mission.status}))
    if binding.frozen is not None:
        events.append(binding.frozen)
    events.append(
        ev.MissionImported(
            source="bundle",
            originalId=manifest.missionId,
            cwd=binding.cwd,
            checksum=checksum,
            started=mission.executionStartedAt is not None,
            reason="Imported; look at it, then resume.",
        )
    )
    return events


def _checksum(bundle: Path) -> str:
    with bundle.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# Repository


def _bind(store: Store, arrival: Arrival, mission: Mission, cwd: Path | None, pack: Path | None) -> Binding:
    over = mission.status in ("complete", "failed")
    # A relative place would be found by chance, somewhere below the folder of whoever imports.
    named = cwd or Path("/", mission.cwd)
    try:
        place = Path(os.path.realpath(named))
        repo = Repository.find(place)
    except (MissionError, OSError, ValueError) as error:
        if cwd is None and over:
            return Binding(mission.cwd, notes=["Its repository is not here; it can be read, not continued."])
        if cwd is not None and isinstance(error, MissionError):
            raise
        raise MissionError(
            "repository",
            f"The repository of the mission is not here ({mission.cwd}).",
            "Name the one it shall work in: --cwd DIR.",
        ) from error
    binding = Binding(str(place))
    if mission.baseCommit is None:
        return binding
    base, tip = _sha(mission.baseCommit), _sha(mission.tipCommit or mission.baseCommit)
    if not (exists(repo, base) and exists(repo, tip)):
        _bring_commits(repo, base, tip, pack)
        binding.notes.append("The mission's commits were added to the repository.")
    if not is_ancestor(repo, base, tip):
        raise _foreign("its last commit does not follow from its first")
    clone = mission.workspace.kind == "clone"
    branch = _branch(repo, arrival, mission, tip, clone, binding)
    if clone:
        _make_clone(repo, arrival, mission, tip)
        binding.notes.append("Its private clone was made anew.")
    head = repo.head()
    if not clone and not over and head.branch != branch:
        binding.notes.append(f"Before you resume it, switch to its branch: git switch {branch}")
    settings = load_settings(store.root, repository=repo.root).settings
    binding.frozen = ev.SettingsFrozen(
        settings=settings.frozen(),
        models=mission.models,
        branch=branch,
        baseCommit=base,
        workspace=Workspace(kind=mission.workspace.kind, originalBranch=head.branch, originalCommit=head.sha),
        budget=mission.budget,
    )
    return binding


def _sha(name: str) -> str:
    try:
        return check_sha(name)
    except MissionError as error:
        raise _foreign("it names a commit that is none") from error


def _bring_commits(repo: Repository, base: str, tip: str, pack: Path | None) -> None:
    if pack is None:
        raise MissionError(
            "repository",
            f"The repository {repo.root} does not have the mission's commits ({tip[:12]}).",
            "Choose the repository it worked in (--cwd DIR), or export it again with --with-repository.",
            base=base,
            tip=tip,
        )
    try:
        # `--strict` has git look at every object as at one that a stranger sent.
        repo.git.run("index-pack", "--stdin", "--strict", source=pack, timeout=3600)
    except GitError as error:
        raise _foreign("its commits are damaged") from error
    if not (exists(repo, base) and exists(repo, tip)):
        raise _foreign("its commits are not complete")


def _branch(
    repo: Repository, arrival: Arrival, mission: Mission, tip: str, clone: bool, binding: Binding
) -> str:
    """The mission's branch at its last commit; an existing branch is never moved."""
    own = branch_for(arrival.directory.id)
    wanted = mission.branch or own
    try:
        check_branch(wanted)
    except MissionError as error:
        raise _foreign("its branch has no valid name") from error
    if clone or (not wanted.startswith("missions/") and repo.branch_tip(wanted) != tip):
        wanted = own
    found = repo.branch_tip(wanted)
    if found not in (None, tip):
        wanted, found = own, repo.branch_tip(own)
    if found not in (None, tip):
        raise MissionError(
            "repository",
            f"There is already a branch {wanted} with other commits.",
            f"Rename it (`git branch -m {wanted} <new name>`), then import again.",
        )
    if found is None:
        compare_and_swap(repo, check_branch(wanted), tip, "0" * len(tip), "missions: imported")
        binding.notes.append(f"The branch {wanted} was made at {tip[:12]}.")
    return wanted


def _make_clone(repo: Repository, arrival: Arrival, mission: Mission, tip: str) -> None:
    plan: PlanDocument = plan_of(arrival.directory)(mission.plan.blob)
    copies = [path for path in plan.environment.copyPaths if os.path.lexists(repo.root / path)]
    made = make_clone(repo, arrival.directory.git / "tree", arrival.directory.id, copies)
    name = branch_for(arrival.directory.id)
    if made.head().sha != tip:
        made.git.run("update-ref", check_branch(name), tip)
        made.git.run("checkout", "-q", "-f", name, "--", timeout=600)
