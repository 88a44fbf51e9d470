"""Starting and resuming a mission from an editor, with its gates, and answering its decisions.

The plan and its budget, a dirty tree, network and a missing sandbox each need their own yes, bound to the version of
the plan they were shown for. A client that cannot ask leaves the question in the mission as a decision. Silence is
never consent. What a start means is decided by ``control``.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from missions.control.requests import Reply
from missions.control.starting import Host, Started
from missions.lsp.confirmations import ask, declined
from missions.lsp.operations import OperationResult
from missions.lsp.withdrawing import withdrawable
from missions.model import operations as op
from missions.model.errors import MissionError
from missions.model.figures import duration_text, money_text
from missions.model.plain_text import one_line

if TYPE_CHECKING:
    from missions.agent.credentials import Credentials
    from missions.lsp.session import Session

ROUNDS = 5
"""Times the user is asked again because the plan changed while they thought."""

_YES = {
    "plan": "Start",
    "dirty": "Start beside my changes",
    "network": "Allow network",
    "no-sandbox": "Run without sandbox",
}


async def start(session: Session, mission: str, args: op.Run) -> OperationResult:
    """Start or resume; the result says which process is at work."""
    host = _host(session, args.host)
    accept, version = set[str](args.accept), args.planVersion
    for _ in range(ROUNDS):
        try:
            started = await withdrawable(partial(_start, session, mission, set(accept), version, host))
        except MissionError as error:
            if error.code == "confirmation_needed":
                version = await _pass_gates(session, mission, error, accept)
                continue
            if error.code == "conflict" and args.planVersion is None and version is not None:
                # The yes was for another plan.
                accept, version = set[str](args.accept), None
                continue
            raise
        if host == "server" and not started.already:
            session.hosts.run_here(mission, accept)
        return _result(started)
    raise MissionError("conflict", "The plan keeps changing.", "Look at it, then start again.")


def _start(session: Session, mission: str, accept: set[str], version: int | None, host: Host) -> Started:
    key = key_for(session, mission)
    return session.control.start(mission, accept=accept, plan_version=version, host=host, credentials=key)


def key_for(session: Session, mission: str) -> Credentials | None:
    """The client's key, if it is the one to use for this mission."""
    found = session.control.mission(mission)
    return None if found.demo else session.key.handed_over(session.caller, Path(found.cwd))


def _host(session: Session, wanted: str | None) -> Host:
    chosen = wanted or session.settings().settings.runner.host
    return "process" if chosen == "process" else "server"


def _result(started: Started) -> OperationResult:
    if started.already:
        message = "A process is at work on it already."
    elif started.host == "process":
        message = "It runs in a process of its own; closing the editor does not stop it."
    else:
        message = "It runs in the editor's server; closing the editor interrupts it."
    return OperationResult(
        state="applied",
        mission=started.mission,
        request="",
        seq=started.seq,
        message=message,
        value=started.as_json(),
    )


async def _pass_gates(session: Session, mission: str, error: MissionError, accept: set[str]) -> int | None:
    """Ask for each gate that is open; returns the plan version that the answers are for."""
    look = cast("dict[str, Any]", error.data["preflight"])
    title = one_line(session.control.mission(mission).title, 100)
    gates = [gate for gate in cast("list[dict[str, Any]]", look["gates"]) if gate["id"] not in accept]
    for gate in gates:
        answer = await ask(session, gate_question(title, gate, look), _YES[gate["id"]])
        if answer == "cannot":
            raise await _leave_question(session, mission, title, gates, look)
        if answer != "yes":
            raise declined(answer)
        accept.add(gate["id"])
    return cast("int | None", look["planVersion"])


async def _leave_question(
    session: Session, mission: str, title: str, gates: list[dict[str, Any]], look: dict[str, Any]
) -> MissionError:
    """Put the question into the mission, where every face finds it, and say so."""
    names = [gate["id"] for gate in gates]
    args = {
        "op": "run",
        "args": {"accept": names, "planVersion": look["planVersion"]},
        "question": gate_question(title, gates[0], look)[:2000],
        "details": [f"{gate['question']} {' '.join(gate['details'])}".strip()[:500] for gate in gates[1:]],
    }
    await withdrawable(lambda: session.control.request("request-confirmation", mission, args).checked())
    found = await asyncio.to_thread(session.control.mission, mission)
    waiting = [d.id for d in found.decisions if d.kind == "gate"]
    return MissionError(
        "confirmation_needed",
        " ".join([gate_question(title, gates[0], look), *(gate["question"] for gate in gates[1:])]),
        f"It waits as the decision {waiting[-1] if waiting else ''}: answer it with missions.decide "
        "(“yes” or “no”), or send the command again with “accept”.",
        gates=names,
        decision=waiting[-1] if waiting else None,
        preflight=look,
    )


def gate_question(title: str, gate: dict[str, Any], look: dict[str, Any]) -> str:
    """The question of one gate; the first names everything that will happen."""
    if gate["id"] != "plan":
        details = ", ".join(one_line(str(detail), 120) for detail in gate["details"][:8])
        return f"{title}: {gate['question']}{' ' + details if details else ''}"
    models = ", ".join(f"{role} {one_line(str(c['model']), 60)}" for role, c in look["models"].items())
    estimate = look["estimate"]
    likely, most = estimate["costMicroUsd"]["likely"], estimate["costMicroUsd"]["high"]
    network = ", ".join(look["network"]) or "none"
    return (
        f"Start “{title}”? {look['units']} units on branch {look['branch']} of {look['repository']} "
        f"(plan version {look['planVersion']}). "
        f"Estimate: {money_text(likely)}, at most {money_text(most)}, "
        f"{duration_text(estimate['minutes']['likely'] * 60_000)}. "
        f"Budget: {_budget(look['budget'])}. Models: {models}. Sandbox: {look['sandbox']['kind']}. Network: {network}."
    )


def _budget(budget: dict[str, Any]) -> str:
    parts: list[str] = []
    if budget.get("usdMicro") is not None:
        parts.append(money_text(budget["usdMicro"]))
    if budget.get("wallMs") is not None:
        parts.append(duration_text(budget["wallMs"]))
    if budget.get("runs") is not None:
        parts.append(f"{budget['runs']} runs")
    return ", ".join(parts) or "unlimited"


async def decide(
    session: Session, mission: str, answer: str, decision: str | None, text: str | None = None
) -> OperationResult:
    """Answer a question; where the answer lets the mission go on, it gets a process again."""
    host = _host(session, None)

    def act() -> Reply:
        key = key_for(session, mission)
        return session.control.decide(
            mission, answer, decision, text=text, resume=host == "process", credentials=key
        ).checked()

    reply = await withdrawable(act)
    if host == "server" and reply.state == "applied":
        await session.hosts.go_on_here(mission)
    value: dict[str, Any] = reply.value or {}
    message = "The question is answered."
    if value.get("resumed"):
        message += " The mission goes on."
    elif value.get("problem"):
        message += f" It does not go on: {value['problem']['message']}"
    return OperationResult(
        state=reply.state,
        mission=mission,
        request=reply.request or "",
        seq=reply.seq,
        message="The runner takes the answer at its next safe point." if reply.state == "queued" else message,
        value=reply.value,
    )
