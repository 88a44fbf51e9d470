"""Starting a mission: what the gate shows beforehand, and preparing the place of work on the first run.

``preflight`` only looks. ``prepare`` makes the branch or the clone and freezes the settings into the mission; it is
repeatable after a crash. Nothing here asks anybody: the gates' answers arrive with the request.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from missions.agent.prices import PriceTable
from missions.agent.sandbox.probe import SandboxStatus, probe
from missions.model import events as ev
from missions.model.contract import ROLES, PlanDocument, Role
from missions.model.errors import MissionError
from missions.model.estimate import Estimate, estimate_plan, estimate_rest
from missions.model.mission import BudgetState, Mission, Workspace
from missions.model.usage import ModelChoice
from missions.repo.branch import branch_for, start_branch
from missions.repo.clone import make_clone
from missions.repo.repository import Head, Repository
from missions.runner.inheritance import Inheritance, inherit
from missions.runner.workplace import Workplace
from missions.settings import LoadedSettings, Settings
from missions.store.blobs import plan_of
from missions.store.files import check_free_space
from missions.store.layout import MissionDir
from missions.store.mission_log import MissionLog

_START = "start/branch"
GateId = Literal["plan", "dirty", "network", "no-sandbox"]


@dataclass(frozen=True)
class Gate:
    """One question that needs its own yes before a mission starts; ``flag`` is its form on the command line."""

    id: GateId
    question: str
    details: tuple[str, ...] = ()
    flag: str = "--yes"


@dataclass
class Preflight:
    """What will happen if the mission is started now. ``problems`` make a start impossible."""

    repository: str
    branch: str
    current_branch: str | None
    workspace: str
    units: int
    estimate: Estimate
    budget: BudgetState
    models: dict[Role, ModelChoice]
    sandbox: SandboxStatus
    network: tuple[str, ...]
    dirty: tuple[str, ...]
    identity: str
    plan_version: int
    gates: list[Gate] = field(default_factory=list[Gate])
    problems: list[MissionError] = field(default_factory=list[MissionError])
    inheritance: Inheritance = field(default_factory=Inheritance)

    def as_json(self) -> dict[str, Any]:
        """The JSON form that faces show and return."""
        return {
            "repository": self.repository,
            "branch": self.branch,
            "currentBranch": self.current_branch,
            "workspace": self.workspace,
            "units": self.units,
            "estimate": self.estimate.as_json(),
            "budget": self.budget.model_dump(exclude_none=True),
            "models": {role: choice.model_dump(exclude_none=True) for role, choice in self.models.items()},
            "sandbox": {"kind": self.sandbox.kind, "reason": self.sandbox.reason},
            "network": list(self.network),
            "dirty": list(self.dirty),
            "identity": self.identity,
            "planVersion": self.plan_version,
            "gates": [
                {"id": g.id, "question": g.question, "details": list(g.details), "flag": g.flag}
                for g in self.gates
            ],
            "problems": [p.as_json() for p in self.problems],
            "inheritance": self.inheritance.as_json(),
        }


def effective_models(plan: PlanDocument, settings: Settings) -> dict[Role, ModelChoice]:
    """The model of each role: the plan's, else the settings'."""
    return {role: plan.models.get(role) or settings.models[role] for role in ROLES}


def effective_budget(plan: PlanDocument, settings: Settings) -> BudgetState:
    """The limits a mission starts with: the plan's, else the settings' defaults."""
    own, usual = plan.budget, settings.budget
    usd = own.usd if own.usd is not None else usual.usd
    minutes = own.wallMinutes if own.wallMinutes is not None else usual.wallMinutes
    return BudgetState(
        usdMicro=round(usd * 1_000_000) if usd is not None else None,
        tokens=own.tokens if own.tokens is not None else usual.tokens,
        wallMs=round(minutes * 60_000) if minutes is not None else None,
        runs=own.runs if own.runs is not None else usual.runs,
        unitUsdMicro=round(usual.unitUsd * 1_000_000) if usual.unitUsd is not None else None,
        unitWallMs=round(usual.unitMinutes * 60_000) if usual.unitMinutes is not None else None,
        unitTurns=usual.unitTurns,
    )


def preflight(
    mission: Mission | None,
    plan: PlanDocument,
    cwd: Path,
    loaded: LoadedSettings,
    mission_id: str = "mission-new",
    environment: Mapping[str, str] | None = None,
) -> Preflight:
    """Look at everything the gate names; never changes anything, never raises for what it can report."""
    settings = loaded.settings
    started = mission is not None and mission.baseCommit is not None
    models = effective_models(plan, settings) if mission is None or not started else dict(mission.models)
    prices = PriceTable.load()
    estimate = (
        estimate_rest(mission, plan, models, prices)
        if mission is not None and started
        else estimate_plan(plan, models, prices)
    )
    status = SandboxStatus("none", "switched off") if settings.sandbox.mode == "none" else probe()
    look = Preflight(
        repository=str(cwd),
        branch=branch_for(mission.id if mission else mission_id),
        current_branch=None,
        workspace=plan.environment.workspace,
        units=len(plan.features()) + sum(1 + m.userTesting.required for m in plan.milestones),
        estimate=estimate,
        budget=mission.budget if mission is not None and started else effective_budget(plan, settings),
        models=models,
        sandbox=status,
        network=plan.environment.network,
        dirty=(),
        identity="",
        plan_version=mission.plan.version if mission else 0,
    )
    configured = _look_at_repository(look, cwd, mission if started else None)
    variables = os.environ if environment is None else environment
    look.inheritance = inherit(Path(look.repository), plan, settings, variables, identity=configured)
    look.inheritance.missing += [
        f"Setting {p.path} ({p.source}) is not used: {p.message}" for p in loaded.problems
    ]
    verb = "Go on with" if started else "Start"
    look.gates.append(Gate("plan", f"{verb} version {look.plan_version} of the plan with its budget?"))
    if look.dirty and not started and plan.environment.workspace == "inPlace":
        question = (
            "Files with uncommitted changes are in the repository. The mission will not touch them. Go on?"
        )
        look.gates.append(
            Gate(
                "dirty",
                question,
                (*look.dirty[:50], "The workspace `clone` would leave your checkout alone."),
                "--allow-dirty",
            )
        )
    unusual = tuple(host for host in plan.environment.network if host not in settings.network.allow)
    served = tuple(
        f"{host} (MCP server {name})"
        for name, server in sorted(settings.mcp.items())
        for host in server.network
        if server.roles and host not in settings.network.allow
    )
    if unusual or served:
        who = (
            "The plan asks for network access of commands."
            if unusual
            else "MCP servers ask for network access."
        )
        look.gates.append(Gate("network", f"{who} Allow it?", (*unusual, *served), "--allow-network"))
    if status.kind == "none":
        if settings.sandbox.mode == "required":
            look.problems.append(
                MissionError(
                    "sandbox_unavailable",
                    f"No sandbox: {status.reason}.",
                    "Install bubblewrap, or change `sandbox.mode`.",
                )
            )
        else:
            why = "Commands would run without a sandbox, with all your rights. Go on?"
            look.gates.append(Gate("no-sandbox", why, (status.reason,), "--no-sandbox"))
    return look


def _look_at_repository(look: Preflight, cwd: Path, started: Mission | None) -> bool:
    """Fill in what the repository says; whether a name for commits is configured."""
    if shutil.which("git") is None:
        look.problems.append(
            MissionError("repository", "git is not installed.", "Install git 2.35 or newer.")
        )
        return True
    try:
        repo = Repository.find(cwd)
        repo.require_commit()
        head, identity = repo.head(), repo.identity()
        look.repository = str(repo.root)
        look.current_branch = head.branch
        look.identity = f"{identity.name} <{identity.email}>"
        dirty = {
            p
            for change in repo.status()
            for p in ([change.path, change.old_path] if change.old_path else [change.path])
        }
        look.dirty = tuple(sorted(dirty))
        operation = repo.unfinished()
        if operation and started is None:
            look.problems.append(
                MissionError(
                    "repository",
                    f"{operation.capitalize()} is not finished in the repository.",
                    "Finish or abort it first.",
                )
            )
        check_free_space(repo.root)
        return identity.configured
    except MissionError as error:
        look.problems.append(error)
        return True


def open_place(directory: MissionDir, mission: Mission, caches: tuple[str, ...]) -> Workplace:
    """The place a mission that has started works in, locked for it."""
    user = Repository.find(Path(mission.cwd))
    if mission.workspace.kind == "clone":
        return Workplace(Repository.find(directory.git / "tree"), directory, caches)
    return Workplace(user, directory, caches, user.lock(mission.id))


def prepare(log: MissionLog, settings: Settings, caches: tuple[str, ...]) -> Workplace:
    """Make branch or clone and freeze the settings; returns the place, locked. Nothing was recorded if it raises."""
    mission, directory = log.mission, log.directory
    plan = plan_of(directory)(mission.plan.blob)
    user = Repository.find(Path(mission.cwd))
    original = user.head()
    came_from = _came_from(log) or (original.branch, user.require_commit())
    log.record(
        ev.IntentRecorded(
            stepId=_START,
            kind="branch",
            key=branch_for(mission.id),
            pre={"branch": came_from[0], "commit": came_from[1]},
        )
    )
    if plan.environment.workspace == "clone" or settings.workspace.kind == "clone":
        clone = make_clone(user, directory.git / "tree", mission.id, plan.environment.copyPaths)
        place = Workplace(clone, directory, caches)
        base, branch, kind, dirty = clone.require_commit(), branch_for(mission.id), "clone", list[str]()
    else:
        place = Workplace(user, directory, caches, user.lock(mission.id))
        try:
            base, dirty = place.adopted()
            if settings.workspace.branch == "current" and original.branch is not None:
                branch = original.branch
            else:
                branch = start_branch(user, mission.id, Head(came_from[1], came_from[0])).branch
        except BaseException:
            place.close()
            raise
        kind = "inPlace"
    workspace = Workspace.model_validate(
        {
            "kind": kind,
            "originalBranch": came_from[0],
            "originalCommit": came_from[1],
            "protectedPaths": dirty,
        }
    )
    log.record(
        ev.SettingsFrozen(
            settings=settings.frozen(),
            models=effective_models(plan, settings),
            branch=branch,
            baseCommit=base,
            workspace=workspace,
            budget=effective_budget(plan, settings),
        )
    )
    return place


def _came_from(log: MissionLog) -> tuple[str | None, str] | None:
    """Where the user was, if an earlier attempt to start was interrupted after it had noted that."""
    pre: dict[str, Any] = log.mission.openIntents.get(_START, {}).get("pre") or {}
    return (pre.get("branch"), str(pre["commit"])) if pre else None
