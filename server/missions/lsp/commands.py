"""The workspace commands: their registration, before ``initialize`` and without loading what they need.

Each command takes one object and gives a JSON result or a ``MissionError``. What an operation of every face does here
is told by :mod:`missions.lsp.operating`, what only editors need by :mod:`missions.lsp.editor_commands`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from missions.loading import load
from missions.lsp.operations import OWN, PREFIX, SHARED
from missions.lsp.payload import Payload

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer


def register(server: MissionsServer) -> None:
    """Register every command."""
    for name in SHARED:
        server.command(PREFIX + name)(_shared(server, name))
    for name, (arguments, _) in OWN.items():
        server.command(PREFIX + name)(_own(server, name, arguments))


def _shared(server: MissionsServer, name: str) -> Callable[[dict[str, Any]], Awaitable[Payload]]:
    async def command(args: dict[str, Any]) -> Payload:
        session = await server.session()
        operating = await _loaded("missions.lsp.operating")
        return await operating.operate(session, name, args)

    return command


def _own(
    server: MissionsServer, name: str, arguments: type[Payload]
) -> Callable[[Payload], Awaitable[Payload]]:
    async def command(args: Payload) -> Payload:
        session = await server.session()
        editor_commands = await _loaded("missions.lsp.editor_commands")
        return await editor_commands.run(session, name, args)

    # The type of the argument is read from the annotation; here it differs by command.
    command.__annotations__ = {"args": arguments, "return": Payload}
    return command


async def _loaded(module: str) -> Any:
    return await asyncio.to_thread(load, module)
