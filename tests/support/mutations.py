"""Bytes that are no longer what was written: random damage of files, and of the values inside their JSON.

A mutation of JSON is sealed again where the format has checksums, so that readers get behind them. It judges nothing.
"""

from __future__ import annotations

import json
import random
from typing import Any

from missions.store.records import encode

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**63,
        1e308,
        "",
        "x" * 5000,
        "\x1b]0;x\x07",
        "../../etc/passwd",
        "\ud800",
        [],
        {},
        [[]],
    ),
    *({"a": {"b": []}}, "2026-99-99T99:99:99Z", "mission-../x", ["F1"] * 50, {"F1": 1}, "\u202e\u0000", 0.1),
)


def damaged(chance: random.Random, content: bytes) -> bytes:
    """Bytes flipped, cut, doubled, replaced by NULs, or other bytes put between."""
    at = chance.randrange(len(content) + 1)
    end = min(len(content), at + chance.choice((1, 8, 200)))
    piece = content[at:end]
    match chance.randrange(7):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[end:]
        case 2:
            return content[:end] + piece + content[end:]
        case 3:
            return content[:at] + bytes(len(piece)) + content[end:]
        case 4:
            return content[:at] + chance.randbytes(len(piece) or 1) + content[end:]
        case 5:
            return (
                content[:at]
                + chance.choice((b"[" * 3000, b"\n", b'{"a":', b"\xff\xfe", b"1e999", b"NaN"))
                + content[at:]
            )
        case _:
            return chance.choice(
                (b"", b"null", b"[]", b"{}", b"0", b'"x"', b"\0" * 4096, b"\xef\xbb\xbf" + content)
            )


def other_values(chance: random.Random, value: Any) -> Any:
    """The same JSON with one value somewhere replaced, removed or added."""
    places = list(_places(value))
    if not places:
        return chance.choice(_VALUES)
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}x"] = holder[key]
        case _:
            holder[key] = chance.choice(_VALUES)
    return value


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for index in range(len(value)):
            yield value, index
            yield from _places(value[index])


def mutated(chance: random.Random, name: str, content: bytes) -> bytes:
    """One mutation of a file: its bytes, or a value of its JSON; records of a journal get their checksum again."""
    if chance.random() < 0.4:
        return damaged(chance, content)
    try:
        if name.endswith(".jsonl"):
            return _one_line(chance, name, content)
        return json.dumps(
            other_values(chance, json.loads(content)), ensure_ascii=chance.random() < 0.5
        ).encode("utf-8", "surrogatepass")
    except ValueError:
        return damaged(chance, content)


def _one_line(chance: random.Random, name: str, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    value = json.loads(lines[at])
    if name.startswith("event-log"):
        data = other_values(chance, value["data"])
        kind = (
            value["type"] if chance.random() < 0.8 else chance.choice(("mission_complete", "no_such_event"))
        )
        if not isinstance(data, dict):
            return damaged(chance, content)
        lines[at] = encode(value["seq"], value["epoch"], value["ts"], kind, data)
    else:
        lines[at] = json.dumps(other_values(chance, value)).encode() + b"\n"
    return b"".join(lines)
