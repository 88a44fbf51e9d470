"""Questions of missions, brought to the user: told to the client, and asked with buttons where the client can.

Every open window may ask; the first answer counts and the other questions are taken back. A question that is dismissed
or never answered stays open in the mission, and is not asked again by this server. It never answers by itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from missions.lsp import protocol, starting
from missions.lsp.confirmations import choose
from missions.lsp.protocol import Decision, DecisionOption, QuestionData
from missions.model.errors import MissionError
from missions.model.mission import Decision as OpenDecision
from missions.model.mission import Mission
from missions.model.plain_text import one_line

if TYPE_CHECKING:
    from missions.lsp.session import Session

LATER = "Later"
BUTTONS = 5
"""Answers that are shown as buttons; a question with more is only told."""

_log = logging.getLogger(__name__)


class Questions:
    """The open questions of all missions, as this client knows them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[tuple[str, str], OpenDecision] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    def begin(self) -> None:
        """Follow the view from now on."""
        self._session.view.subscribe(self._changed, whole=True)

    def _changed(self, ids: set[str]) -> None:
        for mission_id in ids:
            known = {key for key in self._open if key[0] == mission_id}
            row = self._session.view.row(mission_id)
            asks = getattr(row, "openDecisions", 0) > 0
            mission = self._session.view.mission(mission_id) if asks or known else None
            now = {(mission_id, d.id): d for d in mission.decisions} if isinstance(mission, Mission) else {}
            for key, decision in now.items():
                if key not in known:
                    self._opened(key, decision)
            for key in known - now.keys():
                self._closed(key)

    def _opened(self, key: tuple[str, str], decision: OpenDecision) -> None:
        self._open[key] = decision
        self._send(key[0], decision, "opened")
        row = self._session.view.row(key[0])
        here = self._session.is_here(getattr(row, "cwd", "/nowhere"))
        if here and self._session.server.abilities.ask and 0 < len(decision.options) <= BUTTONS:
            self._asking[key] = self._session.server.tasks.start("question", self._ask(key, decision))

    def _closed(self, key: tuple[str, str]) -> None:
        decision = self._open.pop(key)
        task = self._asking.pop(key, None)
        if task is not None:
            task.cancel()
        self._session.server.tasks.start("answer", self._tell_end(key[0], decision))

    async def _tell_end(self, mission_id: str, decision: OpenDecision) -> None:
        answer, by = await asyncio.to_thread(self._how_answered, mission_id, decision.id)
        self._send(mission_id, decision, "answered" if answer else "withdrawn", answer, by)

    def _how_answered(self, mission_id: str, decision_id: str) -> tuple[str | None, str | None]:
        """The answer and who gave it, from the journal's end."""
        from missions.model.events import DecisionAnswered
        from missions.store.journal import events_of

        try:
            answers = [e for _, e in events_of(self._session.store.mission(mission_id), DecisionAnswered)]
        except MissionError:
            return None, None
        for event in reversed(answers):
            if event.decisionId == decision_id:
                who = " ".join(part for part in (event.by.get("face"), event.by.get("user")) if part)
                return event.text or event.answer, who or None
        return None, None

    def _send(
        self,
        mission_id: str,
        decision: OpenDecision,
        state: str,
        answer: str | None = None,
        by: str | None = None,
    ) -> None:
        options = [
            DecisionOption(id=o.id, label=one_line(o.label, 80), detail=one_line(o.consequence, 300))
            for o in decision.options
        ]
        told = Decision(
            mission=mission_id,
            decision=decision.id,
            state=state,  # pyright: ignore[reportArgumentType]
            question=one_line(decision.question, 1000),
            options=options,
            freeText=decision.freeText,
            answer=answer,
            by=by,
        )
        self._session.server.send(protocol.DECISION, told)

    async def _ask(self, key: tuple[str, str], decision: OpenDecision) -> None:
        mission_id = key[0]
        row = self._session.view.row(mission_id)
        title = one_line(getattr(row, "title", mission_id), 80)
        labels = {one_line(option.label, 60): option.id for option in decision.options}
        facts = "; ".join(one_line(line, 200) for line in decision.context.splitlines()[:12])
        question = f"{title}: {one_line(decision.question, 600)}{' ' + facts if facts else ''}"
        about = QuestionData(mission=mission_id, decision=decision.id)
        # One after the other: a store with many questions must not bury the user.
        async with self._one_at_a_time:
            if key not in self._open:
                return
            pressed = await choose(self._session, question, [*labels, LATER], about, None)
        chosen = labels.get(pressed or "")
        if chosen is None:
            return
        try:
            result = await starting.decide(self._session, mission_id, chosen, decision.id)
        except MissionError as error:
            _log.info("answering %s: %s", decision.id, error)
            self._session.server.toast(f"{title}: {error}", "warning")
            return
        if (result.value or {}).get("problem"):
            self._session.server.toast(f"{title}: {result.message}", "warning")
