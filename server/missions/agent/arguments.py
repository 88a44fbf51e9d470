"""Checking a tool call's input against its schema, with lossless coercions of what models commonly get wrong.

All errors are given at once. Nothing is guessed: only a number, truth value, list or object written as a string is converted,
and a field that may be null and is missing becomes null.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from missions.agent.turn import strict_json


@dataclass(frozen=True)
class Checked:
    """The input as the tool gets it, and what was found."""

    args: dict[str, Any]
    errors: tuple[str, ...]
    coerced: tuple[str, ...]


def checked(schema: dict[str, Any], args: dict[str, Any]) -> Checked:
    """Validate ``args``; strings that exactly spell the wanted type are converted and missing nullable fields are null first."""
    validator = _validator(json.dumps(schema))
    value: dict[str, Any] = json.loads(json.dumps(args))
    coerced: list[str] = []
    _fill_null(schema, value)
    for error in list(validator.iter_errors(value)):
        if error.validator == "type" and isinstance(error.instance, str) and error.absolute_path:
            converted = _converted(error.instance, error.validator_value)
            if converted is not None:
                _put(value, list(error.absolute_path), converted)
                coerced.append(_path(error))
    errors = sorted(validator.iter_errors(value), key=_path)
    return Checked(value, tuple(_told(error) for error in errors), tuple(coerced))


def example(schema: dict[str, Any]) -> str:
    """A minimal input that fits the schema's required fields, as JSON."""
    return json.dumps(_sample(schema))


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    # Imported at the first call of a tool: it costs a tenth of a second that commands without a run need not pay.
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _fill_null(schema: Any, value: Any) -> None:
    """Give every missing required field that may be null the value null, at every depth."""
    if not isinstance(schema, dict):
        return  # `true` and `false` are schemas too
    shape = cast("dict[str, Any]", schema)
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            _fill_null(shape.get("items"), item)
        return
    if not isinstance(value, dict):
        return
    properties = _properties(shape)
    found = cast("dict[str, Any]", value)
    for name in shape.get("required", []):
        if name not in found and _nullable(properties.get(name, {})):
            found[name] = None
    for name, inner in properties.items():
        if name in found:
            _fill_null(_concrete(inner), found[name])


def _properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields that have a schema worth looking into."""
    found = cast("dict[str, Any]", schema.get("properties", {}))
    return {name: inner for name, inner in found.items() if isinstance(inner, dict)}


def _nullable(schema: dict[str, Any]) -> bool:
    kinds: Any = schema.get("type")
    alternatives = cast("list[dict[str, Any]]", schema.get("anyOf", []))
    return (
        kinds == "null"
        or (isinstance(kinds, list) and "null" in kinds)
        or any(_nullable(a) for a in alternatives)
    )


def _concrete(schema: dict[str, Any]) -> dict[str, Any]:
    """The one alternative of a nullable field that is not null."""
    others = [a for a in cast("list[dict[str, Any]]", schema.get("anyOf", [])) if a.get("type") != "null"]
    return others[0] if len(others) == 1 else schema


def _converted(text: str, wanted: Any) -> Any:
    types = cast("list[str]", wanted) if isinstance(wanted, list) else [str(wanted)]
    try:
        value = strict_json(text.strip())
    except ValueError:
        return None
    fits = {
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }
    return value if any(fits.get(one, False) for one in types) else None


def _put(value: Any, path: list[Any], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def _path(error: Any) -> str:
    return ".".join(str(step) for step in error.absolute_path) or "input"


def _told(error: Any) -> str:
    message = str(error.message)
    received = json.dumps(error.instance, ensure_ascii=False)
    if error.validator in ("required", "additionalProperties"):
        return f"{_path(error)}: {message}"
    shown = received if len(received) <= 120 else received[:117] + "…"
    reason = (
        message
        if len(message) <= 200
        else f"does not fit {error.validator} {json.dumps(error.validator_value)[:120]}"
    )
    return f"{_path(error)}: {reason} (received {shown})"


def _sample(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kinds: Any = schema.get("type", "string")
    kind = str(cast("list[Any]", kinds)[0]) if isinstance(kinds, list) else str(kinds)
    if kind == "object":
        properties = _properties(schema)
        return {name: _sample(properties.get(name, {})) for name in schema.get("required", [])}
    samples: dict[str, Any] = {
        "array": [],
        "integer": schema.get("minimum", 1),
        "number": 1,
        "boolean": False,
        "null": None,
    }
    return samples.get(kind, "…")
