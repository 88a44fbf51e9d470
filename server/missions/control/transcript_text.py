"""A transcript as text for people: turns, what was said, which tools ran and with what result.

Pure. Words of models and outputs of commands are cleaned and shortened; the JSON lines hold them whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from missions.model.plain_text import many_lines, one_line

_SAID = 4000
_RESULT = 1200

Json = dict[str, Any]


def transcript_text(records: Sequence[Json]) -> str:
    """The records in order; unknown kinds are left out."""
    parts = [part for record in records for part in [_record(record)] if part]
    return "\n".join(parts) + "\n" if parts else ""


def _record(record: Json) -> str:
    at = str(record.get("at", ""))[11:19]
    match record.get("type"):
        case "run_start":
            return f"── {at} begins: {_line(record.get('role'))}, {_line(record.get('model'))}"
        case "user" if record.get("kind") != "results":
            return f"── {at} told ({_line(record.get('kind'))})\n{_blocks(record.get('content'), _SAID)}"
        case "user":
            notes = [_line(note.get("text"), 400) for note in _objects(record.get("notes"))]
            return "\n".join(f"   note: {note}" for note in notes)
        case "assistant":
            return f"── {at} turn {record.get('turn')}\n{_blocks(record.get('content'), _SAID)}".rstrip()
        case "tool_end":
            failed = " failed" if record.get("isError") else ""
            return f"   {_line(record.get('name'))}{failed} ({record.get('ms', 0)} ms)\n{_indented(_plain(record.get('content')))}".rstrip()
        case "note":
            return f"   note ({_line(record.get('kind'))}): {_line(record.get('text'), 400)}"
        case "compaction":
            return f"── {at} the history was replaced by a summary"
        case "fresh":
            return (
                f"── {at} begins anew with {_line(record.get('model'))}: {_line(record.get('reason'), 400)}"
            )
        case "run_end":
            return f"── {at} ends: {_line(record.get('outcome'))} {_line(record.get('detail'), 400)}".rstrip()
        case _:
            return ""


def _blocks(content: object, limit: int) -> str:
    if isinstance(content, str):
        return many_lines(content, limit)
    said: list[str] = []
    for block in _objects(content):
        kind = block.get("type")
        if kind == "text":
            said.append(many_lines(str(block.get("text", "")), limit))
        elif kind == "thinking" and block.get("thinking"):
            said.append("(thinks) " + many_lines(str(block["thinking"]), limit))
        elif kind == "tool_use":
            call = json.dumps(block.get("input", {}), ensure_ascii=False)
            said.append(f"→ {_line(block.get('name'))} {_line(call, 400)}")
    return "\n".join(said)


def _plain(content: object) -> str:
    return _blocks(content, _RESULT)


def _indented(text: str) -> str:
    return "\n".join("     " + line for line in text.splitlines())


def _line(value: object, width: int = 120) -> str:
    return one_line(str(value if value is not None else ""), width)


def _objects(value: object) -> list[Json]:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast(Json, one) for one in found if isinstance(one, dict)]
