"""The commands about settings: ``settings`` and ``models``.

Thin: each calls ``control`` and shows. Only the user's own settings are changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from missions.cli.output import answer, say, tell
from missions.cli.parameters import JsonOption, control
from missions.model.errors import MissionError
from missions.model.plain_text import one_line

_PANEL = "Settings"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("settings", rich_help_panel=_PANEL)(settings)
    app.command("models", rich_help_panel=_PANEL)(models)


def settings(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY] | set KEY VALUE | unset KEY", help="A dotted key, such as sandbox.mode."
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show the settings in force with where they come from, or change one of yours."""
    given = words or []
    if given[:1] == ["set"] and len(given) == 3:
        value = control().set_setting(given[1], given[2])
    elif given[:1] == ["unset"] and len(given) == 2:
        value = control().set_setting(given[1], None)
    elif not given:
        _show(json_)
        return
    elif len(given) == 1:
        value = control().setting(given[0], Path.cwd())
    else:
        raise MissionError(
            "bad_argument", "That is not a form of `settings`.", "KEY, or: set KEY VALUE, or: unset KEY."
        )
    if json_:
        answer({"key": given[-1] if given[0] != "set" else given[1], "value": value})
    else:
        say(value if isinstance(value, str) else json.dumps(value))


def _show(json_: bool) -> None:
    found = control().settings(Path.cwd())
    if json_:
        answer(found)
        return
    for group, value in found["settings"].items():
        for key, leaf in _leaves(group, value):
            origin = found["origins"].get(key)
            say(f"{key} = {json.dumps(leaf, ensure_ascii=False)}" + (f"   ({origin})" if origin else ""))
    say(f"Yours are in {found['file']}.")
    for problem in found["problems"]:
        tell(
            f"not used: {one_line(problem['path'], 100)} of {problem['source']}: {one_line(problem['message'], 300)}"
        )


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(prefix, value)]
    found: list[tuple[str, Any]] = []
    for key in value:  # pyright: ignore[reportUnknownVariableType]
        found += _leaves(f"{prefix}.{key}", value[key])
    return found


def models(
    role: Annotated[str | None, typer.Argument(help="planner, worker, validator or orchestrator.")] = None,
    model: Annotated[str | None, typer.Argument(help="The model's name.")] = None,
    effort: Annotated[str | None, typer.Argument(help="low, medium, high, xhigh or max.")] = None,
    fallback: Annotated[
        str | None, typer.Option("--fallback", help="Tried once when the model refuses.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show the model of each role, or set one. Missions that have started keep theirs."""
    found = control().models(role, model, effort, fallback)
    if json_:
        answer(found)
        return
    for name, choice in found["models"].items():
        effort_text = f", effort {choice['effort']}" if choice["effort"] else ""
        fallback_text = f", fallback {choice['fallback']}" if choice["fallback"] else ""
        say(f"{name:<13} {one_line(choice['model'], 100)}{effort_text}{fallback_text}")
