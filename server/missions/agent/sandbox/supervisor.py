"""The process that starts, watches and ends a run's commands; in a sandbox it is process 1.

Run as a program (`python -I -S supervisor.py CHANNEL`), standard library only, one thread. It speaks JSON datagrams with
the engine over the inherited socket CHANNEL; when that socket ends, it kills everything it started and leaves. Each
command gets a *keeper*: a child that is a subreaper, so that whatever the command starts — double forks and new sessions
included — stays below its keeper and can be found and killed. It never reads a command's output, never decides a time
limit, and never runs anything that the engine did not ask for.

Every run waits for it to start, so it loads C modules only, none of the library's Python (`socket`, `signal`, `json` and
`ctypes` alone cost more than the interpreter itself). Orders therefore come as `marshal`: the engine is trusted and is the
same interpreter. Events go back as JSON: what comes out of a sandbox is not trusted.
"""

from __future__ import annotations

import marshal
import os
import resource
import select
import sys
import time
from _json import encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from typing import Any
else:
    import _signal as signal
    import _socket as socket

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 0.1
"""Seconds between two looks at memory, process count and free space while a command runs."""
_STUBBORN = 150
"""Rounds of stop-and-kill after which a process tree that still grows costs all others of the sandbox too."""
_CWD_FD = 19
"""Where the shell wrapper writes its last directory; the engine's wrapper text names the same number."""

_DESCRIPTOR = 4
"""Bytes of a descriptor in a message (a C int)."""
_ON_LINUX = sys.platform.startswith("linux")


def _prctl(option: int, value: int) -> None:
    if _ON_LINUX:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen("", os.RTLD_NOW), "prctl")
        _ctypes.call_function(address, (option, value, 0, 0, 0))


class _Suppressed:
    """``contextlib.suppress`` without what importing it costs."""

    def __init__(self, *errors: type[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, self._errors)


def _as_json(event: dict[str, Any]) -> bytes:
    """The events' few kinds of values as ``json.dumps`` writes them."""
    parts = (f'"{name}":{_value(value)}' for name, value in event.items())
    return f"{{{','.join(parts)}}}".encode("ascii")


def _value(value: str | int | None) -> str:
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    return "null" if value is None else str(int(value))


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def _parents() -> dict[int, int]:
    """Every visible living process and its parent."""
    found: dict[int, int] = {}
    if not _ON_LINUX:
        import subprocess

        listing = subprocess.run(
            ["/bin/ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=False
        )
        for pid, parent, state in (line.split(None, 2) for line in listing.stdout.splitlines()):
            if not state.startswith("Z"):
                found[int(pid)] = int(parent)
        return found
    for name in os.listdir("/proc"):  # noqa: PTH208 - runs thousands of times, names are all it needs
        if not name.isdigit():
            continue
        try:
            fields = _content(f"/proc/{name}/stat")
            state, parent = fields[fields.rindex(b")") + 2 :].split(b" ", 2)[:2]
        except (OSError, ValueError):
            continue
        if state not in (b"Z", b"X"):
            found[int(name)] = int(parent)
    return found


def _below(root: int, parents: dict[int, int]) -> list[int]:
    """All descendants of ``root``, nearest first."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = [root]
    while queue:
        nearest = children.get(queue.pop(0), [])
        found.extend(nearest)
        queue.extend(nearest)
    return found


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with _Suppressed(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _kill_below(root: int) -> int:
    """Stop everything below ``root`` until nothing new appears, then kill it. Returns how many were found."""
    stopped: set[int] = set()
    for _ in range(8):
        fresh = [pid for pid in _below(root, _parents()) if pid not in stopped]
        if not fresh:
            break
        _signal(fresh, signal.SIGSTOP)
        stopped.update(fresh)
    _signal(list(stopped), signal.SIGKILL)
    return len(stopped)


def _resident(pids: list[int]) -> int:
    """Memory in bytes that the processes hold and do not share with files."""
    total = 0
    for pid in pids:
        try:
            fields = _content(f"/proc/{pid}/statm").split()
            total += (int(fields[1]) - int(fields[2])) * _PAGE
        except (OSError, ValueError, IndexError):
            continue
    return total


class _Call:
    """One command: its keeper, and what is known of it."""

    def __init__(
        self, number: int, keeper: int, news: int, cwd: int, limits: dict[str, int], background: bool
    ) -> None:
        self.number, self.keeper, self.news, self.cwd = number, keeper, news, cwd
        self.limits, self.background = limits, background
        self.status: int | None = None
        self.reason: str | None = None
        self.ending = False
        self.rounds = 0
        self.killed = 0


def _exec_command(order: dict[str, Any], output: int, talk: int | None, cwd: int) -> None:
    """In the command's own process: detach from everything of ours and become the command. Never returns."""
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null if talk is None else talk, 0)
        os.dup2(output if talk is None else talk, 1)
        os.dup2(output, 2)
        os.dup2(cwd, _CWD_FD)
        os.set_inheritable(_CWD_FD, True)
        os.closerange(3, _CWD_FD)
        os.closerange(_CWD_FD + 1, 4096)
        limits = order["limits"]
        for which, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, limits["file"]),
            (resource.RLIMIT_NPROC, limits["processes"] if order["namespaced"] else None),
        ):
            if value is None:
                continue
            hard = resource.getrlimit(which)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (value, value))
        with _Suppressed(OSError):
            os.nice(5)
        with _Suppressed(OSError):
            os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC), b"1000")
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.umask(order["umask"])
        os.chdir(order["cwd"])
        os.execve(order["argv"][0], order["argv"], order["env"])
    except OSError as error:
        os.write(2, f"cannot start the command: {error.strerror}\n".encode())
    os._exit(126)


