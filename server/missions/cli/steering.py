"""The commands that change a mission: pause, retry, decide and their kin; finishing, hiding and deleting.

Thin: each makes one request and says what became of it. What is legal is judged by ``control``.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from missions.cli.output import answer, confirmed, say
from missions.cli.parameters import (
    JsonOption,
    MissionArgument,
    ReasonOption,
    YesOption,
    at_most_one,
    complete_decisions,
    complete_features,
    complete_milestones,
    complete_missions,
    control,
    meant,
    one_word,
    split,
)
from missions.control.requests import Reply
from missions.model.errors import MissionError
from missions.model.next_action import next_action
from missions.model.plain_text import one_line

_PANEL, _AFTER = "Steer", "Afterwards"

FeatureWords = Annotated[
    list[str],
    typer.Argument(metavar="[MISSION] FEATURE", help="Feature id.", autocompletion=complete_features),
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    for name, command in (
        ("pause", pause),
        ("cancel", cancel),
        ("steer", steer),
        ("decide", decide),
        ("retry", retry),
        ("rerun-validation", rerun_validation),
        ("skip", skip),
        ("waive", waive),
        ("block", block),
        ("unblock", unblock),
        ("budget", budget),
    ):
        app.command(name, rich_help_panel=_PANEL)(command)
    for name, command in (("finish", finish), ("abandon", abandon), ("clear", clear), ("delete", delete)):
        app.command(name, rich_help_panel=_AFTER)(command)


def _ask(op: str, mission: str, args: dict[str, Any], json_: bool, done: str) -> None:
    """Send a request and say what became of it."""
    given = {name: value for name, value in args.items() if value is not None}
    _told(control().request(op, mission, given), json_, done)


def _told(reply: Reply, json_: bool, done: str) -> None:
    reply.checked()
    if json_:
        answer(reply.as_json())
    elif reply.state == "queued":
        say(f"{reply.mission}: handed to the running process; it acts at its next safe point.")
    else:
        say(f"{reply.mission}: {done}")


def pause(
    mission: MissionArgument = None,
    now: Annotated[
        bool, typer.Option("--now", help="Stop the current run at once; it can go on inside.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Pause after the current unit, or at once. `resume` goes on."""
    _ask(
        "pause",
        meant(mission),
        {"now": now},
        json_,
        "pauses now." if now else "pauses after the current unit.",
    )


def cancel(mission: MissionArgument = None, reason: ReasonOption = None, json_: JsonOption = False) -> None:
    """End the current run; its unit is pending again and the mission pauses."""
    _ask(
        "cancel", meant(mission), {"reason": reason}, json_, "the current run ends, then the mission pauses."
    )


def steer(
    words: Annotated[list[str], typer.Argument(metavar="[MISSION] TEXT...", help="What to say.")],
    json_: JsonOption = False,
) -> None:
    """Say something to the running unit; it hears it with its next turn."""
    mission, rest = split(words)
    if not rest:
        raise MissionError("bad_argument", "Say something.", "The form is: [MISSION] TEXT…")
    _ask("steer", mission, {"text": " ".join(rest)}, json_, "will be told.")


def decide(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[MISSION] [DECISION] ANSWER",
            help="Id of an option, or your words.",
            autocompletion=complete_decisions,
        ),
    ],
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Let the mission go on by itself.")
    ] = True,
    json_: JsonOption = False,
) -> None:
    """Answer a waiting question. The mission goes on by itself where the answer lets it."""
    mission, rest = split(words)
    named = None
    if len(rest) > 1 and control().knows_decision(mission, rest[0]):
        named, rest = rest[0], rest[1:]
    if not rest:
        raise MissionError(
            "bad_argument", "Give an answer.", f"`missions show {mission} decisions` lists them."
        )
    reply = control().decide(mission, " ".join(rest), named, resume=resume)
    value = reply.value or {}
    if value.get("resumed"):
        done = f"answered; it goes on in the background. Follow it: missions watch {mission}"
    elif "problem" in value:
        problem = value["problem"]
        done = f"answered, but it does not go on: {one_line(problem['message'], 300)} {problem['nextStep']}"
    else:
        done = f"answered. {next_action(control().mission(mission)).sentence}"
    _told(reply, json_, done)


def retry(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MISSION] [FEATURE]",
            help="Feature id; without it the one that blocks.",
            autocompletion=complete_features,
        ),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="What the next attempt must know.")] = None,
    json_: JsonOption = False,
) -> None:
    """Let a failed feature run again."""
    mission, feature = at_most_one(words or [], "feature")
    _ask(
        "retry",
        mission,
        {"feature": feature, "note": note},
        json_,
        f"{feature or 'the feature'} runs again with `missions resume`.",
    )


def rerun_validation(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MISSION] [MILESTONE]",
            help="Milestone id; without it the one that blocks.",
            autocompletion=complete_milestones,
        ),
    ] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="scrutiny or user-testing.")] = None,
    reason: ReasonOption = None,
    json_: JsonOption = False,
) -> None:
    """Validate a milestone again."""
    mission, milestone = at_most_one(words or [], "milestone")
    args = {"milestone": milestone, "mode": mode, "reason": reason}
    _ask("rerun-validation", mission, args, json_, "the validation runs again with `missions resume`.")


