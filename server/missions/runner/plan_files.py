"""The plan's files under ``plan/`` and ``skills/``, written from the accepted blob.

They are copies for people and editors; the truth is the blob. A plan file that the user edited is a proposal and is never
overwritten silently: :func:`edited_files` names it, and what it said is kept under ``plan/history`` before a new version is
written. Nothing here accepts a plan.
"""

from __future__ import annotations

import contextlib
import json
from hashlib import sha256

from pydantic import BaseModel, ValidationError

from missions.model.contract import PlanDocument
from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.plan_diff import plan_diff
from missions.store.blobs import plan_of
from missions.store.files import atomic_write, make_dir
from missions.store.layout import MissionDir

_MANIFEST = ".written.json"


def plan_files(plan: PlanDocument) -> dict[str, bytes]:
    """Relative path → content of every file that shows ``plan``."""
    outline = [
        {
            "id": m.id,
            "title": m.title,
            "features": [f.model_dump(mode="json", exclude_none=True) for f in m.features],
            **m.model_dump(
                mode="json",
                exclude_none=True,
                include={"objective", "validation", "userTesting", "failureLimit", "claims"},
            ),
        }
        for m in plan.milestones
    ]
    files = {
        "plan/objective.md": _markdown(plan),
        "plan/features.json": _json({"title": plan.title, "milestones": outline}),
        "plan/plan.json": plan.as_bytes(),
        "plan/validation-contract.json": _json(
            {"assertions": [a.model_dump(mode="json") for a in plan.validationContract.assertions]}
        ),
        "plan/validation-contract.md": _contract(plan),
        "skills/worker/SKILL.md": _skill("worker", plan.skills.worker),
        "skills/validator-scrutiny/SKILL.md": _skill("validator-scrutiny", plan.skills.validatorScrutiny),
    }
    if plan.skills.validatorUserTesting:
        files["skills/validator-user-testing/SKILL.md"] = _skill(
            "validator-user-testing", plan.skills.validatorUserTesting
        )
    return files


def write_plan_files(directory: MissionDir, mission: Mission) -> None:
    """Bring the files up to the accepted plan and keep this version under ``plan/history/<version>/``; repeatable."""
    if not mission.plan.version or _written(directory).version == mission.plan.version:
        return
    plan = plan_of(directory)(mission.plan.blob)
    files = plan_files(plan)
    history = directory.plan / "history" / str(mission.plan.version)
    make_dir(history, "plan")
    for name in edited_files(directory):
        with contextlib.suppress(OSError):
            atomic_write(
                history / ("replaced-" + name.replace("/", "-")), (directory.path / name).read_bytes(), "plan"
            )
    atomic_write(history / "plan.json", plan.as_bytes(), "plan")
    changes = _changes(directory, mission.plan.version, plan)
    atomic_write(history / "changes.md", changes, "plan", durable=False)
    for name, content in files.items():
        target = directory.path / name
        make_dir(target.parent, "skill" if name.startswith("skills/") else "plan")
        atomic_write(target, content, "plan")
    written = _Manifest(
        version=mission.plan.version,
        files={name: sha256(content).hexdigest() for name, content in files.items()},
    )
    atomic_write(directory.plan / _MANIFEST, written.model_dump_json(indent=2).encode() + b"\n", "plan")


def _changes(directory: MissionDir, version: int, plan: PlanDocument) -> bytes:
    """What this version changed of the one before, for people; who and why stand in the journal."""
    lines = [f"# Version {version}: {one_line(plan.title, 200)}", ""]
    try:
        earlier = (directory.plan / "history" / str(version - 1) / "plan.json").read_bytes()
        found = plan_diff(PlanDocument.model_validate_json(earlier), plan)
        lines += [f"    {line}" for line in found] or ["Nothing changed."]
    except (OSError, ValidationError):
        lines.append("The first version that is kept here.")
    return ("\n".join(lines) + "\n").encode()


def edited_files(directory: MissionDir) -> list[str]:
    """Plan files that differ from what was written: proposals of the user."""
    changed: list[str] = []
    for name, digest in _written(directory).files.items():
        with contextlib.suppress(OSError):
            if sha256((directory.path / name).read_bytes()).hexdigest() != digest:
                changed.append(name)
    return changed


class _Manifest(BaseModel):
    version: int = 0
    files: dict[str, str] = {}


def written_version(directory: MissionDir) -> int:
    """The plan version that the files show; 0 before there are any."""
    return _written(directory).version


def _written(directory: MissionDir) -> _Manifest:
    with contextlib.suppress(OSError, ValidationError):
        return _Manifest.model_validate_json((directory.plan / _MANIFEST).read_bytes())
    return _Manifest()


def _markdown(plan: PlanDocument) -> bytes:
    parts = [f"# {plan.title}", plan.objective.strip()]
    if plan.nonGoals:
        parts.append("## Non-goals\n\n" + "\n".join(f"- {g}" for g in plan.nonGoals))
    if plan.assumptions:
        parts.append("## Assumptions\n\n" + "\n".join(f"- {a}" for a in plan.assumptions))
    for milestone in plan.milestones:
        features = "\n".join(f"- **{f.id}** {f.title}" for f in milestone.features)
        parts.append(
            f"## {milestone.id} {milestone.title}\n\n{milestone.objective.strip()}\n\n{features}".replace(
                "\n\n\n\n", "\n\n"
            )
        )
    return ("\n\n".join(parts).strip() + "\n").encode()


def _contract(plan: PlanDocument) -> bytes:
    lines = ["# Validation contract", ""]
    for assertion in plan.validationContract.assertions:
        lines += [
            f"## {assertion.id} ({assertion.severity}, {assertion.category})",
            "",
            assertion.assertion.strip(),
            "",
            f"Verify: {assertion.verification.strip()}",
            "",
        ]
    return ("\n".join(lines).strip() + "\n").encode()


def _skill(name: str, text: str) -> bytes:
    if text.lstrip().startswith("---"):
        return (text.strip() + "\n").encode()
    return f"---\nname: {name}\ndescription: Mission-specific instructions for {name.replace('-', ' ')} runs.\n---\n\n{text.strip()}\n".encode()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
