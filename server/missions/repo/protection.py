"""The environment that the engine's git runs in: what is switched off, and how.

A repository is untrusted content: its configuration can name programs (hooks, filters, pagers, signing, external
diffs, credential helpers …) that git starts by itself. This module turns all of them off by settings that win over
every configuration file. It lets a few harmless settings of the user through (line endings, name, `safe.directory`).
It never starts git and never changes a configuration file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from missions.model.errors import MissionError

_NOTHING = os.devnull

PROTECTIVE: dict[str, str] = {
    "core.hooksPath": _NOTHING,
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.attributesFile": _NOTHING,
    "core.excludesFile": _NOTHING,
    "core.pager": "cat",
    "core.editor": ":",
    "sequence.editor": ":",
    "core.askPass": "",
    "core.sshCommand": "false",
    "core.gitProxy": "",
    "core.alternateRefsCommand": "true",
    "core.checkStat": "default",
    "core.trustctime": "true",
    "core.safecrlf": "false",
    "core.quotePath": "true",
    "core.splitIndex": "false",
    # Objects and refs are on the disk before git returns; `batch` makes one flush of many objects.
    "core.fsync": "committed,reference",
    "core.fsyncMethod": "batch",
    "safe.bareRepository": "explicit",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "log.showSignature": "false",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "false",
    "gpg.ssh.defaultKeyCommand": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    # A second process that takes a small pack apart costs more than the pack.
    "fastimport.unpackLimit": "0",
    "maintenance.auto": "false",
    "color.ui": "false",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "advice.detachedHead": "false",
}
"""Settings of every call; they come last, so no file wins over them."""

PASSED_THROUGH = ("core.autocrlf", "core.eol", "user.name", "user.email", "safe.directory")
"""Settings of the user (global and system files) that the engine follows. None of them can name a program."""

_KEPT_VARIABLES = ("PATH", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_DRIVER_SETTINGS = {
    "filter": (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")),
    "diff": (("command", ""), ("textconv", "")),
    "merge": (("driver", "false"),),
}

READS_WORK_TREE = frozenset(
    {"add", "checkout", "checkout-index", "diff-files", "diff-index", "hash-object", "status", "update-index"}
)
"""Subcommands that could start a filter driver; the drivers are looked up again just before each."""

NO_EXTERNAL_DIFF = frozenset({"diff-tree", "diff-index", "diff-files"})
"""Subcommands that get ``--no-ext-diff --no-textconv``."""

Setting = tuple[str, str]


def parse_config(listing: bytes) -> list[Setting]:
    """``git config --list -z`` as pairs; a key without value reads as ``true``, as git does."""
    pairs: list[Setting] = []
    for entry in listing.split(b"\0"):
        if entry:
            key, newline, value = entry.partition(b"\n")
            pairs.append((os.fsdecode(key), os.fsdecode(value) if newline else "true"))
    return pairs


def user_settings(config: Iterable[Setting]) -> list[Setting]:
    """Those of the user's settings that are passed through."""
    wanted = {name.lower() for name in PASSED_THROUGH}
    return [(key, value) for key, value in config if key.lower() in wanted]


def driver_overrides(config: Iterable[Setting]) -> list[Setting]:
    """Settings that silence each filter, diff and merge driver the configuration names (a filter cannot be
    switched off in any other way)."""
    drivers: set[tuple[str, str]] = set()
    for key, _ in config:
        section, dot, rest = key.partition(".")
        name, dot, _ = rest.rpartition(".")
        if section.lower() in _DRIVER_SETTINGS and dot:
            drivers.add((section.lower(), name))
    return [
        (f"{section}.{name}.{key}", value)
        for section, name in sorted(drivers)
        for key, value in _DRIVER_SETTINGS[section]
    ]


def environment(settings: Iterable[Setting], *, locks: bool) -> dict[str, str]:
    """The complete environment of one git process: nothing of ours but PATH and the temporary directory.

    Settings travel in ``GIT_CONFIG_KEY_<n>`` rather than ``-c``, because a driver's name may hold ``=``.
    """
    env = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    env |= {
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "HOME": _NOTHING,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": _NOTHING,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "1" if locks else "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "SSH_ASKPASS": "false",
        "GIT_SSH_COMMAND": "false",
        "GIT_EDITOR": ":",
        "GIT_SEQUENCE_EDITOR": ":",
        "GIT_PAGER": "cat",
        "GIT_MERGE_AUTOEDIT": "no",
    }
    pairs = [*settings, *PROTECTIVE.items()]
    env["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def user_environment() -> Mapping[str, str]:
    """The environment for the one call that reads the user's own git settings (which starts no program)."""
    kept = (
        *_KEPT_VARIABLES,
        "HOME",
        "XDG_CONFIG_HOME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
    )
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "LC_ALL": "C",
        "GIT_PAGER": "cat",
    }


def no_git(error: Exception) -> MissionError:
    """The error for a machine without git."""
    return MissionError(
        "repository",
        "The program git was not found.",
        "Install git (2.36 or newer) and make sure that it is on PATH.",
        detail=str(error),
    )
