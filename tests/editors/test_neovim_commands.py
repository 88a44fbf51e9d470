"""`:Missions <sub>` with the real server: what is asked, what is meant, what completes, what is reported."""

from __future__ import annotations

import json

from support.editors import World
from support.engine import plan_of
from support.neovim_plugin import Editor, editor, servers
from support.neovim_project import Project
from support.waiting import until

PANEL = "missions-panel:"


def test_a_mistyped_subcommand_is_an_error_with_a_suggestion_and_starts_nothing(
    vim: Editor, world: World
) -> None:
    vim.command("Missions pasue")
    vim.command("Missions pause later")
    assert vim.notified() == [
        "There is no “:Missions pasue”. Did you mean “pause”?",
        ":Missions pause: “later” is one word too many.",
    ]
    assert servers(world) == []


def test_completion_offers_words_and_ids_but_never_starts_the_server(
    vim: Editor, project: Project, world: World
) -> None:
    mission = project.save(plan_of({"M1": ["F1", "F2"]}))

    def completed(line: str) -> list[str]:
        return vim.lua("return vim.fn.getcompletion(..., 'cmdline')", line)

    offered = completed("Missions re")
    assert offered == ["repair", "rerun-validation", "restart", "restore", "resume", "retry", "review"]
    assert completed("Missions rerun-validation M1 ") == ["scrutiny", "user-testing"]
    assert completed("Missions skip ") == []
    assert completed("Missions new t") == ["template="]
    assert completed("Missions budget unit") == ["unitUsd=", "unitMinutes=", "unitTurns="]
    assert completed("Missions rerun-validation M1 mode=u") == ["mode=user-testing"]
    assert servers(world) == []
    vim.command("Missions status")
    until(lambda: "Put the pieces" in vim.text(), 20, "the status")
    # It waits for the server a second at most, which a busy machine may need more than once.
    for line, expected in (
        ("skip ", [mission, "F1", "F2"]),
        ("skip F", ["F1", "F2"]),
        (f"rerun-validation {mission} ", ["M1"]),
        ("pause mission-", [mission]),
        ("pause --", ["--now"]),
        ("new template=mig", ["template=migration"]),
        ("retry feature=", ["feature=F1", "feature=F2"]),
    ):
        until(lambda line=line, expected=expected: completed(f"Missions {line}") == expected, 30, line)
    models = until(lambda: completed("Missions models worker claude"), 30, "the models")
    assert "claude-opus-5-5" in models
    vim.assert_no_errors()


def test_what_is_missing_is_asked_for_and_a_closed_menu_does_nothing(vim: Editor, project: Project) -> None:
    mission = project.save(plan_of({"M1": ["F1", "F2"]}))
    vim.command("Missions skip")
    until(vim.asked, 20, "the menu")
    assert vim.asked()[0]["items"] == ["F1  Piece F1  pending", "F2  Piece F2  pending"]
    vim.answer("F2")
    vim.type_in("Nobody needs it.")
    vim.command("Missions skip")
    until(lambda: project.mission(mission).all_features()[1].status == "skipped", 20, "the skipped feature")
    assert project.mission(mission).all_features()[0].status == "pending"
    assert vim.notified() == []


def test_of_several_missions_the_one_that_is_meant_is_asked_for(vim: Editor, project: Project) -> None:
    first, second = project.save(plan_of(title="One")), project.save(plan_of(title="Two"))
    vim.answer(second)
    vim.command("Missions abandon No longer wanted")
    until(lambda: project.mission(second).status == "failed", 20, "the abandoned mission")
    assert project.mission(first).status == "planned"
    assert vim.asked()[0]["prompt"] == "Which mission?"


def test_the_mission_that_is_looked_at_is_meant_without_a_name(vim: Editor, project: Project) -> None:
    first, second, third = (project.save(plan_of(title=title)) for title in ("One", "Two", "Three"))
    vim.command("Missions")
    vim.wait_for("Three", PANEL)
    vim.go_to("One")
    vim.command("Missions abandon No longer wanted")
    until(lambda: project.mission(first).status == "failed", 20, "the mission under the cursor")
    vim.command(f"wincmd p | edit {project.store.mission(second).plan / 'features.json'}")
    vim.command("Missions abandon No longer wanted")
    until(lambda: project.mission(second).status == "failed", 20, "the mission of the plan file")
    vim.command(f"edit missions:/{third}/control.md")
    vim.command("Missions abandon No longer wanted")
    until(lambda: project.mission(third).status == "failed", 20, "the mission of the document")
    assert vim.asked() == []
    vim.assert_no_errors()


