"""Where the key comes from: environment, a command, the system keyring, a private file, or handed over through a pipe.

A key is never on a command line, never in the store, never in a ``repr``. This module never imports the SDK; resolving is
done before anything is written, so that a run without credentials leaves no trace.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import stat
import subprocess
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import platformdirs

from missions.model.errors import MissionError

FD_VARIABLE = "MISSIONS_CREDENTIALS_FD"
KEYRING_SERVICE = "missions"
_COMMAND_TIMEOUT = 30.0
_LONGEST_KEY = 16_384

ProviderName = Literal["anthropic", "bedrock", "vertex", "foundry"]

_CLOUD_NEEDS: dict[ProviderName, tuple[tuple[str, ...], str]] = {
    "bedrock": (
        (
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_ACCESS_KEY_ID",
            "AWS_PROFILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_ROLE_ARN",
        ),
        "AWS_BEARER_TOKEN_BEDROCK, AWS_PROFILE or AWS_ACCESS_KEY_ID",
    ),
    "vertex": (("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"), "ANTHROPIC_VERTEX_PROJECT_ID"),
    "foundry": (("ANTHROPIC_FOUNDRY_API_KEY",), "ANTHROPIC_FOUNDRY_API_KEY"),
}
_AMBIENT = ("ANTHROPIC_PROFILE", "ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_IDENTITY_TOKEN_FILE")


@dataclass(frozen=True)
class Provider:
    """Which service is asked, and where."""

    name: ProviderName = "anthropic"
    base_url: str | None = None
    region: str | None = None
    project: str | None = None
    """Vertex project id."""
    resource: str | None = None
    """Foundry resource name."""


@dataclass(frozen=True)
class CredentialSources:
    """The part of the settings that says where to look."""

    command: str | Sequence[str] | None = None
    """Prints the key on its standard output; a string is run by the shell, a list as it is."""
    file: Path | None = None
    """None: ``credentials`` in the user's configuration folder."""
    keyring: bool = True


@dataclass(frozen=True)
class Credentials:
    """A key or token, or the statement that the provider's own environment holds them."""

    kind: Literal["api_key", "auth_token", "ambient"]
    value: str = field(default="", repr=False)
    source: str = ""
    """Where it was found, for a person: ``ANTHROPIC_API_KEY``, ``the system keyring`` …"""

    def secrets(self) -> list[str]:
        """Values that must never reach a file, a child process or a request's text."""
        return [self.value] if self.value else []


def default_file() -> Path:
    """The private file that is read last."""
    return platformdirs.user_config_path("missions") / "credentials"


def resolve(
    sources: CredentialSources,
    provider: Provider | None = None,
    environ: Mapping[str, str] | None = None,
    handed_over: Credentials | None = None,
) -> Credentials:
    """The credentials to use, in the order: handed over, environment, command, keyring, file; else ``no_credentials``.

    Blocks while the command or the keyring answers: call it through a thread from a coroutine.
    """
    provider = provider or Provider()
    environ = os.environ if environ is None else environ
    if provider.name != "anthropic":
        return _cloud(provider, environ, handed_over)
    if handed_over is not None:
        return handed_over
    found = _from_environment(environ)
    if found is None and sources.command:
        found = _from_command(sources.command)
    if found is None and sources.keyring:
        found = _from_keyring()
    if found is None:
        found = _from_file(sources.file or default_file())
    if found is None:
        raise MissionError(
            "no_credentials",
            "No credentials for the model provider were found.",
            "Set ANTHROPIC_API_KEY, or `credentials.command` in the settings, or put the key into "
            f"{sources.file or default_file()} (mode 0600); `missions demo` needs none.",
        )
    return found


