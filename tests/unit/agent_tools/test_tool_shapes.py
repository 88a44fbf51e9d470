"""Sizes and forms: tool definitions, strict schemas, submissions, excerpts, profiles, environments."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from missions.agent.sandbox import seatbelt
from missions.agent.sandbox.environment import command_environment, refused_names
from missions.agent.sandbox.policy import Policy
from missions.agent.sandbox.probe import SandboxStatus
from missions.agent.sandbox.proxy import HostList
from missions.agent.sandbox.seccomp import filter_program
from missions.agent.sandbox.session import Sandbox
from missions.agent.sandbox.toolchains import readable_roots
from missions.agent.tool import ToolContext
from missions.agent.tools.bash import bash_tools
from missions.agent.tools.excerpt import clean, excerpt
from missions.agent.tools.files import file_tools
from missions.agent.tools.search import search_tools
from missions.agent.tools.submit import SubmissionFinding, make_submit_tool, strict_schema
from missions.agent.tools.workspace import Workspace
from missions.model.reports import Handoff


async def test_all_definitions_of_a_worker_are_small(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "w").mkdir()
    sandbox = Sandbox(
        SandboxStatus("none", "for its shape only"), Policy(tmp_path / "w", home=tmp_path / "home")
    )
    tools = [*bash_tools(workspace, sandbox), *file_tools(workspace), *search_tools(workspace)]
    assert [tool.name for tool in tools] == ["bash", "jobs", "read", "write", "edit", "glob", "grep"]
    definitions = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in tools
    ]
    assert len(json.dumps(definitions)) <= 7_000


class Inner(BaseModel):
    number: int = Field(ge=1)
    kind: str | None = None


class Outer(BaseModel):
    """What is submitted."""

    title: str = Field(min_length=3, description="A name.")
    items: tuple[Inner, ...] = ()


def test_a_strict_schema_requires_all_fields_and_has_no_references_or_limits() -> None:
    schema = strict_schema(Outer)
    assert schema["required"] == ["title", "items"]
    inner = schema["properties"]["items"]["items"]
    assert inner["required"] == ["number", "kind"]
    assert inner["additionalProperties"] is False
    assert schema["properties"]["title"] == {"type": "string", "description": "A name."}
    for word in ("$ref", "minimum", "minLength", "default"):
        assert word not in json.dumps(schema)
        assert word not in json.dumps(strict_schema(Handoff))


async def test_a_submission_is_refused_with_all_findings_and_accepted_without() -> None:
    async def accept(submission: dict[str, object]) -> list[SubmissionFinding]:
        return (
            []
            if submission["ok"]
            else [SubmissionFinding("/a", "is wrong"), SubmissionFinding("", "is late")]
        )

    tool = make_submit_tool("submit_handoff", "Ends the run.", {"type": "object"}, accept)
    context = ToolContext("toolu_1", asyncio.Event())
    refused = await tool.call({"ok": False}, context)
    assert refused.is_error
    assert refused.submission is None
    assert "- /a: is wrong\n- is late" in str(refused.content)
    assert (await tool.call({"ok": True}, context)).submission == {"ok": True}
    assert tool.strict


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b]52;c;AAAA\x07x", "x"),
        (b"1%\r2%\r100%\nend\r\n", "100%\nend\n"),
        (b"abc\b\bX", "aX"),
        ("\u202eevil\u2066".encode(), "evil"),
        (b"\xf0\x9f\x98", "\ufffd"),
        ("tab\tand é😀".encode(), "tab\tand é😀"),
        (b"\x1b[", ""),
        (b"\x9b31mraw", "\ufffd31mraw"),
    ],
)
def test_output_is_cleaned(raw: bytes, shown: str) -> None:
    assert clean(raw) == shown


def test_an_excerpt_never_splits_a_character_and_stays_within_its_size() -> None:
    for shift in range(4):
        text = "x" * shift + "😀\n" * 20_000
        short = excerpt(text, "all of it: f")
        assert short.cut
        assert "\ufffd" not in short.text
        assert len(short.text.encode()) < 30_300
        assert "all of it: f" in short.text
    assert excerpt("y" * 5_000).text == "y" * 2_000 + " [… 3000 characters]"
    assert not excerpt("short\n").cut


def test_the_environment_of_commands_is_an_allow_list() -> None:
    host = {
        "PATH": "/bin",
        "ANTHROPIC_API_KEY": "k",
        "LC_TIME": "C",
        "MY_FLAG": "1",
        "MY_TOKEN": "t",
        "HOME": "/h",
        "LD_PRELOAD": "x",
    }
    env = command_environment(host, ("N", "n@example.org"), declared=["MY_FLAG", "MY_TOKEN"])
    assert (env["MY_FLAG"], env["LC_TIME"], env["GIT_AUTHOR_NAME"], env["PAGER"]) == ("1", "C", "N", "cat")
    assert not {"ANTHROPIC_API_KEY", "MY_TOKEN", "LD_PRELOAD"} & env.keys()
    assert refused_names(["MY_FLAG", "MY_TOKEN"]) == ["MY_TOKEN"]


def test_only_installations_are_shown_of_what_lies_on_the_path(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in (
        ".cargo/bin",
        ".rustup/toolchains",
        ".local/bin",
        ".local/share/pipx/venvs/t/bin",
        "bin",
        ".pyenv/shims",
        "venv/bin",
        ".local/share/keyrings",
    ):
        (home / name).mkdir(parents=True)
    (home / ".local/share/pipx/venvs/t/pyvenv.cfg").write_text("home = /usr/bin\n")
    (home / "venv/pyvenv.cfg").write_text(f"home = {home}/.pyenv/versions/3/bin\n")
    tool = home / ".local/share/pipx/venvs/t/bin/t"
    tool.touch()
    (home / ".local/bin/t").symlink_to(tool)
    path = (
        ":".join(str(home / name) for name in (".cargo/bin", ".local/bin", "bin", ".pyenv/shims", "venv/bin"))
        + f":relative:{home}:/usr/bin"
    )
    roots = {str(root.relative_to(home)) for root in readable_roots(path, home) if home in root.parents}
    assert roots == {
        ".cargo/bin",
        ".rustup",
        ".local/bin",
        ".local/share/pipx/venvs/t",
        "bin",
        ".pyenv",
        "venv",
    }
    assert home not in readable_roots(path, home)


def test_the_macos_profile_denies_by_default_and_ends_with_the_protected_parts(tmp_path: Path) -> None:
    for name in ("w", "home/.missions", "evidence"):
        (tmp_path / name).mkdir(parents=True)
    git = tmp_path / "w" / ".git"
    policy = Policy(
        tmp_path / "w",
        evidence=tmp_path / "evidence",
        git_dir=git,
        common_dir=git,
        home=tmp_path / "home",
        hidden=(tmp_path / "home/.missions",),
    )
    text = seatbelt.profile(policy)
    assert text.startswith("(version 1)\n(deny default)\n")
    assert "network" not in text
    assert f'(deny file-read* file-write* (subpath "{tmp_path}/home")' in text
    assert text.index(f'(allow file-write* (subpath "{tmp_path}/w")') < text.index(
        f'(deny file-write* (subpath "{git}/config")'
    )
    assert seatbelt.arguments(policy)[:2] == ["/usr/bin/sandbox-exec", "-p"]
    read_only = seatbelt.profile(
        Policy(tmp_path / "w", workspace_mode="ro", home=tmp_path / "home", network=True)
    )
    assert f'(allow file-write* (subpath "{tmp_path}/w")' not in read_only
    assert "(allow network*)" in read_only


def test_the_system_call_filter_has_whole_instructions_and_only_for_known_machines() -> None:
    for machine in ("x86_64", "aarch64"):
        program = filter_program(machine)
        assert program is not None
        assert len(program) % 8 == 0
        assert len(program) // 8 < 256
    assert filter_program("riscv64") is None


def test_the_list_of_hosts_allows_names_domains_and_literal_addresses_only_as_listed() -> None:
    hosts = HostList(("registry.example.org", "*.example.com", "127.0.0.1:4873", "host.example.net:8443"))
    allowed = [
        ("registry.example.org", 443),
        ("a.b.example.com", 80),
        ("127.0.0.1", 4873),
        ("host.example.net", 8443),
        ("REGISTRY.example.org.", 443),
    ]
    refused = [
        ("registry.example.org", 22),
        ("example.com", 443),
        ("evilexample.com", 443),
        ("127.0.0.1", 80),
        ("host.example.net", 443),
        ("", 443),
    ]
    assert all(hosts.allows(*item) for item in allowed)
    assert not any(hosts.allows(*item) for item in refused)
    assert hosts.allows_address("127.0.0.1", 4873, "127.0.0.1")
    for address in (
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "0.0.0.0",
    ):
        assert not hosts.allows_address("registry.example.org", 443, address)
    assert hosts.allows_address("registry.example.org", 443, "1.1.1.1")
