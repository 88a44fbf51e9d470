"""The world outside a sandbox that attempts to escape are aimed at, and the knowledge whether it was touched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType

from missions.agent.sandbox.environment import command_environment
from missions.agent.sandbox.policy import Policy

CANARY = "canary-" + secrets.token_hex(8)


def make_repository(path: Path) -> Path:
    """A repository with one commit."""
    path.mkdir(parents=True)
    identity = {
        f"GIT_{role}_{what}": "a@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    env = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    (path / "README.md").write_text("hello\n")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=path, env=env, check=True)
    return path


class Outside:
    """Files with canaries, services on every kind of socket and a process, all reachable without a sandbox."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.store = self.home / ".missions"
        self.workspace = make_repository(folder / "projects" / "workspace")
        self.neighbour = folder / "projects" / "neighbour"
        self.host_tmp = folder / "tmp"
        self.run_dir = self.store / "mission-x" / "runs" / "run-1"
        secret_files = [".ssh/id_ed25519", ".aws/credentials", ".npmrc", ".netrc", ".cargo/credentials.toml"]
        for place in (
            self.neighbour / "secret.txt",
            self.store / "mission-x/event-log.jsonl",
            *(self.home / name for name in secret_files),
        ):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(CANARY)
        for place in (
            self.run_dir / "evidence",
            self.run_dir / "output",
            self.host_tmp,
            self.home / ".cargo/bin",
            self.workspace / ".idea",
        ):
            place.mkdir(parents=True, exist_ok=True)
        (self.run_dir / "output" / "001.txt").write_text("long output")
        (self.workspace / ".idea" / "workspace.xml").write_text("<x/>")
        (self.workspace / ".gitmodules").write_text("")
        (self.workspace / "planted-link").symlink_to(self.home / ".ssh" / "id_ed25519")
        self.received: list[bytes] = []
        self._abstract = "abstract-" + secrets.token_hex(8)
        self._sockets = [
            self._listen(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 0)),
            self._listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
            self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(self.neighbour / "s")),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self._abstract}"),
        ]
        self.process = subprocess.Popen(
            ["sleep", "1000"], env={"HOST_SLEEPER": CANARY}, start_new_session=True
        )
        self._before = self._state()

    def _listen(self, family: int, kind: int, address: object) -> socket.socket:
        service = socket.socket(family, kind)
        service.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            service.listen(16)
        threading.Thread(target=self._serve, args=(service, kind), daemon=True).start()
        return service

    def _serve(self, service: socket.socket, kind: int) -> None:
        while True:
            try:
                if kind == socket.SOCK_STREAM:
                    connection, _ = service.accept()
                    self.received.append(b"connected")
                    connection.close()
                else:
                    self.received.append(service.recv(100))
            except OSError:
                return

    def fill(self, command: str) -> str:
        """The command of an attempt with this world's names."""
        tcp, tcp6, udp = (service.getsockname()[1] for service in self._sockets[:3])
        return command.format(
            home=self.home, store=self.store, workspace=self.workspace, neighbour=self.neighbour, host_tmp=self.host_tmp,
            output=self.run_dir / "output", host_pid=self.process.pid, tcp_port=tcp, tcp6_port=tcp6, udp_port=udp,
            host_address=_own_address(), unix_socket=self.neighbour / "s", abstract_socket=self._abstract,
        )  # fmt: skip

    def policy(self, **changes: object) -> Policy:
        """What a run in this world may do."""
        git = self.workspace / ".git"
        host = {**os.environ, "SECRET_TOKEN": CANARY, "LC_ALL": "C.UTF-8"}
        fields: dict[str, object] = {
            "workspace": self.workspace, "git_dir": git, "common_dir": git, "home": self.home, "hidden": (self.store,),
            "evidence": self.run_dir / "evidence", "output": self.run_dir / "output", "aside": self.run_dir / "aside",
            "env": command_environment(host, ("Worker", "worker@example.org"), declared=["SECRET_TOKEN"], extra={"HOME": str(self.home)}),
        }  # fmt: skip
        return Policy(**{**fields, **changes})  # type: ignore[arg-type]

    def _state(self) -> dict[str, str]:
        guarded = [
            self.workspace / ".git" / name
            for name in ("config", "hooks", "info", "modules", "commondir", "config.worktree")
        ]
        names = (".vscode", ".idea", ".claude", ".mcp.json", ".envrc", ".cursor", ".gitmodules")
        places = [
            self.home,
            self.neighbour,
            self.host_tmp,
            *guarded,
            *(self.workspace / name for name in names),
        ]
        state: dict[str, str] = {}
        for place in places:
            for path in [
                place,
                *(sorted(place.rglob("*")) if place.is_dir() and not place.is_symlink() else []),
            ]:
                if self.run_dir in path.parents:
                    continue
                if path.is_symlink():
                    state[str(path)] = f"link {path.readlink()}"
                elif path.is_file():
                    state[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
                elif path.exists():
                    state[str(path)] = "there"
        return state

    def touched(self) -> list[str]:
        """What of the outside is not as it was; empty when nothing was reached."""
        now = self._state()
        found = [
            f"changed: {path}"
            for path in sorted(now.keys() | self._before.keys())
            if now.get(path) != self._before.get(path)
        ]
        found += [f"received: {piece!r}" for piece in self.received]
        if self.process.poll() is not None:
            found.append("the process was killed")
        if not (self.workspace / ".git" / "HEAD").is_file():
            found.append("the git directory was destroyed")
        return found

    def __enter__(self) -> Outside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for service in self._sockets:
            with contextlib.suppress(OSError):
                service.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it
            service.close()


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.2"
