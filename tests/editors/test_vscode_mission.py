"""A whole mission in the real VS Code: real extension, real server, real repository; only the model's words are simulated."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from missions.simulator.demo import make_repository
from support.editors import CodeServer, World, browser_page, vsix
from support.vscode_mission import (
    AGAIN,
    AGREED,
    ANSWER,
    ASKS,
    GOAL,
    QUESTION,
    REPAIR,
    START,
    HeldModel,
    MissionsWindow,
    playbook,
    status_item,
)

A_SCRIPT = """(() => {
  const script = document.createElement("script");
  script.textContent = "document.title = 'ran'";
  document.body.append(script);
  return document.title;
})()"""
"""What a page would do that an answer has brought a script into."""
KEY = "sk-ant-test-0123456789"


@pytest.fixture
def model(tmp_path: Path) -> Generator[HeldModel]:
    """The service that the mission's models are at."""
    simulator = HeldModel(playbook(tmp_path))
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.release()
        simulator.stop()


@pytest.fixture
def repository(world: World) -> Path:
    world.workspace.rmdir()
    return make_repository(world.workspace)


@pytest.mark.timeout(600)
def test_a_mission_from_the_first_word_to_the_last_in_pictures(
    world: World, code_server: CodeServer, repository: Path, model: HeldModel
) -> None:
    code_server.install(vsix())
    with browser_page(world, 1360, 850) as page:
        code_server.start(environment={"MISSIONS_BASE_URL": model.base_url})
        window = MissionsWindow(page)
        window.open(code_server.page_url())
        window.show()
        page.get_by_text("Try the Demo Mission").wait_for()
        window.widen(430)

        # The key goes into the secret storage, and from there to every process that needs it.
        window.run("Missions: Set API Key")
        page.locator(".quick-input-widget input[type=password]").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".part.statusbar")).to_contain_text("API key stored", timeout=20_000)

        # Planning in the chat.
        window.open_file("counting.py")
        window.run("Missions: Plan a Mission")
        window.say(GOAL)
        window.answered(ASKS)
        assert window.chat().locator(".entry table th").all_inner_texts() == ["Milestone", "Features"]
        assert window.chat().locator(".entry pre").count() == 1
        # For those who hear it: a conversation, a field with a name, and the whole answer told once it is there.
        heard = window.chat()
        assert heard.get_by_role("log", name="Conversation").count() == 1
        assert heard.get_by_role("textbox", name="Message").count() == 1
        assert ASKS in heard.get_by_role("status").inner_text()
        heard.get_by_role("textbox", name="Message").focus()
        page.keyboard.press("Tab")
        focused = "document.activeElement.textContent"
        window.until(lambda: heard.evaluate(focused) == "Send", 10, "the focus on the button after the field")
        # Nothing runs in it that did not come with the extension.
        assert heard.evaluate(A_SCRIPT) == "Missions chat"
        window.page.locator('.part.sidebar .pane-header[aria-label*="Mission Control"]').click()
        window.quiet()
        window.open_file("counting.py")
        window.picture("vscode-chat")
        window.page.locator('.part.sidebar .pane-header[aria-label*="Mission Control"]').click()
        window.say(AGREED)
        window.answered("nothing runs yet")
        window.until_tree("Planned, 1 missions")
        expect(window.chat().locator(".head .title")).to_have_text("Make tally say more about a text")

        # The plan can be looked at before anything runs.
        window.run("Missions: Open Mission…")
        preview = window.frame_with("text=Most frequent words")
        assert "Sentences" in preview.inner_text("body")

        # The planner can only ask whether to start, with all that it means: as a card of the chat, and as a dialog where
        # that cannot be seen.
        asked = "Start version 1 of the plan?"
        window.say(START)
        words = window.card(asked).inner_text()
        assert "Sandbox" in words
        window.answer_card(asked, "No")
        window.answered("It starts when you say yes.")
        model.hold()
        window.say(AGAIN)
        chat = window.page.locator('.part.sidebar .pane-header[aria-label*="Chat"]')
        chat.click()
        model.release()
        assert "Sandbox" in window.dialog("No")
        chat.click()
        window.answered("It starts when you say yes.")
        assert window.chat().locator(".card").count() == 0
        assert "Planned, 1 missions" in window.until_tree("Planned")

        # Nothing starts without a yes that names what will happen.
        window.run("Missions: Run Mission")
        asked = window.dialog("Cancel")
        for part in ("missions/", str(repository), "Estimate", "Budget", "claude-", "Sandbox", "Network"):
            assert part in asked
        assert "Planned, 1 missions" in window.until_tree("Planned")
        model.hold()
        window.run("Missions: Run Mission")
        window.dialog("Start")
        window.until_tree("Running, 1 missions")

        # Pause after the unit, and go on.
        window.open_row("Make tally")
        window.until_tree("Feature F1, Most frequent words, running", 120)
        window.run("Missions: Pause Mission after Current Unit")
        # The request is in the mission's hands, whether it has looked at it already or not.
        taken = re.compile("pauses after the current unit|safe point")
        expect(page.locator(".part.statusbar")).to_contain_text(taken, timeout=60_000)
        model.release()
        window.until_tree("Paused, 1 missions", 150)
        model.hold()
        # By the menu of the status item, which has what fits now.
        offered = "\n".join(window.menu())
        assert "Resume a mission" in offered
        assert "Pause after the current unit" not in offered
        window.pick("Resume a mission")
        window.dialog("Start")

        # Work in the tree, in the status item and as a progress that can be cancelled.
        window.until_tree("Running, 1 missions")
        window.open_row("Make tally")
        window.toast("Make tally say more about a text")
        window.until_tree("Feature F1, Most frequent words, complete", 90)
        assert "running" in status_item(page)
        window.until_tree("Feature F2, Reading time, running", 90)
        window.open_file("frequency.py")
        window.picture("vscode-tree")
        model.release()

        # A failed validation: badge, problems, the source line, a quick fix.
        window.until_tree("Blocked / Failed, 1 missions", 120)
        window.toast("is blocked", None)
        assert "Make tally" in window.until_tree("Make tally say more")
        page.wait_for_selector(".part.activitybar .badge-content:has-text('1')")
        window.open_file("sentences.py")
        page.wait_for_selector(".squiggly-error")
        window.quiet()
        page.keyboard.press("Control+Shift+M")
        page.wait_for_selector(".markers-panel .monaco-list-row:has-text('A run of closing marks')")
        page.locator(".viewpane-filter input").first.fill("sentences.py")
        page.locator(".markers-panel .monaco-list-row:has-text('features.json')").wait_for(state="detached")
        page.wait_for_selector(".markers-panel .monaco-list-row:has-text('A run of closing marks')")
        window.picture("vscode-problems")
        page.locator(".viewpane-filter input").first.fill("")
        page.locator(".view-line:has-text('re.findall')").click()
        window.quick_fix("Turn D1 into a repair feature")
        window.until_tree(f"Feature {REPAIR}, ")
        window.run("Missions: Resume Mission")
        window.dialog("Start")
        window.until(lambda: page.locator(".squiggly-error").count() == 0, 120, "the end of the defect")

        # A question that only the user can answer: a notification and a card, of which the first answer counts.
        words = window.toast(QUESTION, None, 120)
        assert "One for each line" in words
        # The orchestrator takes any words, so that the card has a field for them beside its buttons.
        expect(window.card(QUESTION).locator("vscode-button")).to_have_text(
            [ANSWER, "One for each line", "Answer"]
        )
        window.card(QUESTION).locator("textarea").fill(ANSWER)
        window.answer_card(QUESTION, "Answer")
        window.toast(QUESTION, "One for each line")
        expect(page.locator(".part.statusbar")).to_contain_text("answered already")

        # The handoff beside the changes, in the editor's own diff.
        window.run("Missions: Review Run beside Its Changes")
        window.pick(REPAIR)
        review = window.frame_with("text=Commands that really ran")
        assert "Handoff" in review.inner_text("body")
        page.wait_for_selector(".multiDiffEntry:has-text('sentences.py')")
        window.quiet()
        for toggle in ("View: Toggle Panel Visibility", "View: Toggle Primary Side Bar Visibility"):
            window.run(toggle)
        page.wait_for_selector(".part.sidebar", state="hidden")
        window.picture("vscode-review")
        window.run("View: Toggle Primary Side Bar Visibility")
        review.locator("a:has-text('Transcript')").first.click()
        transcript = window.frame_with(f"text=Transcript of worker {REPAIR}")
        assert transcript.locator("details").count() > 0, "long outputs are folded"
        assert transcript.locator("details[open]").count() == 0

        # The end.
        window.until_tree("Completed, 1 missions", 150)
        assert model.unmatched == []
        commits = repository / ".git/logs/HEAD"
        assert "JSON" in commits.read_text(encoding="utf-8")
    code_server.stop()
    world.assert_nothing_left()
