"""Untrusted text is made safe, and stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missions.model.plain_text import columns, hostile_character, many_lines, one_line


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain", "plain"),
        ("  two\n\n lines\t", "two lines"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;ZXZpbA==\x07copied", "copied"),
        ("\x1b]0;never closed", ""),
        ("\x9b31mred", "red"),
        ("a\u202eb\u2066c", "abc"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("half \ud83d pair", "half pair"),
        ("zero\u200bwidth", "zerowidth"),
        ("para\u2029graph", "para graph"),
        ("nul\x00bell\x07", "nulbell"),
        ("日本", "日本"),
    ],
)
def test_one_line_keeps_the_words_and_drops_the_tricks(raw: str, clean: str) -> None:
    assert one_line(raw) == clean


@given(st.text(), st.integers(min_value=1, max_value=60))
def test_one_line_is_always_clean_and_fits(text: str, width: int) -> None:
    line = one_line(text, width)
    assert hostile_character(line) is None
    assert "\n" not in line
    assert columns(line) <= width


def test_wide_characters_count_two_columns() -> None:
    assert columns("日本") == 4
    assert one_line("日本語テキスト", 7) == "日本語…"


def test_many_lines_keeps_lines_and_tabs() -> None:
    assert many_lines("a\r\n\tb\x1b[2J\rc") == "a\n\tb\nc"
    assert many_lines("x" * 20, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("text", "name"), [("a\x1bb", "ESC"), ("\u202e", "U+202E"), ("a\tb\r\n", None), ("\x00", "U+0000")]
)
def test_the_first_hostile_character_is_named(text: str, name: str | None) -> None:
    assert hostile_character(text) == name
