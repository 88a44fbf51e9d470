"""Settings of the editor that cannot be used are told when they come, each by its key and reason.

Else a limit with a typing error would be no limit, and nobody would know before a mission is started.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer


def register(server: MissionsServer) -> None:
    """Look at the settings at the start of the session and whenever they change."""

    async def look() -> None:
        session = await server.session()
        loaded = await asyncio.to_thread(session.settings)
        for problem in loaded.problems:
            if problem.source == "editor":
                server.toast(
                    f"The setting missions.{problem.path} is not used: {problem.message}.", "warning"
                )

    def changed() -> None:
        server.tasks.start("wrong settings", look())

    server.on_started.append(look)
    server.on_settings.append(changed)
