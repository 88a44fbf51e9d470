"""Running an operation that every face has, as a workspace command.

It reads the arguments as the model's table says, finds the mission that is meant, asks what has to be asked and calls
``control``. Nothing here decides what an operation means or whether it is legal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from missions.control.requests import Reply
from missions.lsp import starting
from missions.lsp.chat import child_of
from missions.lsp.confirmations import asking_for_yes
from missions.lsp.operations import OperationResult, ReportResult
from missions.lsp.payload import Payload
from missions.model import operations as op

if TYPE_CHECKING:
    from missions.lsp.session import Session

_NO_ARGUMENT = frozenset({"mission"})

QUEUED = "The runner takes it at its next safe point."

_DONE = {
    "pause": "It pauses after the current unit.",
    "cancel": "The current run ends; the mission pauses.",
    "retry": "The feature runs again when the mission goes on.",
    "rerun-validation": "The milestone is validated again when the mission goes on.",
    "skip": "The feature is left out.",
    "waive": "The defect is accepted.",
    "block": "The mission is blocked.",
    "unblock": "The block is taken away; resume the mission to go on.",
    "steer": "The running unit hears it with its next turn.",
    "budget": "The limits are changed.",
    "abandon": "The mission is given up; its branch is kept.",
    "write-plan": "The plan is saved.",
    "revise-plan": "The plan is revised.",
    "request-confirmation": "The question waits for an answer.",
    "delete": "The mission's records are removed.",
}


async def operate(session: Session, name: str, given: dict[str, Any]) -> Payload:
    """Run the operation ``name``; the result's type is that of the protocol."""
    args = op.parse_arguments(name, given)
    handler = _HANDLERS.get(name)
    if handler is not None:
        return await handler(session, args)
    return await _request(session, name, args)


async def _request(session: Session, name: str, args: op.Arguments) -> OperationResult:
    """An operation that travels as a request to the mission's owner."""
    mission = await session.resolve(cast(op.OnMission, args).mission)
    rest = args.model_dump(exclude=set(_NO_ARGUMENT), exclude_none=True, mode="json")

    def send(confirmed: bool) -> Reply:
        extra = {"confirmed": True} if confirmed else {}
        return session.control.request(name, mission, {**rest, **extra}).checked()

    reply = await asking_for_yes(session, send, "Accept it")
    return result_of(reply, _DONE.get(name, "Done."))


def result_of(reply: Reply, message: str) -> OperationResult:
    """What became of a request, for the client; a refusal is raised."""
    reply.checked()
    return OperationResult(
        state=reply.state,
        mission=reply.mission,
        request=reply.request or "",
        seq=reply.seq,
        message=QUEUED if reply.state == "queued" else message,
        value=reply.value,
    )


async def _run(session: Session, args: op.Run) -> OperationResult:
    mission = await session.resolve(args.mission)
    return await starting.start(session, mission, args)


async def _decide(session: Session, args: op.Decide) -> OperationResult:
    mission = await session.resolve(args.mission)
    return await starting.decide(session, mission, args.answer, args.decision, args.text)


async def _new(session: Session, args: op.New) -> ReportResult:
    control = session.control
    cwd = session.place(args.cwd)
    plan: object = args.plan
    if plan is None and args.planPath is not None:
        plan = await asyncio.to_thread(control.read_plan_file, session.path_of(args.planPath))
    if plan is None:
        return await _talk(session, args, cwd)
    reply = await asyncio.to_thread(control.new_from_plan, plan, cwd, demo=args.demo, goal=args.goal)
    title = (reply.value or {}).get("title", "")
    return ReportResult(data=reply.as_json(), text=f"Saved “{title}” as {reply.mission}.")


async def _talk(session: Session, args: op.New, cwd: Path) -> ReportResult:
    """A mission that is planned in its chat; a goal is the first thing said there."""
    from missions.control.plan_talk import begin

    reply = await asyncio.to_thread(
        begin, session.caller, args.goal, cwd, template_name=args.template, demo=args.demo
    )
    data: dict[str, Any] = {**reply.as_json(), "chat": reply.mission}
    if args.goal.strip():
        data["message"] = await child_of(session).say(reply.mission, cwd, args.goal)
    return ReportResult(data=data, text="Plan it in the mission's chat.")


async def _finish(session: Session, args: op.Finish) -> OperationResult:
    mission = await session.resolve(args.mission)
    reply = await asyncio.to_thread(session.control.finish, mission, args.merge)
    value = reply.value or {}
    ways = {"fast_forwarded": "fast-forwarded to the mission's work", "nothing_new": "already up to date"}
    state = ways.get(str(value.get("merge")))
    branch = value.get("branch") or "a detached commit"
    message = f"You are on {branch}{', ' + state if state else ''}."
    if value.get("command"):
        message += f" To merge: {value['command']}"
    return result_of(reply, message)


