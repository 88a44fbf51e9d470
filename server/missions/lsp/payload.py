"""JSON objects as small attrs classes, read strictly and written in camelCase.

Reading refuses what does not fit (a string where a boolean belongs, a misspelt field) with the place and the
expected type, because a coerced ``"false"`` must never count as a confirmation. It knows no message and no
method; the types themselves are in :mod:`missions.lsp.protocol` and :mod:`missions.lsp.operations`.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, TypeVar, cast, dataclass_transform

import attrs

from missions.model.errors import MissionError

P = TypeVar("P", bound="Payload")
T = TypeVar("T")

_PRIMITIVES: dict[Any, str] = {str: "a string", int: "an integer", bool: "true or false", float: "a number"}


class Payload:
    """A JSON object; equal when its JSON is equal. Fields whose name ends in ``key`` or ``secret`` never show."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and to_json(other) == to_json(self)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        shown = (
            f"{name}=…" if name.endswith(("key", "secret")) else f"{name}={getattr(self, name)!r}"
            for name in field_names(type(self)).values()
        )
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attrs.field,))
def payload(cls: type[T]) -> type[T]:
    """Make ``cls`` an immutable payload; ``eq`` and ``repr`` are inherited, which halves the import time."""
    return attrs.define(cls, kw_only=True, frozen=True, eq=False, repr=False)


def camel(name: str) -> str:
    """The JSON spelling of a Python field name."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@cache
def field_names(cls: type) -> dict[str, str]:
    """JSON name to Python name, in the order of definition."""
    return {camel(field.name): field.name for field in attrs.fields(cast(Any, cls))}


@cache
def _readers(cls: type) -> dict[str, tuple[str, Any, bool]]:
    """JSON name to (Python name, type, required)."""
    hints = typing.get_type_hints(cls)
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cast(Any, cls))
    return {camel(f.name): (f.name, hints[f.name], f.default is attrs.NOTHING) for f in fields}


def to_json(value: Any) -> Any:
    """Plain JSON for a payload and for lists and dicts that hold some; other values stay as they are.

    Optional fields that are ``None`` are left out; everything else is always written.
    """
    if isinstance(value, Payload):
        pairs = ((key, getattr(value, name)) for key, name in field_names(type(value)).items())
        return {key: to_json(item) for key, item in pairs if item is not None}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


def from_json(cls: type[P], value: Any, where: str = "", *, strict: bool = False) -> P:
    """Read ``value`` as ``cls``.

    ``strict`` refuses unknown fields (arguments a person may have typed); otherwise they are ignored, so that a
    newer peer can send more. Raises ``MissionError("bad_argument")`` with the path of the first misfit.
    """
    if not isinstance(value, dict):
        raise _misfit(where or "the argument", "an object", value)
    given = cast("dict[str, Any]", value)
    readers = _readers(cls)
    if strict:
        _refuse_unknown(given, readers, where)
    found: dict[str, Any] = {}
    for key, (name, hint, required) in readers.items():
        place = f"{where}.{key}" if where else key
        if key in given:
            item = given[key]
            if item is None and not required and not _accepts_none(hint):
                continue
            found[name] = _read(hint, item, place, strict)
        elif required:
            raise MissionError(
                "bad_argument",
                f"The field “{place}” is missing.",
                f"Send it as {describe(hint)}.",
                field=place,
            )
    return cls(**found)


def describe(hint: Any) -> str:
    """A type as people read it: ``list of strings``, ``"a" | "b"``."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    if origin is typing.Literal:
        return "one of " + ", ".join(f"“{arg}”" for arg in args)
    if origin is list:
        return "a list"
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if arg is type(None) else describe(arg) for arg in args)
    return "anything" if hint is Any else "an object"


def _accepts_none(hint: Any) -> bool:
    return hint is Any or type(None) in typing.get_args(hint)


def _read(hint: Any, value: Any, where: str, strict: bool) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint in _PRIMITIVES and type(value) is hint:
        return value
    if origin is typing.Literal and any(type(value) is type(arg) and value == arg for arg in args):
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) == 1:
            return _read(inner[0], value, where, strict)
    if origin is list and isinstance(value, list):
        items = cast("list[Any]", value)
        return [_read(args[0], item, f"{where}[{index}]", strict) for index, item in enumerate(items)]
    if origin is dict and isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return {key: _read(args[1], item, f"{where}.{key}", strict) for key, item in pairs.items()}
    if isinstance(hint, type) and issubclass(hint, Payload):
        return from_json(hint, value, where, strict=strict)
    raise _misfit(where, describe(hint), value)


def _misfit(where: str, expected: str, value: Any) -> MissionError:
    return MissionError(
        "bad_argument",
        f"“{where}” must be {expected}, not {_kind(value)}.",
        "Correct the argument and send it again.",
        field=where,
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str) and len(value) <= 40:
        return f"“{value}”"
    if isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)[:40]
    return _PRIMITIVES.get(type(value), "a list" if isinstance(value, list) else "an object")


def _refuse_unknown(given: dict[str, Any], known: typing.Iterable[str], where: str) -> None:
    names = list(known)
    for key in given:
        if key in names:
            continue
        from difflib import get_close_matches  # only ever needed for a mistake

        close = get_close_matches(str(key), names, 1)
        step = f"Did you mean “{close[0]}”?" if close else f"Known fields: {', '.join(names) or 'none'}."
        place = f"{where}.{key}" if where else str(key)
        raise MissionError("bad_argument", f"There is no field “{place}”.", step, field=place)
