"""Where a key is looked for, in which order, and what is said when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from missions.agent import credentials
from missions.agent.credentials import Credentials, CredentialSources, Provider, resolve, take_handed_over
from missions.model.errors import MissionError


def sources(tmp_path: Path, command: str | list[str] | None = None) -> CredentialSources:
    return CredentialSources(command=command, file=tmp_path / "credentials", keyring=False)


def keep(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_the_environment_comes_before_the_command_and_the_command_before_the_file(tmp_path: Path) -> None:
    keep(tmp_path / "credentials", "from-file\n")
    command = [sys.executable, "-c", "print('from-command')"]
    assert resolve(sources(tmp_path, command), environ={"ANTHROPIC_API_KEY": "from-env"}).value == "from-env"
    assert resolve(sources(tmp_path, command), environ={}).value == "from-command"
    found = resolve(sources(tmp_path), environ={})
    assert (found.kind, found.value) == ("api_key", "from-file")


def test_a_token_and_a_profile_of_the_provider_are_known(tmp_path: Path) -> None:
    assert resolve(sources(tmp_path), environ={"ANTHROPIC_AUTH_TOKEN": "t"}).kind == "auth_token"
    assert resolve(sources(tmp_path), environ={"ANTHROPIC_PROFILE": "work"}).kind == "ambient"


def test_without_any_one_sentence_says_what_to_do_and_that_the_demo_needs_none(tmp_path: Path) -> None:
    with pytest.raises(MissionError) as caught:
        resolve(sources(tmp_path), environ={})
    assert caught.value.code == "no_credentials"
    assert "ANTHROPIC_API_KEY" in caught.value.next_step
    assert "missions demo" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keep(tmp_path / "credentials", "key", 0o644)
    with pytest.raises(MissionError, match="can be read by others"):
        resolve(sources(tmp_path), environ={})


def test_a_failing_command_is_told_without_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(MissionError) as caught:
        resolve(sources(tmp_path, "echo sk-secret; exit 3"), environ={})
    assert "exit code 3" in caught.value.message
    assert "sk-secret" not in str(caught.value.as_json())


def test_a_key_handed_over_through_a_pipe_is_read_once(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, credentials.hand_over(Credentials("auth_token", "tok")))
    os.close(write)
    environ = {credentials.FD_VARIABLE: str(read)}
    handed = take_handed_over(environ)
    assert handed is not None
    assert (handed.kind, handed.value) == ("auth_token", "tok")
    assert environ == {}
    assert take_handed_over(environ) is None
    assert resolve(sources(tmp_path), environ={"ANTHROPIC_API_KEY": "other"}, handed_over=handed) is handed


def test_a_key_never_shows_in_a_repr() -> None:
    assert "hush" not in repr(Credentials("api_key", "hush"))


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("bedrock", "AWS_PROFILE"),
        ("vertex", "ANTHROPIC_VERTEX_PROJECT_ID"),
        ("foundry", "ANTHROPIC_FOUNDRY_API_KEY"),
    ],
)
def test_clouds_use_their_own_environment(
    tmp_path: Path, name: credentials.ProviderName, variable: str
) -> None:
    assert resolve(sources(tmp_path), Provider(name), environ={variable: "x"}).kind == "ambient"
    with pytest.raises(MissionError, match=name):
        resolve(sources(tmp_path), Provider(name), environ={"ANTHROPIC_API_KEY": "k"})
