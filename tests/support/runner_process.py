"""A process that has loaded everything and forks a runner on demand, so that killing many of them costs no imports.

The forked child is a process of its own with its own session, environment and fail points, and does what
``python -m missions run <id> --headless --hosted`` does. As a script it is the parent; :class:`Nursery` talks to it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any


class Nursery:
    """The parent process, as a test sees it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        arguments: list[str],
        folder: Path,
        log: Path,
        environment: dict[str, str],
        descriptors: int | None = None,
    ) -> int:
        """Fork a process that runs ``missions`` with these arguments; its exit code, negative for a signal.

        With ``descriptors`` it may have only so many files open at a time.
        """
        order = {
            "arguments": arguments,
            "folder": str(folder),
            "log": str(log),
            "environment": environment,
            "descriptors": descriptors,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the parent."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)


def _serve() -> None:
    import anthropic
    import anthropic.resources.messages  # noqa: F401

    import missions.agent.model
    import missions.cli.app
    import missions.cli.running
    import missions.runner.runner
    import missions.simulator.demo
    import missions.simulator.service  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(order: dict[str, Any]) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(order["folder"])
        os.environ.update(order["environment"])
        descriptor = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        from missions import failpoints
        from missions.cli.app import main

        failpoints.reload()
        if order["descriptors"] is not None:
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (order["descriptors"], hard))
        code = int(main(order["arguments"]) or 0)
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
