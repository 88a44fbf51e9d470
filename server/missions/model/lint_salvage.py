"""What can be judged of a plan whose shape is wrong: ids, dependencies, claims and words of all that could be read.

So that one look lists every finding. What cannot be read is left out or stood in for, and no finding is given that only
this could have caused. The stand-in never leaves this module: such a plan is refused all the same.
"""

from __future__ import annotations

import copy
import difflib
from typing import Any, cast

from pydantic import ValidationError

from missions.model.contract import PlanDocument
from missions.model.lint_content import content
from missions.model.lint_rules import Finding, pointer
from missions.model.lint_structure import structure

_ROUNDS = 6
"""Mending one part can show the next wrong one below it."""
_LAYOUT = frozenset(
    ("id", "dependencies", "claims", "features", "milestones", "assertions", "validationContract")
)
"""Fields that other parts of a plan refer to."""
_BY_ABSENCE = frozenset(
    (
        "budget-too-small",
        "empty-milestone",
        "feature-without-claims",
        "milestone-without-assertions",
        "no-assertions",
        "no-milestones",
        "unclaimed-assertion",
        "unknown-claim",
        "unknown-dependency",
    )
)
"""Rules that something missing breaks: silent where a part that others refer to could not be read."""
_BY_WORDS = ("thin-", "duplicate-title", "placeholder-text", "user-testing-", "no-checks", "no-budget")
"""Rules about a whole part that one missing text of it could break."""

Path = tuple[str | int, ...]


def salvaged(document: dict[str, Any]) -> list[Finding]:
    """The findings of the parts that have a shape; the findings of the shape itself are not among them."""
    tree = copy.deepcopy(document)
    mended: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            plan = PlanDocument.model_validate(tree)
        except ValidationError as error:
            details = [(d["type"], tuple(d["loc"])) for d in error.errors(include_url=False)]
            # From the back, so that leaving out an entry of a list does not move those that are still to be mended.
            for kind, where in sorted(
                set(details), key=lambda d: [str(p).zfill(6) for p in d[1]], reverse=True
            ):
                _mend(tree, kind, where, mended)
            continue
        return [one for one in (*structure(plan), *content(plan)) if not _caused(one, mended)]
    return []


def _mend(tree: dict[str, Any], kind: str, where: Path, mended: set[Path]) -> None:
    """Take out what cannot be read, or put something in its place; nothing where its surroundings were taken out before."""
    where = tuple(part for part in where if part != "[key]")
    node: Any = tree
    for part in where[:-1]:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return
    last = where[-1]
    misspelt = difflib.get_close_matches(str(last), _LAYOUT, n=1, cutoff=0.7)
    if kind != "extra_forbidden" or misspelt:
        mended.add((*where[:-1], misspelt[0]) if kind == "extra_forbidden" else where)
    if isinstance(node, list) and isinstance(last, int):
        entries = cast("list[Any]", node)
        if where[-2] in ("milestones", "features", "assertions"):
            entries[last] = {}  # keeps its place: the numbers of the others are their paths
        else:
            del entries[last]
    elif isinstance(node, dict):
        fields = cast("dict[str, Any]", node)
        if kind == "missing" or (last == "id" and kind != "extra_forbidden"):
            fields[str(last)] = {} if last in ("skills", "validationContract") else _stand_in(where)
        else:
            fields.pop(str(last), None)


def _stand_in(where: Path) -> str:
    """A text that breaks no rule by itself: an id of its own, or a sentence that is long enough."""
    if where[-1] == "id":
        return "unread" + "-".join(str(part) for part in where if isinstance(part, int))
    return f"This text of the plan could not be read, at the place {pointer(*where)} of the whole document."


def _caused(one: Finding, mended: set[Path]) -> bool:
    """Whether only what was mended may have caused the finding."""
    places = [pointer(*where) for where in mended]
    if any(one.path == place or one.path.startswith(place + "/") for place in places):
        return True
    if one.rule in _BY_ABSENCE and any(
        where[-1] in _LAYOUT or isinstance(where[-1], int) for where in mended
    ):
        return True
    return one.rule.startswith(_BY_WORDS) and any(place.startswith(one.path + "/") for place in places)
