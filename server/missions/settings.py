"""Settings: their shape, where they come from and which of them a repository may set.

Precedence, later wins: built-in → the user's ``settings.json`` in the store → the editor's settings or the environment →
the repository's ``.missions/settings.json`` (only keys that cannot weaken safety) → the plan → arguments of a command. A bad
value is reported and the default used; it never stops a mission that does not need it. The frozen set of a running mission
is in its journal. No credential is ever a setting; only the command that prints one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from missions.model.contract import Role
from missions.model.usage import ModelChoice


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ProviderSettings(Group):
    """The model service."""

    kind: Literal["anthropic", "bedrock", "vertex", "foundry"] = "anthropic"
    baseUrl: str | None = None
    """Anything that speaks the Messages API; a local server included."""
    waitMinutes: float = Field(default=30, ge=0, le=24 * 60)
    """How long a mission waits visibly for a provider that does not answer before it pauses."""


class CredentialSettings(Group):
    command: str | None = None
    """A command that prints the API key; run without a shell prompt, its output never stored."""


class RunnerSettings(Group):
    host: Literal["process", "server"] = "process"


class SandboxSettings(Group):
    mode: Literal["auto", "required", "none"] = "auto"
    read: tuple[str, ...] = ()
    """Extra folders that commands may read."""
    write: tuple[str, ...] = ()
    """Extra folders that commands may write."""
    environment: tuple[str, ...] = ()
    """Names of environment variables passed on to commands."""
    processes: int = Field(default=512, ge=16, le=32768)
    memoryMb: int = Field(default=4096, ge=128)
    fileMb: int = Field(default=2048, ge=1)


class NetworkSettings(Group):
    allow: tuple[str, ...] = ()
    """Hosts that plans may ask for without a separate yes."""


class BudgetSettings(Group):
    """Default limits of a mission that names none; ``None`` is unlimited."""

    usd: float | None = Field(default=20, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    wallMinutes: float | None = Field(default=480, gt=0)
    runs: int | None = Field(default=60, gt=0)
    unitUsd: float | None = Field(default=None, gt=0)
    unitMinutes: float | None = Field(default=120, gt=0)
    unitTurns: int = Field(default=200, ge=1, le=10_000)


class RecoverySettings(Group):
    perSignature: int = Field(default=3, ge=0, le=20)
    """Recoveries for the same problem before the human is asked."""
    perMission: int = Field(default=10, ge=0, le=100)
    """Recoveries without a completed feature in between."""


class WorkspaceSettings(Group):
    kind: Literal["inPlace", "clone"] | None = None
    branch: Literal["mission", "current"] = "mission"
    ignore: tuple[str, ...] = ()
    """Names of further caches that do not count as changes."""


class NotifySettings(Group):
    command: str | None = None
    webhook: str | None = None
    events: tuple[Literal["blocked", "decision", "complete", "budget", "rateLimited"], ...] = (
        "blocked",
        "decision",
        "complete",
        "budget",
    )
    level: Literal["all", "needed", "none"] = "needed"


class McpServer(Group):
    """A server of tools. It runs in a sandbox of its own, with the repository read-only."""

    command: str
    args: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """Names of variables that only the server gets, secrets included."""
    network: tuple[str, ...] = ()
    """Hosts that only the server reaches; ``*`` for all."""
    read: tuple[str, ...] = ()
    """Folders and files it may read besides the repository and the toolchains on PATH."""
    roles: tuple[Role, ...] = ("worker", "validator")


DEFAULT_MODELS: dict[Role, ModelChoice] = {
    "planner": ModelChoice(model="claude-opus-5-5", effort="high"),
    "worker": ModelChoice(model="claude-sonnet-5-5", effort="medium"),
    "validator": ModelChoice(model="claude-opus-5-5", effort="high"),
    "orchestrator": ModelChoice(model="claude-opus-5-5", effort="high"),
}


class Settings(Group):
    """The whole set, each group with its defaults."""

    models: dict[Role, ModelChoice] = Field(default_factory=lambda: dict(DEFAULT_MODELS))
    provider: ProviderSettings = ProviderSettings()
    credentials: CredentialSettings = CredentialSettings()
    runner: RunnerSettings = RunnerSettings()
    sandbox: SandboxSettings = SandboxSettings()
    network: NetworkSettings = NetworkSettings()
    budget: BudgetSettings = BudgetSettings()
    recovery: RecoverySettings = RecoverySettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    notify: NotifySettings = NotifySettings()
    mcp: dict[str, McpServer] = {}

    def frozen(self) -> dict[str, Any]:
        """What a mission keeps of its settings: everything that steers runs, nothing that leads to a secret."""
        return self.model_dump(mode="json", exclude={"credentials", "notify"}, exclude_none=True)


REPOSITORY_MAY_SET: frozenset[str] = frozenset(
    {
        "models.worker.effort",
        "models.validator.effort",
        "models.planner.effort",
        "models.orchestrator.effort",
        "workspace.ignore",
        "budget",
        "recovery",
    }
)
"""Keys of ``.missions/settings.json`` that are honoured; budgets and recoveries only downwards."""


@dataclass(frozen=True)
class SettingProblem:
    """A setting that was not used, and why."""

    source: str
    path: str
    message: str


@dataclass
class LoadedSettings:
    """The effective settings, where each key came from, and what was not used."""

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict[str, str])
    """Dotted key → who set it last; a key that is not in it has its built-in value."""
    problems: list[SettingProblem] = field(default_factory=list[SettingProblem])


ENVIRONMENT: dict[str, str] = {
    "MISSIONS_RUNNER_HOST": "runner.host",
    "MISSIONS_SANDBOX": "sandbox.mode",
    "MISSIONS_BASE_URL": "provider.baseUrl",
    "MISSIONS_PROVIDER": "provider.kind",
    "MISSIONS_MODEL_PLANNER": "models.planner.model",
    "MISSIONS_MODEL_WORKER": "models.worker.model",
    "MISSIONS_MODEL_VALIDATOR": "models.validator.model",
    "MISSIONS_MODEL_ORCHESTRATOR": "models.orchestrator.model",
}
"""Environment variables and the keys they set."""


EDITOR_VARIABLE = "MISSIONS_EDITOR_SETTINGS"
"""Hands an editor's settings, as JSON, to the process that an editor started; people do not set it."""


