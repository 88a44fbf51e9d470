"""Which features a server has: each module registers its own handlers here, before ``initialize``.

Handlers and the modules named here are light; what they need is loaded with the session. It handles nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from missions.lsp import (
    buffers,
    chat,
    commands,
    credentials,
    documents,
    following,
    status,
    tree,
    wrong_settings,
)
from missions.lsp.plan_language import registration as plan_language

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer


def register(server: MissionsServer) -> None:
    """Register everything the product offers."""
    commands.register(server)
    credentials.register(server)
    buffers.register(server)
    tree.register(server)
    status.register(server)
    plan_language.register(server)
    documents.register(server)
    following.register(server)
    chat.register(server)
    wrong_settings.register(server)
