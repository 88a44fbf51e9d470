"""A bare agent loop over the real SDK, with real commands and files: what a playbook does, without the engine.

Only for proving that playbooks keep their promises; it checks nothing and recovers from nothing.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic

from support.simulated import MODEL, tool

SUBMIT = {
    "worker": "submit_handoff",
    "scrutiny": "submit_validation_report",
    "user-testing": "submit_user_testing_report",
    "recovery": "submit_recovery",
}


@dataclass
class Played:
    """One run as it went."""

    submission: dict[str, Any] | None = None
    commands: list[tuple[str, int]] = field(default_factory=list)
    """Command and exit code, in order; the ordinal of a command is its place, from 1."""
    revisions: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    turns: int = 0
    words: str = ""


async def play(
    client: AsyncAnthropic, repository: Path, task: str, run: str, more: str = "", model: str = MODEL
) -> Played:
    """Run one unit until it submits or stops talking of tools."""
    played = Played()
    submit = SUBMIT[task.split(" ", 1)[0]]
    tools = [tool(name) for name in ("bash", "read", "write", "edit", "mission_revise_plan", submit)]
    first = f"Task: {task}\nRun: {run}\nRepository: {repository}\n\n{more}".strip()
    messages: list[Any] = [{"role": "user", "content": first}]
    while True:
        answer = await client.messages.create(
            model=model, max_tokens=16000, messages=messages, tools=tools, thinking={"type": "adaptive"}
        )
        played.turns += 1
        messages.append(
            {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in answer.content]}
        )
        played.words = "\n".join(b.text for b in answer.content if b.type == "text")
        if answer.stop_reason != "tool_use":
            return played
        results: list[Any] = []
        for block in answer.content:
            if block.type != "tool_use":
                continue
            if block.name == submit:
                played.submission = dict(block.input)
                return played
            text, failed = _call(played, repository, block.name, block.input)
            if failed:
                played.errors.append(f"{block.name}: {text}")
            results.append(
                {"type": "tool_result", "tool_use_id": block.id, "content": text, "is_error": failed}
            )
        messages.append({"role": "user", "content": results})


def _call(played: Played, repository: Path, name: str, given: Any) -> tuple[str, bool]:
    if name == "bash":
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", given["command"]],
            cwd=repository,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        played.commands.append((given["command"], done.returncode))
        return (
            f"run {len(played.commands)} · exit code {done.returncode} · 0.1 s\n{done.stdout or '(no output)'}",
            False,
        )
    if name == "mission_revise_plan":
        played.revisions.append(dict(given))
        return "The plan was revised.", False
    path = repository / given["path"]
    if name == "read":
        return path.read_text(), False
    if name == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(given["content"])
        return "written", False
    text = path.read_text()
    if text.count(given["old"]) != 1:
        return f"`old` was found {text.count(given['old'])} times", True
    path.write_text(text.replace(given["old"], given["new"]))
    return "edited", False
