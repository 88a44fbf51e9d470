"""The key that the client keeps for the user, in memory only; and where the key that is used comes from.

The environment and the settings of the machine win over it. It is never written, never logged and never shown.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from missions.lsp import protocol
from missions.lsp.protocol import CredentialsParams, CredentialsResult
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from pathlib import Path

    from missions.agent.credentials import Credentials
    from missions.control.caller import Caller
    from missions.lsp.server import MissionsServer

Source = Literal["environment", "command", "keyring", "file", "client", "none"]


class ClientKey:
    """At most one key."""

    def __init__(self) -> None:
        self._value: str | None = None

    def set(self, value: str | None) -> None:
        """Keep this key from now on; ``None`` forgets it."""
        self._value = value.strip() if value and value.strip() else None

    def __repr__(self) -> str:
        return "<a key>" if self._value else "<no key>"

    def handed_over(self, caller: Caller, cwd: Path | None) -> Credentials | None:
        """The key, if it is the one to use for work in ``cwd``: there is none from the machine. Blocks like ``resolve``."""
        if self._value is None or _of_the_machine(caller, cwd) is not None:
            return None
        from missions.agent.credentials import Credentials

        return Credentials("api_key", self._value, "the editor's secret storage")

    def source(self, caller: Caller, cwd: Path | None) -> Source:
        """Where the key comes from that would be used."""
        found = _of_the_machine(caller, cwd)
        if found is None:
            return "client" if self._value else "none"
        named: dict[str, Source] = {"credentials.command": "command", "the system keyring": "keyring"}
        if found.source in named:
            return named[found.source]
        return "file" if found.source.startswith(("/", "\\")) or ":\\" in found.source else "environment"


def _of_the_machine(caller: Caller, cwd: Path | None) -> Credentials | None:
    from missions.agent.credentials import CredentialSources, Provider, resolve

    settings = caller.settings(cwd).settings
    sources = CredentialSources(command=settings.credentials.command)
    provider = Provider(name=settings.provider.kind, base_url=settings.provider.baseUrl)
    try:
        return resolve(sources, provider, caller.variables())
    except MissionError as error:
        if error.code != "no_credentials":
            raise
        return None


def register(server: MissionsServer) -> None:
    """Take keys from the client."""

    @server.feature(protocol.CREDENTIALS)
    async def credentials(params: CredentialsParams) -> CredentialsResult:  # pyright: ignore[reportUnusedFunction]
        if params.provider != "anthropic":
            raise MissionError(
                "unsupported",
                f"Keys of “{params.provider[:40]}” are not taken from editors.",
                "Set them in the environment of the editor.",
            )
        session = await server.session()
        session.key.set(params.api_key)
        source = await asyncio.to_thread(session.key.source, session.caller, session.first_folder())
        return CredentialsResult(source=source)
