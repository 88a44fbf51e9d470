"""Settings and models from the command line, and the page that describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from missions.cli.app import main
from missions.model.lint import lint_plan_text
from missions.settings import ENVIRONMENT, McpServer, Settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MISSIONS_HOME", str(tmp_path / "home"))
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_setting_is_changed_shown_and_taken_away_again(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert said(capsys, "settings", "sandbox.mode")["value"] == "auto"
    assert said(capsys, "settings", "set", "sandbox.mode", "required")["value"] == "required"
    assert json.loads((home / "settings.json").read_text()) == {"sandbox": {"mode": "required"}}
    assert said(capsys, "settings")["origins"] == {"sandbox.mode": "user"}
    assert said(capsys, "settings", "unset", "sandbox.mode")["value"] == "auto"
    assert json.loads((home / "settings.json").read_text()) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sandbox.mode", "perhaps"),
        ("sandbox.mood", "none"),
        ("budget.usd", "-1"),
        ("nothing", "1"),
        ("models.painter.model", "x"),
    ],
)
def test_a_bad_setting_is_refused_and_the_file_stays_as_it_was(
    capsys: pytest.CaptureFixture[str], home: Path, key: str, value: str
) -> None:
    said(capsys, "settings", "set", "budget.usd", "7")
    before = (home / "settings.json").read_bytes()
    assert main(["settings", "set", key, value]) == 2
    assert capsys.readouterr().err
    assert (home / "settings.json").read_bytes() == before


def test_a_setting_that_is_not_used_is_told(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "settings.json").write_text('{"budget": {"usd": "much"}}')
    assert main(["settings"]) == 0
    captured = capsys.readouterr()
    assert "budget.usd" in captured.err
    assert "budget.usd = 20" in captured.out


def test_where_the_environment_wins_the_origin_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISSIONS_SANDBOX", "none")
    found = said(capsys, "settings")
    assert found["settings"]["sandbox"]["mode"] == "none"
    assert "MISSIONS_SANDBOX" in found["origins"]["sandbox.mode"]


def test_the_origin_of_each_key_is_told_and_a_default_beside_it_has_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "settings", "set", "models.worker.effort", "low")
    monkeypatch.setenv("MISSIONS_MODEL_WORKER", "claude-x")
    assert said(capsys, "settings")["origins"] == {
        "models.worker.effort": "user",
        "models.worker.model": "environment (MISSIONS_MODEL_WORKER)",
    }
    assert main(["settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'models.worker.effort = "low"   (user)' in lines
    assert [line for line in lines if line.startswith("models.planner.effort")] == [
        'models.planner.effort = "high"'
    ]
    found = said(capsys, "models")["origins"]
    assert (found["worker"], found["planner"]) == ("environment (MISSIONS_MODEL_WORKER)", "built-in")


def test_the_model_of_a_role_is_set_with_effort_and_fallback(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "models", "worker", "claude-x", "high", "--fallback", "claude-y")
    assert found["models"] == {"worker": {"model": "claude-x", "effort": "high", "fallback": "claude-y"}}
    assert said(capsys, "models")["models"]["validator"]["model"] != "claude-x"
    assert main(["models", "worker", "claude-x", "extreme"]) == 2


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += keys(inner, f"{prefix}{name}.")
        elif name not in ("models", "mcp"):
            found.append(prefix + name)
    return found


def test_every_setting_and_variable_is_on_the_page_and_nothing_else_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = [*keys(Settings), *[f"models.<role>.{n}" for n in ("model", "effort", "fallback")]]
    wanted += [f"mcp.<name>.{name}" for name in McpServer.model_fields]
    described = {
        line.split("`")[1]
        for line in page.splitlines()
        if line.startswith("| `") and "." in line.split("`")[1]
    }
    assert described == set(wanted)
    for name, key in ENVIRONMENT.items():
        row = next((line for line in page.splitlines() if line.startswith(f"| `{name}`")), "")
        assert f"`{key}`" in row, name


def test_the_defaults_on_the_page_are_the_defaults() -> None:
    defaults = Settings().model_dump(mode="json")
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if not line.startswith("| `") or "." not in cells[1] or "<" in cells[1]:
            continue
        group, _, key = cells[1].strip("`").partition(".")
        value = defaults[group][key]
        shown = "—" if value is None else f"`{json.dumps(value)}`"
        assert cells[2] == shown, cells[1]


def test_the_plan_of_the_guide_is_accepted() -> None:
    text = (PAGE.parent / "guide.md").read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
    _, found = lint_plan_text(text)
    assert [f.message for f in found if f.severity != "info"] == []
