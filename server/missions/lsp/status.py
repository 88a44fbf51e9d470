"""The status item: one line, counts by section, and what is waited for, sent whenever it is something else.

Only to clients that speak our extension. It is made from the shared view and changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from missions.lsp import protocol
from missions.lsp.protocol import Status, StatusCounts, Waiting

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer
    from missions.lsp.session import Session

WAITING_SHOWN = 20
"""Things that are waited for, in one notification."""


def register(server: MissionsServer) -> None:
    """Send the status from the start of the session."""

    async def begin() -> None:
        if not server.abilities.extension:
            return
        session = await server.session()
        changed = asyncio.Event()
        session.view.subscribe(lambda ids: changed.set())
        await session.view.ready.wait()
        last: Status | None = None
        while True:
            changed.clear()
            # In a thread: it may read the missions that wait for something.
            status = await asyncio.to_thread(status_of, session)
            if status != last:
                last = status
                server.send(protocol.STATUS, status)
            await changed.wait()

    server.on_started.append(begin)


def status_of(session: Session) -> Status:
    """The status as of now."""
    from missions.model.mission import Mission
    from missions.model.view import status_line_of
    from missions.store.catalog import MissionSummary

    view = session.view

    def whole(mission_id: str) -> Mission | None:
        found = view.mission(mission_id)
        return found if isinstance(found, Mission) else None

    rows = [row for row in view.missions() if isinstance(row, MissionSummary)]
    damaged = len(view.missions()) - len(rows)
    open_here = [
        row.id for row in rows if row.status not in ("complete", "failed") and session.is_here(row.cwd)
    ]
    mine = open_here[0] if len(open_here) == 1 else None
    line = status_line_of(rows, whole, mine) or "no open mission"
    if damaged:
        line += f" · {damaged} cannot be read"
    asking = sorted((row for row in rows if row.needsYou), key=lambda row: row.updatedAt, reverse=True)
    asking.sort(key=lambda row: not session.is_here(row.cwd))
    waiting = [item for row in asking[:WAITING_SHOWN] for item in _waits(whole(row.id))]
    counts = {
        status: sum(row.status == status for row in rows)
        for status in ("blocked", "failed", "running", "paused")
    }
    return Status(
        line=line,
        health="error" if view.problem is not None or damaged else "attention" if asking else "ok",
        counts=StatusCounts(
            **counts,
            planned=sum(row.status in ("planning", "planned") for row in rows),
            completed=sum(row.status == "complete" and not row.cleared for row in rows),
        ),
        waiting=waiting[:WAITING_SHOWN],
        mission=mine,
    )


def _waits(mission: object) -> list[Waiting]:
    """What a mission waits for from the human or the world."""
    from missions.model.mission import Mission
    from missions.model.plain_text import one_line

    if not isinstance(mission, Mission):
        return []
    kinds = {"budget": "budget", "gate": "confirmation"}
    found = [
        Waiting(
            mission=mission.id,
            kind=kinds.get(decision.kind, "decision"),  # pyright: ignore[reportArgumentType]
            text=one_line(decision.question, 200),
            decision=decision.id,
        )
        for decision in mission.decisions
    ]
    block = mission.latestBlock
    if not found and block is not None and mission.status in ("blocked", "paused"):
        kind = "provider" if block.reasonCategory == "provider_unavailable" else "block"
        found.append(Waiting(mission=mission.id, kind=kind, text=one_line(block.message, 200)))
    return found
