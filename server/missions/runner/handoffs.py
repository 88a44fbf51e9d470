"""What earlier runs handed over, read from their run directories for briefs and for the final report.

Reads only; a missing or unreadable handoff is left out.
"""

from __future__ import annotations

import contextlib

from pydantic import ValidationError

from missions.model.mission import Milestone, Mission
from missions.model.reports import Handoff
from missions.roles.brief import Earlier
from missions.store.layout import MissionDir

_IN_BRIEF = 30
"""Handoffs that a brief quotes; older ones are in the run directories."""


def read_handoff(directory: MissionDir, run_id: str) -> Handoff | None:
    """The accepted handoff of a run."""
    with contextlib.suppress(OSError, ValueError, ValidationError):
        return Handoff.model_validate_json(directory.run(run_id).handoff.read_bytes())
    return None


def earlier_handoffs(
    directory: MissionDir, mission: Mission, milestone: Milestone | None = None
) -> list[Earlier]:
    """The finished features (of one milestone, or of all) with what their workers said, in order."""
    found: list[Earlier] = []
    for feature in milestone.features if milestone else mission.all_features():
        if feature.status not in ("complete", "skipped"):
            continue
        handoff = read_handoff(directory, feature.runId) if feature.runId else None
        summary = handoff.summary if handoff else (feature.reason or "")
        issues = handoff.issuesDiscovered[:5] if handoff else ()
        found.append(
            Earlier(
                feature.id,
                feature.title,
                feature.status,
                feature.commit or "",
                summary[:1500],
                tuple(i[:500] for i in issues),
            )
        )
    return found[-_IN_BRIEF:]
