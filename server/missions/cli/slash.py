"""What can be typed in the chat after a slash: the commands of the command line, on the mission of the chat.

``/pause --now`` is ``missions pause <mission> --now``: one table of operations, no second meaning. Here are which
commands fit into a chat, how a line becomes their arguments, and what completes them. Nothing is carried out here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from missions.model.errors import MissionError
from missions.model.operations import BY_NAME

if TYPE_CHECKING:
    from missions.model.mission import Mission

LEAVE = ("quit", "exit")
_OWN: dict[str, str] = {
    "help": "What can be typed here.",
    "continue": "Finish an answer that was cut off.",
    "history": "What was said before.",
    "quit": "Leave; the conversation stays.",
}
"""Words that are no commands outside the chat."""
_OF_THE_STORE = frozenset(("list", "decisions", "templates", "models", "settings", "clear", "gc", "import"))
"""Commands that are not about one mission."""
_ELSEWHERE = frozenset(("chat", "send", "lsp", "demo", "new", "plan"))
"""Commands that make no sense inside a chat."""
_IN_BACKGROUND = frozenset(("run", "resume"))
"""These would take the terminal; here they go into the background."""


@dataclass(frozen=True)
class Slash:
    """One line after a slash: a word of the chat's own, or arguments for the command line."""

    name: str
    arguments: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        return self.name in _OWN or self.name in LEAVE


def commands() -> dict[str, Any]:
    """The commands of the command line that fit into a chat, by name."""
    import typer.main

    from missions.cli.app import app

    group: Any = typer.main.get_command(app)
    return {
        name: command
        for name, command in sorted(group.commands.items())
        if name not in _ELSEWHERE and not command.hidden
    }


def read(line: str, mission_id: str) -> Slash:
    """What a line that begins with a slash means; ``bad_argument`` says what there is."""
    try:
        words = shlex.split(line[1:])
    except ValueError as error:
        raise MissionError(
            "bad_argument", f"This line cannot be read: {error}.", "Close the quotes."
        ) from None
    if not words:
        return Slash("help")
    name, rest = words[0], words[1:]
    if name in _OWN or name in LEAVE:
        return Slash(name)
    known = commands()
    if name not in known:
        near = [one for one in (*_OWN, *known) if one.startswith(name)]
        if len(near) != 1:
            what = f"{name!r} may be " + ", ".join(near) if near else f"There is no /{name}"
            raise MissionError("bad_argument", f"{what}.", "`/help` lists what can be typed.")
        return read(f"/{near[0]} {shlex.join(rest)}", mission_id)
    return Slash(name, (name, *_arguments(name, rest, mission_id)))


def _arguments(name: str, rest: list[str], mission_id: str) -> list[str]:
    if (
        name in _OF_THE_STORE
        or any(word.startswith("mission-") for word in rest)
        or {"-h", "--help"} & set(rest)
    ):
        return rest
    if name in _IN_BACKGROUND and "--headless" not in rest and "--detach" not in rest:
        rest = ["--detach", *rest]
    if name in ("validate", "estimate") and any(not word.startswith("-") for word in rest):
        return rest
    return [mission_id, *rest]


def help_lines() -> list[str]:
    """All that can be typed, with its meaning."""
    lines = [f"  /{name:<18} {meaning}" for name, meaning in _OWN.items()]
    return lines + [f"  /{name:<18} {meaning_of(name, command)}" for name, command in commands().items()]


def meaning_of(name: str, command: Any) -> str:
    """A command in one sentence: the operation's, else the help's first."""
    operation = BY_NAME.get(name)
    return operation.meaning if operation else str(command.get_short_help_str(100))


def completions(line: str, mission: Mission | None) -> Iterator[tuple[str, str]]:
    """Words that may stand at the end of ``line``, with what they mean; nothing for a line without a slash."""
    if not line.startswith("/"):
        return
    head, _, last = line[1:].rpartition(" ")
    if not head:
        known = {**_OWN, **{name: meaning_of(name, command) for name, command in commands().items()}}
        yield from ((f"/{name}", meaning) for name, meaning in known.items() if name.startswith(last))
        return
    command = commands().get(head.split()[0])
    if command is None:
        return
    for option in command.params:
        for flag in option.opts:
            if flag.startswith("--") and flag.startswith(last or "--"):
                yield flag, str(getattr(option, "help", "") or "")
    if last.startswith("-") or mission is None:
        return
    yield from ((name, meaning) for name, meaning in _items(mission) if name.startswith(last))


def _items(mission: Mission) -> Iterator[tuple[str, str]]:
    """What can be named in a mission."""
    for decision in mission.decisions:
        yield decision.id, decision.question
        yield from ((option.id, option.label) for option in decision.options)
    for milestone in mission.milestones:
        yield milestone.id, milestone.title
        yield from ((feature.id, feature.title) for feature in milestone.features)
