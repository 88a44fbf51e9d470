"""Commits: reading them, and the engine's own, which is made exactly once (reference section ii, commit protocol).

The engine's commit is a pure function of its intent and the files: private index, fixed dates, compare-and-swap.
Running the same intent again after a crash finds the commit or makes the same object. The module never amends,
resets or deletes, and it never runs a filter: a changed file that needs one is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from missions.model.errors import MissionError
from missions.repo import loose
from missions.repo.changes import PathChange, all_paths, parse_raw
from missions.repo.index import has_git, look, set_submodule, stage
from missions.repo.names import check_path, check_ref, check_sha, fields, lines_of
from missions.repo.objects import read
from missions.repo.ref_update import LOCK_WAIT, Claim, swap_ref, wait_for_lock
from missions.repo.repository import Identity, Repository

TRAILER = "Mission-Step"

_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}\Z")
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n\Z"
)


@dataclass(frozen=True)
class Commit:
    """A commit as read; ``authored_at`` is in epoch seconds, ``step`` the value of its ``Mission-Step`` trailer."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    authored_at: int
    subject: str
    body: str
    step: str | None
    committer: str = ""
    """Name of the committer, which may differ from the author."""


@dataclass(frozen=True)
class CommitIntent:
    """Everything that determines a commit of the engine; recorded in the journal before it is made.

    ``ref`` is the full name of the branch, ``parent`` the commit it must be at, ``date`` is in epoch seconds. ``paths``
    limits the commit to those files; None takes all changes.
    """

    step: str
    ref: str
    parent: str
    message: str
    date: int
    author: Identity
    paths: tuple[str, ...] | None = None


def exists(repo: Repository, sha: str) -> bool:
    """Whether ``sha`` is a commit of this repository."""
    if is_loose(repo, check_sha(sha)):
        return True
    return repo.git.run("cat-file", "-e", check_sha(sha) + "^{commit}", allowed=(0, 1, 128)).code == 0


def is_loose(repo: Repository, sha: str) -> bool:
    """Whether ``sha`` is the full name of a commit that was made lately, as far as that can be told without git."""
    return loose.commit(repo.common_dir, sha) is not None


def is_ancestor(repo: Repository, ancestor: str, descendant: str) -> bool:
    """Whether ``ancestor`` is reachable from ``descendant`` (a commit is its own ancestor)."""
    if loose.chain(repo.common_dir, check_sha(ancestor), check_sha(descendant)) is not None:
        return True
    answer = repo.git.run(
        "merge-base", "--is-ancestor", check_sha(ancestor), check_sha(descendant), allowed=(0, 1)
    )
    return answer.code == 0


def between(repo: Repository, base: str, tip: str) -> list[Commit]:
    """The commits of ``base..tip``, oldest first."""
    shas = loose.chain(repo.common_dir, check_sha(base), check_sha(tip))
    if shas is None:
        shas = (
            repo.git.run("rev-list", "--reverse", "--topo-order", f"{base}..{tip}")
            .out.decode("ascii")
            .split()
        )
    return read_commits(repo, shas)


def read_commits(repo: Repository, shas: Iterable[str]) -> list[Commit]:
    """The commits of these names, in their order."""
    wanted = [check_sha(sha) for sha in shas]
    found = {sha: content for sha in wanted if (content := loose.commit(repo.common_dir, sha)) is not None}
    for sha, kind, content in read(repo.git, (sha for sha in wanted if sha not in found)):
        if kind != "commit":
            raise MissionError(
                "repository",
                f"{sha} is not a commit of this repository.",
                "Run `git fsck` in the repository.",
            )
        found[sha] = content
    return [_parse(sha, found[sha]) for sha in wanted]


def _parse(sha: str, raw: bytes) -> Commit:
    head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
    tree, parents, author, committer = "", list[str](), "", ""
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        if key == "tree":
            tree = value
        elif key == "parent":
            parents.append(value)
        elif key == "author":
            author = value
        elif key == "committer":
            committer = value.rpartition(" <")[0]
    name, _, rest = author.rpartition(" <")
    email, _, when = rest.partition("> ")
    seconds = when.split(" ")[0]
    subject, _, body = message.partition("\n")
    steps = re.findall(rf"^{TRAILER}: (\S+)$", message.rstrip().rpartition("\n\n")[2], re.MULTILINE)
    at = int(seconds) if seconds.isdigit() else 0
    step = steps[-1] if steps else None
    return Commit(sha, tree, tuple(parents), name, email, at, subject, body.strip("\n"), step, committer)


def changed_paths(repo: Repository, base: str, tip: str) -> list[PathChange]:
    """What differs between two commits; renames carry both names."""
    arguments = ("-r", "-z", "--raw", "-M", "--no-abbrev", "--ignore-submodules=none")
    return parse_raw(repo.git.run("diff-tree", *arguments, check_sha(base), check_sha(tip)).out)


def touched_paths(repo: Repository, base: str, tip: str) -> set[str]:
    """Every path that differs between two commits; both names of a rename."""
    found = loose.differing(repo.common_dir, check_sha(base), check_sha(tip))
    if found is not None:
        return found
    return set(all_paths(changed_paths(repo, base, tip)))


