"""Looking at missions: which one is meant, how it stands, what there is.

Takes no lock and changes nothing. A damaged mission never hides the others.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.control.caller import Caller, work_tree
from missions.control.requests import no_mission
from missions.model.errors import MissionError
from missions.model.ids import check_mission_id
from missions.model.mission import Mission
from missions.model.mission_json import list_json, mission_json
from missions.model.plain_text import one_line
from missions.model.status_text import status_text
from missions.model.view import Damaged, Overview, overview
from missions.store.catalog import DamagedMission, MissionSummary, list_missions, view_mission
from missions.store.lock import holder

SHOWN = 200
"""Missions that a list shows unless more are asked for; those that are not complete come first."""

_OPEN = ("planning", "planned", "running", "paused", "blocked")


def now() -> datetime:
    return datetime.now(UTC)


def resolve(caller: Caller, mission_id: str | None, cwd: Path | None) -> str:
    """The mission that is meant: the one named, else the one of this folder's repository.

    Of several, open ones come before those that are finished or hidden; ``ambiguous`` lists the candidates. A mission of
    another repository is never meant without being named: ``not_found`` lists those ``elsewhere``.
    """
    if mission_id is not None:
        check_mission_id(mission_id)
        if not caller.store.mission(mission_id).exists():
            raise _unknown(caller, mission_id)
        return mission_id
    if cwd is None:
        raise MissionError("bad_argument", "No mission was named.", "Name one: `missions list` shows them.")
    here = work_tree(cwd)
    everywhere = [row for row in list_missions(caller.store) if isinstance(row, MissionSummary)]
    ours = _of_repository(everywhere, here)
    rows = [row for row in everywhere if row.cwd in ours]
    for tier in (
        [row for row in rows if row.status in _OPEN],
        [row for row in rows if not row.cleared],
        rows,
    ):
        if len(tier) == 1:
            return tier[0].id
        if tier:
            raise _ambiguous(tier, here)
    raise MissionError(
        "not_found",
        f"No mission belongs to {here}.",
        "Name one (`missions list` shows them), or save a plan here: `missions new --from plan.json`.",
        elsewhere=_candidates(everywhere),
    )


def _of_repository(rows: list[MissionSummary], here: Path) -> set[str]:
    """Those folders of missions that lie in the repository ``here``; each folder is looked at once."""
    return {cwd for cwd in {row.cwd for row in rows} if work_tree(Path(cwd)) == here}


def _candidates(rows: list[MissionSummary]) -> list[dict[str, str]]:
    """The newest of them, for a face that lets the user choose."""
    rows = sorted(rows, key=lambda row: row.updatedAt, reverse=True)[:20]
    return [{"id": row.id, "title": row.title, "status": row.status} for row in rows]


def _ambiguous(rows: list[MissionSummary], here: Path) -> MissionError:
    candidates = _candidates(rows)
    listed = "; ".join(
        f"{row['id']} ({row['status']}: {one_line(row['title'], 50)})" for row in candidates[:6]
    )
    return MissionError(
        "ambiguous",
        f"{len(candidates)} missions belong to {here.name}: {listed}.",
        "Name the one you mean.",
        candidates=candidates,
    )


def _unknown(caller: Caller, mission_id: str) -> MissionError:
    near = difflib.get_close_matches(mission_id, caller.store.mission_ids(), n=1, cutoff=0.8)
    if not near:
        return no_mission(mission_id)
    return MissionError(
        "not_found", f"There is no mission {mission_id}.", f"Did you mean {near[0]}?", candidates=near
    )


def load(caller: Caller, mission_id: str) -> Mission:
    """The mission as it stands; ``not_found``, or the error of its damage."""
    check_mission_id(mission_id)
    if not caller.store.mission(mission_id).exists():
        raise _unknown(caller, mission_id)
    found = view_mission(caller.store, mission_id)
    if isinstance(found, DamagedMission):
        raise MissionError(
            found.code,
            f"{mission_id} cannot be read: {found.problem}",
            found.next_step or "`missions doctor` says what can be done.",
            mission=mission_id,
        )
    return found


def rows(
    caller: Caller, *, include_cleared: bool = False, cwd: Path | None = None, limit: int | None = SHOWN
) -> tuple[list[Mission], list[Damaged], int]:
    """Missions newest first, what is damaged, and how many were left out by ``limit``."""
    listed = list_missions(caller.store)
    damaged = [Damaged(row.id, row.problem) for row in listed if isinstance(row, DamagedMission)]
    summaries = [
        row
        for row in listed
        if isinstance(row, MissionSummary)
        and (include_cleared or not (row.cleared and row.status == "complete"))
    ]
    if cwd is not None:
        ours = _of_repository(summaries, work_tree(cwd))
        summaries = [row for row in summaries if row.cwd in ours]
    summaries.sort(key=lambda row: row.updatedAt, reverse=True)
    summaries.sort(key=lambda row: row.status not in _OPEN)
    shown = summaries if limit is None else summaries[:limit]
    missions: list[Mission] = []
    for row in shown:
        found = view_mission(caller.store, row.id)
        if isinstance(found, DamagedMission):
            damaged.append(Damaged(found.id, found.problem))
        else:
            missions.append(found)
    return missions, damaged, len(summaries) - len(shown)


def overview_of(caller: Caller, *, include_cleared: bool = False, limit: int | None = SHOWN) -> Overview:
    """Mission Control's overview."""
    missions, damaged, _ = rows(caller, include_cleared=include_cleared, limit=limit)
    return overview(missions, (), now(), damaged, include_cleared)


def rows_json(
    caller: Caller, *, include_cleared: bool = False, cwd: Path | None = None, limit: int | None = SHOWN
) -> dict[str, Any]:
    """``list --json``."""
    missions, damaged, more = rows(caller, include_cleared=include_cleared, cwd=cwd, limit=limit)
    moment = now()
    return {
        "missions": [list_json(mission, moment) for mission in missions],
        "damaged": [{"id": d.id, "problem": d.problem} for d in damaged],
        "notShown": more,
    }


def alive(caller: Caller, mission_id: str) -> bool:
    """Whether a process holds the mission now."""
    return holder(caller.store.mission(mission_id)) is not None


def status(caller: Caller, mission_id: str) -> str:
    """The status as text."""
    return status_text(load(caller, mission_id), now(), alive(caller, mission_id))


def status_in_both_forms(caller: Caller, mission_id: str) -> tuple[dict[str, Any], str]:
    """``status --json`` and the status as text, of the same moment and read once."""
    mission, moment, running = load(caller, mission_id), now(), alive(caller, mission_id)
    return mission_json(mission, moment, running), status_text(mission, moment, running)


def status_json(caller: Caller, mission_id: str) -> dict[str, Any]:
    """``status --json``."""
    return mission_json(load(caller, mission_id), now(), alive(caller, mission_id))
