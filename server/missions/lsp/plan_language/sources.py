"""What a document is, told by its place: a mission's plan file, a handoff, a report, a transcript, or a plan by itself.

Only names are looked at here, except for the one question whether a JSON document of any name is a plan. It reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from pygls.uris import to_fs_path

from missions.lsp.plan_language.json_positions import Tree
from missions.lsp.protocol import SCHEME
from missions.model.ids import MISSION_ID, RUN_ID

Form = Literal["plan", "features", "contract", "objective", "skill", "artifact", "page", "other"]
"""``plan``: a whole plan document; ``artifact``: a file that a run or a recovery left; ``page``: a `missions:` document."""

_PLAN_FILES: dict[str, Form] = {
    "plan/plan.json": "plan",
    "plan/features.json": "features",
    "plan/validation-contract.json": "contract",
    "plan/validation-contract.md": "objective",
    "plan/objective.md": "objective",
}
PLAN_FORMS: tuple[Form, ...] = ("plan", "features", "contract")
"""Forms with ids of a plan in JSON."""


@dataclass(frozen=True)
class Source:
    """What a URI names. ``relative`` is the path below the mission's directory."""

    form: Form
    mission: str | None = None
    relative: str = ""
    run: str | None = None
    path: Path | None = None

    @property
    def interesting(self) -> bool:
        """Whether we have anything to say about it."""
        return self.form != "other"


def source_of(uri: str, store: Path) -> Source:
    """What ``uri`` names; ``other`` for everything that is not ours."""
    if urlsplit(uri).scheme == SCHEME:
        parts = [part for part in unquote(urlsplit(uri).path).split("/") if part]
        mission = parts[0] if parts and MISSION_ID.match(parts[0]) else None
        relative = "/".join(parts[1:] if mission else parts)
        return Source("page", mission, relative, _run_in(relative))
    found = to_fs_path(uri)
    if not found:
        return Source("other")
    return source_of_path(Path(found), store)


def source_of_path(path: Path, store: Path) -> Source:
    """What a file is."""
    inside = _below(path, store)
    if inside is not None and len(inside.parts) > 1 and MISSION_ID.match(inside.parts[0]):
        relative = "/".join(inside.parts[1:])
        form = _PLAN_FILES.get(relative)
        if form is None and inside.parts[1] == "skills" and path.name == "SKILL.md":
            form = "skill"
        if form is None and relative.startswith("plan/history/") and path.name == "plan.json":
            form = "artifact"
        if form is None:
            form = "artifact" if path.suffix in (".md", ".json", ".jsonl", ".txt") else "other"
        return Source(form, inside.parts[0], relative, _run_in(relative), path)
    name = path.name.lower()
    form = "plan" if name == "plan.json" or name.endswith(".plan.json") else "other"
    return Source(form, path=path)


def looks_like_a_plan(tree: Tree) -> bool:
    """Whether a JSON document of any name has the fields that only plans have."""
    root = tree.root
    if root is None or root.kind != "object":
        return False
    return root.get("milestones") is not None and root.get("validationContract") is not None


def _below(path: Path, store: Path) -> PurePosixPath | None:
    for place in (store, store.resolve()):
        try:
            return PurePosixPath(path.relative_to(place).as_posix())
        except ValueError:
            continue
    return None


def _run_in(relative: str) -> str | None:
    parts = relative.split("/")
    if len(parts) > 1 and parts[0] == "runs" and RUN_ID.match(parts[1]):
        return parts[1]
    return None
