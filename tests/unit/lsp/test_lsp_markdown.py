"""Foreign text has no effect in our Markdown, and still reads the same."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from missions.lsp import markdown

_render = MarkdownIt("commonmark", {"linkify": False}).enable("table").enable("strikethrough")


def shown(source: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", _render.render(source))).strip()


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "<!-- hidden -->",
        "[click](command:missions.delete)",
        "![x](https://example.org/a.png)",
        "<https://example.org>",
        "[ref]: https://example.org",
        "# title",
        "- item",
        "1. item",
        "> quote",
        "***",
        "`code`",
        "$(trash) codicon",
        "a | b\n--|--\nc | d",
        "&lt;b&gt;",
        "back\\slash",
        "~~~\nfence",
        "    indented",
    ],
)
def test_markup_in_foreign_text_is_only_text(text: str) -> None:
    rendered = _render.render(f"start {markdown.escape(text)} end")
    assert set(re.findall(r"<(\w+)", rendered)) == {"p"}
    assert shown(markdown.escape(text)) == " ".join(text.split("\n")).strip()


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_stays_one_paragraph(text: str) -> None:
    tags = set(re.findall(r"<(\w+)", _render.render(markdown.escape(text))))
    assert tags <= {"p"}


@given(st.text(alphabet="`ab \n<>", min_size=1, max_size=30))
@settings(max_examples=150, deadline=None)
def test_code_keeps_backticks_inside(text: str) -> None:
    tags = set(re.findall(r"<(\w+)", _render.render("x " + markdown.code(text))))
    assert tags <= {"p", "code"}
    block = _render.render(markdown.code_block(text, "js onload=x"))
    assert set(re.findall(r"<(\w+)", block)) == {"pre", "code"}


def test_direction_marks_and_control_characters_disappear() -> None:
    assert markdown.escape("a\u202eb\x1b[31mc\x00") == "ab\\[31mc"


def test_lines_stay_lines_and_long_text_is_cut_before_escaping() -> None:
    assert markdown.escape_lines("a\n<b>") == "a  \n\\<b\\>"
    assert markdown.shorten("abcdef", 4) == "abc…"
    assert markdown.shorten("abc", 4) == "abc"
