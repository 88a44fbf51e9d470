"""Turning what a client sent into the call of a handler: command arguments and the first request.

Generous where nothing depends on it (a capability section that does not fit is dropped), strict where a mistake
would act on the wrong thing (arguments of commands). It never answers.
"""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types

from missions.lsp.answers import bad_params
from missions.lsp.payload import Payload, from_json
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from cattrs import Converter

work_done_token: ContextVar[str | int | None] = ContextVar("work_done_token", default=None)
"""The token that the client sent with the command that runs now, if it did."""

running_command: ContextVar[tuple[str, str | int] | None] = ContextVar("running_command", default=None)
"""The command that runs now and the id of its request: a question asked meanwhile belongs to it."""

_log = logging.getLogger(__name__)


async def call_command(
    commands: Mapping[str, Callable[..., Any]], params: types.ExecuteCommandParams, request: str | int
) -> Any:
    """Call the command's handler with its one argument, read strictly as the type the handler declares."""
    handler = commands.get(params.command)
    if handler is None:
        raise _unknown_command(params.command, list(commands))
    values = [value for value in params.arguments or [] if value is not None]
    if len(values) > 1:
        raise MissionError(
            "bad_argument", "A command takes one object.", "Put all arguments into one object."
        )
    work_done_token.set(params.work_done_token)
    running_command.set((params.command, request))
    expected = _argument_type(handler)
    if expected is None:
        if values and values[0] != {}:
            raise MissionError("bad_argument", f"“{params.command}” takes no argument.", "Send none.")
        result = handler()
    elif issubclass(expected, Payload):
        result = handler(from_json(expected, values[0] if values else {}, strict=True))
    else:
        argument: Any = values[0] if values else {}
        if not isinstance(argument, dict):
            raise MissionError("bad_argument", "The argument must be an object.", "Send one JSON object.")
        result = handler(cast("dict[str, Any]", argument))
    return await result if inspect.isawaitable(result) else result


@cache
def _argument_type(handler: Callable[..., Any]) -> type[Payload] | type[dict[str, Any]] | None:
    """The payload type among the handler's parameters, or ``dict`` for one that reads its argument itself."""
    function = getattr(handler, "func", handler)
    hints = typing.get_type_hints(function)
    found = [
        hint
        for name, hint in hints.items()
        if name != "return" and isinstance(hint, type) and issubclass(hint, Payload)
    ]
    if found:
        return found[0]
    return (
        dict
        if any(typing.get_origin(hint) is dict for name, hint in hints.items() if name != "return")
        else None
    )


def _unknown_command(name: str, known: list[str]) -> MissionError:
    from difflib import get_close_matches  # only ever needed for a mistake

    close = get_close_matches(name, known, 1)
    step = f"Did you mean “{close[0]}”?" if close else "The server lists its commands in its capabilities."
    return MissionError("not_found", f"There is no command “{name[:80]}”.", step)


def lenient_initialize(converter: Converter, params: Any) -> types.InitializeParams:
    """Read the first request; what does not fit in it is dropped, because a client that starts must start."""
    if not isinstance(params, dict):
        raise bad_params(types.INITIALIZE, TypeError())
    least: dict[str, Any] = {"processId": None, "rootUri": None, "capabilities": {}}
    given = {**least, **cast("dict[str, Any]", params)}
    try:
        return converter.structure(given, types.InitializeParams)
    except Exception:
        kept = dict(least)
        for key, value in given.items():
            if key == "capabilities":
                kept[key] = _fitting_capabilities(converter, value)
            elif _fits(converter, {**kept, key: value}, types.InitializeParams):
                kept[key] = value
            else:
                _log.warning("initialize: “%s” does not fit and is ignored", key)
        return converter.structure(kept, types.InitializeParams)


def _fitting_capabilities(converter: Converter, value: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    sections = cast("dict[str, Any]", value).items() if isinstance(value, dict) else ()
    for section, content in sections:
        if _fits(converter, {section: content}, types.ClientCapabilities):
            kept[section] = content
            continue
        entries = cast("dict[str, Any]", content).items() if isinstance(content, dict) else ()
        kept[section] = {
            name: entry
            for name, entry in entries
            if _fits(converter, {section: {name: entry}}, types.ClientCapabilities)
        }
        _log.warning("initialize: capabilities “%s” do not fit entirely", section)
    return kept


def _fits(converter: Converter, value: dict[str, Any], cls: type) -> bool:
    try:
        converter.structure(value, cls)
    except Exception:
        return False
    return True
