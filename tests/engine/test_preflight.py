"""What the preflight shows before a start: what runs will get, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.desk import KEY, Desk
from support.liars import small_plan

SKILL = "---\nname: house-style\ndescription: How code looks here.\n---\nUse short names.\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def furnished(desk: Desk) -> str:
    """A mission in a repository with instructions and a skill, with a server and variables in the user's settings."""
    desk.user.write("AGENTS.md", "Run the tests.\n")
    desk.user.write(".agents/skills/house-style/SKILL.md", SKILL)
    desk.user.commit("instructions")
    desk.store.ensure()
    settings: dict[str, Any] = {
        "mcp": {
            "tickets": {
                "command": "ticket-server",
                "roles": ["worker"],
                "environment": ["TICKETS"],
                "network": ["tickets.example.org"],
            }
        },
        "sandbox": {"environment": ["PROJECT_MODE", "UNSET_NAME", "MY_API_TOKEN"]},
        "models": {"worker": {"model": "claude-sonnet-5-5", "effort": "low"}},
    }
    (desk.store.root / "settings.json").write_text(json.dumps(settings))
    desk.environment.update(ANTHROPIC_API_KEY=KEY, PROJECT_MODE="secret value", MY_API_TOKEN="secret value")
    return desk.saved(small_plan(checks=["nosuchprogram --version", "test -s README.md"]))


def test_it_lists_everything_that_runs_inherit_and_no_value(desk: Desk) -> None:
    name = furnished(desk)
    said = desk.missions("preflight", name, "--json")
    assert said.code == 0, said
    look = said.json
    found = look["inheritance"]
    assert found["instructions"] == ["AGENTS.md"]
    assert [(s["name"], s["description"]) for s in found["skills"]] == [
        ("house-style", "How code looks here.")
    ]
    assert [(s["name"], s["command"], s["roles"], s["network"]) for s in found["mcp"]] == [
        ("tickets", "ticket-server", ["worker"], ["tickets.example.org"])
    ]
    assert {"PATH", "HOME", "PROJECT_MODE"} <= set(found["environment"])
    assert found["withheld"] == ["MY_API_TOKEN"]
    assert "secret value" not in said.out
    assert KEY not in said.out
    assert look["models"]["worker"]["effort"] == "low"
    assert look["identity"]
    gates = {gate["id"]: gate for gate in look["gates"]}
    assert gates["network"]["details"] == ["tickets.example.org (MCP server tickets)"]
    assert "plan" in gates


def test_what_is_missing_is_told_in_sentences_and_forbids_nothing(desk: Desk) -> None:
    name = furnished(desk)
    missing = "\n".join(desk.missions("preflight", name, "--json").json["inheritance"]["missing"])
    for words in ("nosuchprogram", "UNSET_NAME", "ticket-server", "TICKETS is passed on to the MCP server"):
        assert words in missing, words
    assert "AGENTS.md" not in missing
    assert "`test -s README.md`" not in missing
    assert desk.control().start(name, accept={"plan", "no-sandbox", "network"}, host="here").seq


def test_a_bare_repository_without_a_key_is_told_what_it_lacks(desk: Desk) -> None:
    name = desk.saved()
    said = desk.missions("preflight", name).out
    for words in (
        "Read first  nothing",
        "Skills      none",
        "MCP         none",
        "no AGENTS.md",
        "ANTHROPIC_API_KEY",
    ):
        assert words in said, words
    assert "no user.name and user.email" in said
    assert "Will ask" in said
    before = desk.journal(name)
    assert desk.missions("preflight", name).code == 0
    assert desk.journal(name) == before


def test_the_gate_shows_the_same_to_every_face(desk: Desk) -> None:
    name = furnished(desk)
    said = desk.missions("run", name, "--json")
    assert said.code == 12
    look = said.json["error"]["data"]["preflight"]
    assert look["inheritance"]["instructions"] == ["AGENTS.md"]
    asked = desk.typed("run", name, answer="n")
    assert "Read first  AGENTS.md" in asked.out
    assert "Missing" in asked.out
    assert desk.mission(name).status == "planned"


def test_a_mission_that_cannot_start_now_is_looked_at_without_gates(desk: Desk) -> None:
    name = furnished(desk)
    desk.asking(name)
    look = desk.missions("preflight", name, "--json").json
    assert look["gates"] == []
    assert look["inheritance"]["instructions"] == ["AGENTS.md"]
    begun = desk.missions("new", "a boat", "--json").json["mission"]
    refused = desk.missions("preflight", begun)
    assert (refused.code, "no plan" in refused.err) == (1, True), refused