def commit_all(
    repo: Repository, intent: CommitIntent, scratch: Path, lock_wait: float = LOCK_WAIT
) -> str | None:
    """Make the commit of ``intent``, or find it if it was made before a crash; None if there is nothing to commit.

    ``scratch`` is a folder outside the repository that only the owner of the mission writes to (private index, claim).
    ``lock_wait`` is how long (seconds) a lock of somebody else is waited for; then ``MissionError("locked")``. A branch
    that is somewhere else is ``MissionError("repository_changed")``.
    """
    check_ref(intent.ref)
    check_sha(intent.parent)
    if not _STEP.match(intent.step):
        raise MissionError(
            "bad_argument", f"{intent.step!r} is not a step id.", "Use letters, digits and . _ : / -."
        )
    claim = Claim.read(scratch, intent.step)
    made = _made_before(repo, intent)
    if made is None:
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        tree = _write_tree(repo, intent, scratch / "commit.index")
        if tree == repo.git.run("rev-parse", intent.parent + "^{tree}").line:
            return None
        made = _write_commit(repo, intent, tree)
        swap_ref(
            repo,
            intent.ref,
            made,
            intent.parent,
            f"commit: {intent.message.splitlines()[0]}",
            claim,
            lock_wait,
        )
    _refresh_user_index(repo, intent, made, claim, lock_wait)
    claim.remove_own_locks()  # one may be left although the step got further
    claim.remove()
    return made


def _made_before(repo: Repository, intent: CommitIntent) -> str | None:
    tip = repo.git.run("rev-parse", "--verify", "-q", intent.ref + "^{commit}", allowed=(0, 1)).line
    if tip == intent.parent:
        return None
    if tip:
        (commit,) = read_commits(repo, [tip])
        if commit.step == intent.step and commit.parents == (intent.parent,):
            return tip
    raise MissionError(
        "repository_changed",
        f"The branch {intent.ref.removeprefix('refs/heads/')} is not where the mission left it.",
        "Look at its last commits; then go on, or start the unit again.",
        expected=intent.parent,
        found=tip,
    )


def _write_tree(repo: Repository, intent: CommitIntent, index: Path) -> str:
    """The tree of the parent with the files of the work tree."""
    git = repo.git
    index.unlink(missing_ok=True)
    index.with_name(index.name + ".lock").unlink(missing_ok=True)  # the index is ours alone
    git.run("read-tree", intent.parent, index=index)
    before = {entry.partition("\t")[2] for entry in fields(git.run("ls-files", "-s", "-z", index=index).out)}
    untracked = fields(git.run("ls-files", "-z", "--others", "--exclude-standard", index=index).out)
    tracked = repo.tracked()
    wanted = before | tracked.keys() | {path for path in untracked if not path.endswith("/")}
    if intent.paths is not None:
        wanted &= {check_path(path) for path in intent.paths}
    presence = look(repo.root, wanted)
    for path in presence.folders:
        commit = tracked.get(path)
        if commit is not None:
            set_submodule(git, index, path, commit)
            if has_git(repo.root / path):
                presence.files.append(path)
        else:
            presence.gone.append(path)
    # A sparse checkout leaves files out on purpose; they are not deletions.
    sparse = {entry[2:] for entry in fields(git.run("ls-files", "-t", "-z").out) if entry.startswith("S ")}
    stage(
        git, index, presence.files, [path for path in presence.gone if path in before and path not in sparse]
    )
    _keep_filtered(repo, intent.parent, index)
    return git.run("write-tree", index=index).line


def _keep_filtered(repo: Repository, parent: str, index: Path) -> None:
    """Files with a filter attribute: unchanged Git LFS content keeps its pointer, anything else is refused."""
    git = repo.git
    changes = parse_raw(
        git.run("diff-index", "--cached", "--raw", "-z", "--no-abbrev", parent, index=index).out
    )
    present = {change.path: change for change in changes if change.kind != "deleted" and not change.submodule}
    if not present:
        return
    parts = git.run("check-attr", "-z", "--stdin", "filter", data=lines_of(present), index=index).out.split(
        b"\0"
    )
    for path, value in zip(parts[0::3], parts[2::3], strict=False):
        change = present[os.fsdecode(path)]
        if value in (b"unspecified", b"unset", b"set", b""):
            continue
        if value != b"lfs" or not _same_as_pointer(repo, change):
            raise MissionError(
                "repository",
                f"{change.path} passes through the filter {os.fsdecode(value)!r}, which the engine does not run.",
                "Commit this file with your own git.",
                path=change.path,
            )
        entry = f"{change.old_mode} {change.old_sha}\t".encode() + path + b"\0"
        git.run("update-index", "-z", "--index-info", data=entry, index=index)


def _same_as_pointer(repo: Repository, change: PathChange) -> bool:
    if not change.old_sha.strip("0"):
        return False
    pointer = _POINTER.match(repo.git.run("cat-file", "blob", change.old_sha).out)
    if pointer is None:
        return False
    with (repo.root / change.path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest().encode() == pointer[1]


def _write_commit(repo: Repository, intent: CommitIntent, tree: str) -> str:
    date = f"@{intent.date} +0000"
    identity = intent.author.environment() | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    text = f"{intent.message.rstrip()}\n\n{TRAILER}: {intent.step}\n"
    return repo.git.run(
        "commit-tree", tree, "-p", intent.parent, data=os.fsencode(text), identity=identity
    ).line


def _refresh_user_index(
    repo: Repository, intent: CommitIntent, commit: str, claim: Claim, lock_wait: float
) -> None:
    """Bring the committed paths of the user's index to the new commit, else ``git status`` shows them as reverted."""
    if repo.head().branch != intent.ref.removeprefix("refs/heads/"):
        return
    entries: list[bytes] = []
    raw = repo.git.run(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", intent.parent, commit
    ).out
    for change in parse_raw(raw):
        entries.append(f"{change.new_mode} {change.new_sha}\t".encode() + os.fsencode(change.path) + b"\0")
    claim.write((repo.git_dir / "index.lock",))
    wait_for_lock(
        lambda: repo.git.run("update-index", "-z", "--index-info", data=b"".join(entries)),
        claim,
        lock_wait,
    )
