"""Which operations make sense for a mission now, for pickers, menus and code actions.

A view on the rules of ``requests.py``, ordered by use; the judge there has the last word.
"""

from __future__ import annotations

from missions.model.mission import Mission
from missions.model.recovery import CATEGORIES


def legal_operations(mission: Mission) -> list[str]:
    """Operations that make sense now, most useful first; for pickers, menus and code actions."""
    if mission.decisions and mission.status not in ("complete", "failed"):
        first = ["decide"]
    else:
        first = []
    by_status: dict[str, list[str]] = {
        "planning": ["write-plan", "delete"],
        "planned": ["run", "write-plan", "skip", "delete"],
        "running": ["pause", "cancel", "steer", "skip", "budget", "abandon"],
        "paused": ["resume", "retry", "skip", "waive", "revise-plan", "budget", "block", "abandon"],
        "complete": ["finish", "clear", "delete"],
        "failed": ["delete"],
    }
    if mission.status == "blocked":
        block = mission.latestBlock
        named = CATEGORIES[block.reasonCategory].operations if block else ("unblock", "abandon")
        return [*first, *(o for o in named if o != "decide"), *(["resume"] if "unblock" in named else [])]
    return [*first, *by_status[mission.status]]
