"""Offsets and positions agree in every encoding that a client may choose."""

from __future__ import annotations

import pytest
from lsprotocol import types

from missions.lsp.plan_language.text_lines import TextLines

TEXT = 'a\r\n"Dätes 😀 x"\n\rlast'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_every_offset_survives_the_way_to_a_position_and_back(encoding: str) -> None:
    lines = TextLines(TEXT, encoding)
    assert len(lines) == 4
    for offset in range(len(TEXT) + 1):
        if TEXT[offset - 1 : offset + 1] == "\r\n":
            continue  # between the two there is no position
        assert lines.offset(lines.position(offset)) == offset


def test_columns_are_counted_in_the_clients_units() -> None:
    offset = TEXT.index("x")
    columns = {e: TextLines(TEXT, e).position(offset).character for e in ("utf-8", "utf-16", "utf-32")}
    assert columns == {"utf-8": 13, "utf-16": 10, "utf-32": 9}


def test_positions_outside_the_text_mean_its_nearest_end() -> None:
    lines = TextLines(TEXT)
    assert lines.offset(types.Position(99, 0)) == len(TEXT)
    assert lines.offset(types.Position(0, 99)) == 1
    assert lines.position(-5) == types.Position(0, 0)
    assert lines.line(99) == ""


def test_the_range_of_lines_leaves_indentation_and_line_ends_out() -> None:
    lines = TextLines("one\n    two\nthree\n")
    assert lines.lines_range(1, 1) == types.Range(types.Position(1, 4), types.Position(1, 7))
    assert lines.lines_range(1, 2).end == types.Position(2, 5)
    assert lines.lines_range(50, 70).start.line == 3
