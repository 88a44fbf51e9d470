"""After the work: going back to the user's branch, hiding what is complete, removing records.

Each takes the mission for one step. Commits are never lost silently: what only the mission's branch holds must be
forced away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from missions.control.caller import Caller
from missions.control.queries import load
from missions.control.requests import Reply
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store.catalog import MissionSummary, list_missions
from missions.store.mission_log import MissionLog

if TYPE_CHECKING:
    from missions.repo.repository import Repository

if TYPE_CHECKING:
    pass


def finish(caller: Caller, mission_id: str, merge: bool = False) -> Reply:
    """Go back to where the user was; with ``merge`` fast-forward that branch if possible.

    ``value``: ``branch`` that is checked out now, ``merge`` (``fast_forwarded``, ``nothing_new``, ``diverged``, ``detached``,
    ``by_hand`` or ``not_asked``) and the ``command`` that merges, while that is not done.
    """
    from missions.repo.branch import finish as go_back
    from missions.repo.repository import Head, Repository

    mission = load(caller, mission_id)
    if mission.status not in ("complete", "failed") or mission.branch is None:
        raise MissionError(
            "wrong_state",
            f"Only a mission that is complete or given up can be finished; this one is {mission.status}.",
            "`missions status` shows what it waits for; `missions abandon` gives it up.",
        )
    with MissionLog.acquire(caller.store, mission_id, caller.owner, purpose="apply") as log:
        repo = Repository.find(Path(mission.cwd))
        place = mission.workspace
        if place.kind == "clone":
            branch, outcome = repo.head().branch, "by_hand" if merge else "not_asked"
        else:
            with repo.lock(mission_id):
                back = Head(place.originalCommit, place.originalBranch)
                done = go_back(repo, mission.branch, back, merge=merge, dirty_at_start=place.protectedPaths)
            branch, outcome = done.head.branch, done.merge
        record = log.record(
            ev.MissionFinished(branch=branch, merged=outcome in ("fast_forwarded", "nothing_new"))
        )
    value: dict[str, Any] = {"branch": branch, "merge": outcome}
    if not _contains(repo, mission.branch):
        value["command"] = f"git merge {'--ff-only ' if outcome == 'by_hand' else ''}{mission.branch}"
    return Reply("applied", mission_id, None, record.seq, value)


def _contains(repo: Repository, branch: str) -> bool:
    """Whether what is checked out holds all commits of ``branch``."""
    from missions.repo.commits import is_ancestor

    head, tip = repo.head(), repo.branch_tip(branch)
    return head.sha is not None and tip is not None and is_ancestor(repo, tip, head.sha)


def delete(caller: Caller, mission_id: str, *, force: bool = False, confirmed: bool = False) -> Reply:
    """Remove the mission's records and its branch.

    ``confirmation_needed`` without ``confirmed``, and while commits are on no other branch unless ``force``.
    """
    mission = load(caller, mission_id)
    if not confirmed:
        raise MissionError(
            "confirmation_needed",
            f"This removes all records of “{mission.title}” and its branch {mission.branch or ''}".rstrip()
            + ".",
            "Confirm it.",
            gates=["delete"],
        )
    log = MissionLog.acquire(caller.store, mission_id, caller.owner, purpose="apply")
    try:
        branch = _drop_branch(mission, force)
        log.destroy()
    except BaseException:
        log.release("not deleted")
        raise
    return Reply("applied", mission_id, value={"deleted": mission_id, "branch": branch})


def _drop_branch(mission: Mission, force: bool) -> str | None:
    """Delete the mission's own branch; None if there is none, or the repository is gone."""
    from missions.repo.branch import branch_for, delete_branch
    from missions.repo.repository import Repository

    branch = branch_for(mission.id)
    try:
        repo = Repository.find(Path(mission.cwd))
    except MissionError:
        return None
    if repo.branch_tip(branch) is None:
        return None
    if repo.head().branch == branch:
        raise MissionError(
            "repository",
            f"The branch {branch} of the mission is checked out.",
            f"Go back first: `missions finish {mission.id}`, or switch to another branch.",
        )
    delete_branch(repo, branch, force=force)
    return branch


def clear(caller: Caller, ids: Sequence[str] = (), *, confirmed: bool = False) -> Reply:
    """Hide completed missions from the default views; without ids, all of them."""
    if ids:
        wanted = [load(caller, one) for one in ids]
        for mission in wanted:
            if mission.status != "complete":
                raise MissionError(
                    "wrong_state",
                    f"{mission.id} is {mission.status}; only complete missions can be hidden.",
                    "Finish or delete it.",
                )
        names = [mission.id for mission in wanted if not mission.cleared]
    else:
        rows = [row for row in list_missions(caller.store) if isinstance(row, MissionSummary)]
        names = [row.id for row in rows if row.status == "complete" and not row.cleared]
    if names and not confirmed:
        raise MissionError(
            "confirmation_needed",
            f"{len(names)} completed missions will be hidden from the default views.",
            "Confirm it; `missions list --all` still shows them.",
            gates=["clear"],
            missions=names,
        )
    cleared: list[str] = []
    for name in names:
        # A mission that is being written, or is damaged, stays visible and the others are hidden all the same.
        with (
            contextlib.suppress(MissionError),
            MissionLog.acquire(caller.store, name, caller.owner, purpose="apply") as log,
        ):
            log.record(ev.MissionCleared())
            cleared.append(name)
    return Reply("applied", "", value={"cleared": cleared, "left": [n for n in names if n not in cleared]})
