"""Reading JSON of unknown shape: a value of the wanted kind, or an empty one.

Request bodies and playbooks come from outside; these functions give typed values to the rest of the simulator. They
never raise and never convert: what has another kind counts as absent.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

Object: TypeAlias = dict[str, Any]


def an_object(value: Any) -> Object:
    """``value`` if it is a JSON object, else an empty one."""
    return cast("Object", value) if isinstance(value, dict) else {}


def a_list(value: Any) -> list[Any]:
    """``value`` if it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def objects(value: Any) -> list[Object]:
    """The objects of a JSON array."""
    return [cast("Object", item) for item in a_list(value) if isinstance(item, dict)]


def a_text(value: Any) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def blocks(content: Any) -> list[Object]:
    """Message, system or tool-result content as a list of blocks (a plain string is one text block)."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else objects(content)


def text_of(content: Any) -> str:
    """All text of a content value, text blocks and nested tool results included."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for block in objects(content):
        if block.get("type") == "tool_result":
            parts.append(text_of(block.get("content")))
        else:
            parts.append(a_text(block.get("text")))
    return "\n".join(part for part in parts if part)
