"""The commands before a mission runs: ``new``, ``templates``, ``validate``, ``estimate``, ``preflight``.

Thin: each parses, calls ``control`` and shows. The conversation in which a plan is made is in ``talking.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from missions.cli.output import answer, findings_lines, interactive, say, tell
from missions.cli.parameters import JsonOption, MissionArgument, complete_missions, control, meant
from missions.model.errors import MissionError
from missions.model.plain_text import one_line

_PANEL = "Plan"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("new", rich_help_panel=_PANEL)(new)
    app.command("validate", rich_help_panel=_PANEL)(validate)
    app.command("estimate", rich_help_panel=_PANEL)(estimate)
    app.command("preflight", rich_help_panel=_PANEL)(preflight)
    app.command("templates", rich_help_panel=_PANEL)(templates)


def new(
    goal: Annotated[
        str, typer.Argument(metavar="[GOAL]", help="What is to be achieved, in a few words.")
    ] = "",
    plan: Annotated[
        Path | None, typer.Option("--from", help="A plan file; - reads standard input.", show_default=False)
    ] = None,
    cwd: Annotated[Path | None, typer.Option("--cwd", help="The repository; without it this folder.")] = None,
    mission: Annotated[
        str | None,
        typer.Option(
            "--mission", help="Replace the plan of this mission instead.", autocompletion=complete_missions
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template", help="A kind of mission; `missions templates` lists them.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write the template's plan here, to fill in by hand; - prints it.",
            show_default=False,
        ),
    ] = None,
    json_: JsonOption = False,
) -> int:
    """Begin a mission: in a conversation with the planner, or with a finished plan. Nothing runs.

    With `--from` the plan is saved at once. With a goal (or a template) the mission is in planning, and on a terminal its chat
    opens.
    """
    if out is not None:
        return _skeleton(template, out, json_)
    if plan is None:
        if mission is not None:
            raise MissionError(
                "bad_argument", "There is no plan to put in its place.", "Name a file with --from."
            )
        return _begin(goal, cwd or Path.cwd(), template, json_)
    if template is not None:
        raise MissionError(
            "bad_argument", "A finished plan needs no template.", "Leave out --from or --template."
        )
    _save(_document(plan), goal, cwd or Path.cwd(), mission, json_)
    return 0


def _save(document: object, goal: str, cwd: Path, mission: str | None, json_: bool) -> None:
    if mission is not None:
        reply = control().request("write-plan", mission, {"plan": document}).checked()
    else:
        reply = control().new_from_plan(document, cwd, goal=goal)
    if json_:
        answer(reply.as_json())
        return
    value = reply.value or {}
    say(f"{'Saved' if mission is None else 'Replaced'} the plan of {reply.mission}.")
    for line in findings_lines(value.get("findings", [])):
        say(line)
    say(f"Look at it: missions show {reply.mission} plan")
    say(f"Start it:   missions run {reply.mission}")


def _begin(goal: str, cwd: Path, template: str | None, json_: bool) -> int:
    """A mission in planning; on a terminal the conversation goes on at once."""
    talks = interactive() and not json_
    if not talks and not goal.strip() and template is None:
        raise MissionError(
            "bad_argument",
            "Say what is to be achieved.",
            'For example `missions new "…"`, or save a finished plan with `missions new --from plan.json`.',
        )
    if talks:
        from missions.control.starting import resolve_credentials

        # Nobody shall begin to talk and then learn that no answer can come.
        resolve_credentials(control().caller, None)
    reply = control().begin(goal, cwd, template=template)
    if json_:
        answer(reply.as_json())
        return 0
    if talks:
        from missions.cli.talking import talk

        return talk(reply.mission, goal)
    say(f"{reply.mission} is in planning.")
    say(f"Talk with the planner: missions chat {reply.mission}")
    say(f'In a script:           missions send {reply.mission} "…"')
    return 0


def _skeleton(name: str | None, out: Path, json_: bool) -> int:
    from missions.control.templates import skeleton, template

    if name is None:
        raise MissionError(
            "bad_argument", "--out writes the plan of a template.", "Name one with --template."
        )
    text = skeleton(template(control().store, name))
    if str(out) == "-":
        say(text.rstrip("\n"))
        return 0
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise MissionError("bad_argument", f"{out} is there already.", "Name another file.") from None
    except OSError as error:
        raise MissionError(
            "bad_argument", f"{out} cannot be written: {error.strerror}.", "Name another file."
        ) from None
    if json_:
        answer({"template": name, "file": str(out)})
    else:
        say(f"Fill in {out}, then: missions validate {out}; missions new --from {out}")
    return 0


def templates(json_: JsonOption = False) -> None:
    """Kinds of missions that the planner knows beforehand; your own are JSON files in the store's `templates` folder."""
    from missions.control.templates import unusable

    found = control().templates()
    for sentence in unusable(control().store):
        tell(f"missions: {one_line(sentence, 500)}")
    if json_:
        answer([one.model_dump(mode="json") for one in found])
        return
    for one in found:
        say(f"{one_line(one.name, 40):<22} {one_line(one.title, 60)}: {one_line(one.about, 200)}")
    say(
        'Use one: missions new --template NAME "what is to be achieved"; or fill it in by hand: --out plan.json'
    )


