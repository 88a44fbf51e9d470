"""What the user proposes by editing a mission's plan files: the plan that they would make, as JSON.

The accepted plan stands in a blob; a saved change of a file is a proposal until it is applied as a revision. Nothing here
judges it and nothing is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.runner.plan_files import edited_files
from missions.store.blobs import plan_of
from missions.store.layout import MissionDir

FEATURES = "plan/features.json"
PLAN = "plan/plan.json"
CONTRACT = "plan/validation-contract.json"
_SKILLS = {
    "skills/worker/SKILL.md": "worker",
    "skills/validator-scrutiny/SKILL.md": "validatorScrutiny",
    "skills/validator-user-testing/SKILL.md": "validatorUserTesting",
}
READ_BACK = (PLAN, FEATURES, CONTRACT, *_SKILLS)
"""Files whose changes count; the others only show what these say."""
_MOST = 5_000_001
_FRONT = re.compile(r"\A---\n.*?\n---\n+", re.DOTALL)


@dataclass(frozen=True)
class Proposal:
    """The plan that the files would make."""

    edited: tuple[str, ...]
    """Files that differ from the accepted plan and count."""
    ignored: tuple[str, ...]
    """Files that differ and only show what others say."""
    raw: dict[str, Any] | None
    """The plan as JSON; None when a file cannot be read as JSON."""
    broken: tuple[str, ...] = ()
    """Files that cannot be read as JSON objects."""


def proposal_of(
    directory: MissionDir, mission: Mission, texts: Mapping[str, str] | None = None
) -> Proposal | None:
    """The proposal in the files of a mission, or None without a plan.

    ``texts`` holds contents by relative path that count instead of the files (an editor's unsaved text).
    """
    if not mission.plan.version:
        return None
    accepted = plan_of(directory)(mission.plan.blob)
    raw: dict[str, Any] = accepted.model_dump(mode="json", by_alias=True, exclude_none=True)
    changed = edited_files(directory)
    counted = [name for name in READ_BACK if name in changed or name in (texts or {})]
    broken: list[str] = []
    for name in counted:
        text = (texts or {}).get(name)
        if text is None:
            text = _text(directory, name)
        if name in _SKILLS:
            raw["skills"] = {**cast("dict[str, Any]", raw.get("skills") or {}), _SKILLS[name]: _skill(text)}
            continue
        value = _object(text)
        if value is None:
            broken.append(name)
        else:
            raw = _with(raw, name, value)
    ignored = tuple(name for name in changed if name not in READ_BACK)
    edited = tuple(name for name in counted if name in changed)
    return Proposal(edited, ignored, None if broken else raw, tuple(broken))


def _with(raw: dict[str, Any], name: str, value: dict[str, Any]) -> dict[str, Any]:
    if name == PLAN:
        return value
    if name == CONTRACT:
        return {**raw, "validationContract": value}
    kept = {field: content for field, content in raw.items() if field not in ("title", "milestones")}
    return {**value, **kept}


def _skill(text: str) -> str:
    # The front matter was added when the file was written, unless the plan's own text began with one.
    return _FRONT.sub("", text, count=1).strip()


def _text(directory: MissionDir, name: str) -> str:
    try:
        with (directory.path / name).open("rb") as source:
            return source.read(_MOST).decode("utf-8", "replace")
    except OSError as error:
        raise MissionError(
            "bad_argument",
            f"{name} of {directory.id} cannot be read: {error.strerror or error}.",
            "Restore the file, or replace the plan with `missions write-plan`.",
        ) from None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
