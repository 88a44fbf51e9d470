"""Arguments and options that many commands share, with their completion.

A mission may be left out everywhere: then the one of this folder is meant. Completion never fails and never writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missions.control.control import Control
from missions.model.errors import MissionError
from missions.store.layout import Store


def control() -> Control:
    """The operations on the user's store."""
    return Control(Store.default(), face="cli")


def meant(mission: str | None) -> str:
    """The mission that is meant, named or by this folder."""
    return control().resolve(mission, Path.cwd())


def split(words: list[str]) -> tuple[str, list[str]]:
    """The mission (the first word, if it is an id, else by this folder) and the other words."""
    if words and words[0].startswith("mission-"):
        return meant(words[0]), words[1:]
    return meant(None), words


def one_word(words: list[str], what: str) -> tuple[str, str]:
    """The mission and exactly one further word."""
    mission, rest = split(words)
    if len(rest) != 1:
        raise MissionError(
            "bad_argument", f"Name one {what}.", "The form is: [MISSION] " + what.upper() + "."
        )
    return mission, rest[0]


def at_most_one(words: list[str], what: str) -> tuple[str, str | None]:
    """The mission and at most one further word."""
    mission, rest = split(words)
    if len(rest) > 1:
        raise MissionError(
            "bad_argument", f"Name one {what} at most.", "The form is: [MISSION] [" + what.upper() + "]."
        )
    return mission, rest[0] if rest else None


def complete_missions(incomplete: str) -> list[tuple[str, str]]:
    """Ids of missions with their titles."""
    try:
        rows = control().list(include_cleared=True)["missions"]
    except (MissionError, OSError):
        return []
    return [(row["id"], row["title"]) for row in rows if row["id"].startswith(incomplete)]


def _items(ctx: typer.Context, incomplete: str, kind: str) -> list[tuple[str, str]]:
    """Mission ids, and what can be named in the mission that is meant."""
    words: list[str] = list(ctx.params.get("words") or [])
    found = [] if words else complete_missions(incomplete)
    try:
        mission = control().mission(split(words)[0])
    except (MissionError, OSError):
        return found
    items: list[tuple[str, str]] = []
    if kind == "feature":
        items = [(feature.id, feature.title) for feature in mission.all_features()]
    elif kind == "milestone":
        items = [(milestone.id, milestone.title) for milestone in mission.milestones]
    elif kind == "decision":
        items = [(decision.id, decision.question) for decision in mission.decisions]
        items += [(option.id, option.label) for decision in mission.decisions for option in decision.options]
    elif kind == "artifact":
        from missions.control.documents import ARTIFACTS

        items = [(name, "") for name in ARTIFACTS] + [(run.runId, run.status) for run in mission.runs]
    return found + [item for item in items if item[0].startswith(incomplete)]


def complete_features(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    return _items(ctx, incomplete, "feature")


def complete_milestones(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    return _items(ctx, incomplete, "milestone")


def complete_decisions(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    return _items(ctx, incomplete, "decision")


def complete_artifacts(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    return _items(ctx, incomplete, "artifact")


MissionArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MISSION]",
        help="Its id; without it the mission of this folder.",
        autocompletion=complete_missions,
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", "-r", help="Why; it is recorded.", show_default=False)
]
