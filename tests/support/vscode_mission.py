"""The demonstration as a mission that is planned in a chat and needs its user, and VS Code's window as its user sees it.

Repository, commits, tests and the defect are the demonstration's and real. Its playbook is changed so that the planner
talks before it saves, the orchestrator leaves the failed validation to the user, and one feature waits for a decision.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Frame, Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from missions.simulator import Simulator
from missions.simulator.demo import PLAYBOOK_FILE, demo_plan, make_repository
from missions.simulator.listener import Answer, Request, Stream
from missions.simulator.playbook import Playbook
from missions.simulator.scripts import recovery_rule, worker_rule
from support.editors import Workbench, World
from support.waiting import until

GOAL = "Let tally say more about a text: frequent words, sentences, reading time. And a command line people like to use."
ASKS = "Before I plan, two things:"
AGREED = "Whole minutes, and --json from the start. Save the plan."
QUESTION = "Shall --json print one object or one object for each line?"
ANSWER = "One object"
START = "Start it."
AGAIN = "Ask me once more."
STATUS = '.part.statusbar [id="missions.missions.missions.status"]'
"""The status item."""
REPAIR = "repair-M1-D1"
"""Id of the feature that the quick fix adds."""

_DRAFT = (
    """\
I have read the repository: `tally.counting` counts lines and words, with tests. """
    + ASKS
    + """

1. Is the **reading time** in whole minutes, so that a started minute counts?
2. Do scripts need the result as *JSON*?

This is what I have in mind:

| Milestone | Features |
|---|---|
| M1 Measures one can trust | frequent words, reading time, sentences |
| M2 A command people like to use | one report, `--json`, clear mistakes |

