"""The commands that only look: ``status``, ``list``, ``decisions``, ``show``.

Thin: each calls ``control`` and shows. They take no lock and change nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missions.cli.output import answer, say, tell
from missions.cli.parameters import JsonOption, MissionArgument, complete_artifacts, control, meant, split
from missions.model.errors import MissionError
from missions.model.figures import ago_text, duration_text, money_text
from missions.model.plain_text import many_lines, one_line
from missions.model.view import SECTIONS

if TYPE_CHECKING:
    from missions.control.decisions import Waiting

_PANEL = "Look"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("status", rich_help_panel=_PANEL)(status)
    app.command("list", rich_help_panel=_PANEL)(list_)
    app.command("decisions", rich_help_panel=_PANEL)(decisions)
    app.command("show", rich_help_panel=_PANEL)(show)


def status(mission: MissionArgument = None, json_: JsonOption = False) -> None:
    """How a mission stands, why, and what to do next."""
    name = meant(mission)
    if json_:
        answer(control().status_json(name))
    else:
        say(control().status_text(name).rstrip())


def decisions(json_: JsonOption = False) -> None:
    """Every question that waits for you, of all missions, most urgent first."""
    found = control().decisions()
    if json_:
        answer({"decisions": [one.as_json() for one in found]})
        return
    if not found:
        say("No question is open.")
    for one in found:
        decision = one.decision
        say(
            f"{one.mission}  {one_line(one.title, 60)}  (asked {duration_text(one.age_ms)} ago{_deadline(one)})"
        )
        say(f"  {one_line(decision.id, 80)}: {one_line(decision.question, 400)}")
        for line in many_lines(decision.context, 4000).splitlines():
            say(f"    {line}")
        for option in decision.options:
            usual = " (default)" if option.id == decision.default else ""
            say(
                f"    {one_line(option.id, 40)}: {one_line(option.label, 120)}{usual} — {one_line(option.consequence, 300)}"
            )
        choices = "|".join(one_line(option.id, 40) for option in decision.options)
        if decision.freeText:
            say("    or an answer in your own words")
            choices = f'{choices}|"…"' if choices else '"…"'
        say(f"  Answer it: missions decide {one.mission} {one_line(decision.id, 80)} {choices}")


def _deadline(one: Waiting) -> str:
    then = one.decision.onDeadline
    if one.left_ms is None:
        return ""
    after = f"then “{one_line(then, 40)}”" if then else "then it stays open"
    when = f"in {duration_text(one.left_ms)}" if one.left_ms > 0 else "has passed"
    return f"; deadline {when}, {after}"


def list_(
    all_: Annotated[bool, typer.Option("--all", "-a", help="Those that were hidden, too.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Only those of this folder's repository.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most this many; 0 is all.", min=0)] = 200,
    json_: JsonOption = False,
) -> None:
    """Every mission: what needs you first, newest first."""
    found = control().list(include_cleared=all_, cwd=Path.cwd() if here else None, limit=limit or None)
    if json_:
        answer(found)
        return
    from missions.control.queries import now

    moment = now()
    for section, title, _ in SECTIONS:
        rows = [row for row in found["missions"] if row["section"] == section]
        if not rows:
            continue
        say(title)
        for row in rows:
            done = row["progress"]
            facts = [
                row["status"],
                f"{done['completed']}/{done['total']}",
                money_text(row["costMicroUsd"]),
                one_line(row["location"], 40),
                ago_text(row["updatedAt"], moment),
            ]
            name = one_line(row["title"], 60) + (" (demo)" if row["demo"] else "")
            say(f"  {row['id']}  {name}")
            say(f"      {' · '.join(fact for fact in facts if fact)}")
            if row["waitsFor"]:
                say(f"      waits for {one_line(row['waitsFor'], 160)}")
    if not found["missions"]:
        say("There are no missions. Try `missions demo`, or save a plan: `missions new --from plan.json`.")
    if found["notShown"]:
        say(f"{found['notShown']} more are not shown; --limit 0 shows all.")
    for damaged in found["damaged"]:
        tell(f"{damaged['id']} cannot be read: {one_line(damaged['problem'], 300)}")


def show(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MISSION] ARTIFACT [RUN]",
            help="status, plan, objective, contract, report, handoff, validation, packet, transcript, events, defects, "
            "decisions, runs or settings; a run id, or the feature or milestone whose latest run is meant.",
            autocompletion=complete_artifacts,
        ),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", help="Of transcripts and events, from the end.", min=1)
    ] = 500,
    json_: JsonOption = False,
) -> None:
    """Show what a mission left: plan, handoffs, reports, transcripts."""
    mission, rest = split(words or [])
    if len(rest) > 2:
        raise MissionError(
            "bad_argument", "That is too many words.", "The form is: [MISSION] ARTIFACT [RUN]."
        )
    document = control().show(
        mission, rest[0] if rest else "status", rest[1] if len(rest) > 1 else None, lines=lines
    )
    if json_:
        answer(document.as_json())
        return
    say(document.text.rstrip())
