"""The plan's JSON Schema that ships with the package."""

from __future__ import annotations

import json
from importlib.resources import files

from missions.model.contract import plan_schema


def test_the_shipped_schema_is_the_schema_of_the_plan_document() -> None:
    """To renew it, write ``plan_schema()`` to the file as JSON with an indent of two."""
    shipped = json.loads((files("missions.model") / "plan.schema.json").read_text(encoding="utf-8"))
    assert shipped == plan_schema()
