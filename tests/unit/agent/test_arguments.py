"""Inputs against schemas that others wrote."""

from __future__ import annotations

from typing import Any

from missions.agent.arguments import checked, example


def test_truth_values_are_schemas_too() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "any": True,
            "list": {"type": "array", "items": True},
            "note": {"type": ["string", "null"]},
        },
        "required": ["any", "note"],
    }
    found = checked(schema, {"any": {"deep": [1]}, "list": [{"x": 1}]})
    assert (found.errors, found.args["note"]) == ((), None)
    assert example(schema)
