"""Beginning a planning conversation, and planning without anybody to talk to.

Makes the mission that the conversation is about, in the status ``planning``; the conversation itself is ``chat.py``. Nothing here
starts a mission.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from missions.agent.credentials import Credentials
from missions.agent.tool import Observer
from missions.control import queries
from missions.control.caller import Caller
from missions.control.chat import Answer, Chat, sayable
from missions.control.requests import Reply
from missions.control.starting import resolve_credentials
from missions.control.templates import MARK, template
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.ids import new_mission_id
from missions.model.plain_text import one_line
from missions.repo.repository import Repository
from missions.store.mission_log import MissionLog

_LONGEST_GOAL = 20_000
_ROUNDS = 3
"""How often a headless planner that ended without a saved plan is asked to go on."""


def begin(
    caller: Caller, goal: str, cwd: Path, *, template_name: str | None = None, demo: bool = False
) -> Reply:
    """Make a mission in planning for the repository of ``cwd``; the goal is the first thing to say in its chat."""
    if len(goal) > _LONGEST_GOAL:
        raise MissionError(
            "bad_argument",
            f"A goal of {len(goal)} characters is too long.",
            "Put details into a file of the repository and name it.",
        )
    chosen = template(caller.store, template_name) if template_name else None
    root = Repository.find(cwd).root.resolve()
    mission_id = new_mission_id(datetime.now(UTC), secrets.randbelow(36**6))
    words = goal.strip() or (chosen.title if chosen else "")
    noted = f"{words}\n{MARK}{chosen.name}" if chosen else words
    created = ev.MissionCreated(
        title=one_line(words, 80) or "New mission",
        cwd=str(root),
        goal=noted,
        demo=demo,
        by={"face": caller.face, "user": caller.user},
    )
    with MissionLog.create(caller.store, mission_id, caller.owner, created) as log:
        return Reply(
            "applied",
            mission_id,
            seq=log.mission.lastSeq,
            value={"title": created.title, "cwd": str(root), "status": "planning"},
        )


async def plan_without_questions(
    caller: Caller,
    goal: str,
    cwd: Path,
    *,
    credentials: Credentials | None = None,
    observer: Observer | None = None,
) -> tuple[str, Answer]:
    """Let the planner make and save a plan by itself; returns the mission and its last answer.

    Guesses are written into the plan's assumptions. Raises ``no_credentials`` before anything is written and ``plan_invalid`` when no plan
    could be saved; the conversation is kept.
    """
    if not goal.strip():
        raise MissionError(
            "bad_argument",
            "There is no goal to plan for.",
            "Write what is to be achieved into the goal file.",
        )
    goal = sayable(goal)
    resolve_credentials(caller, None, credentials)
    mission_id = begin(caller, goal[:_LONGEST_GOAL], cwd).mission
    chat = Chat(caller, mission_id, credentials=credentials, headless=True)
    answer = await chat.send(goal, observer)
    for _ in range(_ROUNDS):
        if queries.load(caller, mission_id).plan.version or answer.outcome != "ended":
            break
        answer = await chat.send(
            "Nobody can answer. Decide, write it down as an assumption, and save the plan with mission_write_plan.",
            observer,
        )
    if not queries.load(caller, mission_id).plan.version:
        raise MissionError(
            "plan_invalid",
            f"The planner ended without a saved plan: {one_line(answer.detail, 300)}",
            f"Go on with `missions chat {mission_id}`.",
            mission=mission_id,
        )
    return mission_id, answer
