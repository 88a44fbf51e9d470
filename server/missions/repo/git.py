"""The one door to git: a list of arguments in, bytes or a typed error out.

Every call gets the protective environment of :mod:`missions.repo.protection`, a time limit, its own process group
and a fail point ``repo.git.<subcommand>`` just before it starts. This module knows no repository layout, reads no
file of a repository itself and never talks to a remote.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from missions import failpoints
from missions.model.errors import MissionError, raise_if_scarce, too_many_files
from missions.repo import protection, stamps
from missions.repo.protection import Setting

SUBCOMMANDS = (
    "cat-file",
    "check-attr",
    "checkout",
    "checkout-index",
    "commit-tree",
    "config",
    "diff-index",
    "diff-tree",
    "fast-import",
    "for-each-ref",
    "fsck",
    "hash-object",
    "index-pack",
    "init",
    "ls-files",
    "ls-tree",
    "merge-base",
    "mktree",
    "pack-objects",
    "read-tree",
    "rev-list",
    "rev-parse",
    "status",
    "symbolic-ref",
    "unpack-objects",
    "update-index",
    "update-ref",
    "worktree",
    "write-tree",
)
"""The git commands the engine uses; no other can be run."""

FAILPOINTS = tuple(f"repo.git.{name}" for name in SUBCOMMANDS)
"""Every fail point of this module, for the kill sweep."""

_COMPLAINT_LIMIT = 2_000


class GitError(MissionError):
    """Git ended with an error; ``stderr`` is what it said (untrusted text), ``exit_code`` how it ended."""

    def __init__(self, message: str, next_step: str, command: str, exit_code: int, stderr: str) -> None:
        super().__init__(
            "repository",
            message,
            next_step,
            command=command,
            exitCode=exit_code,
            stderr=stderr[:_COMPLAINT_LIMIT],
        )
        self.exit_code = exit_code
        self.stderr = stderr

    @property
    def lock_exists(self) -> bool:
        """Whether git refused because a ``.lock`` file is there."""
        return ".lock': File exists" in self.stderr


@dataclass(frozen=True)
class Output:
    """What a git process printed, and its exit code."""

    out: bytes
    err: str
    code: int

    @property
    def line(self) -> str:
        """Standard output without its final newline."""
        return os.fsdecode(self.out.removesuffix(b"\n"))


class Git:
    """Git for one work tree and one git directory, both named explicitly so that nothing is discovered.

    Without ``git_dir`` git looks for the repository above ``work_tree`` (used once, by ``Repository.find``).
    """

    def __init__(
        self, work_tree: Path, git_dir: Path | None = None, settings: Sequence[Setting] = ()
    ) -> None:
        self.work_tree = work_tree
        self.git_dir = git_dir
        self.settings = tuple(settings)
        self._known: tuple[dict[str, stamps.Stamp | None], list[Setting]] | None = None

    def run(
        self,
        subcommand: str,
        *arguments: str,
        data: bytes | None = None,
        source: Path | None = None,
        target: Path | None = None,
        index: Path | None = None,
        identity: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (0,),
        timeout: float = 120,
    ) -> Output:
        """Run ``git <subcommand> <arguments>`` at the top of the work tree.

        ``data`` or the file ``source`` is standard input, the file ``target`` takes standard output, ``index`` is
        a private index, ``identity`` holds ``GIT_AUTHOR_*`` and ``GIT_COMMITTER_*``, ``timeout`` is in seconds.
        Raises :class:`GitError` if the exit code is not in ``allowed``.
        """
        if subcommand not in SUBCOMMANDS:
            raise ValueError(f"git {subcommand} is not among the commands the engine uses")
        settings = list(self.settings)
        if subcommand in protection.READS_WORK_TREE:
            settings += protection.driver_overrides(self.config())
        env = protection.environment(settings, locks=subcommand != "status")
        if self.git_dir is not None:
            env |= {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(self.work_tree)}
        if index is not None:
            env["GIT_INDEX_FILE"] = str(index)
        env |= identity or {}
        extra = ("--no-ext-diff", "--no-textconv") if subcommand in protection.NO_EXTERNAL_DIFF else ()
        failpoints.hit(f"repo.git.{subcommand}")
        command = ["git", subcommand, *extra, *arguments]
        result = _execute(command, self._directory(), env, data, source, target, timeout)
        if result.code not in allowed:
            raise _failure(subcommand, result, self.work_tree)
        return result

    def config(self) -> list[Setting]:
        """The repository's own settings, included files too; the user's and the system's are not among them.

        Asked of git only when a file it came from has changed: it is needed before every look at the work tree.
        """
        if self._known is not None and _stamped(self._known[0]) == self._known[0]:
            return list(self._known[1])
        moment = stamps.now()
        listing = Git(self.work_tree, self.git_dir)._scoped_config()
        found = [(key, value) for scope, _, key, value in listing if scope in ("local", "worktree")]
        self._known = None
        files = {origin for scope, origin, _, _ in listing if scope in ("local", "worktree")}
        includes = any(key.lower().startswith(("include.", "includeif.")) for key, _ in found)
        if files and self.git_dir is not None and not includes and all(o.startswith("file:") for o in files):
            paths = {str(self.work_tree / origin.removeprefix("file:")) for origin in files}
            seen = _stamped(dict.fromkeys([*paths, str(self.git_dir / "config.worktree")]))
            if stamps.all_settled(seen.values(), moment):
                self._known = (seen, found)
        return list(found)

    def _scoped_config(self) -> list[tuple[str, str, str, str]]:
        """Scope, origin, key and value of each setting."""
        output = self.run("config", "--list", "-z", "--show-scope", "--show-origin", "--includes").out
        parts = output.split(b"\0")
        found: list[tuple[str, str, str, str]] = []
        for scope, origin, entry in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
            for key, value in protection.parse_config(entry):
                found.append((os.fsdecode(scope), os.fsdecode(origin), key, value))
        return found

    def _directory(self) -> Path:
        # After `rm -rf` of the work tree git still has to run for the backup.
        return self.work_tree if self.work_tree.is_dir() else Path(self.work_tree.anchor)


def _stamped(paths: Mapping[str, object]) -> dict[str, stamps.Stamp | None]:
    return {path: stamps.stamp(path) for path in paths}


def read_user_settings(directory: Path) -> list[Setting]:
    """The user's and the system's git settings that the engine follows, weakest first."""
    found: list[Setting] = []
    for scope in ("--system", "--global"):
        failpoints.hit("repo.git.config")
        command = ["git", "config", scope, "--list", "-z", "--includes"]
        result = _execute(command, directory, protection.user_environment(), None, None, None, 30)
        if result.code == 0:
            found += protection.user_settings(protection.parse_config(result.out))
    return found


def _execute(
    command: list[str],
    directory: Path,
    env: Mapping[str, str],
    data: bytes | None,
    source: Path | None,
    target: Path | None,
    timeout: float,
) -> Output:
    with ExitStack() as files:
        files.enter_context(_scarcity_named())
        start = _starter()
        stdin = subprocess.PIPE if data is not None else subprocess.DEVNULL
        stdout = subprocess.PIPE
        if source is not None:
            stdin = files.enter_context(source.open("rb"))
        if target is not None:
            stdout = files.enter_context(target.open("wb"))
        try:
            # An own session: Ctrl-C in the terminal must not stop git halfway, and a time-out ends its children too.
            process = start(
                command,
                cwd=directory,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise protection.no_git(error) from error
        try:
            out, err = process.communicate(data, timeout=timeout)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _timed_out(command[1], timeout) from error
            raise
    return Output(out or b"", err.decode("utf-8", "replace"), process.returncode)


@contextmanager
def _scarcity_named() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise_if_scarce(error)
        raise


def _starter() -> Callable[..., subprocess.Popen[bytes]]:
    """GitPython's way to start git. Its ``Git.execute`` is not used because it passes our whole environment on."""
    try:
        module: Any = importlib.import_module("git.cmd")
    except ImportError as error:  # GitPython runs the program when it is imported, and says the same whatever kept it from that
        with suppress(FileNotFoundError):
            subprocess.run(["git", "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        raise protection.no_git(error) from error
    return cast("Callable[..., subprocess.Popen[bytes]]", module.safer_popen)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _timed_out(subcommand: str, timeout: float) -> GitError:
    return GitError(
        f"git {subcommand} did not end within {timeout:g} seconds.",
        "Look for a slow or unreachable disk, then try again.",
        subcommand,
        -1,
        "",
    )


def _named(text: str, *numbers: int) -> OSError | None:
    """The system's error that git's words hold, of these."""
    return next((OSError(number, "") for number in numbers if os.strerror(number) in text), None)


def _failure(subcommand: str, result: Output, work_tree: Path) -> MissionError:
    text = result.err.strip()
    if any(os.strerror(number) in text for number in (errno.ENOSPC, errno.EDQUOT)):
        message = f"The disk is full: git {subcommand} could not write."
        return MissionError("disk_full", message, "Free some space, then resume.", command=subcommand)
    if (scarce := too_many_files(_named(text, errno.EMFILE, errno.ENFILE))) is not None:
        return scarce
    if os.strerror(errno.EIO) in text:
        message = f"git {subcommand} failed: {os.strerror(errno.EIO)}."
        return MissionError("io_failed", message, "Check the disk, then resume.", command=subcommand)
    if "dubious ownership" in text:
        message = f"Git does not trust {work_tree}, because it belongs to another user."
        step = "Check the folder, then run `git config --global --add safe.directory <folder>`."
    elif "index file corrupt" in text or "bad signature" in text or "bad index file" in text:
        message = "The repository's index is damaged."
        step = (
            "Remove the file `index` in the git directory and run `git reset`; your files stay as they are."
        )
    elif ".lock': File exists" in text:
        message = "Another git process holds a lock in the repository."
        step = "Wait for it to end; if none runs, remove the lock file that git names."
    else:
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
        message = f"git {subcommand} failed: {last[:300]}"
        step = "Run `git status` and `git fsck` in the repository to see what is wrong."
    return GitError(message, step, subcommand, result.code, text)
