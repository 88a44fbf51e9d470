"""What may reach git as a ref, object name or path."""

from __future__ import annotations

import pytest

from missions.model.errors import MissionError
from missions.repo.changes import all_paths, parse_raw
from missions.repo.names import check_branch, check_path, check_ref, check_sha, fields
from missions.repo.protection import driver_overrides, environment, parse_config


@pytest.mark.parametrize(
    "value", ["--upload-pack=x", "HEAD", "abc", "0" * 39, "0" * 41, "A" * 40, None, "0" * 40 + "\n"]
)
def test_only_a_full_object_name_passes(value: object) -> None:
    with pytest.raises(MissionError) as caught:
        check_sha(value)
    assert caught.value.code == "bad_argument"


@pytest.mark.parametrize(
    "value",
    [
        "main",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/x.lock",
        "refs/heads/.x",
        "refs/heads//x",
        "refs/heads/a\n",
    ],
)
def test_a_ref_that_git_would_refuse_is_refused(value: str) -> None:
    with pytest.raises(MissionError):
        check_ref(value)


def test_a_branch_name_that_looks_like_an_option_is_refused() -> None:
    with pytest.raises(MissionError):
        check_branch("--orphan")
    assert check_branch("missions/mission-1") == "refs/heads/missions/mission-1"


@pytest.mark.parametrize(
    "value", ["", "/etc/passwd", "../x", "a/../b", ".git/config", "a/.GIT/x", "a//b", "a\0b", "./a"]
)
def test_a_path_that_leaves_the_work_tree_is_refused(value: str) -> None:
    with pytest.raises(MissionError):
        check_path(value)


@pytest.mark.parametrize("value", ["-x", "ä/ö", "a\nb", "dir/", ".gitignore", "x" * 255])
def test_odd_but_legal_paths_pass(value: str) -> None:
    assert check_path(value) == value


def test_names_that_are_not_utf8_survive() -> None:
    (name,) = fields(b"caf\xe9\0")
    assert name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_a_rename_shows_both_names() -> None:
    raw = b":100644 100644 " + b"1" * 40 + b" " + b"2" * 40 + b" R090\0old\0new\0"
    (change,) = parse_raw(raw)
    assert (change.kind, change.paths) == ("renamed", ("old", "new"))
    assert all_paths([change]) == ["new", "old"]


def test_each_driver_of_a_repository_is_silenced_by_its_name() -> None:
    config = parse_config(
        b"filter.a=b.clean\nevil\0filter.x.y.process\nevil\0diff.z.textconv\nevil\0core.bare\nfalse\0"
    )
    overrides = dict(driver_overrides(config))
    assert (
        overrides["filter.a=b.clean"] == ""
        and overrides["filter.x.y.process"] == ""
        and overrides["diff.z.textconv"] == ""
    )


def test_the_environment_of_git_holds_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("GIT_DIR", "elsewhere")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "evil")
    made = environment([], locks=True)
    assert not {"ANTHROPIC_API_KEY", "GIT_DIR", "GIT_EXTERNAL_DIFF"} & made.keys()
