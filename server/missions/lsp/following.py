"""Beginning to follow the store and to look after its missions, once per session.

It only starts the work; what is done with the news is each feature's own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from missions.loading import load
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer

_log = logging.getLogger(__name__)


def register(server: MissionsServer) -> None:
    """Follow the store from the start of the session."""

    async def begin() -> None:
        session = await server.session()
        # Loaded here because they need the model, and in a thread because that takes a while.
        decisions = await asyncio.to_thread(load, "missions.lsp.decisions")
        running = await asyncio.to_thread(load, "missions.lsp.running")
        try:
            await asyncio.to_thread(session.store.ensure)
        except MissionError as error:
            # Looking goes on: reading may still be possible, and writing says so by itself.
            session.view.problem = error
            _log.warning("the store cannot be used: %s", error)
            server.toast(str(error), "error")
        for feature in (running.RunningMissions(session), decisions.Questions(session)):
            feature.begin()
        server.tasks.start("store", session.view.follow())
        server.tasks.start("hosts", session.hosts.supervise())

    server.on_started.append(begin)
