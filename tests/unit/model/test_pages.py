"""The pages that editors show: what they say, and that foreign words have no effect in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from markdown_it import MarkdownIt

from missions.model.markdown_text import inline, lines
from missions.model.pages import blocks_page, mission_page, overview_page, rules_page, run_facts
from missions.model.transcript_page import transcript_page
from missions.model.view import overview
from support.plans import mission_of, run_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVIL = "# <script>x</script> [go](command:quit) ![i](http://evil.example) `code` **bold** \u202e\x1b[31m | cell\n- item"


def effects(text: str) -> set[str]:
    """Everything but words that a renderer would make of a text."""
    tokens = MarkdownIt("commonmark", {"html": True}).parse(text)
    found = {token.type for token in tokens}
    found |= {child.type for token in tokens for child in token.children or []}
    return found - {"paragraph_open", "paragraph_close", "inline", "text", "softbreak", "hardbreak"}


@pytest.mark.parametrize(
    "text",
    [
        EVIL,
        "---",
        "1. one",
        "+ plus",
        "===",
        "> quote",
        "<b>",
        "&lt;",
        "\\*",
        "~~~",
        "    indented",
        "[a]: http://x",
        "*a*_b_ __c__",
    ],
)
def test_foreign_text_stays_text(text: str) -> None:
    assert effects(inline(text)) <= {"text_special"}
    assert effects(lines(text)) <= {"text_special"}


def test_ordinary_titles_stay_readable_where_nothing_is_rendered() -> None:
    for title in (
        "Parse ISO dates (2026-11-23), v1.2: done!",
        "snake_case and kebab-case",
        "a & b, 50 %, x = y",
    ):
        assert inline(title) == title


def test_the_overview_shows_missions_in_their_sections() -> None:
    missions = [
        mission_of(id="mission-a", title="First " + EVIL, status="blocked"),
        mission_of(id="mission-b", title="Second", status="running"),
    ]
    text = overview_page(overview(missions, (), NOW), NOW)
    assert text.index("## Blocked / Failed (1)") < text.index("## Running (1)")
    assert "[Second](mission-b/control.md)" in text
    assert "html_inline" not in effects(text)
    tokens = [child for token in MarkdownIt("commonmark").parse(text) for child in token.children or []]
    targets = [token.attrGet("href") for token in tokens if token.type == "link_open"]
    assert targets == ["mission-a/control.md", "mission-b/control.md"]


def test_without_missions_the_overview_says_how_to_begin() -> None:
    assert "Plan one in the chat, or try the demo" in overview_page(overview([], (), NOW), NOW)


def test_a_missions_page_links_its_runs_and_names_what_it_waits_for() -> None:
    run = run_of("worker", "F1", status="complete")
    mission = mission_of(status="paused", runs=[run])
    mission.milestones[0].features[0].runId = run.runId
    text = mission_page(mission, NOW)
    assert f"](runs/{run.runId}/review.md)" in text
    assert "Waits for: **you to resume it**" in text
    assert "- ○" in text


def test_a_transcript_has_a_heading_for_each_turn_and_shows_calls_and_results_as_text() -> None:
    records = [
        {"type": "assistant", "at": "2026-11-23T10:00:00Z", "turn": 1, "content": [
            {"type": "text", "text": EVIL},
            {"type": "tool_use", "name": "bash", "input": {"command": "echo ```"}},
        ]},
        {"type": "tool_end", "name": "bash", "isError": True, "ms": 5, "content": "```\n<b>out</b>"},
        {"type": "unknown", "content": {"deep": [1]}},
    ]  # fmt: skip
    text = transcript_page("A run", records)
    assert "## 10:00:00 turn 1" in text
    assert "echo ```" in text
    assert not {"html_inline", "html_block", "link_open", "image"} & effects(text)
    assert [t.content for t in MarkdownIt("commonmark").parse(text) if t.type == "fence"][1].startswith("```")


def test_every_category_and_rule_is_explained() -> None:
    assert "## validation_limit_exceeded" in blocks_page()
    assert "## unclaimed-assertion" in rules_page()


def test_times_of_a_run_are_told_to_the_second_in_utc() -> None:
    run = run_of("worker", "F1", status="complete")
    assert "- Begun: 2026-11-23 10:00:00 UTC" in list(run_facts(mission_of(), run))