def load_settings(
    store_root: Path,
    *,
    repository: Path | None = None,
    editor: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> LoadedSettings:
    """The effective settings; ``arguments`` and ``editor`` are nested objects of the shape of :class:`Settings`."""
    loaded = LoadedSettings(Settings())
    tree: dict[str, Any] = loaded.settings.model_dump(mode="json")
    _layer(loaded, tree, read_settings_file(store_root / "settings.json", loaded.problems), "user")
    env = os.environ if environment is None else environment
    given = editor if editor is not None else _handed_over(env, loaded.problems)
    _layer(loaded, tree, dict(given), "editor")
    for name, path in ENVIRONMENT.items():
        if env.get(name):
            _layer(loaded, tree, _nested(path, env[name]), f"environment ({name})")
    if repository is not None:
        offered = read_settings_file(repository / ".missions" / "settings.json", loaded.problems)
        _layer(loaded, tree, _narrowed(offered, tree, loaded.problems), "repository")
    _layer(loaded, tree, dict(arguments or {}), "argument")
    loaded.settings = Settings.model_validate(tree)
    return loaded


def _handed_over(environment: Mapping[str, str], problems: list[SettingProblem]) -> dict[str, Any]:
    text = environment.get(EDITOR_VARIABLE)
    if not text:
        return {}
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        problems.append(SettingProblem(f"environment ({EDITOR_VARIABLE})", "", "must hold one object"))
        return {}
    return cast("dict[str, Any]", value)


def read_settings_file(path: Path, problems: list[SettingProblem]) -> dict[str, Any]:
    """The object in a settings file; an unreadable one is a problem and counts as empty."""
    try:
        raw = path.read_bytes() if path.is_file() and path.stat().st_size < 1_000_000 else b"{}"
        value: object = json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        problems.append(SettingProblem(str(path), "", f"cannot be read: {error}"))
        return {}
    if not isinstance(value, dict):
        problems.append(SettingProblem(str(path), "", "must hold one object"))
        return {}
    found = cast("dict[str, Any]", value)
    return {key: found[key] for key in found if key not in ("schemaVersion", "updatedAt", "$schema")}


def _nested(path: str, value: object) -> dict[str, Any]:
    *groups, leaf = path.split(".")
    tree: dict[str, Any] = {leaf: value}
    for group in reversed(groups):
        tree = {group: tree}
    return tree


def _layer(loaded: LoadedSettings, tree: dict[str, Any], layer: dict[str, Any], source: str) -> None:
    """Lay ``layer`` over ``tree`` key by key; a key that does not fit is reported and left out."""
    for key, value in layer.items():
        candidate = dict(tree)
        candidate[key] = _merged(tree.get(key), _model_shorthand(key, value))
        try:
            Settings.model_validate(candidate)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                where = ".".join(str(part) for part in detail["loc"])
                loaded.problems.append(SettingProblem(source, where, detail["msg"]))
            continue
        tree[key] = candidate[key]
        loaded.origins.update(dict.fromkeys(_keys(key, _model_shorthand(key, value)), source))


def _model_shorthand(key: str, value: object) -> object:
    """``models: {"worker": "name"}`` is short for ``{"worker": {"model": "name"}}``."""
    if key != "models" or not isinstance(value, dict):
        return value
    roles = cast("dict[str, object]", value)
    return {
        role: ({"model": choice} if isinstance(choice, str) else choice) for role, choice in roles.items()
    }


def _merged(old: object, new: object) -> object:
    if isinstance(old, dict) and isinstance(new, dict):
        merged = dict(cast("dict[str, object]", old))
        for key, value in cast("dict[str, object]", new).items():
            merged[key] = _merged(merged.get(key), value)
        return merged
    return new


def _narrowed(
    offered: dict[str, Any], tree: dict[str, Any], problems: list[SettingProblem]
) -> dict[str, Any]:
    """What a repository may set of ``offered``: never endpoints, credentials, sandbox, network, hosts or programs."""
    kept: dict[str, Any] = {}
    for path, value in _leaves(offered):
        allowed = path in REPOSITORY_MAY_SET or path.split(".")[0] in REPOSITORY_MAY_SET
        current = _lookup(tree, path)
        lower = not path.startswith(("budget.", "recovery.")) or (
            isinstance(value, int | float)
            and (current is None or (isinstance(current, int | float) and value <= current))
        )
        if allowed and lower:
            kept = cast("dict[str, Any]", _merged(kept, _nested(path, value)))
        else:
            why = "a repository may only lower it" if allowed else "a repository may not set it"
            problems.append(SettingProblem("repository", path, why))
    return kept


def _keys(prefix: str, value: object) -> list[str]:
    """The dotted keys that a layer sets."""
    if not isinstance(value, dict):
        return [prefix]
    entries = cast("dict[str, object]", value)
    return [key for name, inner in entries.items() for key in _keys(f"{prefix}.{name}", inner)]


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            found += _leaves(cast("dict[str, Any]", value), path + ".")
        else:
            found.append((path, value))
    return found


def _lookup(tree: dict[str, Any], path: str) -> object:
    node: object = tree
    for part in path.split("."):
        node = cast("dict[str, object]", node).get(part) if isinstance(node, dict) else None
    return node
