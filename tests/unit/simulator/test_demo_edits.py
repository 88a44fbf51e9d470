"""The demonstration's edits bear what a kill may do to them: being made, forgotten and asked for again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from missions.simulator.demo import PLAYBOOK_FILE


def _edits(found: Any) -> Iterator[dict[str, str]]:
    if isinstance(found, dict):
        if found.get("name") == "edit" and "input" in found:
            yield found["input"]
        for value in found.values():
            yield from _edits(value)
    elif isinstance(found, list):
        for value in found:
            yield from _edits(value)


def test_an_edit_that_took_effect_does_not_fit_a_second_time() -> None:
    """A run that dies between an edit and its record has the simulated model ask for the whole turn again."""
    edits = list(_edits(json.loads(PLAYBOOK_FILE.read_text("utf-8"))))
    assert len(edits) >= 7
    assert [edit["path"] for edit in edits if edit["old"] in edit["new"]] == []
