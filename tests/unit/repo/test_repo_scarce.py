"""Too few file descriptors say nothing about a git directory: no guard and no list of refs comes of them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.repo import plain
from missions.repo.guard import Guard


def test_without_descriptors_nothing_is_said_of_a_git_directory(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "hooks").mkdir(parents=True)
    (git / "hooks" / "pre-commit").write_text("#!/bin/sh\n")
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "refs" / "heads" / "main").write_text("1" * 40 + "\n")
    before = Guard.take(tmp_path, git, git, lambda: [])
    assert plain.refs(git, git) == {"refs/heads/main": "1" * 40}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(MissionError) as refused:
            Guard.take(tmp_path, git, git, lambda: [])
        refs = plain.refs(git, git)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused.value.data["errno"] == "EMFILE"
    assert refs is None
    assert Guard.take(tmp_path, git, git, lambda: []).changed(before) == []
