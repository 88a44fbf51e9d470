"""The environment of commands: an allow-list, and settings that keep programs from asking, paging and signing.

Values come from the caller; this module never reads the process environment by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ALLOWED = ("PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "HOME")
_TOOL_HOMES = (
    "PYENV_ROOT", "RBENV_ROOT", "NVM_DIR", "NODENV_ROOT", "ASDF_DIR", "ASDF_DATA_DIR", "VOLTA_HOME", "RUSTUP_HOME",
    "GOROOT", "JAVA_HOME", "CONDA_PREFIX", "VIRTUAL_ENV", "SDKMAN_DIR",
)  # fmt: skip
_SECRET_NAME = re.compile(
    r"KEY|SECRET|TOKEN|PASSW|CREDENTIAL|COOKIE|AUTH|^ANTHROPIC_|^AWS_|^GOOGLE_|^AZURE_|^OPENAI_", re.I
)

QUIET: dict[str, str] = {
    "SHELL": "/bin/bash",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "CI": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MANPAGER": "cat",
    "LESS": "-R",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "EDITOR": "true",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_PROGRESS_BAR": "off",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "TQDM_DISABLE": "1",
    "npm_config_progress": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
    "npm_config_update_notifier": "false",
    "PYTHONUNBUFFERED": "1",
    "TMPDIR": "/tmp",
}
"""Set for every command: nothing asks, pages, paints or shows progress."""

_GIT_SETTINGS = (
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.fsmonitor", "false"),
    ("advice.detachedHead", "false"),
)


def command_environment(
    host: Mapping[str, str],
    identity: tuple[str, str] | None = None,
    declared: Iterable[str] = (),
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a run's commands.

    ``host``: the environment to take allowed names from. ``identity``: name and e-mail for commits. ``declared``: further
    names the user listed; one that looks like a secret is left out all the same (:func:`refused_names` says which).
    ``extra``: values set by the engine, which win.
    """
    names = {*_ALLOWED, *_TOOL_HOMES, *(name for name in host if name.startswith("LC_")), *declared}
    env = {name: host[name] for name in sorted(names) if name in host and not _SECRET_NAME.search(name)}
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    env.setdefault("LANG", "C.UTF-8")
    env.update(QUIET)
    settings = list(_GIT_SETTINGS)
    if identity is not None:
        for role in ("AUTHOR", "COMMITTER"):
            env[f"GIT_{role}_NAME"], env[f"GIT_{role}_EMAIL"] = identity
    for place, (key, value) in enumerate(settings):
        env[f"GIT_CONFIG_KEY_{place}"], env[f"GIT_CONFIG_VALUE_{place}"] = key, value
    env["GIT_CONFIG_COUNT"] = str(len(settings))
    env.update(extra or {})
    return env


def refused_names(declared: Iterable[str]) -> list[str]:
    """Which of the names the user listed are left out because they look like secrets."""
    return sorted(name for name in declared if _SECRET_NAME.search(name))