def preflight(mission: MissionArgument = None, json_: JsonOption = False) -> None:
    """What a start would do and what workers will get: instructions, skills, servers, environment; and what is missing."""
    from missions.control.preflight_text import inheritance_lines, preflight_lines

    look = control().outlook(meant(mission))
    if json_:
        answer(look.as_json())
        return
    for line in [*preflight_lines(look), *inheritance_lines(look.inheritance)]:
        say(line)
    for problem in look.problems:
        say(f"Problem     {one_line(problem.message, 300)} {one_line(problem.next_step, 300)}")
    for gate in look.gates:
        say(f"Will ask    {one_line(gate.question, 200)} ({gate.flag})")


def _document(path: Path) -> object:
    if str(path) != "-":
        return control().read_plan_file(path)
    from missions.control.planning import MAX_PLAN_FILE
    from missions.model.lint import refusal
    from missions.model.lint_shape import parse

    raw, findings = parse(sys.stdin.buffer.read(MAX_PLAN_FILE))
    if findings:
        raise refusal(findings)
    return raw


def _target(target: str | None) -> tuple[str | None, Path | None]:
    """A plan file that is there, else a mission."""
    if target is not None and (Path(target).is_file() or not target.startswith("mission-")):
        return None, Path(target)
    return meant(target), None


def validate(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN_OR_MISSION]",
            help="A plan file, or a mission id.",
            autocompletion=complete_missions,
        ),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Show the JSON Schema of plans.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules that plans are judged by.")] = False,
    json_: JsonOption = False,
) -> int:
    """Judge a plan: every finding with its place and how to mend it. Exit code 1 if there are errors."""
    if schema:
        from missions.model.contract import plan_schema

        say(json.dumps(plan_schema(), indent=2))
        return 0
    if rules:
        return _rules(json_)
    from missions.model.lint import errors_of

    mission_id, path = _target(target)
    plan, found = control().validate(mission_id, path)
    errors = len(errors_of(list(found)))
    findings = [finding.as_json() for finding in found]
    if json_:
        answer({"ok": not errors, "title": plan.title if plan else None, "findings": findings})
    else:
        for line in findings_lines(findings):
            say(line)
        if errors:
            say(f"{errors} errors: the plan cannot be accepted.")
        else:
            say("The plan can be accepted." if not findings else "The plan can be accepted; see the remarks.")
    return 1 if errors else 0


def _rules(json_: bool) -> int:
    from missions.model.lint import RULES

    if json_:
        answer([rule.as_json() for rule in RULES])
        return 0
    for rule in RULES:
        say(f"{rule.severity:<8} {rule.id}: {rule.title}.\n         {rule.fix}")
    return 0


def estimate(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN_OR_MISSION]",
            help="A plan file, or a mission id.",
            autocompletion=complete_missions,
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Runs, time and cost to expect: low, likely and high. A range, never a promise."""
    mission_id, path = _target(target)
    if mission_id is not None:
        data = control().estimate_json(mission_id)
    else:
        plan, found = control().validate(None, path)
        if plan is None:
            from missions.model.lint import refusal

            raise refusal(list(found))
        data = control().estimate(plan, Path.cwd()).as_json()
    if json_:
        answer(data)
        return
    for line in estimate_lines(data):
        say(line)


def estimate_lines(data: dict[str, Any]) -> list[str]:
    """An estimate as lines."""
    from missions.model.figures import money_text, tokens_text

    lines = [f"{'':<10}{'low':>12}{'likely':>12}{'high':>12}"]
    shown = (
        ("runs", "runs", str),
        ("minutes", "minutes", str),
        ("tokens", "tokens", tokens_text),
        ("cost", "costMicroUsd", money_text),
    )
    for name, key, text in shown:
        row = data[key]
        lines.append(f"{name:<10}{text(row['low']):>12}{text(row['likely']):>12}{text(row['high']):>12}")
    lines += [f"- {line}" for line in data["assumptions"]]
    lines += [f"! {line}" for line in data["overBudget"]]
    lines += [
        f"! The price of {model} is not known; a cautious one was taken." for model in data["uncertainPrices"]
    ]
    for actual in data.get("actual", []):
        text = money_text if actual["what"] == "costMicroUsd" else str
        lines.append(f"so far: {actual['what']} {text(actual['actual'])} ({actual['verdict']} the estimate)")
    return lines
