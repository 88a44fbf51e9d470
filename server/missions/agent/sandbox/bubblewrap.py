"""A policy as the argument list of bubblewrap: what is mounted where, in which order.

Only makes the list (and looks which paths exist); starting it is ``session.py``. Later arguments lie over earlier ones, so
the order is: the system, hidden places, toolchains, what the user added, the workspace, the git directory, the protected
parts, the run's folders.
"""

from __future__ import annotations

from pathlib import Path

from missions.agent.sandbox.policy import GIT_READ_ONLY, Policy
from missions.agent.sandbox.toolchains import SYSTEM_ROOTS, readable_roots

_SECRETS_OF_THE_SYSTEM = (
    "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssl/private",
    "/etc/ssh", "/etc/krb5.keytab", "/etc/NetworkManager", "/etc/wpa_supplicant", "/etc/ppp", "/etc/docker", "/etc/kubernetes",
    "/etc/letsencrypt", "/etc/cron.d", "/etc/mysql/debian.cnf", "/etc/security/opasswd", "/etc/machine-id", "/etc/rancher",
)  # fmt: skip
_PROC_COVERED = (
    "kcore", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "mtrr", "sysrq-trigger", "keys", "key-users", "timer_list",
    "sched_debug", "slabinfo", "iomem", "vmallocinfo", "config.gz", "kallsyms", "modules", "cmdline",
)  # fmt: skip
"""Entries of /proc that show or change the whole machine."""

Mount = list[str]


def arguments(policy: Policy, seccomp_fd: int | None) -> list[str]:
    """Everything after ``bwrap`` up to the program."""
    words = ["--unshare-all", "--unshare-user", "--disable-userns"]
    if policy.network is True:
        words.append("--share-net")
    words += [
        "--die-with-parent",
        "--new-session",
        "--as-pid-1",
        "--cap-drop",
        "ALL",
        "--hostname",
        "mission",
    ]
    if seccomp_fd is not None:
        words += ["--seccomp", str(seccomp_fd)]
    words += ["--clearenv"]
    words += _system(policy)
    for place in (policy.home, *policy.hidden):
        if place == Path("/") or any(place.is_relative_to(root) for root in SYSTEM_ROOTS):
            continue  # a service account's home, such as `/usr/sbin`, holds nothing private
        words += ["--size", str(policy.limits.tmp), "--tmpfs", str(place)]
    for root in readable_roots(policy.env.get("PATH", ""), policy.home, policy.hidden):
        words += ["--ro-bind-try", str(root), str(root)]
    for path in policy.extra_ro:
        words += ["--ro-bind-try", str(path), str(path)]
    for path in policy.extra_rw:
        words += ["--bind-try", str(path), str(path)]
    mode = "--bind" if policy.workspace_mode == "rw" else "--ro-bind"
    words += [mode, str(policy.workspace), str(policy.workspace)]
    words += _git(policy, mode)
    words += _protected(policy)
    words += _hidden_again(policy)
    if policy.evidence is not None:
        words += ["--bind", str(policy.evidence), str(policy.evidence)]
    if policy.output is not None:
        words += ["--ro-bind", str(policy.output), str(policy.output)]
    return [*words, "--chdir", str(policy.workspace), "--"]


def _system(policy: Policy) -> Mount:
    words: Mount = []
    for root in SYSTEM_ROOTS:
        path = Path(root)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), root]
        elif path.is_dir():
            words += ["--ro-bind", root, root]
    for secret in _SECRETS_OF_THE_SYSTEM:
        path = Path(secret)
        if path.is_symlink():
            continue
        if path.is_dir():
            words += ["--tmpfs", secret, "--remount-ro", secret]
        elif path.exists():
            words += ["--ro-bind", "/dev/null", secret]
    words += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]
    # A process of the real root, even without capabilities, may write what root owns there.
    words += [
        word
        for name in _PROC_COVERED
        if Path("/proc", name).exists()
        for word in ("--ro-bind", "/dev/null", f"/proc/{name}")
    ]
    words += ["--dev", "/dev", "--size", str(policy.limits.tmp), "--tmpfs", "/dev/shm"]
    for place in ("/tmp", "/var/tmp"):
        words += ["--size", str(policy.limits.tmp), "--perms", "1777", "--tmpfs", place]
    words += ["--dir", "/run", "--symlink", "../run", "/var/run"]
    if policy.network is True:
        resolver = Path("/etc/resolv.conf").resolve()
        if not str(resolver).startswith("/etc/"):
            words += ["--ro-bind-try", str(resolver), str(resolver)]
    return words


def _git(policy: Policy, mode: str) -> Mount:
    """``.git`` bound onto itself, so that it cannot be renamed; its dangerous entries read-only."""
    words: Mount = []
    common, own = policy.common_dir or policy.git_dir, policy.git_dir
    if common is None or own is None:
        return words
    words += [mode, str(common), str(common)]
    if own != common:
        words += _guarded_worktrees(common, own)
        words += [mode, str(own), str(own)]
    for folder in dict.fromkeys((common, own)):
        for name in GIT_READ_ONLY:
            words += _read_only(folder / name)
    pointer = policy.workspace / ".git"
    if pointer.is_file() and not pointer.is_symlink():
        words += _read_only(pointer)
    return words


def _guarded_worktrees(common: Path, own: Path) -> Mount:
    words: Mount = []
    worktrees = common / "worktrees"
    if worktrees.is_dir():
        words += ["--bind", str(worktrees), str(worktrees)]
        words += [word for other in sorted(worktrees.iterdir()) if other != own for word in _read_only(other)]
    return words


def _read_only(path: Path) -> Mount:
    # A link cannot be mounted over: the mount would land on what it points to. `protection.py` watches links.
    return [] if path.is_symlink() or not path.exists() else ["--ro-bind", str(path), str(path)]


def _protected(policy: Policy) -> Mount:
    return [word for name in policy.protected for word in _read_only(policy.workspace / name)]


def _hidden_again(policy: Policy) -> Mount:
    """Hidden places that lie inside something shown above (a store within the workspace)."""
    shown = (policy.workspace, *policy.extra_ro, *policy.extra_rw)
    words: Mount = []
    for place in policy.hidden:
        if any(folder in place.parents for folder in shown) and place.is_dir():
            words += ["--tmpfs", str(place), "--remount-ro", str(place)]
    return words
