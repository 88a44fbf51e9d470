"""What stands before a start, as lines: what will happen, what runs will get, what is missing.

The same lines stand before the question of a terminal, in the question that a conversation puts, and in ``missions preflight``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from missions.model.figures import money_text
from missions.model.plain_text import one_line

if TYPE_CHECKING:
    from missions.runner.inheritance import Inheritance
    from missions.runner.starting import Preflight

_SHOWN = 20
"""Skills and servers that are named."""


def preflight_lines(look: Preflight) -> list[str]:
    """What will happen if the mission is started: the facts behind the gates."""
    cost, minutes, limit = look.estimate.cost_micro_usd, look.estimate.minutes, look.budget.usdMicro
    models = ", ".join(
        f"{role} {one_line(choice.model, 60)}" + (f" ({choice.effort})" if choice.effort else "")
        for role, choice in look.models.items()
        if role != "planner"
    )
    lines = [
        f"Repository  {one_line(look.repository, 200)} (on {one_line(look.current_branch or 'a detached HEAD', 80)})",
        f"Branch      {one_line(look.branch, 100)}"
        + (", in a private clone" if look.workspace == "clone" else ", in your checkout"),
        f"Units       {look.units}; about {minutes.low}–{minutes.high} min, {money_text(cost.low)}–{money_text(cost.high)}",
        f"Budget      {money_text(limit) if limit else 'unlimited'}"
        + (f", {look.budget.runs} runs" if look.budget.runs else ""),
        f"Models      {models}",
        f"Sandbox     {look.sandbox.kind} ({one_line(look.sandbox.reason, 120)})",
        f"Network     {', '.join(one_line(host, 80) for host in look.network) or 'off for commands'}",
        f"Commits by  {one_line(look.identity, 120)}",
    ]
    return lines + [f"Note        {one_line(over, 200)}" for over in look.estimate.over_budget]


def inheritance_lines(found: Inheritance) -> list[str]:
    """What runs get from their surroundings, and what lacks."""
    skills = ", ".join(one_line(skill["name"], 60) for skill in found.skills[:_SHOWN])
    servers = ", ".join(
        f"{one_line(server['name'], 40)} (`{one_line(server['command'], 60)}` for {' and '.join(server['roles']) or 'nobody'})"
        for server in found.mcp[:_SHOWN]
    )
    lines = [
        f"Read first  {', '.join(one_line(name, 120) for name in found.instructions) or 'nothing'}",
        f"Skills      {skills or 'none'}"
        + (f" and {len(found.skills) - _SHOWN} more" if len(found.skills) > _SHOWN else ""),
        f"MCP         {servers or 'none'}",
        f"Environment {', '.join(found.environment) or 'nothing of yours'}",
    ]
    if found.withheld:
        lines.append(
            f"Withheld    {', '.join(one_line(name, 60) for name in found.withheld)} (names of secrets)"
        )
    return lines + [f"Missing     {one_line(what, 300)}" for what in found.missing]
