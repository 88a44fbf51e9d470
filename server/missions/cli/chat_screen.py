"""The chat on a terminal: a line editor with history, answers as streaming markdown, questions that wait for a yes.

Everything that is said goes through ``control/chat.py``, everything that is done through the command line's own commands. The history of
the line editor is the conversation itself: nothing is written here. Words of models are shown without anything that could
deceive a terminal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import History
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.keys import Keys
from rich.console import Console

from missions.cli import slash
from missions.cli.answering import ask
from missions.cli.markdown_stream import MarkdownStream
from missions.cli.output import fail, say, tell
from missions.model.errors import MissionError
from missions.model.plain_text import many_lines, one_line

if TYPE_CHECKING:
    from missions.control.chat import Answer, Entry
    from missions.control.control import Control
    from missions.model.mission import Decision, Mission

_RECALLED = 6
"""Messages of an earlier sitting that are shown at the beginning."""
_LONGEST = 400
_LOOK_EVERY = 1.0
"""Seconds between two looks at the mission for the line below the prompt."""


class Screen:
    """The chat of one mission."""

    def __init__(self, operations: Control, mission_id: str) -> None:
        from missions.control.chat import Chat

        self._operations = operations
        self._mission_id = mission_id
        self._chat = Chat(operations.caller, mission_id)
        self._console = Console(highlight=False)
        self._looked = 0.0
        self._known: Mission | None = None
        self._session: PromptSession[str] = PromptSession(
            history=_Said(self._chat.history),
            completer=_Completer(self._mission),
            complete_while_typing=False,
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation="  ",
        )

    def run(self, first: str = "") -> int:
        """Talk until the user leaves."""
        mission = self._operations.mission(self._mission_id)
        say(f"{one_line(mission.title, 100)}  ({mission.id}, {mission.status})")
        say(
            "Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer, Ctrl-D leaves, /help lists commands."
        )
        self._recall()
        if first.strip():
            say(f"> {one_line(first, _LONGEST)}")
            self._say(first)
        while True:
            try:
                line = self._session.prompt(HTML("<b>&gt;</b> "), bottom_toolbar=self._toolbar).strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return 0
            if line.startswith("/"):
                if self._command(line):
                    return 0
            elif line:
                self._say(line)

    def _recall(self) -> None:
        for entry in self._chat.history(_RECALLED):
            mark = "> " if entry.role == "user" else "  "
            say(mark + one_line(entry.text, _LONGEST))
        mission = self._mission()
        if mission is not None and mission.decisions:
            say(f"{_questions(mission)} for you: /show decisions, then /decide.")
        if self._chat.unanswered():
            say("The last answer was cut off: /continue finishes it.")

    def _mission(self) -> Mission | None:
        try:
            return self._operations.mission(self._mission_id)
        except MissionError:
            return None

    def _toolbar(self) -> str:
        # Drawn with every key; the mission is read now and then.
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked, self._known = now, self._mission()
        mission = self._known
        if mission is None:
            return " the mission cannot be read "
        asks = f", {_questions(mission)}" if mission.decisions else ""
        return f" {one_line(mission.title, 50)}: {mission.status}{asks} "

    # What is said

    def _say(self, text: str | None) -> None:
        before = self._version()
        try:
            with MarkdownStream(self._console) as view:
                answer = ask(self._operations.caller, self._mission_id, text, view, _typed_ahead)
            now = self._version()
            if now > before:
                say(f'(plan version {now} is saved: /show plan, /show history, /preflight; /comment ID "…")')
            self._ended(answer)
        except MissionError as error:
            fail(error, False)

    def _version(self) -> int:
        mission = self._mission()
        return mission.plan.version if mission else 0

    def _ended(self, answer: Answer) -> None:
        self._looked = 0.0
        if answer.outcome in ("cancelled", "paused"):
            say("(stopped; /continue finishes the answer)")
        elif answer.outcome != "ended":
            tell(f"The answer was not finished: {one_line(answer.detail or answer.outcome, 500)}")
            tell("  /continue tries again.")
        for name in answer.asked:
            mission = self._mission()
            decision = mission.decision(name) if mission else None
            if decision is not None:
                self._ask(decision)

    def _ask(self, decision: Decision) -> None:
        """Put a question that the conversation asked before the user; silence leaves it open."""
        say()
        say(f"? {one_line(decision.question, 500)}")
        for line in many_lines(decision.context, 4000).splitlines():
            say(f"  {line}")
        try:
            typed = PromptSession[str]().prompt("  Your answer, y or n (anything else leaves it open): ")
        except (KeyboardInterrupt, EOFError):
            typed = ""
        chosen = {"y": "yes", "yes": "yes", "n": "no", "no": "no"}.get(typed.strip().lower())
        if chosen is None:
            say(f"  It stays open: /decide {decision.id} yes (or no).")
            return
        reply = self._operations.decide(self._mission_id, chosen, decision.id).checked()
        value = reply.value or {}
        if value.get("resumed"):
            say("  Done; it goes on in the background. /watch follows it.")
        elif "problem" in value:
            problem = value["problem"]
            say(
                f"  Answered, but it does not go on: {one_line(problem['message'], 300)} {problem['nextStep']}"
            )
        else:
            say("  Answered.")

    # What is typed after a slash

    def _command(self, line: str) -> bool:
        """Carry out a line after a slash; whether the user leaves."""
        from missions.cli.app import main

        try:
            meant = slash.read(line, self._mission_id)
        except MissionError as error:
            fail(error, False)
            return False
        if meant.name in slash.LEAVE:
            return True
        if meant.name == "help":
            say("\n".join(slash.help_lines()))
        elif meant.name == "continue":
            self._continue()
        elif meant.name == "history":
            for entry in self._chat.history():
                self._console.print(f"{entry.role}:", style="bold", markup=False)
                self._console.print(many_lines(entry.text, 20_000), markup=False)
        else:
            main(meant.arguments)
        return False

    def _continue(self) -> None:
        if self._chat.unanswered():
            self._say(None)
        else:
            say("Nothing was cut off.")


def _questions(mission: Mission) -> str:
    return "1 question waits" if len(mission.decisions) == 1 else f"{len(mission.decisions)} questions wait"


def _keys() -> KeyBindings:
    keys = KeyBindings()

    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    keys.add("enter")(send)
    keys.add("escape", "enter")(new_line)
    return keys


@contextmanager
def _typed_ahead(stop: Callable[[], object]) -> Generator[None]:
    """While an answer is written: keys are not shown but kept for the next prompt; Ctrl-C stops the answer."""
    keyboard, kept = create_input(), list[KeyPress]()

    def pressed() -> None:
        for key in keyboard.read_keys():
            if key.key == Keys.ControlC:
                stop()
            else:
                kept.append(key)

    with keyboard.raw_mode(), keyboard.attach(pressed):
        yield
    store_typeahead(keyboard, kept)


class _Said(History):
    """The line editor's history: what the user said in this chat, from its transcript, and what was typed since."""

    def __init__(self, entries: Callable[[], list[Entry]]) -> None:
        super().__init__()
        self._entries = entries

    def load_history_strings(self) -> Iterable[str]:
        return [entry.text for entry in reversed(self._entries()) if entry.role == "user"]

    def store_string(self, string: str) -> None:
        """What is said becomes part of the transcript; other lines last as long as the chat is open."""


class _Completer(Completer):
    """Completes what stands after a slash."""

    def __init__(self, mission: Callable[[], Mission | None]) -> None:
        self._mission = mission

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        last = line if " " not in line else line.rpartition(" ")[2]
        for word, meaning in slash.completions(line, self._mission()):
            yield Completion(word, -len(last), display_meta=one_line(meaning, 60))

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        # Reading the mission touches files.
        for completion in await asyncio.to_thread(
            lambda: list(self.get_completions(document, complete_event))
        ):
            yield completion
