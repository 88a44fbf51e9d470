"""One server of the playground for all tests of a module that need nothing of their own.

Such a module runs in one event loop: ``pytestmark = pytest.mark.asyncio(loop_scope="module")``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.lsp_client import Client, connected
from support.lsp_playground import COMMAND


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with connected(tmp_path_factory.mktemp("store"), command=COMMAND) as client:
        yield client


@pytest.fixture
def client(shared: Client) -> Client:
    """The shared server's client, as after its handshake."""
    shared.forget()
    return shared
