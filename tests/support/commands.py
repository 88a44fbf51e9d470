"""A process that has loaded the command line and forks one for each command, so that a test pays for no imports.

What runs is a process of its own, with its own session, environment, directory and streams, and does what ``python -m
missions`` does after its imports. As a script it is the parent; :class:`Commands` talks to it.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Commands:
    """The parent process, as tests see it."""

    def __init__(self) -> None:
        self._own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(other.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(other.fileno(),),
        )
        other.close()

    @classmethod
    @functools.cache
    def shared(cls) -> Commands:
        """The one of this test process; it ends with it."""
        commands = cls()
        atexit.register(commands.close)
        return commands

    def run(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        given: str,
        timeout: float,
    ) -> tuple[int, str, str]:
        """Run a command to its end: exit code (negative for a signal), standard output, standard error."""
        order = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        waiting, answering = socket.socketpair()
        with (
            waiting,
            answering,
            tempfile.TemporaryFile() as read,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            read.write(given.encode())
            read.seek(0)
            streams = [answering.fileno(), read.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(self._own, [json.dumps(order).encode()], streams)
            answering.close()
            waiting.settimeout(timeout)
            code = int(waiting.recv(32) or b"70")
            out.seek(0)
            err.seek(0)
            return code, out.read().decode(), err.read().decode()

    def close(self) -> None:
        """End the parent; what it forked ends by itself."""
        self._own.close()
        self._process.wait(timeout=20)


def _serve(channel: socket.socket) -> None:
    import anthropic
    import anthropic.resources.messages  # noqa: F401

    import missions.cli.app
    import missions.cli.chat_screen
    import missions.cli.demo
    import missions.cli.maintenance
    import missions.cli.planning
    import missions.cli.running
    import missions.cli.steering
    import missions.cli.talking
    import missions.control.control
    import missions.runner.runner
    import missions.simulator.demo
    import missions.simulator.service  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1 << 20, 4)
        if not data:
            return
        # One process waits for each command, so that several can run at the same time.
        if os.fork() == 0:
            channel.close()
            _wait_for(json.loads(data), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _wait_for(order: dict[str, Any], descriptors: list[int]) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        child = os.fork()
        if child == 0:
            _become(order, descriptors)
        _, status = os.waitpid(child, 0)
        os.write(descriptors[0], str(os.waitstatus_to_exitcode(status)).encode())
    finally:
        os._exit(0)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for target, descriptor in enumerate(descriptors[1:]):
            os.dup2(descriptor, target)
        for descriptor in descriptors:
            os.close(descriptor)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - they are the process's own
            for number, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        from missions import failpoints
        from missions.cli.app import main

        failpoints.reload()
        code = int(main(order["arguments"]) or 0)
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
