"""Mission tools for conversations: status, artifacts, plan revision, questions to the human.

Each tool is a thin form over a function that the caller hands in, so this module knows no store and no operation; what a
call may do is decided behind that function. Used by the orchestrator and by the main chat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.model.errors import MissionError

Handler = Callable[[dict[str, Any]], Awaitable[str]]


@dataclass
class MissionTool:
    """One tool over one function; a ``MissionError`` becomes an error result with its next step."""

    name: str
    description: str
    input_schema: dict[str, Any]
    handler: Handler
    read_only: bool = False
    strict: bool = False

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Call the function; its text is the result."""
        try:
            return ToolResult(await self.handler(args))
        except MissionError as error:
            found = cast("list[dict[str, str]]", error.data.get("findings") or error.data.get("issues") or [])
            rows = [
                f"- {f.get('path', '')}: {f.get('message', '')} {f.get('fix', '')}".rstrip()
                for f in found[:40]
            ]
            listed = "".join("\n" + row for row in rows)
            return ToolResult(f"{error}{listed}", is_error=True, meta={"code": error.code})


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def status_tool(handler: Handler) -> Tool:
    """``mission_status``."""
    return MissionTool(
        "mission_status",
        "The state of the mission: progress, place, current block, runs, decisions.",
        _object({}, []),
        handler,
        read_only=True,
    )


def artifact_tool(handler: Handler) -> Tool:
    """``read_artifact``: handoffs, reports, packets, transcript tails by their path in the mission directory."""
    properties = {
        "path": {
            "type": "string",
            "description": "As named in the packet, e.g. runs/<run>/validation-report.json, plan/plan.json",
        },
        "tail": {"type": "boolean", "description": "The end instead of the beginning of a long file"},
    }
    return MissionTool(
        "read_artifact",
        "Read an artifact of the mission (read-only).",
        _object(properties, ["path"]),
        handler,
        read_only=True,
    )


def revise_tool(operations_schema: dict[str, Any], handler: Handler) -> Tool:
    """``mission_revise_plan``."""
    description = (
        "Change pending work by operations, all or none: add_feature (with `repairs` naming run and defect for a repair), edit_feature, move_feature, "
        "drop_feature, edit_skill, edit_milestone. Finished work and the contract cannot be changed; refusals list every finding."
    )
    properties = {"reason": {"type": "string"}, "operations": operations_schema}
    return MissionTool(
        "mission_revise_plan", description, _object(properties, ["reason", "operations"]), handler
    )


def research_tool(handler: Handler) -> Tool:
    """``research``: a read-only child conversation that answers one question."""
    return MissionTool(
        "research",
        "Have a read-only assistant look something up in the repository and report; independent questions run side by side, at most three.",
        _object({"question": {"type": "string"}}, ["question"]),
        handler,
        read_only=True,
    )


def ask_user_tool(handler: Handler) -> Tool:
    """``ask_user``: prepares the one question; it is put when the turn ends with the outcome ask-user."""
    option = _object(
        {"id": {"type": "string"}, "label": {"type": "string"}, "consequence": {"type": "string"}},
        ["id", "label", "consequence"],
    )
    properties = {"question": {"type": "string"}, "options": {"type": "array", "items": option}}
    return MissionTool(
        "ask_user",
        "Prepare one question for the human; then end with the outcome ask-user.",
        _object(properties, ["question"]),
        handler,
    )
