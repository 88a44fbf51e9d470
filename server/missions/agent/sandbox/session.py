"""The sandbox of one run: started once, runs commands and background jobs, leaves nothing behind when closed.

Time limits, silence and cancelling are decided here; memory, process count and killing are the supervisor's. It never
interprets a command or its output.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import marshal
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from missions.agent.sandbox import bubblewrap, seatbelt
from missions.agent.sandbox.channel import LONGEST_ORDER, Channel, channel_pair
from missions.agent.sandbox.identity import RUN_MARK, ProcessIdentity, identify
from missions.agent.sandbox.output import Output
from missions.agent.sandbox.policy import Policy
from missions.agent.sandbox.probe import Kind, Mode, SandboxStatus, choose
from missions.agent.sandbox.protection import Protection
from missions.agent.sandbox.proxy import Proxy
from missions.agent.sandbox.seccomp import filter_program
from missions.model.errors import MissionError

Ending = Literal["exit", "signal", "timeout", "silence", "cancelled", "memory", "processes", "disk", "lost"]
"""How a command ended; ``lost``: the sandbox itself ended."""

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_GRACE = 3.0
_CANCEL_GRACE = 0.3
_START_DEADLINE = 20.0
_WRAPPER = "trap '{ pwd -P >&19; } 2>/dev/null' EXIT; "


@dataclass(frozen=True)
class CommandResult:
    """What became of a foreground command."""

    ending: Ending
    code: int | None
    """Exit code; None unless it ended by itself."""
    signal: int | None
    seconds: float
    output: bytes
    total: int
    """Bytes printed, kept or not."""
    cwd: str
    """Where the next command starts."""
    leftovers: int
    """Processes it left behind, which were killed."""
    protected: tuple[str, ...]
    """Sentences about protected entries it changed."""


class Job:
    """A command that goes on while others run."""

    def __init__(self, name: str, number: int, command: str, output: Output) -> None:
        self.name, self.number, self.command, self.output = name, number, command, output
        self.started = time.monotonic()
        self.code: int | None = None
        self.signal: int | None = None
        self.reason: str | None = None
        self.main_ended = False
        self.ended = asyncio.Event()
        """Set when no process of it is left."""
        self.read_to = 0
        """How much of the kept output was already shown."""


class _Running:
    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.exited: dict[str, Any] | None = None
        self.end: dict[str, Any] = {}


class Sandbox:
    """Create with :meth:`start`; use as an async context manager or call :meth:`close`."""

    def __init__(self, status: SandboxStatus, policy: Policy) -> None:
        self.kind: Kind = status.kind
        self._helper = status.program
        self.policy = policy
        self.cwd = str(policy.workspace)
        self.identity: ProcessIdentity | None = None
        """For the runner's record, so that a later start can end survivors (``identity.end_survivors``)."""
        self._mark = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._proxy: Proxy | None = None
        self._protection = Protection(policy)
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._running: dict[int, _Running] = {}
        self._jobs: dict[str, Job] = {}
        self._next = 1
        self._listener: socket.socket | None = None

    @classmethod
    async def start(cls, policy: Policy, mode: Mode = "auto") -> Sandbox:
        """Start the sandbox of a run. It dies with the thread that runs this event loop.

        Raises ``sandbox_unavailable`` when ``mode`` cannot be had; it never falls back without being told.
        """
        sandbox = cls(choose(mode), policy)
        try:
            await sandbox._launch()
        except BaseException:
            await sandbox.close()
            raise
        return sandbox

    async def _launch(self) -> None:
        proxied = isinstance(self.policy.network, tuple) and bool(self.policy.network)
        if proxied and self.kind == "seatbelt":
            raise MissionError(
                "unsupported",
                "A list of allowed hosts needs bubblewrap.",
                "Use Linux, or run without network.",
            )
        own, other = channel_pair()
        seccomp = self._seccomp_descriptor() if self.kind == "bwrap" else None
        script = _program()
        complaints, complaints_end = os.pipe()
        try:
            inherited = [other.fileno(), *(fd for fd in (seccomp, script) if fd is not None)]
            program = ["-I", "-S", str(_SUPERVISOR) if script is None else f"/proc/self/fd/{script}"]
            disk = [str(self.policy.workspace), str(self.policy.limits.disk_floor)]
            manner = "namespaced" if self.kind == "bwrap" else "bare"
            program += [
                str(other.fileno()),
                manner,
                *disk,
                *(["proxy"] if proxied and self.kind == "bwrap" else []),
            ]
            self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [*self._prefix(seccomp), _interpreter(), *program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints_end,
                pass_fds=inherited,
                # Whatever the helper's environment holds can be read inside through process 1.
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", RUN_MARK: self._mark},
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(complaints_end)
            for descriptor in (seccomp, script):
                if descriptor is not None:
                    os.close(descriptor)
            other.close()
        self._channel = Channel(own, self._take_event, self._gone.set)
        waiting = [asyncio.create_task(self._ready.wait()), asyncio.create_task(self._gone.wait())]
        await asyncio.wait(waiting, timeout=_START_DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if not self._ready.is_set():
            os.set_blocking(complaints, False)
            said = b""
            with contextlib.suppress(OSError):
                said = os.read(complaints, 4000)
            os.close(complaints)
            reason = said.decode(errors="replace").strip() or "it did not answer"
            raise MissionError(
                "sandbox_unavailable",
                f"The sandbox ({self.kind}) did not start: {reason}",
                "Run `missions doctor`; without a sandbox a mission needs --no-sandbox.",
            )
        os.close(complaints)
        if self._listener is not None and isinstance(self.policy.network, tuple):
            self._proxy = await Proxy.start(self.policy.network, self._listener)
        self.identity = identify(self._process.pid, self._mark)

    def _prefix(self, seccomp: int | None) -> list[str]:
        if self.kind == "bwrap":
            return [str(self._helper), *bubblewrap.arguments(self.policy, seccomp)]
        return seatbelt.arguments(self.policy) if self.kind == "seatbelt" else []

    @staticmethod
    def _seccomp_descriptor() -> int | None:
        program = filter_program()
        if program is None:
            return None
        read, write = os.pipe()
        os.write(write, program)
        os.close(write)
        return read

    def _take_event(self, event: dict[str, Any], descriptors: list[int]) -> None:
        if event["event"] == "ready":
            if descriptors:
                self._listener = socket.socket(fileno=descriptors[0])
            self._ready.set()
            return
        running = self._running.get(event["id"])
        if running is None:
            return
        if event["event"] == "started":
            running.started.set()
        elif event["event"] == "exited":
            running.exited = event
            for job in self._jobs.values():
                if job.number == event["id"]:
                    job.main_ended, job.code, job.signal = True, event["code"], event["signal"]
        else:
            running.end = event
            running.started.set()
            running.ended.set()
            for job in self._jobs.values():
                if job.number == event["id"]:
                    job.reason = event.get("reason")
                    job.main_ended = True
                    job.ended.set()

    def _begin(
        self,
        command: str,
        cwd: str,
        background: bool,
        listener: Callable[[bytes], None] | None,
        talk: socket.socket | None = None,
    ) -> tuple[int, _Running, Output]:
        if "\0" in command:
            raise MissionError("bad_argument", "The command contains a NUL byte.", "Write it without.")
        if len(command.encode(errors="surrogateescape")) > LONGEST_ORDER * 2 // 3:
            raise MissionError(
                "bad_argument", "The command is longer than 100,000 bytes.", "Write a file and run that."
            )
        limits = self.policy.limits
        env = {**self.policy.env, RUN_MARK: self._mark}
        env.setdefault("HOME", str(self.policy.home))
        if self._proxy is not None:
            env.update(self._proxy.environment())
        number = self._next
        self._next += 1
        running = self._running[number] = _Running()
        read, write = os.pipe()
        output = Output(read, limits.output, listener)
        order = {
            "op": "run",
            "id": number,
            "argv": [_shell(), "--noprofile", "--norc", "-o", "pipefail", "-c", _WRAPPER + command],
            "cwd": cwd,
            "fallback": str(self.policy.workspace),
            "env": env,
            "umask": 0o022,
            "background": background,
            "limits": {"processes": limits.processes, "memory": limits.memory, "file": limits.file},
        }
        streams = (write,) if talk is None else (write, talk.fileno())
        sent = self._channel is not None and self._channel.send(order, streams)
        os.close(write)
        if not sent:
            output.close()
            raise self._lost()
        return number, running, output

    @staticmethod
    def _lost() -> MissionError:
        return MissionError(
            "sandbox_unavailable", "The sandbox of this run has ended.", "Start the run again."
        )

    async def run(
        self,
        command: str,
        timeout: float = 120.0,
        cancelled: asyncio.Event | None = None,
        listener: Callable[[bytes], None] | None = None,
    ) -> CommandResult:
        """Run one command to its end, in the directory where the last one stopped. Whatever it started is killed.

        ``timeout`` in seconds; ``cancelled`` ends the command within a second; ``listener`` gets the output as it comes.
        """
        began = time.monotonic()
        number, running, output = self._begin(command, self.cwd, False, listener)
        ending: Ending = "exit"
        try:
            ending = await self._watch(number, running, output, began + timeout, cancelled)
        except asyncio.CancelledError:
            self._signal(number, "kill")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(running.ended.wait()), 1.0)
            output.close()
            raise
        seconds = time.monotonic() - began
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(output.ended.wait(), 0.5)
        output.close()
        self._running.pop(number, None)
        exited = running.exited or running.end
        code, signal_number = exited.get("code"), exited.get("signal")
        reason = running.end.get("reason")
        if reason is not None:
            ending = reason
        elif ending == "exit" and not running.end:
            ending = "lost"
        elif ending == "exit" and code is None:
            ending = "signal"
        if running.end.get("event") == "failed":
            raise MissionError(
                "sandbox_unavailable",
                f"The command could not be started: {running.end['error']}.",
                "Try again.",
            )
        if exited.get("cwd"):
            self.cwd = str(exited["cwd"])
        return CommandResult(
            ending=ending,
            code=code if ending == "exit" else None,
            signal=signal_number,
            seconds=seconds,
            output=output.content(),
            total=output.total,
            cwd=self.cwd,
            leftovers=int(running.end.get("killed", 0)) if ending == "exit" else 0,
            protected=tuple(self._protection.restore()),
        )

    async def _watch(
        self, number: int, running: _Running, output: Output, deadline: float, cancelled: asyncio.Event | None
    ) -> Ending:
        """Wait for the end, and bring it about when a limit is reached."""
        ended = asyncio.create_task(running.ended.wait())
        gone = asyncio.create_task(self._gone.wait())
        asked = asyncio.create_task(cancelled.wait()) if cancelled is not None else None
        tasks = [task for task in (ended, gone, asked) if task is not None]
        ending: Ending = "exit"
        grace = _GRACE
        try:
            while True:
                now = time.monotonic()
                quiet_until = output.last_activity + self.policy.limits.silence
                until = min(deadline, quiet_until)
                done, _ = await asyncio.wait(
                    tasks, timeout=max(until - now, 0.0), return_when=asyncio.FIRST_COMPLETED
                )
                if ended in done or gone in done:
                    return ending
                now = time.monotonic()
                if asked in done:
                    ending, grace = "cancelled", _CANCEL_GRACE
                elif now >= deadline:
                    ending = "timeout"
                elif now >= output.last_activity + self.policy.limits.silence:
                    ending = "silence"
                else:
                    continue
                break
            self._signal(number, "term")
            await asyncio.wait([ended, gone], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            self._signal(number, "kill")
            await asyncio.wait([ended, gone], timeout=10.0, return_when=asyncio.FIRST_COMPLETED)
            return ending
        finally:
            for task in tasks:
                task.cancel()

    def _signal(self, number: int, which: Literal["term", "kill"]) -> None:
        if self._channel is not None:
            self._channel.send({"op": "signal", "id": number, "signal": which})

    async def start_job(self, command: str) -> Job:
        """Start a command in the background; it lives until it ends, is killed, or the sandbox closes."""
        return await self._start_in_background(command, None)

    async def start_service(self, command: str) -> tuple[Job, socket.socket]:
        """Start a program that is spoken to: the socket is its standard input and output (the caller's to close), the job
        holds what it prints to standard error."""
        own, other = socket.socketpair()
        try:
            return await self._start_in_background(command, other), own
        except BaseException:
            own.close()
            raise
        finally:
            other.close()

    async def _start_in_background(self, command: str, talk: socket.socket | None) -> Job:
        number, running, output = self._begin(command, self.cwd, True, None, talk)
        name = f"job{len(self._jobs) + 1}"
        job = self._jobs[name] = Job(name, number, command, output)
        waiting = [asyncio.create_task(running.started.wait()), asyncio.create_task(self._gone.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if self._gone.is_set():
            raise self._lost()
        return job

    @property
    def jobs(self) -> list[Job]:
        """All background jobs of the run, ended ones included, oldest first."""
        return list(self._jobs.values())

    async def kill_job(self, job: Job) -> None:
        """End a job: TERM, three seconds, KILL."""
        if job.ended.is_set():
            return
        self._signal(job.number, "term")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(job.ended.wait(), _GRACE)
        if not job.ended.is_set():
            self._signal(job.number, "kill")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(job.ended.wait(), 10.0)

    async def close(self) -> list[str]:
        """End everything that runs in the sandbox. Returns sentences about protected entries that jobs changed."""
        if self._channel is not None:
            self._channel.close()
        process = self._process
        if process is not None and process.returncode is None and not await _ended(process, 5.0):
            process.kill()
            process.wait()
        for job in self._jobs.values():
            job.output.close()
            job.ended.set()
        if self._proxy is not None:
            await self._proxy.close()
            self._proxy = None
        return self._protection.restore()

    async def __aenter__(self) -> Sandbox:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a process that was asked to go; false if the time runs out before."""
    end = time.monotonic() + seconds
    # Where the system has no such descriptor, or none is left, it is looked at now and then.
    with contextlib.suppress(OSError, AttributeError):
        descriptor, gone = os.pidfd_open(process.pid), asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(descriptor, gone.set)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), seconds)
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    while process.poll() is None:
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.005)
    return True


def _program() -> int | None:
    """The supervisor in a sealed file without a name, because its folder may not be visible inside; ``None`` where a path
    has to do."""
    if not sys.platform.startswith("linux"):
        return None
    import fcntl

    file = os.memfd_create("missions-supervisor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    written = os.write(file, _compiled())
    assert written == len(_compiled())
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    return file


@functools.cache
def _compiled() -> bytes:
    """The supervisor as a file of bytecode: a script would be compiled anew at each start."""
    code = compile(_SUPERVISOR.read_bytes(), str(_SUPERVISOR), "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def _interpreter() -> str:
    # A virtual environment's interpreter is a link whose target may be all that is visible; -S needs no more.
    return str(Path(sys.executable).resolve())


def _shell() -> str:
    return "/bin/bash" if Path("/bin/bash").exists() else "/usr/local/bin/bash"
