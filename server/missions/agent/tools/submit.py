"""The tools that end a run: a submission with a strict schema, accepted or refused with every finding at once.

What is acceptable is decided by the caller's function; this module only shapes the schema, calls it and words the
answer. It never looks into a submission itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from missions.agent.tool import Tool, ToolContext, ToolResult

_DROPPED = frozenset(
    [
        "title",
        "default",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minItems",
        "maxItems",
        "uniqueItems",
        "examples",
    ]
)
"""Keywords that the provider's strict mode refuses; the local check has them."""


@dataclass(frozen=True)
class SubmissionFinding:
    """One thing that is wrong with a submission."""

    path: str
    """Where, as a JSON pointer (``/commandsRun/0/exitCode``); empty for the whole."""
    message: str
    """What is wrong and how to mend it."""


Accept = Callable[[dict[str, Any]], Awaitable[Sequence[SubmissionFinding]]]
"""Judges a submission; no findings means accepted."""


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON Schema in the strict form: every field required and no others, references resolved.

    A field with a default stays required; give it a nullable type if "nothing" is a sensible answer.
    """
    schema = model.model_json_schema(by_alias=True)
    definitions = cast("dict[str, Any]", schema.pop("$defs", {}))
    return cast("dict[str, Any]", _strict(schema, definitions, ()))


def _strict(node: Any, definitions: dict[str, Any], trail: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_strict(item, definitions, trail) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    part = cast("dict[str, Any]", node)
    reference = part.get("$ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        if name in trail:
            raise ValueError(f"a strict schema cannot be recursive: {name}")
        return _strict(
            {**definitions[name], **{k: v for k, v in part.items() if k == "description"}},
            definitions,
            (*trail, name),
        )
    shaped: dict[str, Any] = {}
    for key, value in part.items():
        if key == "properties":
            shaped[key] = {
                name: _strict(inner, definitions, trail)
                for name, inner in cast("dict[str, Any]", value).items()
            }
        elif key == "enum":
            shaped[key] = value
        elif key == "const":
            shaped["enum"] = [value]
        elif key not in _DROPPED:
            shaped[key] = _strict(value, definitions, trail)
    if "properties" in shaped:
        shaped["required"] = list(cast("dict[str, Any]", shaped["properties"]))
        shaped["additionalProperties"] = False
    return shaped


@dataclass
class SubmitTool:
    """A tool whose accepted call ends the run."""

    name: str
    description: str
    input_schema: dict[str, Any]
    accept: Accept
    read_only: bool = False
    strict: bool = True

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Accept, or answer with all findings."""
        findings = list(await self.accept(args))
        if not findings:
            return ToolResult("Accepted.", submission=args)
        lines = [f"- {finding.path + ': ' if finding.path else ''}{finding.message}" for finding in findings]
        count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        return ToolResult(
            f"Not accepted, {count}. Mend all and call `{self.name}` again:\n" + "\n".join(lines),
            is_error=True,
            meta={"findings": [{"path": finding.path, "message": finding.message} for finding in findings]},
        )


def make_submit_tool(
    name: str, description: str, schema: type[BaseModel] | dict[str, Any], accept: Accept
) -> Tool:
    """A submit tool. ``schema``: a model (made strict here) or a finished JSON Schema."""
    return SubmitTool(
        name, description, schema if isinstance(schema, dict) else strict_schema(schema), accept
    )
