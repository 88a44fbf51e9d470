"""What every test with a real editor is given: a world of its own, in which nothing may be left running."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from support.editors import CodeServer, World
from support.neovim_plugin import Editor, editor
from support.neovim_project import Project


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    made = World(tmp_path)
    try:
        yield made
        made.assert_nothing_left()
    finally:
        made.kill_all()


@pytest.fixture
def code_server(world: World) -> Generator[CodeServer]:
    """Installed and configured, not yet started."""
    server = CodeServer(world)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def project(world: World) -> Project:
    """The workspace as a repository, with a store for its missions."""
    return Project(world)


@pytest.fixture
def vim(project: Project) -> Generator[Editor]:
    """Neovim with the plugin in the project."""
    with editor(project.world, **project.environment) as made:
        yield made


@pytest.fixture(scope="session")
def _neovim_of_all(tmp_path_factory: pytest.TempPathFactory) -> Generator[Editor]:
    with editor(World(tmp_path_factory.mktemp("plain"))) as made:
        yield made


@pytest.fixture
def plain_vim(_neovim_of_all: Editor) -> Editor:
    """One Neovim for all tests that only call functions: they leave nothing behind in it but what it was told."""
    _neovim_of_all.forget()
    return _neovim_of_all
