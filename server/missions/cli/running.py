"""The commands that run missions: ``run``, ``resume``, ``watch``, ``demo``.

Asks at the gates, hosts the runner or starts the daemon, shows what happens. What is asked and what is legal is decided
by ``control``.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from missions.cli.following import Following, Seen
from missions.cli.hosting import host, hosted, plain_view, screen
from missions.cli.output import answer, details, interactive, say, tell
from missions.cli.parameters import JsonOption, MissionArgument, control, meant
from missions.control.preflight_text import inheritance_lines, preflight_lines
from missions.model.errors import MissionError
from missions.model.plain_text import one_line

if TYPE_CHECKING:
    from missions.model.mission import Mission
    from missions.runner.runner import RunResult

_PANEL = "Run"
_DECISION = 12
_LOOK_EVERY = 0.25
_COMING = 20.0
"""Seconds that a mission which would go on is given for its new process to take it: after an answer, or a crash."""

DirtyFlag = Annotated[
    bool,
    typer.Option(
        "--allow-dirty", help="Start although files have uncommitted changes; they are not touched."
    ),
]
NetworkFlag = Annotated[
    bool, typer.Option("--allow-network", help="Allow the network access the plan asks for.")
]
BareFlag = Annotated[
    bool,
    typer.Option(
        "--no-sandbox", help="Run commands without a sandbox, if there is none: with all your rights."
    ),
]
HeadlessFlag = Annotated[bool, typer.Option("--headless", help="Never ask, never draw: lines only.")]
DetachFlag = Annotated[bool, typer.Option("--detach", help="Run in the background; `watch` follows it.")]
PlanYes = Annotated[
    bool, typer.Option("--yes", "-y", help="Accept the plan and its budget without being asked.")
]
HostedFlag = Annotated[bool, typer.Option("--hosted", hidden=True)]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    from missions.cli.demo import demo

    app.command("run", rich_help_panel=_PANEL)(run)
    app.command("resume", rich_help_panel=_PANEL)(resume)
    app.command("watch", rich_help_panel=_PANEL)(watch)
    app.command("demo", rich_help_panel=_PANEL)(demo)


def run(
    mission: MissionArgument = None,
    headless: HeadlessFlag = False,
    yes: PlanYes = False,
    allow_dirty: DirtyFlag = False,
    allow_network: NetworkFlag = False,
    no_sandbox: BareFlag = False,
    detach: DetachFlag = False,
    hosted_: HostedFlag = False,
    json_: JsonOption = False,
) -> int:
    """Start a planned mission, or go on with one that stopped.

    Exit codes: 0 complete, 1 error, 2 wrong usage, 10 blocked, 11 paused, 12 waits for a decision (or for a yes),
    13 budget reached, 14 model service unavailable, 130 interrupted. Ctrl-C pauses after a checkpoint, twice stops at
    once; both can be resumed.
    """
    name = meant(mission)
    if hosted_:
        return _hosted(name)
    flags = (("plan", yes), ("dirty", allow_dirty), ("network", allow_network), ("no-sandbox", no_sandbox))
    accept = {gate for gate, given in flags if given}
    try:
        return _run(
            name,
            accept,
            ask=not headless and not json_ and interactive(),
            detach=detach,
            lines=headless,
            json_=json_,
        )
    except MissionError as error:
        code = _waiting(error)
        if code is None:
            raise
        if json_:
            answer({"error": error.as_json()})
        else:
            tell(f"missions: {one_line(error.message, 1000)}")
            if error.next_step:
                tell(f"  {one_line(error.next_step, 1000)}")
            for line in details(error):
                tell(line)
        return code


def resume(
    mission: MissionArgument = None,
    headless: HeadlessFlag = False,
    yes: PlanYes = False,
    no_sandbox: BareFlag = False,
    detach: DetachFlag = False,
    json_: JsonOption = False,
) -> int:
    """Go on with a paused or unblocked mission; the same as `run`, with its exit codes."""
    return run(mission, headless, yes, False, False, no_sandbox, detach, False, json_)


def _waiting(error: MissionError) -> int | None:
    """The exit code of a start that waits for a human, a no included; None for every other error."""
    if error.code in ("confirmation_needed", "declined"):
        return _DECISION
    if error.code == "wrong_state" and "decision" in error.data:
        return _DECISION
    return None


def _run(name: str, accept: set[str], *, ask: bool, detach: bool, lines: bool, json_: bool) -> int:
    operations = control()
    if operations.mission(name).status == "complete":
        # Whoever repeats a run after a crash must not be told that the finished work is an error.
        if json_:
            done = {"exitCode": 0, "reason": "complete", "status": "complete"}
            answer({**done, "mission": operations.status_json(name)})
        else:
            say(f"{name} is complete; nothing is left to run.")
        return 0
    version = _asked(name, accept) if ask else None
    started = operations.start(
        name, accept=accept, plan_version=version, host="process" if detach else "here"
    )
    if started.already and not detach:
        raise MissionError(
            "locked",
            f"{name} is already being run by process {started.pid}.",
            f"Follow it: missions watch {name}",
            pid=started.pid,
        )
    if detach:
        if json_:
            answer(started.as_json())
        else:
            say(f"{name} runs in the background (process {started.pid}). Follow it: missions watch {name}")
        return 0
    result = here(name, live=not lines and not json_, quiet=json_)
    mission = operations.mission(name)
    if json_:
        answer(
            {
                "exitCode": result.exit_code,
                "reason": result.reason,
                "status": result.status,
                "mission": operations.status_json(name),
            }
        )
    else:
        from missions.cli.summary import closing_lines

        for line in closing_lines(mission, result):
            say(line)
    return result.exit_code


def here(name: str, *, live: bool, quiet: bool = False) -> RunResult:
    """Host the mission's runner in this process, with the live picture or with lines (on standard error if ``quiet``)."""
    operations = control()
    following = Following(operations.store, name)
    runner = operations.runner(name)
    with screen(live) as drawn:
        return host(runner, following, drawn or plain_view(tell if quiet else say), tell)


