"""The engine's commits: made exactly once, whatever dies when, and never at the cost of somebody else's lock."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.repo.commits import CommitIntent, between, changed_paths, commit_all, exists, is_ancestor
from missions.repo.failpoints import FAILPOINTS
from missions.repo.repository import Identity
from support.repositories import Playground

CHILD = """
import json, sys
from pathlib import Path
from missions.repo.commits import CommitIntent, commit_all
from missions.repo.repository import Identity, Repository
from missions.repo.shadow import Shadow
from missions.repo.snapshot import take
root, folder, step, ref, parent = sys.argv[1:6]
repo = Repository.find(Path(root))
take(repo, Shadow(repo.root, Path(folder) / "backup.git"), "mission-sweep", "run", 1790000000)
intent = CommitIntent(step, ref, parent, "Work", 1790000000, Identity("Ada", "ada@example.org", True))
print(commit_all(repo, intent, Path(folder) / "scratch"))
"""


@pytest.fixture
def world(tmp_path: Path) -> Playground:
    return Playground(tmp_path)


def intent_for(world: Playground, step: str = "step-1") -> CommitIntent:
    identity = Identity("Ada", "ada@example.org", True)
    return CommitIntent(
        step, "refs/heads/main", world.git("rev-parse", "HEAD"), "Do the work", 1_790_000_000, identity
    )


def test_all_changes_are_committed_and_the_tree_is_clean_after(world: Playground) -> None:
    world.write("README.md", "changed\n")
    world.write("new\n-file", "x")
    (world.root / "src/app.py").unlink()
    world.write("tool", "x").chmod(0o755)
    intent = intent_for(world)
    made = commit_all(world.repo, intent, world.scratch)
    assert made == world.git("rev-parse", "HEAD") and world.git("status", "--porcelain") == ""
    (commit,) = between(world.repo, intent.parent, made)
    assert (commit.step, commit.subject, commit.author, commit.authored_at) == (
        "step-1",
        "Do the work",
        "Ada",
        1_790_000_000,
    )
    assert {path for change in changed_paths(world.repo, intent.parent, made) for path in change.paths} == {
        "README.md",
        "new\n-file",
        "src/app.py",
        "tool",
    }
    assert exists(world.repo, made) and is_ancestor(world.repo, intent.parent, made)
    assert not is_ancestor(world.repo, made, intent.parent) and not exists(world.repo, "0" * 40)


def test_the_same_intent_again_finds_the_commit_even_if_files_changed_since(world: Playground) -> None:
    world.write("a", "1")
    intent = intent_for(world)
    made = commit_all(world.repo, intent, world.scratch)
    world.write("a", "2")
    assert commit_all(world.repo, intent, world.scratch) == made
    assert world.git("rev-list", "--count", "HEAD") == "2"


def test_nothing_to_commit_makes_no_commit(world: Playground) -> None:
    assert commit_all(world.repo, intent_for(world), world.scratch) is None
    assert world.git("rev-list", "--count", "HEAD") == "1"


def test_chosen_paths_leave_other_changes_and_staged_files_alone(world: Playground) -> None:
    world.write("README.md", "the user's\n")
    world.git("add", "README.md")
    world.write("mine.txt", "x")
    made = commit_all(world.repo, replace(intent_for(world), paths=("mine.txt",)), world.scratch)
    assert made and world.git("show", "--name-only", "--format=", made) == "mine.txt"
    assert world.git("status", "--porcelain") == "M  README.md"


def test_a_branch_that_somebody_moved_is_reported(world: Playground) -> None:
    intent = intent_for(world)
    world.write("a", "1")
    world.commit("by the user")
    world.write("b", "1")
    with pytest.raises(MissionError) as caught:
        commit_all(world.repo, intent, world.scratch)
    assert caught.value.code == "repository_changed"


def test_line_endings_and_submodules_are_committed_as_git_would(world: Playground, tmp_path: Path) -> None:
    library = Playground(tmp_path / "library")
    world.git("config", "core.autocrlf", "true")
    world.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "lib")
    world.write("dos.txt", "one\r\n")
    made = commit_all(world.repo, intent_for(world), world.scratch)
    assert made and world.git("cat-file", "-p", f"{made}:dos.txt") == "one"
    assert world.git("ls-tree", made, "lib").startswith("160000 commit")
    assert world.git("status", "--porcelain") == ""


def test_files_that_a_sparse_checkout_leaves_out_are_not_deleted(world: Playground) -> None:
    world.write("left/out.txt", "x")
    world.commit("more")
    world.git("sparse-checkout", "set", "src")
    world.write("src/app.py", "changed\n")
    made = commit_all(world.repo, intent_for(world), world.scratch)
    assert made and world.git("show", "--name-only", "--format=", made) == "src/app.py"
    assert world.git("status", "--porcelain") == ""


def test_a_file_that_needs_a_filter_is_refused_and_unchanged_lfs_content_keeps_its_pointer(
    world: Playground,
) -> None:
    content = "large\n"
    digest = hashlib.sha256(content.encode()).hexdigest()
    world.write(".gitattributes", "*.big filter=lfs\n")
    world.write(
        "a.big", f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    )
    world.commit("pointer")
    world.write("a.big", content)
    assert commit_all(world.repo, intent_for(world), world.scratch) is None
    world.write("a.big", "changed\n")
    with pytest.raises(MissionError) as caught:
        commit_all(world.repo, intent_for(world), world.scratch)
    assert caught.value.code == "repository" and "lfs" in caught.value.message


def test_the_users_locks_are_waited_for_and_never_removed(world: Playground) -> None:
    world.write("a", "1")
    for name in ("refs/heads/main.lock", "HEAD.lock", "index.lock"):
        lock = world.root / ".git" / name
        lock.write_bytes(b"")
        os.utime(lock, (time.time() - 3600, time.time() - 3600))
        with pytest.raises(MissionError) as caught:
            commit_all(world.repo, intent_for(world, f"step-{name[:4]}"), world.scratch, lock_wait=0.2)
        assert caught.value.code == "locked" and lock.exists()
        lock.unlink()
    intent = replace(intent_for(world, "step-inde"), parent=world.git("rev-parse", "HEAD~1"))
    assert commit_all(world.repo, intent, world.scratch) == world.git("rev-parse", "HEAD")
    assert world.git("status", "--porcelain") == ""


def test_a_lock_that_a_dead_process_of_ours_left_is_removed(world: Playground) -> None:
    world.write("a", "1")
    intent = intent_for(world)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock = world.root / ".git" / "refs/heads/main.lock"
    with pytest.raises(MissionError):
        lock.write_bytes(b"")
        commit_all(world.repo, intent, world.scratch, lock_wait=0)
    (claim,) = world.scratch.glob("claim-*.json")
    died_at = time.time() - 60
    claim.write_text(json.dumps(json.loads(claim.read_text()) | {"pid": dead.pid, "since": died_at - 1}))
    os.utime(lock, (died_at, died_at))
    assert commit_all(world.repo, intent, world.scratch, lock_wait=5) == world.git("rev-parse", "HEAD")
    assert not lock.exists() and not list(world.scratch.glob("claim-*"))


def child(
    world: Playground, intent: CommitIntent, failpoint: str = "", trace: Path | None = None
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MISSIONS_FAILPOINT": failpoint, "MISSIONS_FAILPOINT_TRACE": str(trace or "")}
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(world.root),
        str(world.folder / "m"),
        intent.step,
        intent.ref,
        intent.parent,
    ]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def places_of(world: Playground, trace: Path) -> list[str]:
    """A kill for every fail point that the next commit passes."""
    intent = intent_for(world, f"step-{trace.name}")
    assert child(world, intent, trace=trace).returncode == 0
    hits = trace.read_text().split()
    assert set(hits) <= set(FAILPOINTS)
    counted: Counter[str] = Counter()
    places: list[str] = []
    for name in hits:
        counted[name] += 1
        places.append(f"{name}:kill@{counted[name]}")
    return places


def test_killed_at_any_git_call_a_repeat_leaves_exactly_one_commit(world: Playground, tmp_path: Path) -> None:
    world.write("a.txt", "1")
    dry = Playground(tmp_path / "dry")
    dry.write("a.txt", "1")
    # The first commit makes the shadow and copies by packs, each later one only what is new.
    begun = places_of(dry, tmp_path / "first")
    dry.write("a.txt", "2")
    places = places_of(dry, tmp_path / "second")
    # Where refs and claims move every place, elsewhere every fourth: the sweep has to stay short. The configuration is asked for
    # again only after it has changed, so only its first place is sure to be passed.
    rest = [p for p in places if not p.startswith("repo.git.config:") or p.endswith("@1")]
    chosen = [
        *[place for place in begun if place.startswith("repo.shadow.write")][:1],
        *[place for place in places if "update-ref" in place or "claim" in place or "loose" in place],
        *rest[::4],
    ]
    for number, place in enumerate(chosen):
        world.write("a.txt", f"round {number}")
        intent = intent_for(world, f"step-{number}")
        killed = child(world, intent, place)
        assert killed.returncode == -9, (place, killed.stderr)
        repeated = child(world, intent)
        assert repeated.returncode == 0, (place, repeated.stderr)
        assert repeated.stdout.strip() == world.git("rev-parse", "HEAD"), place
        assert (
            world.git("rev-parse", "HEAD~1") == intent.parent and world.git("status", "--porcelain") == ""
        ), place
    world.git("fsck", "--strict")
    world.git("fsck", "--strict", cwd=world.folder / "m" / "backup.git")
    assert int(world.git("rev-list", "--count", "HEAD")) == 1 + len(chosen)