def test_where_no_mission_is_the_ones_elsewhere_are_offered(project: Project, world: World) -> None:
    mission = project.save(plan_of({"M1": ["F1", "F2"]}))
    with editor(world, ["-c", f"cd {world.home}"], **project.environment) as vim:
        vim.answer(mission, "F2")
        vim.type_in("Nobody needs it.")
        vim.command("Missions skip")
        until(
            lambda: project.mission(mission).all_features()[1].status == "skipped", 30, "the skipped feature"
        )
        assert [menu["prompt"] for menu in vim.asked()][:2] == ["Which mission?", "Which feature?"]
        vim.assert_no_errors()


def test_deleting_asks_first_and_silence_is_no_consent(vim: Editor, project: Project) -> None:
    mission = project.save()
    vim.command("Missions delete")
    until(vim.asked, 20, "the question")
    vim.wait_for("", PANEL)
    assert project.store.mission(mission).exists()
    vim.answer("Delete")
    vim.command("Missions delete")
    until(lambda: not project.store.mission(mission).exists(), 20, "the deleted mission")
    assert vim.notified() == []


def test_errors_of_the_server_come_with_their_next_step(vim: Editor, project: Project) -> None:
    project.save()
    vim.command("Missions pause")
    until(vim.notified, 20, "the refusal")
    assert len(vim.notified()) == 1
    assert "planned" in vim.notified()[0] or "not" in vim.notified()[0]
    vim.assert_no_errors()


def test_reports_open_below_and_share_one_window(vim: Editor, project: Project) -> None:
    project.save()
    vim.command("Missions status")
    until(lambda: "Put the pieces" in vim.text(), 20, "the status")
    vim.command("Missions models")
    until(lambda: "worker" in vim.text() and "Put the pieces" not in vim.text(), 20, "the models")
    assert vim.lua("return vim.fn.winnr('$')") == 2
    assert vim.lua("return vim.wo.winbar") == " Models"
    vim.keys("q")
    until(lambda: vim.lua("return vim.fn.winnr('$')") == 1, 20, "the closed report")


def test_a_plan_file_is_checked_from_its_own_window(vim: Editor, project: Project) -> None:
    plan = plan_of()
    plan["milestones"][0]["features"][0]["claims"] = ["A9"]
    project.plan_file.write_text(json.dumps(plan), encoding="utf-8")
    vim.command(f"edit {project.plan_file}")
    vim.command("Missions validate")
    until(lambda: "A9" in vim.text() and "error" in vim.text(), 20, "the finding")


def test_a_mission_from_a_template_goes_on_in_its_chat(vim: Editor, project: Project) -> None:
    vim.command("Missions new --demo")
    until(lambda: "missions-prompt:" in vim.buffer_name(), 30, "the prompt")
    [mission] = project.store.mission_ids()
    assert vim.buffer_name().endswith(mission)
    assert project.mission(mission).demo
    vim.assert_no_errors()


def test_the_demo_is_watched_from_its_first_moment_and_is_what_commands_mean(
    vim: Editor, project: Project, world: World
) -> None:
    vim.answer("Run without sandbox")
    vim.command(f"Missions demo {world.home / 'demo'}")
    vim.wait_for("Make tally say more", PANEL, 60)
    until(lambda: "Make tally" in vim.cursor_line(), 20, "the cursor on the mission")
    [mission] = project.store.mission_ids()
    # As a folder of this Neovim, it needs no name: also not where nothing is under the cursor.
    vim.command("wincmd p")
    vim.command("Missions pause")
    vim.wait_for("Paused  1", PANEL, 60)
    assert project.mission(mission).status == "paused"
    assert vim.notified() == []
    vim.assert_no_errors()
