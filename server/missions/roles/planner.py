"""The planner and main chat: what it is told, and the forms of its tools.

System prompt and tool definitions are fixed for all chats; the state of the mission travels with each message of the user.
It knows no store and no operation: the functions behind the tools are handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from missions.agent.tool import Tool
from missions.model.contract import plan_schema
from missions.roles.brief import PLANNER_SYSTEM, system_prompt
from missions.roles.mission_tools import MissionTool, artifact_tool, research_tool, revise_tool, status_tool

Handler = Callable[[dict[str, Any]], Awaitable[str]]

RUNNER_COMMANDS = (
    "start",
    "pause-after-current",
    "pause-now",
    "resume",
    "retry-feature",
    "skip-feature",
    "rerun-validation",
    "waive-defect",
    "steer",
    "block",
    "unblock",
    "status",
    "cancel-current-child",
)
"""What ``mission_runner_command`` takes."""

NOBODY = "Nobody can answer questions now. Decide, write every guess into `assumptions`, save the plan with mission_write_plan, and end."


def planner_system(base_skill: str) -> tuple[str, ...]:
    """The system blocks of every main chat."""
    return system_prompt(PLANNER_SYSTEM, base_skill)


def opening(repository: str, instructions: str, skills: str, day: str) -> str:
    """What the chat is told about its surroundings, once, before the user's first words."""
    lines = ["Task: planning", f"Repository: {repository}", f"Day: {day}"]
    return "\n\n".join(part for part in ("\n".join(lines), instructions.strip(), skills.strip()) if part)


def context_of(status: str, comments: Sequence[str] = (), headless: bool = False) -> str:
    """The state of the mission and the open comments on its plan, as they travel with a message of the user."""
    listed = (
        "\n\nOpen comments on the plan (answer each by a change or a reason):\n"
        + "\n".join(f"- {c}" for c in comments)
        if comments
        else ""
    )
    # Said with each message: whoever goes on with this conversation later can be asked.
    alone = f"\n\n{NOBODY}" if headless else ""
    return f"<mission_state>\n{status.strip()}{listed}{alone}\n</mission_state>"


def planner_tools(handlers: Mapping[str, Handler], operations_schema: dict[str, Any]) -> list[Tool]:
    """The mission tools of the main chat over ``handlers`` (one per tool name)."""
    return [
        _write_plan(handlers["mission_write_plan"]),
        revise_tool(operations_schema, handlers["mission_revise_plan"]),
        MissionTool(
            "mission_start_execution",
            "Ask the user to start the saved plan. The user confirms outside this conversation; the answer tells only that the question was put.",
            _object({}, []),
            handlers["mission_start_execution"],
        ),
        _runner_command(handlers["mission_runner_command"]),
        status_tool(handlers["mission_status"]),
        MissionTool(
            "mission_list",
            "All missions of this repository with their status.",
            _object({}, []),
            handlers["mission_list"],
            read_only=True,
        ),
        MissionTool(
            "mission_clear_completed",
            "Ask the user to hide completed missions from the default views; nothing is deleted.",
            _object({}, []),
            handlers["mission_clear_completed"],
        ),
        MissionTool(
            "mission_answer_comment",
            "Answer one of the user's comments on the plan, after you have changed the plan or decided not to.",
            _object({"comment": {"type": "string"}, "answer": {"type": "string"}}, ["comment", "answer"]),
            handlers["mission_answer_comment"],
        ),
        artifact_tool(handlers["read_artifact"]),
        research_tool(handlers["research"]),
    ]


def _write_plan(handler: Handler) -> Tool:
    schema = plan_schema()
    definitions = schema.pop("$defs", {})
    for name in ("$schema", "title", "description"):
        schema.pop(name, None)
    schema.get("properties", {}).pop("$schema", None)
    description = (
        "Draft the whole plan, or save it. Code checks it and refuses it as a whole with every finding; saving starts nothing. "
        "With `draft: true` nothing is saved: you get the draft as the user shall read it, with findings, readiness and estimate. "
        "Show it, and once the user agrees call again without `plan`: the draft is saved as it was shown. With a plan and no `draft` that plan is "
        "saved at once and replaces the one before."
    )
    properties = {
        "plan": schema,
        "draft": {"type": "boolean", "description": "Check and keep it as a draft; nothing is saved."},
    }
    return MissionTool(
        "mission_write_plan", description, {**_object(properties, []), "$defs": definitions}, handler
    )


def _runner_command(handler: Handler) -> Tool:
    properties = {
        "command": {"type": "string", "enum": list(RUNNER_COMMANDS)},
        "featureId": {"type": "string"},
        "milestoneId": {"type": "string"},
        "defectId": {"type": "string"},
        "reason": {"type": "string", "description": "Why; required for skip-feature and waive-defect"},
        "text": {
            "type": "string",
            "description": "For steer: what the running unit shall know; for retry-feature: a note for the next attempt",
        },
    }
    description = "Carry out what the user asked for. start, resume, cancel-current-child and waiving are put before the user for a yes; everything else acts at once or at the next border of a unit."
    return MissionTool("mission_runner_command", description, _object(properties, ["command"]), handler)


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