def skip(words: FeatureWords, reason: ReasonOption = None, json_: JsonOption = False) -> None:
    """Leave a feature out, with a reason."""
    why = _reason(reason)
    mission, feature = one_word(words, "feature")
    _ask("skip", mission, {"feature": feature, "reason": why}, json_, f"{feature} is left out.")


def waive(
    words: Annotated[list[str], typer.Argument(metavar="[MISSION] DEFECT", help="Defect id.")],
    reason: ReasonOption = None,
    run: Annotated[
        str | None, typer.Option("--run", help="The report's run, if several name the defect.")
    ] = None,
    yes: YesOption = False,
    json_: JsonOption = False,
) -> None:
    """Accept a defect, with a reason. A critical one asks."""
    why = _reason(reason)
    mission, defect = one_word(words, "defect")
    args = {"defect": defect, "reason": why, "run": run}
    given = {name: value for name, value in args.items() if value is not None}
    reply = control().request("waive", mission, {**given, "confirmed": yes})
    error = reply.error or {}
    if error.get("code") == "confirmation_needed" and confirmed(f"{error['message']} Accept it?", False):
        reply = control().request("waive", mission, {**given, "confirmed": True})
    _told(reply, json_, f"{defect} is accepted as it is.")


def block(mission: MissionArgument = None, reason: ReasonOption = None, json_: JsonOption = False) -> None:
    """Stop a mission by hand until `unblock`."""
    _ask("block", meant(mission), {"reason": reason}, json_, "is blocked.")


def unblock(
    mission: MissionArgument = None,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Keep what someone else changed in the repository and go on from there."
        ),
    ] = False,
    reason: ReasonOption = None,
    json_: JsonOption = False,
) -> None:
    """Take a block away; the mission is then paused."""
    args: dict[str, Any] = {"reason": reason, **({"adopt": True} if adopt else {})}
    _ask("unblock", meant(mission), args, json_, "is paused; `missions resume` goes on.")


def budget(
    mission: MissionArgument = None,
    usd: Annotated[float | None, typer.Option(help="US dollars.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens, prompts included.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes of work.")] = None,
    runs: Annotated[int | None, typer.Option(help="Runs.")] = None,
    reason: ReasonOption = None,
    json_: JsonOption = False,
) -> None:
    """Change the limits of a mission."""
    limits = {"usd": usd, "tokens": tokens, "wallMinutes": minutes, "runs": runs}
    if all(value is None for value in limits.values()):
        raise MissionError("bad_argument", "Name at least one limit.", "For example --usd 30.")
    _ask("budget", meant(mission), {**limits, "reason": reason}, json_, "there are new limits.")


def finish(
    mission: MissionArgument = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Fast-forward your branch, if that is possible.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Go back to your branch; the mission's branch stays."""
    reply = control().finish(meant(mission), merge)
    value = reply.value or {}
    where = f"you are on {value['branch']} again" if value.get("branch") else "you are back where you were"
    merged = (
        "; your branch now holds the mission's commits."
        if "command" not in value
        else f". To merge: {value['command']}"
    )
    _told(reply, json_, where + merged)


def abandon(
    mission: MissionArgument = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    json_: JsonOption = False,
) -> None:
    """Give a mission up; its branch is kept."""
    name = meant(mission)
    if not confirmed(f"Give {name} up?", yes):
        raise MissionError(
            "confirmation_needed", f"{name} would be given up.", "Confirm it with --yes.", gates=["abandon"]
        )
    _ask("abandon", name, {"reason": reason}, json_, "is given up; its branch is kept.")


def clear(
    missions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MISSION]...",
            help="Without ids, all that are complete.",
            autocompletion=complete_missions,
        ),
    ] = None,
    yes: YesOption = False,
    json_: JsonOption = False,
) -> None:
    """Hide completed missions from the default views."""
    try:
        reply = control().clear(missions or (), confirmed=yes)
    except MissionError as error:
        if error.code != "confirmation_needed" or not confirmed(f"{error.message} Go on?", False):
            raise
        reply = control().clear(missions or (), confirmed=True)
    if json_:
        answer(reply.as_json())
        return
    value = reply.value or {}
    say(f"{len(value['cleared'])} missions are hidden; `missions list --all` shows them.")
    for left in value["left"]:
        say(f"{left} was left: another process holds it.")


def delete(
    mission: Annotated[str, typer.Argument(help="Its id.", autocompletion=complete_missions)],
    force: Annotated[bool, typer.Option("--force", help="Also commits that are on no other branch.")] = False,
    yes: YesOption = False,
    json_: JsonOption = False,
) -> None:
    """Remove a mission's records and its branch."""
    name = meant(mission)
    try:
        reply = control().delete(name, force=force, confirmed=yes)
    except MissionError as error:
        if error.data.get("gates") != ["delete"] or not confirmed(f"{error.message} Go on?", False):
            raise
        reply = control().delete(name, force=force, confirmed=True)
    branch = (reply.value or {}).get("branch")
    _told(reply, json_, "its records are gone" + (f", and the branch {branch}." if branch else "."))


def _reason(reason: str | None) -> str:
    if not reason:
        raise MissionError("bad_argument", "A reason is needed.", 'Pass --reason "…"; it is recorded.')
    return reason
