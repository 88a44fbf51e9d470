"""Moving objects between two repositories on this machine by pack files, without git's transports.

A transport would follow the configuration of either side (`url.*.insteadOf`, `remote.*.uploadpack`, hooks); a pack
written by one and read by the other follows none. This module moves objects only; refs are the callers' business.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from missions.repo.git import Git, GitError
from missions.repo.names import check_sha

_TIMEOUT = 3600.0  # seconds; the first copy of a large history
_FEW = 100
"""Objects; a smaller pack is taken apart, so that the many small ones of a long mission do not pile up."""


def existing(git: Git, shas: Iterable[str]) -> list[str]:
    """Those of the object names that the repository holds."""
    wanted = sorted({check_sha(sha) for sha in shas})
    if not wanted:
        return []
    answer = git.run("cat-file", "--batch-check=%(objectname)", data=_lines(wanted)).out
    return [line.decode("ascii") for line in answer.splitlines() if not line.endswith(b" missing")]


def sizes(git: Git, shas: Iterable[str]) -> dict[str, int]:
    """The size of each object in bytes."""
    wanted = sorted({check_sha(sha) for sha in shas})
    if not wanted:
        return {}
    answer = git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", data=_lines(wanted)).out
    pairs = (line.split(" ") for line in answer.decode("ascii").splitlines())
    return {sha: int(size) for sha, size in pairs}


def read(git: Git, shas: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
    """Name, kind (empty if there is no such object) and content of each object, in their order; one git process for all."""
    wanted = [check_sha(sha) for sha in shas]
    if not wanted:
        return
    output = git.run("cat-file", "--batch", data=_lines(wanted)).out
    position = 0
    for sha in wanted:
        end = output.index(b"\n", position)
        header = output[position:end].decode("ascii").split(" ")
        if len(header) != 3:
            yield sha, "", b""
            position = end + 1
            continue
        size = int(header[2])
        yield sha, header[1], output[end + 1 : end + 1 + size]
        position = end + size + 2


def copy_objects(
    source: Git,
    target: Git,
    tips: Iterable[str] = (),
    known: Iterable[str] = (),
    *,
    strict: bool = False,
) -> None:
    """Copy what ``tips`` reach and ``known`` do not; ``strict`` has the target check each object's form (for objects a worker made)."""
    wanted, without = [check_sha(sha) for sha in tips], [check_sha(sha) for sha in known]
    options = ["--revs", "--stdout", "-q", "--delta-base-offset", "--non-empty"]
    if any(key == "extensions.partialclone" for key, _ in source.config()):
        options.append("--missing=allow-any")
    with tempfile.TemporaryDirectory(prefix="missions-") as folder:
        pack = Path(folder) / "objects.pack"
        try:
            _pack(source, options, wanted, without, pack)
        except GitError:  # perhaps one of the known is gone
            _pack(source, options, wanted, existing(source, without), pack)
        if pack.stat().st_size == 0:
            return
        if strict:
            target.run("unpack-objects", "-q", "--strict", source=pack, timeout=_TIMEOUT)
        elif _count(pack) < _FEW:
            target.run("unpack-objects", "-q", source=pack, timeout=_TIMEOUT)
        else:
            target.run("index-pack", "--stdin", source=pack, timeout=_TIMEOUT)


def _pack(source: Git, options: list[str], tips: list[str], known: list[str], pack: Path) -> None:
    request = _lines([*tips, *("^" + sha for sha in known)])
    source.run("pack-objects", *options, data=request, target=pack, timeout=_TIMEOUT)


def _count(pack: Path) -> int:
    """Objects in a pack file, as its header says (gitformat-pack)."""
    with pack.open("rb") as file:
        return int.from_bytes(file.read(12)[8:], "big")


def _lines(names: list[str]) -> bytes:
    return "".join(name + "\n" for name in names).encode("ascii")
