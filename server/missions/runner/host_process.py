"""The host ``process``: a daemon that runs a mission on its own, whatever becomes of the editor that started it.

Double fork and a session of its own, so that it is no descendant of the server (``reference/real-editors.md``, E: nothing
else survives the clients' tree kill). Credentials travel through a pipe, never on a command line. It only starts the process and
waits until it owns the mission, has failed or is dead; it never runs a unit.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from missions.agent.credentials import FD_VARIABLE, Credentials, hand_over
from missions.model.errors import MissionError
from missions.store.files import make_dir
from missions.store.layout import Store
from missions.store.lock import holder

_DEADLINE = 20.0
_LAUNCHER = """
import os, sys
os.setsid()
if os.fork():
    os._exit(0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def log_file(store: Store, mission_id: str) -> Path:
    """Where the daemon of a mission writes what it has to say."""
    return store.root / "logs" / f"{mission_id}.log"


def start_daemon(
    store: Store,
    mission_id: str,
    *,
    credentials: Credentials | None = None,
    environment: dict[str, str] | None = None,
) -> int:
    """Start ``missions run <id> --headless --hosted`` as a daemon; returns the pid of the process that owns the mission.

    Returns once the daemon holds the lock or has already ended well; raises ``internal`` with the end of its log if it ended
    or died without taking the mission. ``environment`` adds to this process's.
    """
    make_dir(store.root / "logs", "file")
    path = log_file(store, mission_id)
    env = {**os.environ, **(environment or {}), "MISSIONS_HOME": str(store.root)}
    arguments = ["-P", "-m", "missions", "run", mission_id, "--headless", "--hosted"]
    # The daemon holds the writing end and never writes: when the reading end is at its end, it is dead.
    living, dying = os.pipe()
    reader = writer = -1
    if credentials is not None and credentials.value:
        reader, writer = os.pipe()
        env[FD_VARIABLE] = str(reader)
    begun = time.monotonic()
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as log:
            path.chmod(0o600)
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=store.root,
                close_fds=True,
                pass_fds=(dying, reader) if reader >= 0 else (dying,),
            )
        os.close(dying)
        dying = -1
        launcher.wait(timeout=_DEADLINE)
        if writer >= 0 and credentials is not None:
            os.write(writer, hand_over(credentials))
            os.close(writer)  # the daemon reads to the end
            writer = -1
        return _await_owner(store, mission_id, path, size, living, begun)
    finally:
        for descriptor in (reader, writer, living, dying):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)


def _await_owner(store: Store, mission_id: str, log: Path, size: int, living: int, begun: float) -> int:
    """Wait for the daemon to take the mission, for the line with which it says how it ended, or for its death."""
    directory = store.mission(mission_id)
    death = select.poll()
    death.register(living)
    while time.monotonic() - begun < _DEADLINE:
        dead = bool(death.poll(0))
        owner = holder(directory)
        if owner is not None:
            return owner.pid
        said = log.read_bytes()[size:].decode("utf-8", "replace")
        if ENDED in said:
            status, _, rest = said.rpartition(ENDED)[2].strip().partition(" ")
            if status in ("0", "10", "11", "12", "13", "14"):
                return 0
            raise MissionError(
                "internal",
                f"The runner ended at once: {rest.splitlines()[0] if rest else status}.",
                f"Its log is {log}.",
            )
        if dead:
            last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
            raise MissionError(
                "internal", f"The runner died before it took the mission: {last}.", f"Its log is {log}."
            )
        time.sleep(0.02)
    raise MissionError(
        "internal", f"The runner did not take the mission within {_DEADLINE:.0f} s.", f"Its log is {log}."
    )


ENDED = "missions-runner-ended: "
"""How the last line of a daemon's log begins: exit code and reason follow."""
