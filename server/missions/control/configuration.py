"""Showing and changing the user's settings, the models of the roles among them.

Writes only ``settings.json`` of the store, and only what the settings' shape accepts. What is frozen into a mission
never changes here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

from missions.control.caller import Caller
from missions.model.contract import ROLES
from missions.model.errors import MissionError
from missions.settings import LoadedSettings, SettingProblem, Settings, load_settings, read_settings_file
from missions.store.files import atomic_write


def effective(caller: Caller, cwd: Path | None) -> dict[str, Any]:
    """``settings``, the ``origins`` of the keys that somebody set, and the ``problems`` of what was not used."""
    loaded = caller.settings(cwd)
    return {
        "settings": loaded.settings.model_dump(mode="json"),
        "origins": dict(loaded.origins),
        "problems": [p.__dict__ for p in loaded.problems],
        "file": str(caller.store.settings),
    }


def value_at(tree: dict[str, Any], key: str) -> Any:
    """The value at a dotted key; ``bad_argument`` names the keys beside a wrong one."""
    node: Any = tree
    seen: list[str] = []
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            near = ", ".join(sorted(cast("dict[str, Any]", node))) if isinstance(node, dict) else "none"
            raise MissionError(
                "bad_argument",
                f"There is no setting {key!r}.",
                f"Keys {'below ' + '.'.join(seen) if seen else 'at the top'}: {near}.",
            )
        seen.append(part)
        node = cast("dict[str, Any]", node)[part]
    return node


def change(caller: Caller, key: str, text: str | None) -> LoadedSettings:
    """Set a dotted key of the user's settings to ``text`` (JSON, or a plain word); None takes the own value away."""
    if not key.startswith("mcp."):
        value_at(Settings().model_dump(mode="json"), key)
    problems: list[SettingProblem] = []
    tree = read_settings_file(caller.store.settings, problems)
    if problems:
        raise MissionError(
            "bad_argument", f"{problems[0].source} {problems[0].message}.", "Mend or remove the file."
        )
    changed = _without(tree, key.split(".")) if text is None else _with(tree, key.split("."), _value(text))
    content = (json.dumps(changed, indent=2, ensure_ascii=False) + "\n").encode()
    _refuse_bad(caller, changed, key)
    caller.store.ensure()
    atomic_write(caller.store.settings, content, "file")
    return caller.settings()


def _refuse_bad(caller: Caller, tree: dict[str, Any], key: str) -> None:
    # The layers above are left out: what they override must be right all the same.
    judged = load_settings(Path(os.devnull), editor=tree, environment={})
    wrong = [p for p in judged.problems if p.path.split(".")[0] == key.split(".")[0]]
    if wrong:
        raise MissionError(
            "bad_argument",
            f"{key} cannot be set: {wrong[0].path}: {wrong[0].message}.",
            "See docs/configuration.md for what it takes.",
        )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with(tree: dict[str, Any], parts: list[str], value: Any) -> dict[str, Any]:
    if len(parts) == 1:
        return {**tree, parts[0]: value}
    below = tree.get(parts[0])
    if isinstance(below, str) and parts[1:] != ["model"]:
        below = {"model": below}  # the short form of a model choice
    inner = cast("dict[str, Any]", below) if isinstance(below, dict) else {}
    return {**tree, parts[0]: _with(inner, parts[1:], value)}


def _without(tree: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    rest = {name: value for name, value in tree.items() if name != parts[0]}
    below = tree.get(parts[0])
    if len(parts) > 1 and isinstance(below, dict):
        inner = _without(cast("dict[str, Any]", below), parts[1:])
        return {**rest, parts[0]: inner} if inner else rest
    return rest


def models(
    caller: Caller,
    role: str | None = None,
    model: str | None = None,
    effort: str | None = None,
    fallback: str | None = None,
) -> dict[str, Any]:
    """The model of each role; with a role and a model (or effort, or fallback), that default is set first."""
    if role is not None and role not in ROLES:
        raise MissionError("bad_argument", f"There is no role {role!r}.", "Roles: " + ", ".join(ROLES) + ".")
    if role is None and (model or effort or fallback):
        raise MissionError("bad_argument", "Name the role.", "Roles: " + ", ".join(ROLES) + ".")
    for name, value in (("model", model), ("effort", effort), ("fallback", fallback)):
        if value is not None:
            change(caller, f"models.{role}.{name}", json.dumps(value))
    loaded = caller.settings()
    choices = {name: choice.model_dump(mode="json") for name, choice in loaded.settings.models.items()}
    shown = choices if role is None else {role: choices[role]}
    own = {name: loaded.origins.get(f"models.{name}.model", "built-in") for name in shown}
    return {"models": shown, "origins": own}
