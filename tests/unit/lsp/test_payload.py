"""Payloads are read strictly, written in camelCase, and never show a key."""

from __future__ import annotations

from typing import Any

import pytest

from missions.lsp.operations import OWN, DoctorArgs, OpenArgs
from missions.lsp.payload import from_json, to_json
from missions.lsp.protocol import (
    CredentialsParams,
    Decision,
    DecisionOption,
    Status,
    StatusCounts,
    TreeChildrenParams,
    TreeNode,
    Waiting,
)
from missions.model.errors import MissionError


def test_what_is_written_reads_back_the_same() -> None:
    option = DecisionOption(id="a", label="A")
    for value in [
        TreeNode(id="x", label="X", severity="error", context_value="mission.failed"),
        Status(
            line="l", counts=StatusCounts(running=2), waiting=[Waiting(mission="m", kind="block", text="t")]
        ),
        Decision(mission="m", decision="d", state="opened", question="?", options=[option]),
        OpenArgs(mission="m", document="report"),
    ]:
        assert from_json(type(value), to_json(value), strict=True) == value


def test_absent_and_null_are_the_same_for_optional_fields() -> None:
    assert from_json(TreeChildrenParams, {}) == from_json(TreeChildrenParams, {"nodeId": None})
    assert to_json(TreeChildrenParams()) == {}
    assert from_json(DoctorArgs, {"repair": None}).repair is False


@pytest.mark.parametrize("value", ["true", "false", 1, 0, [], {}])
def test_nothing_but_true_confirms(value: Any) -> None:
    with pytest.raises(MissionError, match="true or false"):
        from_json(DoctorArgs, {"repair": value})


@pytest.mark.parametrize("value", [None, 5, "x", [], [{}]])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(MissionError) as caught:
        from_json(OpenArgs, value)
    assert caught.value.code == "bad_argument"


def test_a_value_outside_the_list_is_refused_with_the_list() -> None:
    with pytest.raises(MissionError, match="“opened”, “answered”, “withdrawn”"):
        from_json(Decision, {"mission": "m", "decision": "d", "state": "open", "question": "?"})


def test_unknown_fields_are_refused_only_where_a_person_may_have_typed_them() -> None:
    given = {"document": "report", "mision": "m"}
    assert from_json(OpenArgs, given).mission is None
    with pytest.raises(MissionError, match="Did you mean “mission”"):
        from_json(OpenArgs, given, strict=True)


def test_a_huge_wrong_value_is_not_repeated_in_the_error() -> None:
    with pytest.raises(MissionError) as caught:
        from_json(DoctorArgs, {"mission": ["x" * 100_000]})
    assert len(str(caught.value)) < 200


def test_a_key_never_shows_in_text() -> None:
    assert "sk-1" not in repr(CredentialsParams(api_key="sk-1"))
    assert "sk-1" not in str([CredentialsParams(api_key="sk-1")])


def test_payloads_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        DoctorArgs().repair = True  # pyright: ignore


@pytest.mark.parametrize("operation", OWN)
def test_every_operation_names_what_is_missing_or_takes_nothing(operation: str) -> None:
    arguments, _ = OWN[operation]
    try:
        value = from_json(arguments, {}, strict=True)
    except MissionError as error:
        assert error.code == "bad_argument"
        assert "missing" in error.message
    else:
        assert from_json(arguments, to_json(value), strict=True) == value
