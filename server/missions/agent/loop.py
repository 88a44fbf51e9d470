"""The loop of one conversation: request, reply, tools, until it ends in one of the documented ways.

Reads top to bottom: prepare a request, get a reply, act on its stop reason. It never touches the repository, knows no
mission and no operation, and keeps all state in the conversation, so that it can be stopped anywhere.
"""

from __future__ import annotations

from typing import Any

from missions.agent.attempts import Attempts, ProviderUnavailable
from missions.agent.budget import Estimate
from missions.agent.conversation import Conversation
from missions.agent.dispatch import Dispatcher
from missions.agent.faults import ProviderFault, sentence
from missions.agent.history import Block, estimated_tokens, marked_messages, marked_system, sha
from missions.agent.model import ModelClient
from missions.agent.spec import (
    Control,
    InterruptedByUser,
    Interruption,
    Outcome,
    OutcomeKind,
    RetryPolicy,
    Spec,
)
from missions.agent.tool import Observer
from missions.agent.turn import Turn
from missions.model.usage import ModelChoice, Usage

__all__ = ["Control", "Interruption", "Outcome", "OutcomeKind", "RetryPolicy", "Spec", "run_conversation"]

CONTEXT_NOTE_SHARE = 0.60
COMPACTION_SHARE = 0.80
_CUTS_IN_A_ROW = 3
_PAUSES_IN_A_ROW = 5


async def run_conversation(
    spec: Spec, conversation: Conversation, model: ModelClient, control: Control, observer: Observer
) -> Outcome:
    """Run the conversation from where it is until it ends; errors of the store raise ``MissionError``."""
    run = _Run(spec, conversation, model, control, observer)
    try:
        ended = await run.until_it_ends()
    except InterruptedByUser as interrupted:
        ended = run.outcome(interrupted.kind, f"The run was {interrupted.kind}.")
    except ProviderUnavailable as gone:
        data = {"wakeAfterSeconds": int(gone.wake_after)} if gone.wake_after is not None else {}
        ended = run.outcome("provider_unavailable", gone.message, data)
    conversation.finish(ended.kind, ended.detail)
    return ended


