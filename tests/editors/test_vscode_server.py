"""The server that the extension needs: missing, of another version, broken by settings. The way out is always on the screen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from support.editors import CodeServer, World, browser_page, vsix
from support.vscode_mission import MissionsWindow

EMPTY_VIEW = "Try the Demo Mission"
"""What the view shows when there is a server and no mission."""
WELCOME = ".part.sidebar .welcome-view"


def programs_without_python(folder: Path) -> Path:
    """A folder with every program of the machine but Python."""
    folder.mkdir()
    for place in (Path("/usr/bin"), Path("/bin")):
        for program in place.iterdir():
            if not program.name.startswith(("python", "missions")) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return folder


def put(program: Path, target: Path) -> None:
    """Put a program where the PATH leads, in one step: the extension looks at any time."""
    fresh = program.with_name("fresh")
    fresh.symlink_to(target)
    fresh.rename(program)


def models(window: MissionsWindow) -> list[str]:
    """The models that a role can be given; those of the settings are among them."""
    window.run("Missions: Choose Models…")
    window.pick("Worker")
    rows = window.page.locator(".quick-input-widget .monaco-list-row")
    rows.filter(has_text="claude-").first.wait_for()
    found = rows.all_inner_texts()
    window.page.keyboard.press("Escape")
    return [" ".join(text.split()) for text in found]


class Tour:
    """The extension's walkthrough, opened from the palette."""

    def __init__(self, window: MissionsWindow) -> None:
        self._steps = window.page.locator(".gettingStartedContainer .getting-started-step")
        window.run("Missions: Get Started")

    def press(self, title: str, button: str) -> None:
        """Unfold a step, if it is not yet, and press the button in it."""
        step = self._step(title)
        if "expanded" not in (step.get_attribute("class") or ""):
            step.click()
        step.get_by_role("button", name=button, exact=True).click()

    def done(self, title: str) -> None:
        """Wait until a step is ticked off."""
        expect(self._step(title).get_by_role("checkbox")).to_be_checked(timeout=30_000)

    def _step(self, title: str) -> Locator:
        return self._steps.filter(has=self._steps.page.get_by_role("heading", name=title, exact=True))


@pytest.mark.timeout(600)
def test_a_missing_server_is_explained_and_installed_and_the_tour_leads_through_it_all(
    world: World, code_server: CodeServer
) -> None:
    tools = programs_without_python(world.home / "tools")
    code_server.install(vsix())
    with browser_page(world) as page:
        scratch = world.home / "tmp"
        scratch.mkdir()
        code_server.start(
            environment={"PATH": str(tools), "MISSIONS_DEMO_PACE": "0.1", "TMPDIR": str(scratch)}
        )
        window = MissionsWindow(page)
        window.open(code_server.page_url())
        window.show()
        page.get_by_text("The Missions server is not installed.").wait_for()
        page.get_by_role("button", name="Install It").click()
        window.toast("No Python 3.11 or later was found.")
        put(tools / "python3", Path(sys.base_prefix) / "bin/python3")

        # The tour leads to the same, and on: each step does what it says and is ticked off.
        tour = Tour(window)
        tour.press("Have the server ready", "Install the Server")
        page.locator(WELCOME).get_by_text(EMPTY_VIEW).wait_for(timeout=200_000)
        assert list(world.home.rglob("server/bin/missions"))
        tour.done("Have the server ready")

        # The server from the extension is a whole one: the demonstration runs to its end, in a repository of its own.
        tour.press("Watch a demo mission", EMPTY_VIEW)
        assert "simulated" in window.toast("The demo mission works in a small repository of its own")
        tour.done("Watch a demo mission")
        tour.press("Set your API key", "Set API Key")
        page.locator(".quick-input-widget input[type=password]").wait_for()
        page.keyboard.press("Escape")
        tour.done("Set your API key")
        tour.press("Plan a mission", "Plan a Mission")
        window.until(
            lambda: window.chat().locator("vscode-textarea:focus").count(), 30, "the cursor in the chat"
        )
        tour.done("Plan a mission")
        window.until_tree("Completed, 1 missions", 150)
        tour.press("Stay in charge", "Open Mission Control")
        assert "Make tally say more" in window.frame_with("h1:has-text('Mission Control')").inner_text("body")
    code_server.stop()
    world.assert_nothing_left()


OTHER_SERVER = """\
#!{python}
import sys
from missions.lsp import protocol
protocol.VERSION = 999
from missions.lsp.server import main
sys.exit(main([]))
"""


@pytest.mark.timeout(600)
def test_servers_that_come_do_not_fit_or_do_not_start_are_told_and_the_ways_out_work(
    world: World, code_server: CodeServer
) -> None:
    tools = world.home / "tools"
    tools.mkdir()
    other = world.home / "other"
    other.write_text(OTHER_SERVER.format(python=sys.executable), encoding="utf-8")
    other.chmod(0o755)
    code_server.install(vsix())
    with browser_page(world) as page:
        code_server.start(environment={"PATH": f"{tools}:/usr/bin:/bin"})
        window = MissionsWindow(page)
        window.open(code_server.page_url())
        window.show()
        page.get_by_text("The Missions server is not installed.").wait_for()

        # It is found without being told; it speaks another protocol and is not used.
        put(tools / "missions", other)
        page.get_by_text("does not fit this version of the extension").wait_for(timeout=60_000)
        assert page.get_by_role("button", name="Install the Fitting Server").is_visible()
        put(tools / "missions", Path(sys.executable).parent / "missions")
        page.get_by_role("button", name="Try Again").click()
        page.get_by_text(EMPTY_VIEW).wait_for(timeout=60_000)

        # A program that is not there is told, and the mended setting is taken over at once.
        code_server.machine_settings({"missions.server.command": ["/nowhere/missions", "lsp"]})
        page.get_by_text("The Missions server is not running.").wait_for()
        assert page.get_by_role("button", name="Show the Log").is_visible()
        code_server.machine_settings({})
        page.get_by_text(EMPTY_VIEW).wait_for(timeout=60_000)

        # A value that cannot be used is told by its name.
        window.settings({"missions.budget.usd": "much", "missions.models.worker.model": "mine"})
        window.toast("The setting missions.budget.usd is not used")

        # What a server has started with is forgotten, too, when the user takes it away.
        window.run("Missions: Restart Language Server")
        window.until(lambda: "mine" in models(window), 60, "the user's model")
        window.settings({})
        window.until(lambda: "mine" not in models(window), 60, "the models without the user's")

        # The tour of somebody who has a server already begins with that step ticked off.
        Tour(window).done("Have the server ready")
    code_server.stop()
    world.assert_nothing_left()
