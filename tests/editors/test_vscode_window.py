"""A mission outlives whatever happens to the windows that show it, and every window tells the same."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from bench.make_store import make_store
from support.editors import CodeServer, World, browser_page, vsix
from support.vscode_mission import MissionsWindow, planned_demo, status_item

SLOW = {"MISSIONS_DEMO_PACE": "8"}
"""The mission must not come to its end while the windows come and go."""


TALK = 31
"""Questions of a talk that is longer than the chat shows at first; each has its answer."""
CONTRAST = (111, 195, 223)
"""The colour of frames in the editor's own dark high-contrast theme."""


def talk(world: World, mission: str) -> None:
    """A talk with the planner of a mission, before any window is open."""
    script = (
        "import asyncio, os, sys; from missions.control.caller import Caller; from missions.control.chat import Chat; "
        "from missions.control.control import Control; from missions.store.layout import Store; "
        "chat = Chat(Control(Store.default(), face='test').caller, sys.argv[1]); "
        "[asyncio.run(chat.send(f'Question {number}.')) for number in range(1, int(sys.argv[2]) + 1)]"
    )
    subprocess.run(
        [sys.executable, "-c", script, mission, str(TALK)],
        env=world.environment(MISSIONS_DEMO_PACE="0.0001"),
        check=True,
        timeout=120,
    )


def colour(text: str) -> tuple[int, ...]:
    """Red, green and blue of a computed colour."""
    return tuple(int(float(part)) for part in text.strip("rgba()").split(",")[:3])


def language_servers(world: World) -> list[psutil.Process]:
    return world.running("lsp")


@pytest.mark.timeout(600)
def test_a_mission_outlives_its_server_its_windows_and_its_editor_and_is_found_again_in_both_themes(
    world: World, code_server: CodeServer
) -> None:
    talk(world, planned_demo(world, world.workspace))
    code_server.install(vsix())
    with browser_page(world) as page:
        code_server.start(environment=SLOW)
        window = MissionsWindow(page)
        window.open(code_server.page_url())
        window.show()
        window.until_tree("Planned, 1 missions")

        # A long talk is shown from its end; what was said before comes when it is asked for.
        said = window.chat().locator(".entry.user")
        window.until(lambda: said.count() == 30, 30, "the end of the talk")
        older = window.chat().get_by_text("Show earlier messages")
        older.click()
        window.until(lambda: said.count() == TALK, 30, "the whole talk")
        assert "Question 1." in said.first.inner_text()
        assert not older.is_visible()

        window.run("Missions: Run Mission")
        window.dialog("Start")
        window.until_tree("Running, 1 missions")

        # Reloaded in mid-run.
        page.reload(wait_until="domcontentloaded")
        window.open(code_server.page_url())
        window.show()
        window.until_tree("Running, 1 missions")
        window.until(lambda: "running" in status_item(page), 30, "the mission in the status item")

        # The server dies: another one takes its place, and the view goes on.
        (killed,) = language_servers(world)
        killed.kill()
        window.until(
            lambda: [one for one in language_servers(world) if one.pid != killed.pid], 60, "a new server"
        )
        window.until_tree("Running, 1 missions")

        # A second window: what is done in it is seen in the first.
        other = MissionsWindow(page.context.new_page())
        other.open(code_server.page_url())
        other.show()
        other.until_tree("Running, 1 missions")
        other.run("Missions: Pause Mission Now")
        other.until_tree("Paused, 1 missions")
        window.until_tree("Paused, 1 missions")
        # So is a question that is asked in both: who answers first takes it from the other.
        asked = "Resume the mission?"
        window.say("resume")
        window.card(asked)
        other.answer_card(asked, "Yes")
        window.chat().locator(".card").wait_for(state="detached")
        other.until_tree("Running, 1 missions")

        # The whole editor dies under its windows.
        code_server.kill()

    with browser_page(world) as page:
        code_server.settings({"workbench.colorTheme": "Default Light Modern"})
        code_server.start(environment=SLOW)
        window = MissionsWindow(page)
        window.open(code_server.page_url())
        window.show()
        window.until_tree("Running, 1 missions")
        window.open_row("Make tally")
        window.until_tree("Feature F1, Most frequent words")
        page.wait_for_selector(".monaco-workbench.vs")
        ink = colour(window.chat().evaluate("getComputedStyle(document.body).color"))
        assert max(ink) < 128, "dark letters on a light ground"

        # High contrast: colours give way to frames.
        frame = "getComputedStyle(document.querySelector('.entry.user')).borderTopColor"
        window.settings({"workbench.colorTheme": "Default High Contrast"})
        page.wait_for_selector(".monaco-workbench.hc-black")
        window.until(
            lambda: colour(window.chat().evaluate(frame)) == CONTRAST, 30, "a frame around what was said"
        )
        assert colour(window.chat().evaluate("getComputedStyle(document.body).color")) == (255, 255, 255)
        window.run("Missions: Pause Mission Now")
        window.until_tree("Paused, 1 missions")
    code_server.stop()
    world.assert_nothing_left()


def test_many_missions_that_wait_are_one_message_and_not_one_each(
    world: World, code_server: CodeServer
) -> None:
    make_store(world.store, 40)
    code_server.install(vsix())
    with browser_page(world) as page:
        code_server.start()
        window = MissionsWindow(page)
        window.open(code_server.page_url())
        window.toast("5 missions wait for you.", "Open Mission Control")
        window.until_tree("Blocked / Failed, 10 missions")
        assert [text for text in window.notifications() if "is blocked" in text] == []
