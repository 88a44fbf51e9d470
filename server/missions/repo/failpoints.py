"""The fail points of this floor, in one list for the kill sweep. It holds names only and makes nothing fail itself."""

from __future__ import annotations

from missions.repo import clone, git, history, lock, loose, ref_update, restore, shadow

FAILPOINTS: tuple[str, ...] = (
    *git.FAILPOINTS,
    *lock.FAILPOINTS,
    *ref_update.FAILPOINTS,
    *shadow.FAILPOINTS,
    *history.FAILPOINTS,
    *loose.FAILPOINTS,
    *restore.FAILPOINTS,
    *clone.FAILPOINTS,
)
"""Every name that this floor passes to :func:`missions.failpoints.hit`."""