```console
$ python3 -m tally letter.txt
lines      9
words     84
sentences  6
```
"""
)
_SAVED = """\
Saved. Six features in two milestones, seven assertions; **nothing runs yet**. Start it when you agree with the plan.
"""


def playbook(folder: Path) -> Playbook:
    """Answers for every role; ``folder`` is where the playbook and the files that it names are put."""
    demo = json.loads(PLAYBOOK_FILE.read_text(encoding="utf-8"))
    rules: list[dict[str, Any]] = [rule for rule in demo["rules"] if rule["when"]["role"] != "orchestrator"]
    repair = copy.deepcopy(next(rule for rule in rules if rule["when"].get("task") == "F3-repair"))
    text = json.dumps(repair).replace("F3-repair", REPAIR)
    options = [
        {"id": "one", "label": ANSWER, "consequence": "Scripts read the whole output at once."},
        {"id": "lines", "label": "One for each line", "consequence": "Scripts read line by line."},
    ]
    f5 = {"id": "F5", "title": "JSON for scripts"}
    rules[:0] = [
        {
            "name": "planner saves",
            "when": {"role": "planner", "text": "Save the plan", "step": 0},
            "reply": {
                "thinking": "Both questions are answered; the contract has an assertion for each feature.",
                "text": "Then I save it.",
                "tools": [{"name": "mission_write_plan", "input": {"plan": demo_plan()}}],
            },
        },
        {
            "name": "planner is done",
            "when": {"role": "planner", "text": "Save the plan", "step": 1},
            "reply": {"text": _SAVED},
        },
        {
            "name": "planner asks whether to start",
            "when": {"role": "planner", "text": f"{re.escape(START)}|{re.escape(AGAIN)}", "step": 0},
            "reply": {"tools": [{"name": "mission_start_execution", "input": {}}]},
        },
        {
            "name": "planner leaves it to the user",
            "when": {"role": "planner", "text": f"{re.escape(START)}|{re.escape(AGAIN)}", "step": 1},
            "reply": {"text": "It starts when you say yes."},
        },
        {"name": "planner asks", "when": {"role": "planner"}, "reply": {"text": _DRAFT}},
        json.loads(text),
        worker_rule(f5, lie="blocked", when={"attempt": 1}),
        recovery_rule("leave-blocked", when={"first": "-validator-M1"}),
        recovery_rule("resume", when={"first": rf"\b{ANSWER}\b"}),
        recovery_rule(
            "ask-user", question=QUESTION, options=options, reason="Only the user knows what scripts expect."
        ),
    ]
    shutil.copytree(PLAYBOOK_FILE.parent / "edits", folder / "edits")
    changed = folder / "playbook.json"
    changed.write_text(json.dumps({**demo, "rules": rules}), encoding="utf-8")
    return Playbook.load(changed)


class HeldModel(Simulator):
    """The simulated service, which can be held: requests then wait for their answer, so that a unit stays at work."""

    def __init__(self, playbook: Playbook) -> None:
        super().__init__(playbook, pace=0.3)
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def _answer(self, request: Request) -> Answer | Stream:
        self._go.wait()
        return super()._answer(request)


def planned_demo(world: World, repository: Path, title: str | None = None) -> str:
    """Make the demonstration's repository and save its plan as a mission of it, not yet started; returns the mission's id."""
    if repository.exists():
        repository.rmdir()
    make_repository(repository)
    plan = demo_plan() | ({} if title is None else {"title": title})
    script = (
        "import json, sys; from pathlib import Path; from missions.control.control import Control; "
        "from missions.store.layout import Store; store = Store.default(); store.ensure(); "
        "control = Control(store, face='test'); "
        "print(control.new_from_plan(json.load(sys.stdin), Path(sys.argv[1]), demo=True).mission)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(repository)],
        input=json.dumps(plan),
        env=world.environment(),
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


class MissionsWindow(Workbench):
    """VS Code's window with the extension: its views, its chat, its questions."""

    def show(self) -> None:
        """Bring the Missions views to the front."""
        tab = self.page.locator('.part.activitybar [aria-label^="Missions"]').first
        tab.wait_for(timeout=60_000)
        if self.page.locator('.part.sidebar .title-label:has-text("Missions")').count() == 0:
            tab.click()
        self.page.locator('.part.sidebar .title-label:has-text("Missions")').first.wait_for()

    def run(self, title: str) -> None:
        """Run the palette's command whose label begins so; the palette's first proposal may be another one."""
        self.palette(title)
        self.page.locator(f'.quick-input-widget .monaco-list-row[aria-label^="{title}"]').first.click()

    def until(self, condition: Callable[[], object], deadline: float, what: str) -> Any:
        """Wait while the page goes on: Playwright hands over what happened only while it is being waited in."""

        def look() -> object:
            self.page.wait_for_timeout(50)
            return condition()

        return until(look, deadline, what)

    def until_tree(self, text: str, deadline: float = 60.0) -> str:
        """Wait for a row of the tree whose label has this text; returns the label."""

        def look() -> str:
            return next((label for label in self.tree() if text in label), "")

        return self.until(look, deadline, f"{text!r} in the tree, which shows {self.tree()}")

    def open_row(self, text: str) -> None:
        """Unfold a row of the tree."""
        row = self.row(text)
        if row.get_attribute("aria-expanded") != "true":
            row.locator(".monaco-tl-twistie").click()

    def row(self, text: str) -> Any:
        return self.page.locator(f'.part.sidebar .monaco-list-row[aria-label*="{text}"]').first

    def frame_with(self, selector: str, deadline: float = 60.0) -> Frame:
        """The frame of a page inside the window (the chat, a rendered document) that has this element."""

        def look() -> Frame | None:
            for frame in self.page.frames[1:]:
                try:
                    if frame.locator(selector).count() > 0:
                        return frame
                except PlaywrightError:
                    # It went away while it was looked at, so it is not the one.
                    continue
            return None

        return self.until(look, deadline, f"a frame with {selector}")

    def chat(self) -> Frame:
        return self.frame_with(".composer")

    def say(self, text: str) -> None:
        """Write into the chat and send it with the keyboard."""
        box = self.chat().locator(".composer textarea")
        box.fill(text)
        box.press("Enter")

    def answered(self, text: str, deadline: float = 60.0) -> None:
        """Wait until the chat shows this and nothing more is being written."""
        entries = self.chat().locator(".entry")
        self.until(
            lambda: any(text in one for one in entries.all_inner_texts()), deadline, f"{text!r} in the chat"
        )
        self.until(lambda: not self.chat().locator(".busy").is_visible(), deadline, "the end of the answer")

    def card(self, text: str) -> Locator:
        """Wait for the question with this text that stands as a card in the chat."""
        found = self.chat().locator(".card").filter(has_text=text)
        found.wait_for()
        return found

    def answer_card(self, text: str, button: str) -> None:
        """Press a button of a card, which goes away when its question is answered."""
        found = self.card(text)
        found.locator("vscode-button").get_by_text(button, exact=True).click()
        found.wait_for(state="detached")

    def menu(self) -> list[str]:
        """Open the menu of the status item; what it offers."""
        self.page.locator(STATUS).click()
        rows = ".quick-input-widget:visible .monaco-list-row"
        self.page.locator(rows).first.wait_for()
        return self._labels(rows)

    def dialog(self, button: str) -> str:
        """Answer the question that stands in the middle of the window; returns its text."""
        box = self.page.locator(".monaco-dialog-box")
        box.wait_for()
        text = box.inner_text()
        box.get_by_role("button", name=button, exact=True).click()
        box.wait_for(state="detached")
        return text

    def toast(self, text: str, button: str | None = None, deadline: float = 60.0) -> str:
        """Wait for a notification with this text; press one of its buttons."""
        found = self.page.locator(".notifications-toasts .notification-list-item").filter(has_text=text).first
        found.wait_for(timeout=deadline * 1000)
        words = found.inner_text()
        if button is not None:
            found.get_by_role("button", name=button, exact=True).click()
        return words

    def pick(self, text: str) -> None:
        """Choose from the list that is open."""
        row = self.page.locator(f'.quick-input-widget .monaco-list-row[aria-label*="{text}"]').first
        row.wait_for()
        row.click()

    def quick_fix(self, text: str) -> None:
        """Apply a quick fix at the cursor."""
        row = self.page.locator(f".action-widget .monaco-list-row:has-text('{text}')")

        def offered() -> bool:
            # The key does nothing while the editor is still taking the focus.
            self.page.keyboard.press("Control+.")
            try:
                row.wait_for(timeout=5_000)
            except PlaywrightTimeout:
                return False
            return True

        self.until(offered, 60, f"the quick fix {text!r}")
        row.click()

    def widen(self, width: int) -> None:
        """Give the side bar this width."""
        edge = self.page.locator(".part.sidebar").bounding_box()
        assert edge is not None
        x, y = edge["x"] + edge["width"] + 1, edge["y"] + edge["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(edge["x"] + width, y, steps=4)
        self.page.mouse.up()

    def quiet(self) -> None:
        """Put toasts and hovers away."""
        height = self.page.viewport_size["height"] if self.page.viewport_size else 800
        # Over the middle of the status bar, where nothing answers to it.
        self.page.mouse.move(700, height - 12)
        self.run("Notifications: Clear All Notifications")
        self.page.locator(".quick-input-widget").wait_for(state="hidden")
        self.until(lambda: not self.notifications(), 10, "the end of the notifications")

    def picture(self, name: str) -> None:
        """Keep what the window shows as a picture for the docs, if they are being made."""
        folder = os.environ.get("MISSIONS_PICTURES")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png")


def status_item(page: Page) -> str:
    """The text of the status item."""
    return re.sub(r"\s+", " ", page.locator(STATUS).inner_text()).strip()
