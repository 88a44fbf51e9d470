"""Reading JSON that somebody else may have written: limits on size, depth, numbers and keys.

Everything that is wrong is a ``MissionError`` (``store_corrupt``, with the file), found quickly and in little memory.
This module never interprets what it reads.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from missions.model.errors import MissionError
from missions.store.files import read_bytes


@dataclass(frozen=True)
class Limits:
    """How large and how deep a document may be."""

    size: int = 5 * 1024 * 1024
    """Bytes."""
    depth: int = 64
    """Nested arrays and objects."""


DEFAULT_LIMITS = Limits()

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_json(path: Path, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The JSON document in ``path``; raises ``store_corrupt`` when it breaks a limit, ``io_failed`` when unreadable."""
    return parse_json(read_bytes(path, limits.size), str(path), limits)


def parse_json(content: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Parse ``content``; ``name`` is how errors call it."""
    if len(content) > limits.size:
        raise _refused(name, f"larger than {limits.size} bytes")
    if _deeper_than(limits.depth, content):
        raise _refused(name, f"nested deeper than {limits.depth} levels")
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise _refused(name, str(error)) from error


def _deeper_than(depth: int, content: bytes) -> bool:
    """Whether brackets nest deeper than ``depth``; unbalanced documents are left to the parser."""
    brackets = _STRING.sub(b"", content).translate(None, _NO_BRACKETS)
    if re.search(rb"[\[{]{%d}" % (depth + 1), brackets):
        return True
    for _ in range(depth):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(inner) == len(brackets):
            return len(inner) > depth
        brackets = inner
    return bool(brackets)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:60]!r} occurs twice")
            seen.add(key)
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _refused(name: str, why: str) -> MissionError:
    return MissionError(
        "store_corrupt", f"{name} is not acceptable JSON: {why}.", "Correct or remove it.", path=name
    )
