"""What the runs of a mission get from their surroundings: instructions, skills, servers of tools, environment; and what lacks.

Only looks, with the same functions that hand these things to a run. It names variables and never shows a value, and it
refuses nothing: what is missing is a sentence.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from missions.agent.instructions import LIMIT, Instructions
from missions.agent.sandbox.environment import QUIET, command_environment, refused_names
from missions.agent.skills import discover, roots
from missions.agent.tool_servers import HOW_TO_INSTALL, installed
from missions.model.contract import PlanDocument
from missions.settings import Settings

_SHELL_WORDS = frozenset((
    "!", "(", ".", "[", "[[", "{", ":", "cd", "case", "command", "echo", "eval", "exec", "exit", "export", "false", "for", "if",
    "printf", "set", "source", "test", "trap", "true", "type", "ulimit", "umask", "until", "while",
))  # fmt: skip


@dataclass
class Inheritance:
    """What workers and validators will get."""

    instructions: list[str] = field(default_factory=list[str])
    """Files of the repository with instructions for agents that every run gets, relative to its root."""
    skills: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """``name``, ``description``, ``path`` of each."""
    mcp: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Configured servers: ``name``, ``command``, ``roles``, ``environment`` (names), ``network`` (hosts)."""
    environment: list[str] = field(default_factory=list[str])
    """Names of the variables of this machine that commands see; the engine's own are not listed."""
    withheld: list[str] = field(default_factory=list[str])
    """Names that were asked for and are left out because they look like secrets."""
    missing: list[str] = field(default_factory=list[str])
    """What is not there, as sentences; nothing of it forbids a start."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form that faces show and return."""
        return {
            "instructions": self.instructions,
            "skills": self.skills,
            "mcp": self.mcp,
            "environment": self.environment,
            "withheld": self.withheld,
            "missing": self.missing,
        }


def inherit(
    root: Path,
    plan: PlanDocument,
    settings: Settings,
    environment: Mapping[str, str],
    *,
    identity: bool,
    home: Path | None = None,
) -> Inheritance:
    """What a run in the repository ``root`` gets; ``identity`` says whether git knows a name for commits."""
    found = Inheritance()
    instructions = Instructions.freeze(root)
    found.instructions = instructions.files
    if not instructions.files:
        found.missing.append(
            "The repository has no AGENTS.md: workers learn its conventions from the plan only."
        )
    if instructions.truncated:
        found.missing.append(f"The instructions of the repository are cut after {LIMIT // 1024} KiB.")
    skills, warnings = discover(roots(root, home))
    found.skills = [
        {"name": skill.name, "description": skill.description, "path": str(skill.path or "")}
        for skill in skills
    ]
    found.missing += [f"Skill {warning}." for warning in warnings]
    _environment(found, settings, environment)
    _servers(found, settings, environment)
    _checks(found, plan, environment)
    if not identity:
        found.missing.append("git knows no user.name and user.email: commits carry a stand-in.")
    return found


def _environment(found: Inheritance, settings: Settings, environment: Mapping[str, str]) -> None:
    declared = settings.sandbox.environment
    given = command_environment(environment, declared=declared)
    found.environment = sorted(name for name in given if name in environment and name not in QUIET)
    found.withheld = refused_names(declared)
    found.missing += [
        f"{name} is passed on to commands, but it is not set."
        for name in declared
        if name not in environment and name not in found.withheld
    ]


def _servers(found: Inheritance, settings: Settings, environment: Mapping[str, str]) -> None:
    for name, server in sorted(settings.mcp.items()):
        found.mcp.append(
            {
                "name": name,
                "command": server.command,
                "roles": list(server.roles),
                "environment": list(server.environment),
                "network": list(server.network),
            }
        )
        if shutil.which(server.command, path=environment.get("PATH")) is None:
            found.missing.append(f"The program of the MCP server {name} is not found: {server.command}.")
        found.missing += [
            f"{variable} is passed on to the MCP server {name}, but it is not set."
            for variable in server.environment
            if variable not in environment
        ]
    if settings.mcp and not installed():
        found.missing.append(HOW_TO_INSTALL)


def _checks(found: Inheritance, plan: PlanDocument, environment: Mapping[str, str]) -> None:
    """Programs that the plan's checks begin with and that this machine does not have."""
    for check in plan.environment.checks:
        try:
            first = next((word for word in shlex.split(check) if "=" not in word), "")
        except ValueError:
            continue
        if not first or "/" in first or first in _SHELL_WORDS:
            continue
        if shutil.which(first, path=environment.get("PATH")) is None:
            found.missing.append(f"The check `{check}` begins with a program that is not found: {first}.")