class _Run:
    def __init__(
        self, spec: Spec, conversation: Conversation, model: ModelClient, control: Control, observer: Observer
    ) -> None:
        self._spec = spec
        self._conversation = conversation
        self._control = control
        self._observer = observer
        self._attempts = Attempts(spec, conversation, model, control, observer)
        self._dispatcher = Dispatcher(spec, conversation, control, observer)
        self._system = marked_system(spec.system)
        self._tools = [_described(tool) for tool in spec.tools]
        self._fixed_tokens = estimated_tokens(self._tools) + estimated_tokens(self._system)
        self._max_tokens = spec.max_tokens
        self._cuts = 0
        self._pauses = 0
        self._last: tuple[OutcomeKind, str] | None = None
        """Set when only one more request is made: how the run ends if that one brings no submission."""
        self._wait_before = spec.budget.provider_wait_ms

    async def until_it_ends(self) -> Outcome:
        progress = self._conversation.progress
        if progress.submission is not None:
            return self.outcome("submitted")
        self._conversation.start(
            {
                "role": self._spec.role,
                "model": self._model_name,
                "effort": self._choice.effort,
                "systemSha": sha(self._spec.system),
                "toolsSha": sha(self._tools),
                "pricesVersion": self._spec.budget.prices.version,
                "resumed": bool(self._conversation.messages),
            }
        )
        if not self._conversation.messages:
            self._conversation.say(self._spec.first_message, "task")
        while True:
            await self._control.safe_point()
            interruption = self._control.interruption()
            if interruption is not None:
                raise InterruptedByUser(interruption)
            ended = await self._step()
            if ended is not None:
                return ended

    def outcome(self, kind: OutcomeKind, detail: str = "", data: dict[str, Any] | None = None) -> Outcome:
        progress = self._conversation.progress
        waited = self._spec.budget.provider_wait_ms - self._wait_before
        facts = {**(self._limit() if kind == "budget_reached" else {}), **(data or {})}
        return Outcome(kind, progress.submission, detail, progress.usage, progress.turns, waited, facts)

    def _limit(self) -> dict[str, Any]:
        """Which limit ended the run, for those who ask whether to raise it."""
        refused = self._spec.budget.refusal()
        if self._conversation.progress.turns >= self._spec.max_turns or refused is None:
            return {"limit": "turns", "scope": "unit"}
        return {"limit": refused[0], "scope": "mission" if refused[1] else "unit"}

    # One step ---------------------------------------------------------------------------------------------------

    async def _step(self) -> Outcome | None:
        conversation = self._conversation
        if conversation.last_role == "assistant" and conversation.progress.last_stop != "pause_turn":
            # Only after a resume: the reply was stored, what follows from it was not.
            return self._without_submission("")
        if self._size() >= self._window * COMPACTION_SHARE and not await self._compact():
            self._ask_for_handoff_once()
        ended = self._admitted()
        if ended is not None:
            return ended
        self._observer.event("turn", {"turn": conversation.progress.turns + 1})
        body = self._body()
        try:
            turn, spent = await self._attempts.reply(body, sha(body["messages"]))
        except ProviderFault as fault:
            return await self._faulted(fault)
        return await self._act(turn, spent)

    def _admitted(self) -> Outcome | None:
        """Ends the run if the budget does not allow the next request; notes when it is the last one."""
        if self._last is not None:
            return None
        progress = self._conversation.progress
        verdict = self._spec.budget.judge(self._estimate())
        if verdict == "stop" or progress.turns >= self._spec.max_turns:
            return self.outcome("budget_reached", self._exhausted())
        if verdict == "last" or progress.turns == self._spec.max_turns - 1:
            if progress.turns == 0 and verdict == "last":
                return self.outcome("budget_reached", f"{self._exhausted()} It does not allow a single step.")
            self._last = ("budget_reached", self._exhausted())
            if self._spec.submit_tool is not None and "last" not in progress.said and progress.turns > 0:
                self._conversation.say(self._last_note(self._exhausted()), "last")
        return None

    async def _act(self, turn: Turn, spent: Usage) -> Outcome | None:
        reason = turn.stop_reason
        self._cuts = self._cuts + 1 if reason == "max_tokens" else 0
        self._pauses = self._pauses + 1 if reason == "pause_turn" else 0
        if reason == "refusal":
            return self._refused(turn, spent)
        known = (
            "tool_use",
            "end_turn",
            "stop_sequence",
            "max_tokens",
            "pause_turn",
            "model_context_window_exceeded",
            "compaction",
        )
        if reason not in known:
            self._conversation.assistant(turn, spent, keep=False)
            return self.outcome(
                "failed", f"The provider ended its reply in a way this version does not know ({reason})."
            )
        if reason == "compaction":
            self._conversation.compacted(turn.content, spent, self._task_again())
            return None
        acts = reason == "tool_use" and bool(turn.calls)
        self._conversation.assistant(turn, spent, sync=not (acts and self._dispatcher.begins_durably(turn)))
        if acts:
            return await self._tools_called(turn)
        if reason == "pause_turn" and turn.content and not turn.calls:
            return (
                self.outcome("failed", "The provider paused its turn too often.")
                if self._pauses > _PAUSES_IN_A_ROW
                else None
            )
        if reason == "max_tokens":
            return self._cut(turn)
        if reason == "model_context_window_exceeded":
            return await self._window_full(turn)
        if turn.calls:
            self._answer_unrun(turn, "Not run: the reply did not end with a tool call.")
            return None
        return self._without_submission(turn.text)

    async def _tools_called(self, turn: Turn) -> Outcome | None:
        progress = self._conversation.progress
        only = self._spec.submit_tool if self._last is not None else None
        refusal = "Not run: this was the last request of the run."
        if self._last is not None and only is None:
            self._dispatcher.refuse_all(turn, refusal)
            self._conversation.answer()
            return self.outcome(*self._last)
        state = await self._dispatcher.run(turn, only=only, refusal=refusal)
        if progress.submission is not None:
            self._conversation.answer()
            return self.outcome("submitted")
        if state.interruption is not None:
            self._conversation.answer()
            raise InterruptedByUser(state.interruption)
        if len(progress.rejected) >= self._spec.max_rejected_submissions:
            self._conversation.answer()
            return self.outcome("rejected", progress.rejected[-1], {"errors": progress.rejected[-1:]})
        if self._last is not None:
            self._conversation.answer()
            return self.outcome(*self._last)
        notes = self._notes(state.stop)
        self._conversation.answer(notes)
        for kind, text in notes:
            self._observer.event("note", {"kind": kind, "text": text})
        if state.stop is not None and self._last is None:
            return self.outcome("stuck", state.stop)
        return None

    def _notes(self, stuck: str | None) -> list[tuple[str, str]]:
        """What is said with the results: the user's notes, and each of the loop's at most once per context."""
        progress, spec = self._conversation.progress, self._spec
        notes = [("steering", f"The user says: {text}") for text in self._control.take_notes()]
        if spec.submit_tool is None:
            return notes
        if stuck is not None:
            self._last = ("stuck", stuck)
            return [*notes, ("last", self._last_note(f"The run makes no progress: {stuck}."))]
        judged = spec.budget.judge(self._estimate())
        if judged == "last" or progress.turns == spec.max_turns - 1:
            self._last = ("budget_reached", self._exhausted())
            return [*notes, ("last", self._last_note(self._exhausted()))]
        soft = spec.budget.nearly_spent() or (
            "the number of turns" if progress.turns >= spec.max_turns * 0.8 else None
        )
        if soft is not None and "soft" not in progress.said:
            notes.append(
                (
                    "soft",
                    f"80 % of {soft} is used. Finish the current step and call {spec.submit_tool} as it stands.",
                )
            )
        if self._size() >= self._window * CONTEXT_NOTE_SHARE and "context" not in progress.said:
            notes.append(
                (
                    "context",
                    f"This conversation fills its context. Finish the current step and call {spec.submit_tool} as it stands; what is left goes to a new run.",
                )
            )
        return notes

    # Ways to end or go on ---------------------------------------------------------------------------------------

    def _without_submission(self, text: str) -> Outcome | None:
        tool = self._spec.submit_tool
        if tool is None:
            return self.outcome("ended", text)
        if self._last is not None:
            return self.outcome(*self._last)
        if self._conversation.progress.reasks >= self._spec.max_reasks:
            return self.outcome(
                "no_submission", f"The model ended its turn {self._spec.max_reasks + 1} times without {tool}."
            )
        steering = "".join(f"\n\nThe user says: {note}" for note in self._control.take_notes())
        self._conversation.say(
            f"The run only ends by a call of {tool}. If the work is done, or cannot go on, call it now; otherwise continue.{steering}",
            "reask",
        )
        return None

    def _cut(self, turn: Turn) -> Outcome | None:
        limit = self._max_tokens
        if self._cuts >= _CUTS_IN_A_ROW:
            self._answer_unrun(turn, "Not run: the reply was cut.")
            return self.outcome(
                "failed", f"The model's replies were cut off at {limit} tokens {self._cuts} times in a row."
            )
        self._max_tokens = min(self._spec.max_output, self._spec.max_tokens * 2)
        if turn.calls:
            self._answer_unrun(
                turn,
                f"Nothing ran: the reply was cut off at {limit} tokens. Use smaller pieces: write a first part, then append by edits.",
            )
        else:
            self._conversation.say("Your reply was cut off by its length. Continue.", "continue")
        return self.outcome(*self._last) if self._last is not None else None

    async def _window_full(self, turn: Turn) -> Outcome | None:
        self._answer_unrun(turn, "Not run: the conversation has filled its context.")
        if self._conversation.last_role == "assistant":
            self._conversation.say("The conversation has filled its context.", "continue")
        return (
            None
            if await self._compact()
            else self.outcome("failed", "The conversation has filled the model's context.")
        )

    def _refused(self, turn: Turn, spent: Usage) -> Outcome | None:
        self._conversation.assistant(turn, spent, keep=False)
        details = turn.stop_details or {}
        category = str(details.get("category") or "unknown")
        fallback = self._fallback
        if fallback is None or self._conversation.progress.model is not None:
            return self.outcome(
                "refused", f"The model refuses this task (category: {category}).", {"category": category}
            )
        self._conversation.begin_anew(fallback.model, f"refusal: {category}")
        self._conversation.say(self._spec.first_message, "task")
        self._observer.event(
            "note", {"kind": "fallback", "text": f"The model refused; going on with {fallback.model}."}
        )
        return None

    async def _faulted(self, fault: ProviderFault) -> Outcome | None:
        if fault.kind == "too_long":
            done = await self._compact()
            return (
                None if done else self.outcome("failed", "The conversation has filled the model's context.")
            )
        if fault.kind == "thinking_prefix" and "thinking_dropped" not in self._conversation.progress.said:
            self._conversation.drop_thinking()
            return None
        if fault.kind == "out_of_funds":
            return self.outcome("provider_unavailable", sentence(fault), {"type": fault.type})
        return self.outcome(
            "failed",
            sentence(fault),
            {"status": fault.status, "type": fault.type, "requestId": fault.request_id},
        )

    async def _compact(self) -> bool:
        """Have the provider summarise the history; False if it cannot."""
        if not self._spec.beta_compaction or "no_compaction" in self._conversation.progress.said:
            return False
        body = {**self._body(), "compaction": {"type": "summarize"}}
        try:
            turn, spent = await self._attempts.reply(body, sha(body["messages"]))
        except ProviderFault as fault:
            self._conversation.note("no_compaction", f"{fault.label}: {fault.message}")
            return False
        summary = [
            block for block in turn.content if block.get("type") == "compaction" and block.get("content")
        ]
        if not summary:
            self._conversation.assistant(turn, spent, keep=False)
            self._conversation.note("no_compaction", "the provider gave no summary")
            return False
        self._conversation.compacted(summary, spent, self._task_again())
        self._observer.event(
            "note", {"kind": "compaction", "text": "The conversation so far was summarised."}
        )
        return True

    def _ask_for_handoff_once(self) -> None:
        tool = self._spec.submit_tool
        if tool is not None and "context_full" not in self._conversation.progress.said:
            self._conversation.say(
                f"This conversation has nearly filled its context. Call {tool} now, as the work stands.",
                "context_full",
            )

    def _answer_unrun(self, turn: Turn, text: str) -> None:
        if turn.calls:
            self._dispatcher.refuse_all(turn, text)
            self._conversation.answer()

    # What a request is made of ------------------------------------------------------------------------------------

    @property
    def _fallback(self) -> ModelChoice | None:
        spec = self._spec
        if spec.fallback is not None or spec.model.fallback is None:
            return spec.fallback
        return ModelChoice(model=spec.model.fallback, effort=spec.model.effort)

    @property
    def _choice(self) -> ModelChoice:
        fallback = self._fallback
        return (
            fallback
            if fallback is not None and self._conversation.progress.model is not None
            else self._spec.model
        )

    @property
    def _model_name(self) -> str:
        return self._conversation.progress.model or self._spec.model.model

    @property
    def _window(self) -> int:
        return self._spec.context_window or self._spec.budget.prices.row(self._model_name).contextWindow

    def _size(self) -> int:
        known = self._conversation.progress.last_usage is not None
        return self._conversation.tokens() + (0 if known else self._fixed_tokens)

    def _estimate(self) -> Estimate:
        last = self._conversation.progress.last_usage
        return Estimate(self._model_name, self._size(), self._max_tokens, last.cache_share if last else 0.0)

    def _body(self) -> dict[str, Any]:
        end = self._conversation.end()
        earlier = [one for one in self._conversation.ends if one != end][-2:]
        ends = [*earlier, end] if end is not None else earlier
        effort = self._choice.effort
        return {
            "model": self._model_name,
            "max_tokens": self._max_tokens,
            "system": self._system,
            "tools": self._tools,
            "messages": marked_messages(self._conversation.messages, ends),
            **({"output_config": {"effort": effort}} if effort is not None else {}),
        }

    def _task_again(self) -> list[Block]:
        first = self._spec.first_message
        blocks: list[Block] = [{"type": "text", "text": first}] if isinstance(first, str) else list(first)
        return [
            {
                "type": "text",
                "text": "The conversation so far was summarised above. The task once more, word for word:",
            },
            *blocks,
        ]

    def _exhausted(self) -> str:
        turns = self._conversation.progress.turns
        if turns >= self._spec.max_turns - 1:
            return f"The limit of {self._spec.max_turns} turns is reached."
        return f"{self._spec.budget.exhausted().capitalize()} of the run does not cover another request."

    def _last_note(self, why: str) -> str:
        return f"{why} This is the last request: call {self._spec.submit_tool} now, as the work stands, and say what is left undone. No other call will run."


def _described(tool: Any) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        **({"strict": True} if tool.strict else {}),
    }