def _asked(name: str, accept: set[str]) -> int | None:
    """Show what will happen and ask at each gate that is still closed; returns the plan version that was shown."""
    operations = control()
    if operations.runner_alive(name):
        return None
    look = operations.preflight(name)
    open_gates = [gate for gate in look.gates if gate.id not in accept]
    if not open_gates or look.problems:
        return None
    for line in [*preflight_lines(look), *inheritance_lines(look.inheritance)]:
        tell(line)
    for gate in open_gates:
        for detail in gate.details[:12]:
            tell(f"  {one_line(detail, 200)}")
        if not typer.confirm(gate.question, err=True):
            raise MissionError("declined", "It was not started; nothing was changed.", "")
        accept.add(gate.id)
    return look.plan_version


def _hosted(name: str) -> int:
    from missions.agent.credentials import take_handed_over

    operations = control()
    handed_over = take_handed_over()
    return hosted(operations.store, name, lambda: operations.runner(name, credentials=handed_over), say)


def watch(
    mission: MissionArgument = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Every event as one line of JSON, for programs.")
    ] = False,
    since: Annotated[
        int | None, typer.Option("--since", help="Begin with the events after this number (0: all).", min=0)
    ] = None,
    until_stopped: Annotated[
        bool, typer.Option("--until-stopped", help="End as soon as nothing works on it.")
    ] = False,
) -> None:
    """Follow a mission until it is complete or given up (or Ctrl-C). It only looks."""
    name = meant(mission)
    operations = control()
    following = Following(operations.store, name)
    # Whether somebody works on it is asked before each look, so that the last look misses nothing of theirs.
    alive, seen = operations.runner_alive(name), following.look()
    if since is not None:
        from missions.store.journal import JournalReader

        seen.records = JournalReader(operations.store.mission(name), after=since).read_new()
    with screen(not jsonl) as drawn:
        view = _json_lines if jsonl else drawn or plain_view(say)
        waited = 0.0
        while True:
            view(seen)
            over = seen.mission.status in ("complete", "failed")
            if alive:
                waited = 0.0
            elif over or (until_stopped and waited >= (_COMING if _goes_on(seen.mission) else 0)):
                break
            waited += _LOOK_EVERY
            time.sleep(_LOOK_EVERY)
            alive, seen = operations.runner_alive(name), following.look()
    if not jsonl:
        say(f"{name} is {seen.mission.status}.")


def _goes_on(mission: Mission) -> bool:
    """Whether something would run if the mission had a process, and it was started before."""
    from missions.model.schedule import Unit, next_unit

    return mission.executionStartedAt is not None and isinstance(next_unit(mission), Unit)


def _json_lines(seen: Seen) -> None:
    for record in seen.records:
        line = {
            "seq": record.seq,
            "epoch": record.epoch,
            "ts": record.ts,
            "type": record.type,
            "data": record.data,
        }
        say(json.dumps(line, separators=(",", ":")))
