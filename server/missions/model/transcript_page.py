"""A transcript as a Markdown page: one heading for each turn, so that editors fold and outline it.

Pure. Words of models and outputs of commands are shown as text without effect, and shortened; the JSON lines beside it
hold them whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from missions.model.markdown_text import code, code_block, inline, lines
from missions.model.plain_text import many_lines, one_line

Json = dict[str, Any]

_SAID = 6000
_TOLD = 12_000
_RESULT = 1500
_CALL = 2000


def transcript_page(title: str, records: Sequence[Json], *, cut: bool = False) -> str:
    """The page of a transcript's records; ``cut`` when earlier ones were left out."""
    parts = [f"# {inline(title)}", ""]
    if cut:
        parts += ["Only the end is shown; the whole is in `transcript.jsonl`.", ""]
    if not records:
        parts += ["Nothing was said yet.", ""]
    for record in records:
        parts += _record(record)
    return "\n".join(parts).strip() + "\n"


def _record(record: Json) -> Iterator[str]:
    at = one_line(str(record.get("at", ""))[11:19], 8)
    match record.get("type"):
        case "run_start":
            yield from (f"## {at} begins: {_word(record.get('role'))}, {_word(record.get('model'))}", "")
        case "user" if record.get("kind") == "results":
            for note in _objects(record.get("notes")):
                yield from (f"> {_word(note.get('text'), 400)}", "")
        case "user":
            # A task is our own Markdown around foreign words; as a block it folds and stays readable unrendered.
            yield from (f"## {at} told ({_word(record.get('kind'))})", "")
            yield from (code_block(many_lines(_plain(record.get("content")), _TOLD), "text"), "")
        case "assistant":
            yield from (f"## {at} turn {_word(record.get('turn'))}", "")
            yield from _content(record.get("content"))
        case "tool_end":
            failed = "failed" if record.get("isError") else "done"
            yield from (f"{_code(record.get('name'))} {failed} after {_word(record.get('ms'))} ms:", "")
            yield from (code_block(many_lines(_plain(record.get("content")), _RESULT), "text"), "")
        case "note":
            yield from (f"> {_word(record.get('kind'))}: {_word(record.get('text'), 400)}", "")
        case "compaction":
            yield from (f"## {at} the history was replaced by a summary", "")
        case "fresh":
            yield from (f"## {at} begins anew with {_word(record.get('model'))}", "")
        case "run_end":
            ended = f"{_word(record.get('outcome'))} {_word(record.get('detail'), 400)}".strip()
            yield from (f"## {at} ends: {ended}", "")
        case _:
            return


def _content(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield from (lines(many_lines(content, _SAID), _SAID), "")
        return
    for block in _objects(content):
        match block.get("type"):
            case "text":
                yield from (lines(many_lines(str(block.get("text", "")), _SAID), _SAID), "")
            case "thinking" if block.get("thinking"):
                yield from (f"> (thinks) {_word(block['thinking'], 1000)}", "")
            case "tool_use":
                yield from (f"Calls {_code(block.get('name'))}:", "", _call(block.get("input")), "")
            case _:
                continue


def _call(given: object) -> str:
    """A call as it reads best: a command as a command, anything else as JSON."""
    if isinstance(given, dict):
        fields = cast(Json, given)
        if set(fields) <= {"command", "timeout", "background"} and isinstance(fields.get("command"), str):
            return code_block(many_lines(fields["command"], _CALL), "sh")
    return code_block(many_lines(json.dumps(given, indent=1, ensure_ascii=False), _CALL), "json")


def _plain(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(b.get("text", f"({b.get('type')})")) for b in _objects(content))


def _word(value: object, width: int = 120) -> str:
    return inline(one_line(str(value if value is not None else ""), width))


def _code(value: object) -> str:
    return code(one_line(str(value if value is not None else ""), 60))


def _objects(value: object) -> list[Json]:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast(Json, one) for one in found if isinstance(one, dict)]
