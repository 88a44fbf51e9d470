"""Starting and resuming a mission: what is asked beforehand, and which process then runs it.

Everything that can refuse does so before anything is written: the state, the credentials, the surroundings, the gates.
Nobody is asked here; the answers arrive as ids of gates.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from missions import loading
from missions.control.caller import Caller
from missions.control.queries import load
from missions.control.requests import Reply, runner_owns, send, settle_deadlines
from missions.model.errors import MissionError
from missions.model.events import MissionExecutionStarted
from missions.model.mission import Mission
from missions.model.schedule import Unit, next_unit
from missions.settings import LoadedSettings
from missions.store.blobs import plan_of
from missions.store.inbox import Expect
from missions.store.journal import events_of, utc_now
from missions.store.lock import read_lock_info

if TYPE_CHECKING:
    from missions.agent.credentials import Credentials
    from missions.agent.tool import Observer
    from missions.runner.runner import Runner
    from missions.runner.starting import Preflight

Host = Literal["process", "server", "here"]
"""``process``: a daemon; ``server`` and ``here``: the caller runs :func:`runner` itself."""


@dataclass(frozen=True)
class Started:
    """``already``: a process was at work before, and only the request was handed to it."""

    mission: str
    host: Host
    already: bool = False
    pid: int | None = None
    seq: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if value is not None}


def look(caller: Caller, mission_id: str) -> Preflight:
    """What a start would do now, with the gates that still want an answer. Refuses what cannot be started at all.

    A deadline that passed while no process ran takes effect first.
    """
    mission = load(caller, mission_id)
    if settle_deadlines(caller, mission):
        mission = load(caller, mission_id)
    _legal(caller, mission)
    found = _surroundings(caller, mission)
    if mission.baseCommit is None:
        return found
    answered = {"network", "dirty"}  # Both were answered at the first start and the plan cannot widen them.
    if mission.status == "running":
        answered.add("plan")
    if mission.settings.get("sandbox", {}).get("mode") == "none":
        answered.add("no-sandbox")
    elif any(gate.id == "no-sandbox" for gate in found.gates):
        answered.add("no-sandbox")
        found.problems.append(
            MissionError(
                "sandbox_unavailable",
                f"The mission was started with a sandbox, and there is none now: {found.sandbox.reason}.",
                "Install bubblewrap and resume.",
            )
        )
    found.gates[:] = [gate for gate in found.gates if gate.id not in answered]
    return found


def outlook(caller: Caller, mission_id: str) -> Preflight:
    """What runs will get and what lacks, credentials included; where nothing can be started now, without gates."""
    mission = load(caller, mission_id)
    try:
        found = look(caller, mission_id)
    except MissionError as error:
        if error.code != "wrong_state" or not mission.plan.version:
            raise
        found = _surroundings(caller, mission)
        found.gates.clear()
    if not mission.demo:
        try:
            resolve_credentials(caller, mission)
        except MissionError as error:
            found.inheritance.missing.append(f"{error.message} {error.next_step}")
    return found


def _surroundings(caller: Caller, mission: Mission) -> Preflight:
    from missions.runner.starting import preflight

    cwd = Path(mission.cwd)
    plan = plan_of(caller.store.mission(mission.id))(mission.plan.blob)
    return preflight(mission, plan, cwd, caller.settings(cwd), environment=caller.variables())


def _legal(caller: Caller, mission: Mission) -> None:
    """Refuse now what the request would refuse later, so that nobody is asked in vain."""
    from missions.model.requests import Ask, judge
    from missions.runner.applying import defects_of

    directory = caller.store.mission(mission.id)
    judge(
        mission,
        Ask("run", {}, caller.by.model_dump(), utc_now()),
        child_runs=False,
        plan_of=plan_of(directory),
        defects_of=lambda run_id: defects_of(directory, run_id),
    )


def start(
    caller: Caller,
    mission_id: str,
    *,
    accept: Collection[str] = (),
    plan_version: int | None = None,
    host: Host = "process",
    handed_over: Credentials | None = None,
) -> Started:
    """Start or resume the mission.

    ``accept`` names the gates that were answered with yes, for the plan of ``plan_version``. Raises
    ``confirmation_needed`` with the gates that were not, ``no_credentials``, ``conflict``, ``wrong_state`` and what the look
    at the repository found; nothing was written then. With ``here`` or ``server`` the caller runs :func:`runner`.
    """
    mission = load(caller, mission_id)
    directory = caller.store.mission(mission_id)
    if runner_owns(directory):
        reply = send(caller, "run", mission_id, _answers(accept, plan_version), expect=_expect(plan_version))
        owner = read_lock_info(directory)
        return Started(mission_id, host, True, owner.pid if owner else None, reply.checked().seq)
    found = look(caller, mission_id)
    credentials = None if mission.demo else resolve_credentials(caller, mission, handed_over)
    if found.problems:
        raise found.problems[0]
    missing = [gate for gate in found.gates if gate.id not in accept]
    if missing:
        wanted = ", ".join(gate.flag for gate in missing)
        raise MissionError(
            "confirmation_needed",
            " ".join(gate.question for gate in missing),
            f"Confirm it, or pass {wanted}.",
            gates=[gate.id for gate in missing],
            preflight=found.as_json(),
        )
    asked = [gate.id for gate in found.gates]
    reply = send(
        caller, "run", mission_id, _answers(asked, plan_version), expect=_expect(plan_version)
    ).checked()
    if host != "process":
        return Started(mission_id, host, seq=reply.seq)
    pid = _daemon(caller, mission_id, credentials)
    return Started(mission_id, host, False, pid, reply.seq)


def _answers(accept: Collection[str], plan_version: int | None) -> dict[str, Any]:
    version = {} if plan_version is None else {"planVersion": plan_version}
    return {"accept": sorted(accept), **version}


def _expect(plan_version: int | None) -> Expect:
    return Expect(planVersion=plan_version)


def _daemon(caller: Caller, mission_id: str, credentials: Credentials | None) -> int:
    from missions.runner.host_process import start_daemon

    return start_daemon(
        caller.store, mission_id, credentials=credentials, environment=dict(caller.environment or {})
    )


def goes_on(caller: Caller, mission_id: str) -> bool:
    """Whether something would run if the mission had a process, and it was started before."""
    mission = load(caller, mission_id)
    started = mission.executionStartedAt is not None
    return started and isinstance(next_unit(mission), Unit)


def go_on(caller: Caller, mission_id: str, reply: Reply, handed_over: Credentials | None = None) -> Reply:
    """After an answer that lets the mission go on: give it a process again. The answer was the consent.

    What stands in the way is told in the reply's value; the answer itself holds.
    """
    if reply.state != "applied" or runner_owns(caller.store.mission(mission_id)):
        return reply
    if not goes_on(caller, mission_id):
        return reply
    value = dict(reply.value or {})
    mission = load(caller, mission_id)
    try:
        credentials = None if mission.demo else resolve_credentials(caller, mission, handed_over)
        value["pid"] = _daemon(caller, mission_id, credentials)
        value["resumed"] = True
    except MissionError as error:
        value["resumed"] = False
        value["problem"] = error.as_json()
    return replace(reply, value=value)


def resolve_credentials(
    caller: Caller, mission: Mission | None, handed_over: Credentials | None = None
) -> Credentials:
    """The credentials for a mission's provider; ``no_credentials`` says what is missing and how to set it."""
    from missions.agent.credentials import CredentialSources, Provider, resolve

    settings = caller.settings(Path(mission.cwd) if mission else None).settings
    return resolve(
        CredentialSources(command=settings.credentials.command),
        Provider(name=settings.provider.kind, base_url=settings.provider.baseUrl),
        caller.variables(),
        handed_over,
    )


