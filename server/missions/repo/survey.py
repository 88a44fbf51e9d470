"""A survey of a work tree: its state, what differs from HEAD, what git ignores; asked of git again only after a change.

Git's answers follow from the files, the index, HEAD and the configuration. A surveyor keeps the last answers with the stamps
of all of these; as long as none differs, nothing was changed and the answers are still true. Where stamps cannot tell (another
repository inside, a file changed this very moment, a tree too large to scan) it asks git every time. It writes to the
shadow only, and it decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from missions.repo import stamps
from missions.repo.index import look, stage
from missions.repo.protection import Setting
from missions.repo.repository import Change, Head, Repository
from missions.repo.scan import scan
from missions.repo.shadow import Shadow
from missions.repo.stamps import Stamp
from missions.repo.tree import INDEX, TreeState, capture_paths, changed_names, known_paths

_RULES = ("info/exclude", "info/attributes", "info/sparse-checkout")


@dataclass(frozen=True)
class Survey:
    """What a work tree held at one moment. ``ignored`` are files and whole folders (with ``/`` at the end)."""

    state: TreeState
    changes: tuple[Change, ...]
    ignored: tuple[str, ...]
    compared: dict[str, set[str]] = field(default_factory=dict[str, set[str]], compare=False)

    @property
    def dirty(self) -> set[str]:
        """Paths that differ from HEAD, untracked ones included; both names of a rename."""
        return {path for change in self.changes for path in (change.path, change.old_path) if path}

    @property
    def staged(self) -> bool:
        """Whether the index differs from HEAD."""
        return any(change.kind == "unmerged" or change.staged != "." for change in self.changes)


@dataclass(frozen=True)
class _Basis:
    """Everything that git's answers follow from."""

    files: dict[str, Stamp | None]
    rules: dict[str, Stamp | None]
    head: Head
    config: list[Setting]
    shadow: bool


@dataclass(frozen=True)
class _Indexed:
    """What the shadow's index holds, as long as its file has this stamp."""

    index: Stamp | None
    paths: dict[str, Stamp | None]
    tree: str


class Surveyor:
    """Surveys one work tree for one owner of the shadow."""

    def __init__(self, repo: Repository, shadow: Shadow) -> None:
        self._repo = repo
        self._shadow = shadow
        self._last: tuple[_Basis, Survey] | None = None
        self._skip: dict[str, bool] = {}
        """What git ignores: path → whether it is a folder."""
        self._elsewhere: frozenset[str] = frozenset()
        """Tracked paths that a scan does not come to: in ignored folders, or gone."""
        self._indexed: _Indexed | None = None

    def survey(self) -> Survey:
        """How it is now. Raises if git fails."""
        basis = self._basis()
        if basis is not None and self._last is not None and self._last[0] == basis:
            return self._last[1]
        self._last = None
        return self._ask(basis)

    def changed(self, before: TreeState, now: Survey) -> set[str]:
        """Every path that differs from an earlier state, as :func:`missions.repo.tree.compare` says it for this repository."""
        if before.tree not in now.compared:
            now.compared[before.tree] = changed_names(self._shadow, before, now.state, self._repo)
        return now.compared[before.tree]

    def _ask(self, basis: _Basis | None) -> Survey:
        repo = self._repo
        changes, ignored = repo.status_and_ignored()
        skip = _entries(ignored)
        if skip != self._skip:
            # The scan went into what git ignores, or not into what it no longer does.
            self._skip = skip
            basis = self._basis()
            changes, ignored = repo.status_and_ignored()
            if _entries(ignored) != skip:
                basis = None
        tracked = repo.tracked()
        if any(tracked.values()):
            basis = None  # what a submodule holds is in no scan
        if basis is None or any(change.kind == "untracked" for change in changes):
            state = self._captured(tracked)
        else:
            state = self._staged(basis, tracked)
        found = Survey(state, tuple(changes), tuple(ignored))
        if basis is not None and self._reached(basis, tracked):
            self._last = (basis, found)
        return found

    def _basis(self) -> _Basis | None:
        """What the answers follow from now; ``None`` where that cannot be told from stamps."""
        repo, moment = self._repo, stamps.now()
        files = scan(repo.root, self._skip)
        if files is None:
            return None
        if self._elsewhere:
            files |= dict.fromkeys(self._elsewhere)
            files |= {path: stamps.stamp(repo.root / path) for path in look(repo.root, self._elsewhere).files}
        rules = {name: stamps.stamp(repo.common_dir / name) for name in _RULES}
        rules["index"] = stamps.stamp(repo.git_dir / "index")
        if not stamps.all_settled(files.values(), moment) or not stamps.all_settled(rules.values(), moment):
            return None
        return _Basis(files, rules, repo.head(), repo.git.config(), self._shadow.exists)

    def _reached(self, basis: _Basis, tracked: Mapping[str, object]) -> bool:
        """Whether the basis holds every tracked path; if not, the next one will."""
        elsewhere = frozenset(tracked.keys() - basis.files.keys()) | (self._elsewhere & tracked.keys())
        known, self._elsewhere = self._elsewhere, elsewhere
        return elsewhere == known

    def _captured(self, tracked: dict[str, str | None]) -> TreeState:
        self._indexed = None
        self._prepare()
        return TreeState(capture_paths(self._shadow, tracked))

    def _staged(self, basis: _Basis, tracked: Mapping[str, object]) -> TreeState:
        """The state where no file is untracked: the tracked ones, and only those read again that changed."""
        shadow, index = self._shadow, self._shadow.index(INDEX)
        self._prepare()
        here = {path: found for path in tracked if stamps.is_file(found := basis.files.get(path))}
        known = self._indexed
        if known is None or known.index != stamps.stamp(index):
            known = _Indexed(None, dict.fromkeys(known_paths(shadow)), "")
        fresh = [path for path, found in here.items() if known.paths.get(path) != found]
        gone = [path for path in known.paths if path not in here]
        tree = known.tree
        if fresh or gone or not tree:
            stage(shadow.git, index, fresh, gone)
            tree = shadow.git.run("write-tree", index=index).line
        self._indexed = _Indexed(stamps.stamp(index), here, tree)
        return TreeState(tree)

    def _prepare(self) -> None:
        self._shadow.prepare(self._repo.object_format(), self._repo.ignore_rules())


def _entries(ignored: list[str]) -> dict[str, bool]:
    """Path → whether it is a folder."""
    return {name.rstrip("/"): name.endswith("/") for name in ignored}
