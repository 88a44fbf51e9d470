"""The engine's end of the socket to the supervisor: orders out, events in.

Orders are `marshal` and events JSON (``supervisor.py`` says why); the output pipe of a command travels along as a descriptor.
It knows nothing of sandboxes or tools.
"""

from __future__ import annotations

import array
import asyncio
import json
import marshal
import os
import socket
from collections.abc import Callable
from typing import Any, cast

LONGEST_ORDER = 150_000
"""Bytes of one order; a longer command has to be written to a file first (the kernel's limit for one argument is 128 KB)."""


class Channel:
    """A connected supervisor. ``on_event`` gets each event and the descriptors that came with it; ``on_end`` is called once when the supervisor is gone."""

    def __init__(
        self,
        own: socket.socket,
        on_event: Callable[[dict[str, Any], list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._socket = own
        self._on_event = on_event
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self.open = True
        own.setblocking(False)
        self._loop.add_reader(own, self._read)

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._socket.recvmsg(1 << 18, socket.CMSG_LEN(4))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self.close()
            return
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
        self._on_event(cast("dict[str, Any]", json.loads(data)), list(descriptors))

    def send(self, order: dict[str, Any], descriptors: tuple[int, ...] = ()) -> bool:
        """Send one order; False when the supervisor is gone. The descriptors stay the caller's to close."""
        if not self.open:
            return False
        ancillary = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        )
        try:
            # Orders are few and small next to the socket's buffer, so a full buffer means a supervisor that hangs.
            self._socket.sendmsg([marshal.dumps(order)], ancillary)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """End the connection; the supervisor then ends everything it started."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._on_end()


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """The engine's and the supervisor's socket; only the latter is inherited by a child."""
    own, other = socket.socketpair(
        socket.AF_UNIX, socket.SOCK_SEQPACKET if hasattr(socket, "SOCK_SEQPACKET") else socket.SOCK_DGRAM
    )
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    os.set_inheritable(other.fileno(), True)
    return own, other