def settings_for_run(caller: Caller, mission: Mission, accept: Collection[str] = ()) -> LoadedSettings:
    """The settings a runner begins with; the accepted lack of a sandbox becomes the mode ``none``.

    ``accept`` adds to the gates that the journal says were answered with yes.
    """
    loaded = caller.settings(Path(mission.cwd))
    if mission.baseCommit is not None or "no-sandbox" not in _accepted(caller, mission.id).union(accept):
        return loaded
    return caller.settings(Path(mission.cwd), {"sandbox": {"mode": "none"}})


def _accepted(caller: Caller, mission_id: str) -> set[str]:
    """The gates that were answered with yes at the start, whoever asked; the journal is still short then."""
    started = events_of(caller.store.mission(mission_id), MissionExecutionStarted)
    return {gate for _, event in started for gate in event.gates}


def runner(
    caller: Caller,
    mission_id: str,
    *,
    accept: Collection[str] = (),
    handed_over: Credentials | None = None,
    watcher: Observer | None = None,
) -> Runner:
    """The runner of a mission for a host in this process."""
    loading.load("missions.runner.runner")
    from missions.runner.runner import Runner

    mission = load(caller, mission_id)
    return Runner(
        caller.store,
        mission_id,
        settings=settings_for_run(caller, mission, accept),
        credentials=lambda: resolve_credentials(caller, mission, handed_over),
        face=caller.face,
        watcher=watcher,
    )
