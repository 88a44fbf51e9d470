"""What the doctor sees of the machine: versions, tools, sandbox, disk, settings, credentials. Only looks.

Credentials are looked for and never shown; of them only the place is named.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from missions import __version__
from missions.agent.credentials import CredentialSources, Provider, resolve
from missions.agent.sandbox.probe import probe
from missions.control.finding import Finding
from missions.model.errors import MissionError
from missions.settings import LoadedSettings, load_settings
from missions.store.files import check_free_space
from missions.store.layout import Store

OLDEST_GIT = (2, 35)
OLDEST_PYTHON = (3, 11)


def look_at_machine(store: Store, path: str | None = None) -> list[Finding]:
    """Findings about this machine; ``path`` replaces PATH."""
    path = os.environ.get("PATH", "") if path is None else path
    loaded = load_settings(store.root)
    return [
        _versions(),
        *_git(path),
        *_bash(path),
        *_sandbox(loaded, path),
        *_disk(store),
        *_settings(loaded),
        _credentials(loaded),
    ]


def _versions() -> Finding:
    python = platform.python_version()
    what = f"missions {__version__}, Python {python}, {platform.system()} {platform.release()}."
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python-old", "error", what, "Install Python 3.11 or newer.")
    return Finding("versions", "info", what)


def _git(path: str) -> list[Finding]:
    program = shutil.which("git", path=path)
    if program is None:
        return [Finding("git-missing", "error", "git is not installed.", "Install git 2.35 or newer.")]
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, timeout=20, check=False, text=True
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        return [Finding("git-broken", "error", f"git cannot be run: {error}.", "Install it again.")]
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        return [Finding("git-broken", "error", "git does not tell its version.", "Install it again.")]
    if (int(found[1]), int(found[2])) < OLDEST_GIT:
        return [Finding("git-old", "error", f"{said} is too old.", "Install git 2.35 or newer.")]
    return [Finding("git", "info", f"{said}.")]


def _bash(path: str) -> list[Finding]:
    if shutil.which("bash", path=path) is None:
        what = "bash is not installed; commands of workers cannot be run."
        return [Finding("bash-missing", "error", what, "Install bash.")]
    return []


def _sandbox(loaded: LoadedSettings, path: str) -> list[Finding]:
    mode = loaded.settings.sandbox.mode
    if mode == "none":
        what = "The sandbox is switched off: commands run with all your rights."
        return [Finding("sandbox-off", "warning", what, 'Set `sandbox.mode` to "auto" in the settings.')]
    status = probe(path)
    if status.kind == "none":
        step = "Install bubblewrap; until then starting a mission asks for --no-sandbox."
        severity = "error" if mode == "required" else "warning"
        return [Finding("sandbox-missing", severity, f"There is no sandbox: {status.reason}.", step)]
    return [Finding("sandbox", "info", f"Sandbox: {status.reason}.")]


def _disk(store: Store) -> list[Finding]:
    place = next((p for p in (store.root, *store.root.parents) if p.is_dir()), Path("/"))
    try:
        check_free_space(place)
    except MissionError as error:
        step = "Free some space; `missions gc` removes what finished missions do not need."
        return [Finding("disk-low", "error", error.message, step)]
    return []


def _settings(loaded: LoadedSettings) -> list[Finding]:
    return [
        Finding(
            "setting-ignored",
            "warning",
            f"A setting is not used ({problem.source}{', ' + problem.path if problem.path else ''}): "
            f"{problem.message}.",
            "Correct it; until then the default holds.",
        )
        for problem in loaded.problems
    ]


def _credentials(loaded: LoadedSettings) -> Finding:
    settings = loaded.settings
    provider = Provider(name=settings.provider.kind, base_url=settings.provider.baseUrl)
    try:
        found = resolve(CredentialSources(command=settings.credentials.command), provider)
    except MissionError as error:
        return Finding("credentials-missing", "warning", error.message, error.next_step)
    return Finding("credentials", "info", f"Credentials for {provider.name} come from {found.source}.")
