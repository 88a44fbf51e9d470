"""Who calls: the store, the face and its user, and the settings that hold for them.

Values that every operation of this floor needs. It decides nothing and writes nothing.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from missions.settings import LoadedSettings, load_settings
from missions.store.inbox import By
from missions.store.layout import Store
from missions.store.lock import Owner


def user_name() -> str:
    """The name of whoever runs this process; empty if the system does not tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


@dataclass(frozen=True)
class Caller:
    """One face on one store. ``environment`` None is this process's."""

    store: Store
    face: str
    user: str = field(default_factory=user_name)
    editor: Mapping[str, Any] | None = None
    environment: Mapping[str, str] | None = None

    @property
    def by(self) -> By:
        return By(face=self.face, user=self.user)

    @property
    def owner(self) -> Owner:
        return Owner(face=self.face, user=self.user)

    def variables(self) -> Mapping[str, str]:
        """The environment that credentials and settings are looked up in."""
        return os.environ if self.environment is None else self.environment

    def settings(self, cwd: Path | None = None, arguments: Mapping[str, Any] | None = None) -> LoadedSettings:
        """The effective settings for work in ``cwd``."""
        return load_settings(
            self.store.root,
            repository=work_tree(cwd) if cwd is not None else None,
            editor=self.editor,
            environment=self.environment,
            arguments=arguments,
        )


def work_tree(cwd: Path) -> Path:
    """The top of the repository that ``cwd`` lies in, by its ``.git``, links resolved; ``cwd`` itself outside of one.

    For comparing places only: whether git accepts the repository is not asked here.
    """
    here = cwd.resolve()
    return next((place for place in (here, *here.parents) if (place / ".git").exists()), here)


def who(by: Mapping[str, str]) -> str:
    """The user and the face that a record names, in words; empty if it names neither."""
    return " ".join(part for part in (by.get("user"), by.get("face")) if part)