def _keep(order: dict[str, Any], output: int, talk: int | None, cwd: int, news: int) -> None:
    """In the keeper: start the command, report its end, stay until nothing of it is left. Never returns."""

    def end(_number: int, _frame: object) -> None:
        while _kill_below(os.getpid()):
            with _Suppressed(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    child = os.fork()
    if child == 0:
        _exec_command(order, output, talk, cwd)
    os.close(output)
    if talk is not None:
        os.close(talk)
    os.close(cwd)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            break
        if pid == child:
            os.write(news, str(status).encode())
    os._exit(0)


class Supervisor:
    """The loop: orders from the engine, ends of commands, limits."""

    def __init__(self, channel: socket.socket, namespaced: bool, disk: str, disk_floor: int) -> None:
        self._channel = channel
        self._namespaced = namespaced
        self._disk, self._disk_floor = disk, disk_floor
        self._calls: dict[int, _Call] = {}
        self._leaving = False

    def serve(self) -> None:
        """Work until the engine closes the channel (or asks to end), then leave nothing behind."""
        looked = 0.0
        while not self._leaving:
            ending = any(call.ending for call in self._calls.values())
            timeout = None if not self._calls else 0.01 if ending else _TICK
            watched: list[Any] = [
                self._channel,
                *(call.news for call in self._calls.values() if call.news >= 0),
            ]
            try:
                ready, _, _ = select.select(watched, [], [], timeout)
            except InterruptedError:
                ready = []
            for source in ready:
                if source is self._channel:
                    self._take_order()
                else:
                    self._take_news(source)
            self._reap()
            self._sweep()
            now = time.monotonic()
            if self._calls and now - looked >= _TICK:
                looked = now
                self._check_limits()
        self._end_everything()

    def leave(self, _number: int = 0, _frame: object = None) -> None:
        """A signal asked us to go."""
        self._leaving = True
        with _Suppressed(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def _tell(self, **event: Any) -> None:
        try:
            self._channel.send(_as_json(event))
        except OSError:
            self._leaving = True

    def _take_order(self) -> None:
        try:
            data, ancillary, _, _ = self._channel.recvmsg(1 << 18, socket.CMSG_LEN(2 * _DESCRIPTOR))
        except OSError:
            data, ancillary = b"", []
        descriptors: list[int] = []
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                for start in range(0, len(content) - _DESCRIPTOR + 1, _DESCRIPTOR):
                    number = content[start : start + _DESCRIPTOR]
                    descriptors.append(int.from_bytes(number, sys.byteorder, signed=True))
        if not data:
            self._leaving = True
            return
        order = marshal.loads(data)
        if order["op"] == "run":
            self._run(order, descriptors[0], descriptors[1] if len(descriptors) > 1 else None)
        elif order["op"] == "signal":
            call = self._calls.get(order["id"])
            if call is None:
                return
            if order["signal"] == "kill":
                call.ending = True
            else:
                _signal(_below(call.keeper, _parents()), signal.SIGTERM)

    def _run(self, order: dict[str, Any], output: int, talk: int | None) -> None:
        """Start a command that prints to ``output``; with ``talk``, a socket that is its standard input and output, only its
        standard error goes there."""
        ours = [output] if talk is None else [output, talk]
        order["namespaced"] = self._namespaced
        if not os.access(order["cwd"], os.X_OK):
            order["cwd"] = order["fallback"]
        news_read, news_write = os.pipe()
        where_read, where_write = os.pipe()
        try:
            keeper = os.fork()
        except OSError as error:
            for descriptor in (news_read, news_write, where_read, where_write, *ours):
                os.close(descriptor)
            self._tell(id=order["id"], event="failed", error=error.strerror or "fork failed")
            return
        if keeper == 0:
            try:
                self._channel.close()
                os.close(news_read)
                os.close(where_read)
                _keep(order, output, talk, where_write, news_write)
            finally:
                os._exit(125)
        for descriptor in (news_write, where_write, *ours):
            os.close(descriptor)
        os.set_blocking(where_read, False)
        call = _Call(order["id"], keeper, news_read, where_read, order["limits"], order["background"])
        self._calls[order["id"]] = call
        self._tell(id=call.number, event="started", cwd=order["cwd"])

    def _take_news(self, descriptor: int) -> None:
        for call in self._calls.values():
            if call.news == descriptor:
                text = os.read(descriptor, 64)
                if text:
                    call.status = int(text)
                    self._tell(
                        id=call.number, event="exited", cwd=self._last_directory(call), **self._fate(call)
                    )
                    if not call.background:
                        call.ending = True
                else:
                    os.close(call.news)
                    call.news = -1
                return

    def _last_directory(self, call: _Call) -> str | None:
        try:
            text = os.read(call.cwd, 1 << 16)
        except OSError:
            return None
        return os.fsdecode(text[:-1]) if text.endswith(b"\n") else None

    @staticmethod
    def _fate(call: _Call) -> dict[str, Any]:
        status = call.status
        if status is None:
            return {"code": None, "signal": None}
        if os.WIFSIGNALED(status):
            return {"code": None, "signal": os.WTERMSIG(status)}
        return {"code": os.WEXITSTATUS(status), "signal": None}

    def _reap(self) -> None:
        """Collect ended keepers, and end what escaped from a keeper that was killed."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            for number, call in list(self._calls.items()):
                if call.keeper == pid:
                    if call.news >= 0 and call.status is None:
                        self._take_news(call.news)
                    if call.news >= 0:
                        os.close(call.news)
                    os.close(call.cwd)
                    del self._calls[number]
                    self._end_strays()
                    self._tell(
                        id=number, event="ended", reason=call.reason, killed=call.killed, **self._fate(call)
                    )

    def _end_strays(self) -> None:
        keepers = {call.keeper for call in self._calls.values()}
        for _ in range(50):
            parents = _parents()
            strays = [pid for pid, parent in parents.items() if parent == os.getpid() and pid not in keepers]
            if not strays:
                return
            for pid in strays:
                _kill_below(pid)
            _signal(strays, signal.SIGKILL)
            for pid in strays:
                with _Suppressed(ChildProcessError):
                    os.waitpid(pid, 0)

    def _sweep(self) -> None:
        for call in list(self._calls.values()):
            if not call.ending:
                continue
            call.rounds += 1
            found = _kill_below(call.keeper)
            call.killed = max(call.killed, found)
            if call.rounds > _STUBBORN and self._namespaced:
                os.kill(-1, signal.SIGKILL)

    def _check_limits(self) -> None:
        most = max(call.limits["processes"] for call in self._calls.values())
        if self._namespaced and len(os.listdir("/proc")) > 2 * most + 100:  # noqa: PTH208
            for call in self._calls.values():
                call.reason, call.ending = call.reason or "processes", True
            # One call of the kernel ends all; looked at one by one, a fork bomb wins on a busy machine.
            os.kill(-1, signal.SIGKILL)
            return
        parents = _parents()
        free: int | None = None
        if self._disk_floor:
            with _Suppressed(OSError):
                space = os.statvfs(self._disk)
                free = space.f_bavail * space.f_frsize
        for call in [call for call in self._calls.values() if not call.ending]:
            below = _below(call.keeper, parents)
            if len(below) > call.limits["processes"]:
                call.reason = "processes"
            elif _resident(below) > call.limits["memory"]:
                call.reason = "memory"
            elif free is not None and free < self._disk_floor:
                call.reason = "disk"
            else:
                continue
            call.ending = True

    def _end_everything(self) -> None:
        if self._namespaced:
            os._exit(0)  # process 1 of the namespace: the kernel ends the rest
        keepers = [call.keeper for call in self._calls.values()]
        for _ in range(500):
            _kill_below(os.getpid())
            with _Suppressed(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not _below(os.getpid(), _parents()):
                break
            time.sleep(0.01)
        _signal(keepers, signal.SIGKILL)
        os._exit(0)


def main() -> None:
    """``supervisor.py CHANNEL namespaced|bare DISK DISK_FLOOR [proxy]``."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    namespaced = sys.argv[2] == "namespaced"
    supervisor = Supervisor(channel, namespaced, sys.argv[3], int(sys.argv[4]))
    # A command of the same user could otherwise trace this process or read its memory and descriptors.
    _prctl(_PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not namespaced:
        # Process 1 of a namespace has no handler on purpose: the kernel then drops what commands send it.
        signal.signal(signal.SIGTERM, supervisor.leave)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            return
    listener = None
    if sys.argv[5:] == ["proxy"]:
        # A socket of this network namespace, served by the engine from outside: the only way out.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
    with_it: list[tuple[int, int, bytes]] = []
    if listener:
        number = listener.fileno().to_bytes(_DESCRIPTOR, sys.byteorder)
        with_it.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, number))
    channel.sendmsg([_as_json({"event": "ready"})], with_it)
    if listener:
        listener.close()
    supervisor.serve()


if __name__ == "__main__":
    main()