async def _delete(session: Session, args: op.Delete) -> OperationResult:
    mission = await session.resolve(args.mission)

    def act(confirmed: bool) -> Reply:
        return session.control.delete(mission, force=args.force, confirmed=args.confirmed or confirmed)

    return result_of(await asking_for_yes(session, act, "Delete"), _DONE["delete"])


async def _clear(session: Session, args: op.Clear) -> OperationResult:
    def act(confirmed: bool) -> Reply:
        return session.control.clear(args.missions, confirmed=args.confirmed or confirmed)

    reply = await asking_for_yes(session, act, "Hide")
    value = reply.value or {}
    left = f" {len(value['left'])} could not be hidden now." if value.get("left") else ""
    return result_of(reply, f"{len(value.get('cleared', ()))} missions are hidden.{left}")


async def _status(session: Session, args: op.OnMission) -> ReportResult:
    mission = await session.resolve(args.mission)

    data, text = await asyncio.to_thread(session.control.status_in_both_forms, mission)
    return ReportResult(data=data, text=text)


async def _list(session: Session, args: op.ListMissions) -> ReportResult:
    cwd = session.path_of(args.cwd) if args.cwd else None
    data = await asyncio.to_thread(session.control.list, include_cleared=args.all, cwd=cwd)
    lines = [f"{row['id']}  {row['status']}  {row['title']}" for row in data["missions"]]
    return ReportResult(data=data, text="\n".join(lines))


async def _show(session: Session, args: op.Show) -> ReportResult:
    mission = await session.resolve(args.mission)
    document = await asyncio.to_thread(session.control.show, mission, args.artifact, args.run)
    return ReportResult(data=document.as_json(), text=document.text)


async def _models(session: Session, args: op.Models) -> ReportResult:
    data = await asyncio.to_thread(session.control.models, args.role, args.model, args.effort, args.fallback)
    lines = [f"{role}: {choice['model']}" for role, choice in data["models"].items()]
    return ReportResult(data=data, text="\n".join(lines))


async def _validate(session: Session, args: op.Validate) -> ReportResult:
    from missions.model.lint import lint_plan

    if args.plan is not None:
        _, findings = await asyncio.to_thread(lint_plan, args.plan)
    elif args.planPath is not None:
        _, findings = await asyncio.to_thread(session.control.validate, None, session.path_of(args.planPath))
    else:
        mission = await session.resolve(args.mission)
        _, findings = await asyncio.to_thread(session.control.validate, mission)
    rows = [finding.as_json() for finding in findings]
    lines = [f"{finding.severity}: {finding.path}: {finding.message}" for finding in findings]
    good = not any(finding.severity == "error" for finding in findings)
    return ReportResult(data={"valid": good, "findings": rows}, text="\n".join(lines) or "The plan is good.")


async def _estimate(session: Session, args: op.Validate) -> ReportResult:
    from missions.model.lint import accepted_plan

    control = session.control
    if args.plan is None and args.planPath is None:
        mission = await session.resolve(args.mission)
        data = await asyncio.to_thread(control.estimate_json, mission)
        return ReportResult(data=data, text="")

    def judged() -> ReportResult:
        raw = args.plan
        if raw is None and args.planPath is not None:
            raw = cast(Any, control.read_plan_file(session.path_of(args.planPath)))
        plan, _ = accepted_plan(raw)
        found = control.estimate(plan, session.first_folder())
        return ReportResult(data=found.as_json(), text=found.sentence())

    return await asyncio.to_thread(judged)


async def _restore(session: Session, args: op.Restore) -> OperationResult:
    from missions.control import restore as restoring

    mission = await session.resolve(args.mission)
    store = session.store
    if args.list:
        lines = await asyncio.to_thread(restoring.list_snapshots, store, mission)
        value = {"snapshots": [line.as_json() for line in lines]}
        return OperationResult(
            state="applied", mission=mission, request="", message=f"{len(lines)} snapshots.", value=value
        )

    def act(confirmed: bool) -> Any:
        return restoring.restore(
            store,
            mission,
            args.snapshot,
            args.paths,
            confirmed=args.confirmed or confirmed,
            who=session.caller.owner,
        )

    done = await asking_for_yes(session, act, "Replace them")
    value = done.as_json()
    return OperationResult(
        state="applied", mission=mission, request="", message="The files are restored.", value=value
    )


Handler = Callable[["Session", Any], Awaitable[Payload]]

_HANDLERS: dict[str, Handler] = {
    "run": _run,
    "resume": _run,
    "decide": _decide,
    "new": _new,
    "finish": _finish,
    "delete": _delete,
    "clear": _clear,
    "status": _status,
    "list": _list,
    "show": _show,
    "models": _models,
    "validate": _validate,
    "estimate": _estimate,
    "restore": _restore,
}
