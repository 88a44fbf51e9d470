"""A policy as a profile and command line of macOS `sandbox-exec`: text only, nothing is started here.

The profile denies everything that is not named; like the Linux form it shows system and toolchains, hides the home
directory and the store, and lets commands write only to the workspace, the run's evidence and temporary folders.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from missions.agent.sandbox.policy import GIT_READ_ONLY, Policy
from missions.agent.sandbox.toolchains import readable_roots

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/System",
    "/Library",
    "/opt",
    "/etc",
    "/private/etc",
    "/private/var/db/timezone",
    "/Applications/Xcode.app",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/fd")
_TEMPORARY = ("/tmp", "/private/tmp", "/private/var/folders")


def profile(policy: Policy) -> str:
    """The profile text. Later rules win."""
    lines = [
        "(version 1)",
        "(deny default)",
        "(allow process-fork)",
        "(allow process-exec)",
        "(allow signal (target same-sandbox))",
        "(allow process-info* (target same-sandbox))",
        "(allow sysctl-read)",
        '(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))',
        "(allow file-read-metadata)",
        f"(allow file-read* {_subpaths(map(Path, (*_SYSTEM, *_DEVICES, *_TEMPORARY)))})",
        f"(allow file-write* {_subpaths(map(Path, (*_DEVICES, *_TEMPORARY)))})",
        f"(deny file-read* file-write* {_subpaths((policy.home, *policy.hidden))})",
    ]
    readable = [*readable_roots(policy.env.get("PATH", ""), policy.home, policy.hidden), *policy.extra_ro]
    if policy.output is not None:
        readable.append(policy.output)
    if readable:
        lines.append(f"(allow file-read* {_subpaths(readable)})")
    writable = [policy.workspace, *policy.extra_rw]
    git = [folder for folder in dict.fromkeys((policy.common_dir, policy.git_dir)) if folder is not None]
    writable += git
    if policy.evidence is not None:
        writable.append(policy.evidence)
    lines.append(f"(allow file-read* {_subpaths(writable)})")
    if policy.workspace_mode == "ro":
        writable = [policy.evidence] if policy.evidence is not None else []
    if writable:
        lines.append(f"(allow file-write* {_subpaths(writable)})")
    guarded = [folder / name for folder in git for name in GIT_READ_ONLY]
    guarded += [policy.workspace / name for name in policy.protected]
    lines.append(f"(deny file-write* {_subpaths(guarded)})")
    lines += [f"(deny file-write-unlink (literal {_quoted(folder)}))" for folder in git]
    inside = [place for place in policy.hidden if policy.workspace in place.parents]
    if inside:
        lines.append(f"(deny file-read* file-write* {_subpaths(inside)})")
    if policy.network is True:
        lines.append("(allow network*)")
    return "\n".join(lines) + "\n"


def arguments(policy: Policy) -> list[str]:
    """The command line up to the program."""
    return ["/usr/bin/sandbox-exec", "-p", profile(policy)]


def _subpaths(paths: Iterable[Path]) -> str:
    return " ".join(f"(subpath {_quoted(path)})" for path in paths)


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
