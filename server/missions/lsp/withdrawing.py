"""Work in a thread that a client may take back: cancelling tells it, and its true outcome is the answer.

A thread cannot be stopped. So the work learns that the client changed its mind (:data:`missions.control.requests.withdrawal`),
withdraws what nobody has taken yet, and whatever became of it is answered: ``cancelled``, or the result as ever. A server
that ends withdraws nothing: what was asked before a window was closed is still wanted.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from missions.control.requests import withdrawal
from missions.lsp.answers import BY_THE_CLIENT

T = TypeVar("T")


async def withdrawable(act: Callable[[], T]) -> T:
    """Do ``act`` in a thread; cancelled by the client, its outcome all the same."""
    event = threading.Event()
    withdrawal.set(event)
    work = asyncio.ensure_future(asyncio.to_thread(act))
    # When the server ends, nobody waits for it any more.
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError as error:
        if BY_THE_CLIENT not in error.args:
            raise
    event.set()
    return await asyncio.shield(work)
