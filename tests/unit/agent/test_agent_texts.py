"""Instructions by directory, skills, the command ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.agent.instructions import Instructions
from missions.agent.ledger import CommandEntry, CommandLedger, masks_status
from missions.agent.skills import base_skill, catalogue, discover, parse, roots
from missions.model.errors import MissionError


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_instructions_go_from_the_root_to_the_leaf_and_one_file_per_folder_counts(tmp_path: Path) -> None:
    write(tmp_path / "AGENTS.md", "root rule")
    write(tmp_path / "CLAUDE.md", "not this")
    write(tmp_path / "a/b/CLAUDE.md", "leaf rule")
    found = Instructions.freeze(tmp_path, tmp_path / "a/b")
    assert found.files == ["AGENTS.md", "a/b/CLAUDE.md"]
    assert found.text.index("root rule") < found.text.index("leaf rule")
    assert "not this" not in found.text


def test_instructions_over_the_limit_are_cut_visibly(tmp_path: Path) -> None:
    write(tmp_path / "AGENTS.md", "é" * 40_000)
    found = Instructions.freeze(tmp_path)
    assert found.truncated
    assert "is cut here" in found.text
    assert len(found.text.encode()) < 33_000


def test_deeper_instructions_come_once_with_the_first_touch(tmp_path: Path) -> None:
    write(tmp_path / "sub/AGENTS.md", "sub rule")
    found = Instructions.freeze(tmp_path)
    assert found.text == ""
    assert "sub rule" in (found.touched({"path": "sub/new.py"}) or "")
    assert found.touched({"path": "sub/other.py"}) is None
    assert found.touched({"path": "../../etc/passwd"}) is None
    assert found.touched({"command": "ls"}) is None


def test_instructions_that_link_out_of_the_repository_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "secret.txt", "private")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/AGENTS.md").symlink_to(tmp_path / "secret.txt")
    assert Instructions.freeze(tmp_path / "repo").text == ""


SKILL = """---
name: deploy
description: Deploys: quickly, and "safely"
metadata:
  author: me
license: |
  MIT
  text
---

# Body
"""


def test_a_skill_is_read_with_colons_in_its_values() -> None:
    skill = parse(SKILL, "deploy")
    assert (skill.name, skill.description) == ("deploy", 'Deploys: quickly, and "safely"')
    assert skill.body == "# Body"
    assert skill.metadata == {"author": "me"}
    assert skill.warnings == ()


def test_cosmetic_faults_of_a_skill_are_warnings_and_a_missing_description_is_not() -> None:
    assert parse("---\nname: Bad Name\ndescription: >\n  folded\n  text\n---\nx", "d").warnings
    assert parse("---\ndescription: 'it''s'\n---\n", "d").description == "it's"
    with pytest.raises(MissionError, match="no description"):
        parse("---\nname: x\n---\n")


def test_aliases_in_the_front_matter_are_plain_text() -> None:
    assert parse("---\nname: a\ndescription: *anchor\n---\n").description == "*anchor"


def test_the_repositorys_skills_win_over_the_users_and_are_offered_by_description(tmp_path: Path) -> None:
    repo, home = tmp_path / "repo", tmp_path / "home"
    write(repo / ".agents/skills/deploy/SKILL.md", SKILL)
    write(home / ".claude/skills/deploy/SKILL.md", SKILL.replace("Deploys", "Other"))
    write(home / ".claude/skills/other/SKILL.md", "---\ndescription: <b> & co\n---\n")
    write(home / ".claude/skills/broken/SKILL.md", "nothing")
    skills, warnings = discover(roots(repo, home))
    assert [skill.name for skill in skills] == ["deploy", "other"]
    assert skills[0].description.startswith("Deploys")
    assert any("hidden by" in one for one in warnings)
    assert any("broken" in one for one in warnings)
    text = catalogue(repo, home)
    assert text.startswith("<available_skills>")
    assert "&lt;b&gt; &amp; co" in text
    assert catalogue(tmp_path / "empty", tmp_path / "empty") == ""


@pytest.mark.parametrize(
    "name", ["mission-worker", "mission-validator", "mission-orchestrator", "mission-plan"]
)
def test_the_base_skills_are_there(name: str) -> None:
    assert len(base_skill(name)) > 100


def test_a_base_skill_is_never_looked_for_outside_its_folder() -> None:
    with pytest.raises(MissionError, match="no base skill"):
        base_skill("../../etc")


@pytest.mark.parametrize(
    "command",
    [
        "pytest || true",
        "pytest; true",
        "pytest; echo done",
        "pytest &",
        "make\nexit 0",
        "set +o pipefail; pytest | cat",
    ],
)
def test_commands_that_hide_their_status_are_noticed(command: str) -> None:
    assert masks_status(command)


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "pytest | tail -5",
        "echo 'a || true'",
        "cd x && make",
        "pytest 2>&1",
        "cat <<EOF\nx; true\nEOF",
        "make # || true",
    ],
)
def test_honest_commands_are_not_accused(command: str) -> None:
    assert not masks_status(command)


def entry(run: int, edits: int = 0) -> CommandEntry:
    return CommandEntry(run, "make", 0, False, "t0", "t1", edits)


def test_a_ledger_is_rebuilt_from_the_transcript_and_never_reuses_an_ordinal() -> None:
    ledger = CommandLedger.restored(
        [{"command": entry(1).as_json()}, {"edit": "a.py"}, {}, {"command": entry(4, 1).as_json()}]
    )
    assert [one.run for one in ledger.entries] == [1, 4]
    assert ledger.reserve() == 5
    first, last = ledger.entries
    assert not ledger.after_last_edit(first)
    assert ledger.after_last_edit(last)
    assert ledger.get(2) is None
