"""Values of a JSON text are found at their places, whole or half written."""

from __future__ import annotations

import json
import random

import pytest

from missions.lsp.plan_language.json_positions import MAX_TEXT, parse_positions
from missions.lsp.plan_language.outline import outline_of
from support.plans import plan_json


def test_every_value_of_a_plan_is_found_by_its_pointer_where_it_stands() -> None:
    plan = plan_json()
    for indent in (None, 1, 4):
        text = json.dumps(plan, indent=indent)
        tree = parse_positions(text)
        assert tree.trouble is None
        assert tree.root is not None
        for node in tree.root.walk():
            pointer = "".join(f"/{part}" for part in node.path())
            value: object = plan
            for part in node.path():
                value = value[part]  # type: ignore[index]
            assert json.loads(text[node.start : node.end]) == value
            assert tree.find(pointer) is node


def test_a_pointer_into_nothing_means_the_nearest_value_above() -> None:
    tree = parse_positions('{"a": [{"b": 1}], "x/y": {"~": 2}}')
    assert tree.root is not None
    assert tree.find("/a/0/missing/deeper") is tree.root.children[0].children[0]
    assert tree.find("/a/7") is tree.root.children[0]
    assert tree.find("/x~1y/~0") is tree.root.children[1].children[0]
    assert tree.find("/no") is tree.root


def test_the_innermost_value_around_an_offset_is_found_also_by_its_field_name() -> None:
    text = '{"one": {"two": "three"}}'
    tree = parse_positions(text)
    inner = tree.at(text.index("three"))
    assert inner is not None
    assert inner.value == "three"
    named = tree.at(text.index("two"))
    assert named is inner
    assert tree.at(len(text) + 5) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[[[",
        "}}}",
        '{"a"',
        '{"a":',
        '{"a":}',
        '{"a" "b"}',
        "{:1}",
        '{"a": "unterminated\n, "b": 1}',
        "[1,,2]",
        "nonsense",
        '"\\ud800"',
        "\ufeff{}",
        "[" * 5000 + "]" * 5000,
    ],
)
def test_broken_text_is_read_as_far_as_it_goes(text: str) -> None:
    tree = parse_positions(text)
    if tree.root is not None:
        for node in tree.root.walk():
            assert 0 <= node.start <= node.end <= len(text)


def test_every_beginning_of_a_plan_and_random_damage_is_read_without_an_error() -> None:
    text = json.dumps(plan_json(), indent=1)
    chance = random.Random(4)
    for _ in range(300):
        cut = text[: chance.randrange(len(text))]
        place = chance.randrange(len(text))
        damaged = text[:place] + chance.choice('{}[]",:\\\n') + text[place + chance.randrange(3) :]
        for broken in (cut, damaged):
            tree = parse_positions(broken)
            outline_of(tree, "plan")
            for offset in range(0, len(broken), 97):
                tree.at(offset)


def test_the_items_of_a_half_written_plan_are_known() -> None:
    text = '{"milestones": [{"id": "M1", "features": [{"id": "F1", "claims": ["A1"]}, {"id": "F2", "depen'
    outline = outline_of(parse_positions(text), "plan")
    assert [item.id for item in outline.features] == ["F1", "F2"]
    assert [(mention.id, mention.by) for mention in outline.mentions] == [("A1", "F1")]


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    tree = parse_positions(" " * (MAX_TEXT + 1))
    assert tree.root is None
    assert tree.trouble == (0, "too long")
