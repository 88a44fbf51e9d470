"""The commands that talk with the planner: ``chat``, ``send``, ``comment``, and planning without anybody to ask: ``plan``.

Thin: the conversation is ``control/chat.py``, its screen ``chat_screen.py``. A question that the conversation puts is answered by
a person, never by a flag of these commands.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from missions.cli.output import answer, confirmed, findings_lines, interactive, say, tell
from missions.cli.parameters import (
    JsonOption,
    MissionArgument,
    YesOption,
    complete_missions,
    control,
    meant,
    split,
)
from missions.model.errors import MissionError
from missions.model.plain_text import many_lines, one_line

if TYPE_CHECKING:
    from missions.control.chat import Answer

_PANEL = "Plan"
_LONGEST_INPUT = 1_000_000
"""Characters that are read; more than can be said, so that what is too long is refused and not cut."""
INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("chat", rich_help_panel=_PANEL)(chat)
    app.command("send", rich_help_panel=_PANEL)(send)
    app.command("plan", rich_help_panel=_PANEL)(plan)
    app.command("comment", rich_help_panel=_PANEL)(comment)


def chat(mission: MissionArgument = None) -> int:
    """Talk with the planner: plan, ask what is going on, say what shall be done. Needs a terminal.

    Enter sends, Alt-Enter (or Escape, Enter) begins a new line, Ctrl-C stops an answer, Ctrl-D leaves. `/help` lists what else
    can be typed. Without a mission here a new one begins.
    """
    if not interactive():
        raise MissionError(
            "bad_argument", "There is no terminal to talk in.", 'Use `missions send "…"` in scripts.'
        )
    return talk(_here(mission))


def _here(mission: str | None) -> str:
    """The mission that is meant; in a repository without one a new mission in planning."""
    try:
        return meant(mission)
    except MissionError as error:
        if mission is not None or error.code != "not_found":
            raise
    begun = control().begin("", Path.cwd()).mission
    tell(f"A new mission: {begun}. Say what is to be achieved.")
    return begun


def talk(mission_id: str, first: str = "") -> int:
    """The chat of a mission on this terminal, beginning with ``first`` if that says something."""
    from missions.cli.chat_screen import Screen

    return Screen(control(), mission_id).run(first)


def send(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MISSION] TEXT...",
            help="What to say; - reads standard input.",
            autocompletion=complete_missions,
        ),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Say nothing new: finish an answer that was cut off.")
    ] = False,
    json_: JsonOption = False,
) -> int:
    """Say one thing in a mission's chat and print the answer. Questions to you are listed, never answered.

    Exit codes: 0 answered, 1 error, 130 interrupted.
    """
    mission, rest = split(words or [])
    text = sys.stdin.read(_LONGEST_INPUT) if rest == ["-"] else " ".join(rest)
    if go_on and rest:
        raise MissionError("bad_argument", "--continue says nothing new.", "Leave the text out.")
    if not go_on and not text.strip():
        raise MissionError("bad_argument", "Say something.", "The form is: [MISSION] TEXT…")
    from missions.cli.answering import Lines, ask
    from missions.control.chat import Chat

    if go_on and not Chat(control().caller, mission).unanswered():
        raise MissionError("wrong_state", "Nothing was cut off.", "Say something instead.")
    said = ask(control().caller, mission, None if go_on else text, Lines(None if json_ else sys.stdout))
    if json_:
        answer(_answer_json(mission, said))
    else:
        _questions(mission, said)
        if said.outcome not in ("ended", "cancelled", "paused"):
            tell(f"missions: the answer was not finished: {one_line(said.detail or said.outcome, 500)}")
            tell(f"  `missions send {mission} --continue` tries again.")
    return {"ended": 0, "cancelled": INTERRUPTED, "paused": INTERRUPTED}.get(said.outcome, 1)


def _answer_json(mission: str, said: Answer) -> dict[str, Any]:
    return {
        "mission": mission,
        "outcome": said.outcome,
        "text": said.text,
        "detail": "" if said.outcome == "ended" else said.detail,
        "asked": list(said.asked),
        "costMicroUsd": said.usage.costMicroUsd,
    }


def _questions(mission: str, said: Answer) -> None:
    decisions = {d.id: d for d in control().mission(mission).decisions}
    for name in said.asked:
        decision = decisions.get(name)
        if decision is not None:
            tell(f"? {one_line(decision.question, 300)}")
            for line in many_lines(decision.context, 4000).splitlines():
                tell(f"  {line}")
            tell(f"  Answer it: missions decide {mission} {name} yes (or no)")


def comment(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[MISSION] PATH TEXT...",
            help="An id or JSON pointer in the plan (/ is the whole plan), and the remark.",
            autocompletion=complete_missions,
        ),
    ],
    json_: JsonOption = False,
) -> None:
    """Leave a remark on the plan; the planner answers each by a change or a reason."""
    mission, rest = split(words)
    if len(rest) < 2:
        raise MissionError(
            "bad_argument", "Name a place in the plan and say something.", "The form is: [MISSION] PATH TEXT…"
        )
    reply = control().request("comment", mission, {"path": rest[0], "text": " ".join(rest[1:])}).checked()
    if json_:
        answer(reply.as_json())
        return
    say(f"{mission}: noted at {one_line(rest[0], 100)}.")
    say(f'The planner answers it in the chat: missions send {mission} "Please answer my comments."')


def plan(
    goal: Annotated[
        str, typer.Argument(metavar="[GOAL]", help="What is to be achieved, in a few words.")
    ] = "",
    goal_file: Annotated[
        Path | None,
        typer.Option("--goal-file", help="A file that says it; - reads standard input.", show_default=False),
    ] = None,
    cwd: Annotated[Path | None, typer.Option("--cwd", help="The repository; without it this folder.")] = None,
    yes: YesOption = False,
    json_: JsonOption = False,
) -> int:
    """Let the planner make and save a plan by itself, for pipelines. It asks nothing and starts nothing.

    What it had to guess is written into the plan's assumptions. At a terminal you are asked before it begins, because planning
    costs money; `--yes` goes without.
    """
    from missions.cli.answering import Lines, run_interruptible
    from missions.control.plan_talk import plan_without_questions

    text = _goal(goal, goal_file)
    caller = control().caller
    place = cwd or Path.cwd()
    if not json_ and not yes and interactive():
        choice = caller.settings(place).settings.models["planner"]
        confirmed(f"{choice.model} plans for {place}, and that costs money. Go on?", False)
    view = Lines(None if json_ else sys.stderr)

    async def made() -> tuple[str, Answer]:
        return await plan_without_questions(caller, text, place, observer=view)

    mission, said = asyncio.run(run_interruptible(made()))
    view.end()
    return _planned(mission, said, json_)


def _goal(goal: str, goal_file: Path | None) -> str:
    if goal and goal_file is not None:
        raise MissionError("bad_argument", "The goal is given twice.", "Give it as words or as a file.")
    if goal_file is None:
        return goal
    if str(goal_file) == "-":
        return sys.stdin.read(_LONGEST_INPUT)
    try:
        with goal_file.open(encoding="utf-8", errors="replace") as source:
            return source.read(_LONGEST_INPUT)
    except OSError as error:
        raise MissionError(
            "bad_argument", f"{goal_file} cannot be read: {error.strerror}.", "Name a text file."
        ) from None


def _planned(mission_id: str, said: Answer, json_: bool) -> int:
    from missions.cli.planning import estimate_lines

    operations = control()
    document, found = operations.validate(mission_id)
    mission = operations.mission(mission_id)
    findings = [finding.as_json() for finding in found]
    estimate = operations.estimate_json(mission_id)
    assumptions = list(document.assumptions) if document else []
    if json_:
        answer(
            {
                "mission": mission_id,
                "status": mission.status,
                "planVersion": mission.plan.version,
                "title": mission.title,
                "assumptions": assumptions,
                "plan": document.model_dump(mode="json", exclude_none=True) if document else None,
                "findings": findings,
                "estimate": estimate,
                "answer": said.text,
                "costMicroUsd": said.usage.costMicroUsd,
            }
        )
        return 0
    say(f"{mission_id}: {one_line(mission.title, 100)} (plan version {mission.plan.version})")
    for milestone in mission.milestones:
        say(f"  {one_line(milestone.id, 40)} {one_line(milestone.title, 100)}")
        for feature in milestone.features:
            say(f"    {one_line(feature.id, 40)} {one_line(feature.title, 100)}")
    for line in assumptions:
        say(f"  assumed: {one_line(line, 300)}")
    for line in [*findings_lines(findings), *estimate_lines(estimate)]:
        say(line)
    say(f"Look at it: missions show {mission_id} plan")
    say(f"Start it:   missions run {mission_id}")
    return 0
