"""What somebody changed by hand in ``mission.json``, and which operation does the same properly.

The file is derived from the journal and is no input, so an edit has no effect; this names what would have. Pure.
"""

from __future__ import annotations

from typing import Any, cast

from missions.model.mission import Mission

_OPERATIONS: dict[str, str] = {
    "status": "`run`, `resume`, `pause`, `block`, `unblock` or `abandon`",
    "pauseRequestedAt": "`pause` or `resume`",
    "latestBlock": "`unblock`",
    "decisions": "`decide`",
    "budget": "`budget`",
    "models": "`revise-plan` before the start",
    "cleared": "`clear`",
    "activeRun": "`cancel`",
    "title": "`revise-plan`",
    "cwd": "`export` and `import --cwd`",
    "validation": "`revise-plan`",
}
_FEATURE: dict[str, str] = {
    "status": "`retry` or `skip`",
    "reason": "`skip` or `retry` with a note",
}
_MILESTONE: dict[str, str] = {
    "status": "`rerun-validation` or `skip`",
    "validationState": "`rerun-validation` or `waive`",
}
_MOST = 8


def hand_edits(edited: object, mission: Mission) -> list[str]:
    """Sentences such as “features F1.status: use `retry` or `skip`”, at most eight; empty if nothing can be told."""
    if not isinstance(edited, dict):
        return []
    theirs = cast("dict[str, Any]", edited)
    ours: dict[str, Any] = mission.model_dump(mode="json")
    found = [
        f"{name}: use {_OPERATIONS.get(name, 'the operation that changes it')}"
        for name in ours
        if name not in ("milestones", "lastSeq", "epoch", "updatedAt")
        and theirs.get(name, ours[name]) != ours[name]
    ]
    for milestone, their in _pairs(ours["milestones"], theirs.get("milestones")):
        found += _differences(f"milestone {milestone['id']}", milestone, their, _MILESTONE)
        for feature, other in _pairs(milestone["features"], their.get("features")):
            found += _differences(f"feature {feature['id']}", feature, other, _FEATURE)
    return found[:_MOST]


def _pairs(ours: list[dict[str, Any]], theirs: object) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    if not isinstance(theirs, list):
        return []
    known = {
        str(cast("dict[str, Any]", item).get("id")): cast("dict[str, Any]", item)
        for item in cast("list[object]", theirs)
        if isinstance(item, dict)
    }
    return [(item, known[item["id"]]) for item in ours if item["id"] in known]


def _differences(
    label: str, ours: dict[str, Any], theirs: dict[str, Any], operations: dict[str, str]
) -> list[str]:
    return [
        f"{label}.{name}: use {operations.get(name, '`revise-plan`')}"
        for name in ours
        if name != "features" and theirs.get(name, ours[name]) != ours[name]
    ]
