"""Templates of missions: what the planner is told beforehand about a kind of work, and a skeleton to fill by hand.

Some ship with the product; a user's own lie as JSON files in the store's ``templates/``, and win by name. A template is words for
the planner and never a permission.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store.layout import Store

MARK = "template: "
"""How a planning mission's goal names its template, on its last line."""


class Template(BaseModel):
    """One kind of mission."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    title: str
    about: str
    """One sentence for a picker."""
    guidance: str
    """Markdown for the planner."""
    plan: dict[str, Any]
    """A plan document with gaps, for filling by hand."""


def templates(store: Store) -> list[Template]:
    """All templates by name; a file of the user's that is none is passed over (:func:`unusable` tells)."""
    return _read(store)[0]


def unusable(store: Store) -> list[str]:
    """A sentence for each file of the user's that is no template."""
    return _read(store)[1]


def _read(store: Store) -> tuple[list[Template], list[str]]:
    found: dict[str, Template] = {}
    trouble: list[str] = []
    for entry in resources.files("missions").joinpath("templates").iterdir():
        if entry.name.endswith(".json"):
            template = Template.model_validate_json(entry.read_bytes())
            found[template.name] = template
    own = store.root / "templates"
    for path in sorted(own.glob("*.json")) if own.is_dir() else []:
        try:
            template = Template.model_validate_json(path.read_bytes())
        except OSError as error:
            trouble.append(f"{path} cannot be read: {error.strerror}.")
        except ValidationError as error:
            issue = error.errors()[0]
            where = "/".join(str(part) for part in issue["loc"])
            trouble.append(f"{path} is no template: {where + ': ' if where else ''}{issue['msg']}.")
        else:
            found[template.name] = template
    return [found[name] for name in sorted(found)], trouble


def template(store: Store, name: str) -> Template:
    """The template of that name; ``not_found`` lists those there are."""
    known = templates(store)
    for one in known:
        if one.name == name:
            return one
    raise MissionError(
        "not_found", f"There is no template {name!r}.", "Templates: " + ", ".join(t.name for t in known) + "."
    )


def template_of(store: Store, mission: Mission) -> Template | None:
    """The template that a planning mission was begun with."""
    last = mission.goal.rstrip().rpartition("\n")[2]
    if not last.startswith(MARK):
        return None
    try:
        return template(store, last.removeprefix(MARK).strip())
    except MissionError:
        return None


def skeleton(chosen: Template) -> str:
    """The template's plan as a file to fill."""
    return json.dumps(chosen.plan, indent=2, ensure_ascii=False) + "\n"
