"""Filling in what a scripted reply cannot know beforehand: commit ids, run ordinals, values of the first message.

Text holds ``{{name}}`` or ``{{name:regex}}``; a value that is one placeholder for a number becomes a number. Objects with
a single ``$`` key stand for whole values. A placeholder that finds nothing raises :class:`UnresolvedError`: a script never
goes on with a made-up value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from missions.simulator.conversation import Call, Turn
from missions.simulator.shapes import Object, a_list, an_object

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z]+)(?::(.*?))?\s*\}\}(?!\})", re.S)


class UnresolvedError(Exception):
    """A placeholder found nothing in the conversation."""


def render(value: Any, turn: Turn) -> Any:
    """The value with every placeholder and ``$`` object filled in."""
    if isinstance(value, str):
        return _text(value, turn)
    if isinstance(value, list):
        return [render(item, turn) for item in a_list(value)]
    if isinstance(value, dict):
        data = an_object(value)
        if len(data) == 1:
            key, argument = next(iter(data.items()))
            if key in _OBJECTS:
                return _OBJECTS[key](argument, turn)
        return {key: render(item, turn) for key, item in data.items()}
    return value


def _text(text: str, turn: Turn) -> Any:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole is not None:
        return _value(whole, turn)
    return _PLACEHOLDER.sub(lambda match: str(_value(match, turn)), text)


def _value(match: re.Match[str], turn: Turn) -> str | int | None:
    name, pattern = match.group(1), match.group(2)
    if pattern is None:
        plain: dict[str, str | int] = {
            "task": turn.task,
            "run": turn.run,
            "repository": turn.repository,
            "attempt": turn.attempt,
            "turn": turn.position,
            "model": turn.model,
        }
        if name not in plain:
            raise UnresolvedError(f"there is no placeholder {{{{{name}}}}}")
        return plain[name]
    if name == "result":
        return _search(pattern, [call.result for call in reversed(turn.calls)], "tool result")
    if name == "number":
        found = _search(pattern, [call.result for call in reversed(turn.calls)], "tool result")
        if not found.lstrip("-").isdigit():
            raise UnresolvedError(f"{found!r}, found by {pattern!r}, is not a whole number")
        return int(found)
    if name == "first":
        return _search(pattern, [turn.first_text], "first message")
    if name == "text":
        return _search(pattern, [turn.last_text], "last user text")
    if name in ("run", "exit"):
        call = _command(pattern, turn)
        return ordinal_of(call, turn) if name == "run" else exit_of(call)
    raise UnresolvedError(f"there is no placeholder {{{{{name}:…}}}}")


def _search(pattern: str, texts: list[str], where: str) -> str:
    for text in texts:
        match = re.search(pattern, text, re.M)
        if match:
            return match.group(1) if match.re.groups else match.group(0)
    raise UnresolvedError(f"no {where} matches {pattern!r}")


def _commands(turn: Turn) -> list[Call]:
    return [call for call in turn.calls if call.name == "bash" and not call.interrupted]


def _command(pattern: str, turn: Turn) -> Call:
    for call in reversed(_commands(turn)):
        if re.search(pattern, str(call.input.get("command", "")), re.M):
            return call
    raise UnresolvedError(f"no command matches {pattern!r}")


def ordinal_of(call: Call, turn: Turn) -> int:
    """The ordinal a command's result shows; without one, its place among the commands."""
    if call.ordinal is not None:
        return call.ordinal
    return next(place for place, other in enumerate(_commands(turn), 1) if other is call)


def exit_of(call: Call) -> int | None:
    """The exit code a command's result shows; ``None`` for a run that was cut off; without any, 0 unless it is an error."""
    if call.exit_code is None and call.ordinal is not None:
        return None
    return call.exit_code if call.exit_code is not None else int(call.is_error)


def _commands_run(argument: Any, turn: Turn) -> list[Object]:
    """``{"$commands": regex}``: the matching commands of this run as a handoff claims them."""
    return [
        {
            "run": ordinal_of(call, turn),
            "command": str(call.input.get("command", "")),
            "exitCode": exit_of(call),
            "notes": None,
        }
        for call in _commands(turn)
        if re.search(str(argument), str(call.input.get("command", "")), re.M)
    ]


def _ordinal(argument: Any, turn: Turn) -> int:
    """``{"$ordinal": command}``: the run ordinal of the last call of exactly this command."""
    for call in reversed(_commands(turn)):
        if call.input.get("command") == argument:
            return ordinal_of(call, turn)
    raise UnresolvedError(f"the command {argument!r} was not run")


def _lines(argument: Any, turn: Turn) -> str:
    """``{"$lines": [...]}``: text of several lines, each ended by a newline."""
    return "".join(f"{render(line, turn)}\n" for line in a_list(argument))


def _literal(argument: Any, turn: Turn) -> Any:
    """``{"$literal": …}``: the value as it is, placeholders and all."""
    del turn
    return argument


_OBJECTS: dict[str, Callable[[Any, Turn], Any]] = {
    "$commands": _commands_run,
    "$ordinal": _ordinal,
    "$lines": _lines,
    "$literal": _literal,
}
