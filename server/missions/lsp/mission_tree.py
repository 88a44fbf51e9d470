"""The tree over the shared view: children, ancestors, and which nodes a change of missions touches.

Ids of nodes are stable across refreshes and restarts. Looking may read files and belongs in a thread. It sends nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from missions.lsp import tree_nodes as nodes
from missions.lsp.protocol import TreeNode
from missions.model.mission import Mission
from missions.model.view import SECTIONS, SectionId

if TYPE_CHECKING:
    from missions.lsp.session import Session


class MissionTree:
    """The tree as it was last told, and as it is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._view = session.view
        self._order = nodes.sorted_ids(self._view.missions())
        self.version = 1
        """Grows with every change."""

    def take(self, ids: set[str]) -> list[str] | None:
        """These missions changed: the nodes that show something else now; ``None`` for all."""
        before, now = self._order, nodes.sorted_ids(self._view.missions())
        self._order = now
        self.version += 1
        if bool(sum(map(len, before.values()))) != bool(sum(map(len, now.values()))):
            return None  # The sections themselves appeared or went.
        changed = [f"section:{section}" for section, _, _ in SECTIONS if before[section] != now[section]]
        return changed + [f"mission:{mission_id}" for mission_id in sorted(ids) if self._view.row(mission_id)]

    def children(self, node_id: str | None) -> list[TreeNode]:
        """The children of a node in the order to show; none for one that is gone."""
        if node_id is None:
            counts = {section: len(ids) for section, ids in self._order.items()}
            return [nodes.section_node(s, counts[s]) for s, _, _ in SECTIONS] if any(counts.values()) else []
        kind, _, rest = node_id.partition(":")
        if kind == "section":
            section, _, start = rest.partition(":")
            return self._page(section, int(start) if start.isdigit() else 0)
        if kind != "mission":
            return []
        mission_id, _, part = rest.partition("/")
        mission = self._whole(mission_id)
        return self._inside(mission, part) if mission is not None else []

    def _page(self, section: str, start: int) -> list[TreeNode]:
        known = _section(section)
        if known is None:
            return []
        ids = self._order[known]
        rows = [self._view.row(mission_id) for mission_id in ids[start : start + nodes.PAGE]]
        found = [nodes.mission_node(row) for row in rows if row is not None]
        end = start + nodes.PAGE
        if len(ids) > end:
            found.append(nodes.more_node(known, end, len(ids) - end))
        return found

    def _inside(self, mission: Mission, part: str) -> list[TreeNode]:
        directory = self._session.store.mission(mission.id)
        kind, _, name = part.partition(":")
        match kind:
            case "":
                return nodes.children_of_mission(mission, directory)
            case "milestone":
                return nodes.children_of_milestone(mission, name)
            case "feature":
                return nodes.children_of_feature(mission, name)
            case "recoveries":
                return nodes.children_of_recoveries(mission)
            case "documents":
                return nodes.children_of_documents(mission, directory)
            case _:
                return []

    def ancestors(self, node_id: str) -> list[TreeNode]:
        """The way from the root to the parent of a node; empty for a root or a node that is gone."""
        kind, _, rest = node_id.partition(":")
        if kind == "section":
            return self._above_page(rest)
        if kind != "mission":
            return []
        mission_id, _, part = rest.partition("/")
        above = self._above_mission(mission_id)
        row = self._view.row(mission_id)
        if not part or not above or row is None:
            return above
        mission = self._whole(mission_id)
        chain = _way_down(mission, part) if mission is not None else None
        if mission is None or chain is None:
            return []
        found = [*above, nodes.mission_node(row)]
        parent = ""
        for step in chain:
            node = next(
                (n for n in self._inside(mission, parent) if n.id == f"mission:{mission_id}/{step}"), None
            )
            if node is None:
                return []
            found.append(node)
            parent = step
        exists = any(node.id == node_id for node in self._inside(mission, parent))
        return found if exists else []

    def _above_mission(self, mission_id: str) -> list[TreeNode]:
        for section, ids in self._order.items():
            if mission_id in ids:
                page = ids.index(mission_id) // nodes.PAGE * nodes.PAGE
                return self._pages(section, page)
        return []

    def _above_page(self, rest: str) -> list[TreeNode]:
        section, _, start = rest.partition(":")
        known = _section(section)
        if known is None or not start.isdigit() or int(start) >= len(self._order[known]):
            return []
        return self._pages(known, int(start) - nodes.PAGE)

    def _pages(self, section: SectionId, last: int) -> list[TreeNode]:
        """The section and the nodes of further missions down to the page that begins with ``last``."""
        count = len(self._order[section])
        further = [
            nodes.more_node(section, start, count - start)
            for start in range(nodes.PAGE, last + 1, nodes.PAGE)
        ]
        return [nodes.section_node(section, count), *further]

    def _whole(self, mission_id: str) -> Mission | None:
        found = self._view.mission(mission_id) if self._view.row(mission_id) is not None else None
        return found if isinstance(found, Mission) else None


def _section(name: str) -> SectionId | None:
    return next((section for section, _, _ in SECTIONS if section == name), None)


def _way_down(mission: Mission, part: str) -> list[str] | None:
    """The parts between a mission's node and one inside it; ``None`` if there is no such node."""
    kind, _, name = part.partition(":")
    if kind == "feature":
        milestone = mission.milestone_of(name)
        return [f"milestone:{milestone.id}"] if milestone is not None else None
    if kind == "document":
        return ["documents"]
    if kind != "run":
        return []
    run = mission.run(name)
    if run is None:
        return None
    if run.kind == "recovery":
        return ["recoveries"]
    if run.kind == "validator":
        return [f"milestone:{run.milestoneId}"]
    milestone = mission.milestone_of(run.itemId)
    return [f"milestone:{milestone.id}", f"feature:{run.itemId}"] if milestone is not None else None