def take_handed_over(environ: MutableMapping[str, str] | None = None) -> Credentials | None:
    """Read the key from the pipe that ``MISSIONS_CREDENTIALS_FD`` names, once; the variable is removed.

    The other side writes the key, or ``{"kind", "value"}`` as JSON, and closes.
    """
    variables = os.environ if environ is None else environ
    text = variables.pop(FD_VARIABLE, None)
    if text is None:
        return None
    try:
        with os.fdopen(int(text), "rb") as pipe:
            data = pipe.read(_LONGEST_KEY)
    except (OSError, ValueError):
        raise MissionError(
            "no_credentials",
            f"{FD_VARIABLE} does not name a readable pipe.",
            "Start the runner through `missions run`.",
        ) from None
    return _parsed(data.decode("utf-8", "replace"), "handed over")


def hand_over(credentials: Credentials) -> bytes:
    """What to write into the pipe of a child that calls ``take_handed_over``."""
    return json.dumps({"kind": credentials.kind, "value": credentials.value}).encode()


def _from_environment(environ: Mapping[str, str]) -> Credentials | None:
    key = environ.get("ANTHROPIC_API_KEY", "").strip()
    if key:
        return Credentials("api_key", key, "ANTHROPIC_API_KEY")
    token = environ.get("ANTHROPIC_AUTH_TOKEN", "").strip()
    if token:
        return Credentials("auth_token", token, "ANTHROPIC_AUTH_TOKEN")
    for name in _AMBIENT:
        if environ.get(name):
            return Credentials("ambient", "", name)
    return None


def _from_command(command: str | Sequence[str]) -> Credentials:
    shell = isinstance(command, str)
    try:
        done = subprocess.run(
            command if isinstance(command, str) else list(command),
            shell=shell,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = (
            "did not answer in time"
            if isinstance(error, subprocess.TimeoutExpired)
            else "could not be started"
        )
        raise MissionError(
            "no_credentials",
            f"The command in `credentials.command` {why}.",
            "Run it in a terminal to see why.",
        ) from None
    found = _parsed(done.stdout.decode("utf-8", "replace"), "credentials.command")
    if done.returncode != 0 or found is None:
        # Neither stream is shown: a failing command may still have printed the key.
        raise MissionError(
            "no_credentials",
            f"The command in `credentials.command` gave no key (exit code {done.returncode}).",
            "Run it in a terminal: it must print the key and nothing else.",
        )
    return found


def _from_keyring() -> Credentials | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    try:
        keyring: Any = importlib.import_module("keyring")
        value = keyring.get_password(KEYRING_SERVICE, "api_key")
    except Exception:
        # A keyring without a usable back end (no session bus, locked) is the same as none.
        return None
    return _parsed(value, "the system keyring") if isinstance(value, str) else None


def _from_file(path: Path) -> Credentials | None:
    try:
        found = path.stat()
    except OSError:
        return None
    if os.name == "posix" and (stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.getuid()):
        raise MissionError(
            "no_credentials",
            f"The credentials file {path} can be read by others, so it is not used.",
            f"Make it yours alone: chmod 600 {path}; and consider a new key.",
        )
    try:
        with path.open("rb") as file:
            return _parsed(file.read(_LONGEST_KEY).decode("utf-8", "replace"), str(path))
    except OSError:
        return None


def _parsed(text: str, source: str) -> Credentials | None:
    text = text.strip()
    if not text:
        return None
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except ValueError:
            return None
        known = cast("dict[str, Any]", value)
        kind, key = known.get("kind", "api_key"), known.get("value", "")
        if kind not in ("api_key", "auth_token", "ambient") or not isinstance(key, str):
            return None
        return Credentials(kind, key, source)
    return Credentials("api_key", text, source) if "\n" not in text and text.isascii() else None


def _cloud(provider: Provider, environ: Mapping[str, str], handed_over: Credentials | None) -> Credentials:
    if handed_over is not None:
        return handed_over
    names, shown = _CLOUD_NEEDS[provider.name]
    present = next((name for name in names if environ.get(name)), None)
    if provider.name == "vertex" and provider.project:
        present = present or "the settings"
    if present is None:
        raise MissionError(
            "no_credentials",
            f"No credentials for the provider {provider.name} were found.",
            f"Set {shown} in the environment; `missions demo` needs none.",
        )
    return Credentials("ambient", "", present)
