"""Mission Control as a tree of nodes, for clients that show one; and the line of the status item.

It answers from the shared view and tells a visible tree which nodes changed. It is read-only: nothing here changes a
mission, and it keeps nothing but the order it last showed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from missions.loading import load
from missions.lsp import protocol
from missions.lsp.protocol import (
    TreeChildrenParams,
    TreeChildrenResult,
    TreeDidChange,
    TreeNode,
    TreeParentParams,
    TreeParentResult,
    TreeVisibility,
)

if TYPE_CHECKING:
    from missions.lsp.mission_tree import MissionTree
    from missions.lsp.server import MissionsServer

BURST = 100
"""Changed nodes above which the client is told that everything changed."""


class TreeService:
    """The tree of one client."""

    def __init__(self, server: MissionsServer) -> None:
        self._server = server
        self._tree: asyncio.Future[MissionTree] | None = None
        self._visible = False
        self._missed = False

    async def begin(self) -> None:
        """Follow the view from the start of the session."""
        tree = await self.tree()
        session = await self._server.session()
        session.view.subscribe(lambda ids: self._changed(tree, ids))

    async def tree(self) -> MissionTree:
        """The tree, once the store was read for the first time."""
        if self._tree is None:
            self._tree = self._server.tasks.start("tree", self._plant())
        return await asyncio.shield(self._tree)

    async def _plant(self) -> MissionTree:
        session = await self._server.session()
        part = await asyncio.to_thread(load, "missions.lsp.mission_tree")
        await session.view.ready.wait()
        return part.MissionTree(session)

    def show(self, visible: bool) -> None:
        """The client shows the tree, or stopped showing it; what changed meanwhile is told at once."""
        self._visible = visible
        if visible and self._missed:
            self._missed = False
            tree = self._tree
            if tree is not None and tree.done() and not tree.cancelled():
                self._tell(tree.result().version, [])

    def _changed(self, tree: MissionTree, ids: set[str]) -> None:
        nodes = tree.take(ids)
        if not self._visible:
            self._missed = True
        elif nodes is None or nodes:
            self._tell(tree.version, [] if nodes is None or len(nodes) > BURST else nodes)

    def _tell(self, version: int, nodes: list[str]) -> None:
        self._server.send(protocol.TREE_DID_CHANGE, TreeDidChange(version=version, node_ids=nodes))


def register(server: MissionsServer) -> None:
    """Answer for the tree."""
    service = TreeService(server)

    @server.feature(protocol.TREE_CHILDREN)
    async def children(params: TreeChildrenParams) -> TreeChildrenResult:  # pyright: ignore[reportUnusedFunction]
        tree = await service.tree()
        # Before the nodes: an old list must never carry a new version, or the client keeps it.
        version = tree.version
        nodes: list[TreeNode] = await asyncio.to_thread(tree.children, params.node_id)
        return TreeChildrenResult(version=version, nodes=nodes)

    @server.feature(protocol.TREE_PARENT)
    async def parent(params: TreeParentParams) -> TreeParentResult:  # pyright: ignore[reportUnusedFunction]
        tree = await service.tree()
        return TreeParentResult(ancestors=await asyncio.to_thread(tree.ancestors, params.node_id))

    @server.feature(protocol.TREE_VISIBILITY)
    def visibility(params: TreeVisibility) -> None:  # pyright: ignore[reportUnusedFunction]
        service.show(params.visible)

    server.on_started.append(service.begin)
