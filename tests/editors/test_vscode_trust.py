"""A window of two folders that nobody trusts, and words that would do harm if they acted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from missions.simulator import Simulator
from missions.simulator.playbook import Playbook
from support.editors import CodeServer, World, browser_page, vsix
from support.vscode_mission import MissionsWindow, planned_demo

HOSTILE = "Ship [it](command:workbench.action.quit) $(flame) <b>now</b> ![x](https://evil.example/x.png) `code` **bold**"
PLANNER_SAYS = """\
Hostile words follow.

<img src="x" onerror="document.title='pwned'"><script>document.title = "pwned"</script>

![pixel](https://evil.example/pixel.png) [press me](command:workbench.action.quit) [or me](javascript:alert(1))

<https://example.com/fine>
"""
GUIDANCE = "Kind of mission: migration"
"""What a planner is told with that template."""
SERVER = """\
#!/bin/sh
echo started >> '{mark}'
exec '{program}' lsp
"""


@pytest.fixture
def model(tmp_path: Path) -> Generator[Simulator]:
    """A planner whose words are hostile."""
    rules = [{"name": "hostile", "when": {"role": "planner"}, "reply": {"text": PLANNER_SAYS}}]
    file = tmp_path / "playbook.json"
    file.write_text(json.dumps({"title": "Hostile", "rules": rules}), encoding="utf-8")
    simulator = Simulator(Playbook.load(file))
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()


def two_folders(world: World) -> Path:
    """The file of a workspace that brings a program of its own along as the language server."""
    program = world.home / "server"
    program.write_text(
        SERVER.format(mark=world.home / "started", program=Path(sys.executable).parent / "missions"),
        encoding="utf-8",
    )
    program.chmod(0o755)
    file = world.home / "two.code-workspace"
    folders = [{"path": str(world.workspace / name)} for name in ("first", "second")]
    settings = {"missions.server.command": [str(program)]}
    file.write_text(json.dumps({"folders": folders, "settings": settings}), encoding="utf-8")
    return file


def missions_of(world: World) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "missions", "list", "--json"]
    done = subprocess.run(
        command, env=world.environment(), check=True, timeout=60, capture_output=True, text=True
    )
    return json.loads(done.stdout)["missions"]


@pytest.mark.timeout(600)
def test_a_window_that_is_not_trusted_only_shows_and_hostile_words_stay_words(
    world: World, code_server: CodeServer, model: Simulator
) -> None:
    for name in ("first", "second"):
        planned_demo(world, world.workspace / name, HOSTILE if name == "second" else None)
    workspace = two_folders(world)
    code_server.settings(
        {"security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never"}
    )
    code_server.install(vsix())
    with browser_page(world) as page:
        asked_for: list[str] = []
        page.on("request", lambda request: asked_for.append(request.url))
        code_server.start(
            trust=False, environment={"MISSIONS_BASE_URL": model.base_url, "ANTHROPIC_API_KEY": ""}
        )
        window = MissionsWindow(page)
        window.open(f"{code_server.url}/?workspace={workspace}")
        window.show()

        # Restricted: the user's own server shows what there is, the workspace's program is not started.
        window.until_tree("Planned, 2 missions")
        offered = window.palette("Missions: R")
        assert not [label for label in offered if label.startswith(("Missions: Run", "Missions: Resume"))]
        page.keyboard.press("Escape")
        assert "restricted mode" in window.chat().locator(".unavailable").inner_text()
        assert not (world.home / "started").exists()

        # Trusted: the workspace's settings count, and missions can be run.
        window.run("Workspaces: Manage Workspace Trust")
        page.locator(".workspace-trust-editor").get_by_role("button", name="Trust", exact=True).click()
        window.until((world.home / "started").exists, 60, "the workspace's server")
        window.until_tree("Planned, 2 missions")
        assert window.palette("Missions: Run Mission")
        page.keyboard.press("Escape")

        # A title from a plan is shown letter by letter.
        window.row("Ship [it]").hover()
        hover = page.locator(".workbench-hover:has-text('evil.example')")
        hover.wait_for()
        assert HOSTILE.split(" ![")[0] in hover.inner_text()
        assert hover.locator("img, a, b:has-text('now')").count() == 0
        page.mouse.move(700, 5)

        # A new mission asks which folder it is for, and what the planner says cannot act.
        window.run("Missions: Plan a Mission")
        window.pick("second")
        window.say("Say something hostile.")

        # Without a key nothing is said, and the way to one stands in the chat.
        window.answer_card("The planner needs an API key.", "Set API Key…")
        page.locator(".quick-input-widget input[type=password]").fill("sk-ant-no-key-for-a-simulator")
        page.keyboard.press("Enter")
        expect(page.locator(".part.statusbar")).to_contain_text("API key stored", timeout=20_000)
        window.say("Say something hostile.")
        window.answered("Hostile words follow.")
        chat = window.chat()
        entry = chat.locator(".entry.assistant")
        assert entry.locator("img, script").count() == 0
        links = entry.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        # The image is a link that is not followed by itself; commands and scripts are the text they are.
        assert links == ["https://evil.example/pixel.png", "https://example.com/fine"]
        assert "[press me](command:workbench.action.quit)" in entry.inner_text()
        assert chat.evaluate("document.title") == "Missions chat"
        newest = max(missions_of(world), key=lambda one: one["createdAt"])
        assert newest["cwd"] == str(world.workspace / "second")
        assert not [url for url in asked_for if "evil.example" in url]

        # A kind of mission that the planner is told about beforehand.
        window.run("Missions: New Mission…")
        window.pick("Migration")
        window.pick("first")
        window.until(lambda: len(missions_of(world)) == 4, 30, "the mission of the template")
        window.until(lambda: chat.locator(".entry").count() == 0, 30, "its chat")
        window.say("From unittest to pytest.")
        window.answered("Hostile words follow.")
        assert GUIDANCE in json.dumps(model.requests[-1])
    code_server.stop()
    world.assert_nothing_left()
