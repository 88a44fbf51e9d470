"""Control: the operations that every face calls, on one store, in the name of one user.

One method per operation; each is told by its own module. No face logic and no printing here; errors are ``MissionError``.
Blocking: from an event loop call it through a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from missions.control import queries, requests
from missions.control.caller import Caller, user_name
from missions.control.requests import Reply
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.model.view import Overview
from missions.store.inbox import Expect
from missions.store.layout import Store

if TYPE_CHECKING:
    from missions.agent.credentials import Credentials
    from missions.agent.tool import Observer
    from missions.control.decisions import Waiting
    from missions.control.documents import Document
    from missions.control.starting import Host, Started
    from missions.control.templates import Template
    from missions.model.estimate import Estimate
    from missions.model.lint import Finding
    from missions.runner.runner import Runner
    from missions.runner.starting import Preflight

# The modules behind the operations are loaded by the operation: looking at missions must stay light.


class Control:
    """The operations for one face. ``environment`` replaces this process's for settings and credentials."""

    def __init__(
        self,
        store: Store,
        *,
        face: str,
        user: str | None = None,
        editor_settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.store = store
        name = user_name() if user is None else user
        self.caller = Caller(store, face, name, editor_settings, environment)

    # Plans

    def new_from_plan(self, plan: object, cwd: Path, *, demo: bool = False, goal: str = "") -> Reply:
        """See :func:`missions.control.planning.new_from_plan`."""
        from missions.control import planning

        return planning.new_from_plan(self.caller, plan, cwd, demo=demo, goal=goal)

    def begin(self, goal: str, cwd: Path, *, template: str | None = None) -> Reply:
        """See :func:`missions.control.plan_talk.begin`."""
        from missions.control import plan_talk

        return plan_talk.begin(self.caller, goal, cwd, template_name=template)

    def templates(self) -> Sequence[Template]:
        """The templates of missions, by name."""
        from missions.control import templates

        return templates.templates(self.store)

    def read_plan_file(self, path: Path) -> object:
        """The JSON of a plan file."""
        from missions.control import planning

        return planning.read_plan_file(path)

    def validate(
        self, mission_id: str | None = None, path: Path | None = None
    ) -> tuple[PlanDocument | None, Sequence[Finding]]:
        """The plan of a file, or of a mission, and every finding on it."""
        from missions.control import planning

        if path is not None:
            return planning.judged_file(path)
        return planning.judged_mission(self.caller, self.resolve(mission_id, None))

    def estimate(self, plan: PlanDocument, cwd: Path | None = None) -> Estimate:
        """What a plan is expected to take."""
        from missions.control import planning

        return planning.estimate_of(self.caller, plan, cwd)

    def estimate_json(self, mission_id: str) -> dict[str, Any]:
        """The estimate of a mission's plan, with what it took so far."""
        from missions.control import planning

        return planning.estimate_json(self.caller, mission_id)

    # Requests

    def request(
        self,
        op: str,
        mission_id: str,
        args: dict[str, Any] | None = None,
        *,
        wait: float = 3.0,
        expect: Expect | None = None,
    ) -> Reply:
        """See :func:`missions.control.requests.send`."""
        return requests.send(self.caller, op, mission_id, args or {}, wait=wait, expect=expect)

    def decide(
        self,
        mission_id: str,
        answer: str,
        decision: str | None = None,
        *,
        text: str | None = None,
        resume: bool = True,
        credentials: Credentials | None = None,
    ) -> Reply:
        """Answer a question; the mission then goes on by itself where the answer lets it, unless ``resume`` is false."""
        from missions.control import decisions, starting

        given = {"decision": decision, "answer": answer, "text": text}
        reply = self.request("decide", mission_id, {k: v for k, v in given.items() if v is not None})
        if reply.state == "refused" and (reply.error or {}).get("code") == "not_found":
            late = decisions.too_late(self.caller, mission_id, decision)
            reply = replace(reply, error=late.as_json()) if late is not None else reply
        return starting.go_on(self.caller, mission_id, reply, credentials) if resume else reply

    def knows_decision(self, mission_id: str, name: str) -> bool:
        """Whether ``name`` is a decision of the mission, open or not: an answer to it is never one to another question."""
        from missions.control import decisions

        if self.mission(mission_id).decision(name) is not None:
            return True
        return any(one.id == name for one in decisions.settled(self.caller, mission_id))

    # Running

    def preflight(self, mission_id: str) -> Preflight:
        """What a start would do now, with the gates that want an answer."""
        from missions.control import starting

        return starting.look(self.caller, mission_id)

    def outlook(self, mission_id: str) -> Preflight:
        """See :func:`missions.control.starting.outlook`."""
        from missions.control import starting

        return starting.outlook(self.caller, mission_id)

    def start(
        self,
        mission_id: str,
        *,
        accept: Collection[str] = (),
        plan_version: int | None = None,
        host: Host = "process",
        credentials: Credentials | None = None,
    ) -> Started:
        """See :func:`missions.control.starting.start`."""
        from missions.control import starting

        return starting.start(
            self.caller,
            mission_id,
            accept=accept,
            plan_version=plan_version,
            host=host,
            handed_over=credentials,
        )

    def runner(
        self,
        mission_id: str,
        *,
        accept: Collection[str] = (),
        credentials: Credentials | None = None,
        watcher: Observer | None = None,
    ) -> Runner:
        """The runner for a host in this process, after :meth:`start` with ``here`` or ``server``."""
        from missions.control import starting

        return starting.runner(
            self.caller, mission_id, accept=accept, handed_over=credentials, watcher=watcher
        )

    # Looking

    def resolve(self, mission_id: str | None, cwd: Path | None) -> str:
        """See :func:`missions.control.queries.resolve`."""
        return queries.resolve(self.caller, mission_id, cwd)

    def mission(self, mission_id: str) -> Mission:
        """The mission as it stands."""
        return queries.load(self.caller, mission_id)

    def list(
        self, *, include_cleared: bool = False, cwd: Path | None = None, limit: int | None = queries.SHOWN
    ) -> dict[str, Any]:
        """``list --json``: rows that are open first, each group newest first."""
        return queries.rows_json(self.caller, include_cleared=include_cleared, cwd=cwd, limit=limit)

    def overview(self, *, include_cleared: bool = False, limit: int | None = queries.SHOWN) -> Overview:
        """Mission Control's overview."""
        return queries.overview_of(self.caller, include_cleared=include_cleared, limit=limit)

    def decisions(self) -> Sequence[Waiting]:
        """Every open question of the store, most urgent first."""
        from missions.control import decisions

        return decisions.waiting(self.caller)

    def status_text(self, mission_id: str) -> str:
        """The status as text."""
        return queries.status(self.caller, mission_id)

    def status_json(self, mission_id: str) -> dict[str, Any]:
        """``status --json``."""
        return queries.status_json(self.caller, mission_id)

    def status_in_both_forms(self, mission_id: str) -> tuple[dict[str, Any], str]:
        """As JSON and as text, of the same moment."""
        return queries.status_in_both_forms(self.caller, mission_id)

    def show(
        self, mission_id: str, artifact: str = "status", run: str | None = None, *, lines: int = 500
    ) -> Document:
        """See :func:`missions.control.documents.show`."""
        from missions.control import documents

        return documents.show(self.caller, mission_id, artifact, run, lines=lines)

    def runner_alive(self, mission_id: str) -> bool:
        """Whether a process holds the mission now."""
        return queries.alive(self.caller, mission_id)

    # Afterwards

    def finish(self, mission_id: str, merge: bool = False) -> Reply:
        """See :func:`missions.control.finishing.finish`."""
        from missions.control import finishing

        return finishing.finish(self.caller, mission_id, merge)

    def delete(self, mission_id: str, *, force: bool = False, confirmed: bool = False) -> Reply:
        """See :func:`missions.control.finishing.delete`."""
        from missions.control import finishing

        return finishing.delete(self.caller, mission_id, force=force, confirmed=confirmed)

    def clear(self, ids: Sequence[str] = (), *, confirmed: bool = False) -> Reply:
        """See :func:`missions.control.finishing.clear`."""
        from missions.control import finishing

        return finishing.clear(self.caller, ids, confirmed=confirmed)

    # Settings

    def settings(self, cwd: Path | None = None) -> dict[str, Any]:
        """The effective settings, their origins and problems."""
        from missions.control import configuration

        return configuration.effective(self.caller, cwd)

    def setting(self, key: str, cwd: Path | None = None) -> Any:
        """One effective setting by its dotted key."""
        from missions.control import configuration

        return configuration.value_at(self.settings(cwd)["settings"], key)

    def set_setting(self, key: str, text: str | None) -> Any:
        """Change one of the user's settings; returns the value in effect."""
        from missions.control import configuration

        configuration.change(self.caller, key, text)
        try:
            return self.setting(key)
        except MissionError:
            return None

    def models(
        self,
        role: str | None = None,
        model: str | None = None,
        effort: str | None = None,
        fallback: str | None = None,
    ) -> dict[str, Any]:
        """Show or set the model of a role."""
        from missions.control import configuration

        return configuration.models(self.caller, role, model, effort, fallback)
