"""One commit as a stream for ``git fast-import``: its trees by name, its files by name or content.

It makes in one git process what would take one for each object, tree and ref. Format: git-fast-import(1). This module only
writes the stream and reads the answer; where the commit goes is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from missions.repo.git import Git
from missions.repo.names import check_ref, check_sha

_IDENTITY = b"Missions <missions@localhost>"


@dataclass
class Stream:
    """A commit without parents that becomes the ref's only one; ``at`` is in epoch seconds."""

    ref: str
    message: str
    at: int
    _lines: list[bytes] = field(default_factory=list[bytes])

    def tree(self, path: str, sha: str) -> None:
        """A folder with the content of a tree that is there already."""
        self._lines.append(b"M 040000 %s %s\n" % (check_sha(sha).encode(), _quoted(path)))

    def blob(self, path: str, sha: str, *, executable: bool = False) -> None:
        """A file with the content of a blob that is there already."""
        self._lines.append(b"M %s %s %s\n" % (_mode(executable), check_sha(sha).encode(), _quoted(path)))

    def file(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """A file with this content."""
        head = b"M %s inline %s\n" % (_mode(executable), _quoted(path))
        self._lines.append(head + b"data %d\n%s\n" % (len(content), content))

    def write(self, git: Git, folder: str) -> tuple[str, str]:
        """Make the commit; its name and that of its tree ``folder``."""
        message = self.message.encode("utf-8", "backslashreplace")
        opening = (
            b"feature done\ncommit %s\nmark :1\n" % check_ref(self.ref).encode()
            + b"committer %s %d +0000\n" % (_IDENTITY, self.at)
            + b"data %d\n%s\n" % (len(message), message)
        )
        closing = b"ls %s\n\nget-mark :1\ndone\n" % _quoted(folder)
        # --force: the same name again replaces what it named.
        arguments = ("--quiet", "--force", "--done", "--date-format=raw")
        answer = git.run(
            "fast-import", *arguments, data=b"".join((opening, *self._lines, closing)), timeout=600
        )
        listing, commit = answer.out.decode("utf-8", "replace").splitlines()
        return check_sha(commit), check_sha(listing.split(" ")[2].partition("\t")[0])


def _mode(executable: bool) -> bytes:
    return b"100755" if executable else b"100644"


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    return (
        b'"'
        + b"".join(b"\\%03o" % byte if byte < 32 or byte in b'"\\' else bytes((byte,)) for byte in raw)
        + b'"'
    )
