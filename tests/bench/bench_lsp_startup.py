"""Time from spawn to the answer of ``initialize``, as a ratio to a bare pygls server; time from ``exit`` to the end.

Run it as a program; it prints one JSON object. Both servers run alternately, so that load hits both alike; the ratio of
their processor times is the one that a busy machine falsifies least.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

BARE = """
from pygls.lsp.server import LanguageServer
server = LanguageServer("bare", "1")
@server.command("bare.nothing")
def nothing(*args):
    return None
server.start_io()
"""
OURS = "from missions.lsp.server import main; main()"
CAPABILITIES = Path(__file__).parents[1] / "support" / "lsp_profiles" / "vscode.json"
TARGET_RATIO = 1.25
TARGET_EXIT_MS = 100


def start_and_leave(code: str, arguments: list[str]) -> tuple[float, float, float]:
    """Milliseconds to the answer of ``initialize``, from ``exit`` to the end, and of processor to that answer."""
    begun = time.perf_counter()
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        capabilities = json.loads(CAPABILITIES.read_text("utf-8"))["capabilities"]
        params = {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities}
        ask(server, 1, "initialize", params)
        answered = time.perf_counter()
        used = psutil.Process(server.pid).cpu_times()
        send(server, {"method": "initialized", "params": {}})
        ask(server, 2, "shutdown", None)
        leaving = time.perf_counter()
        send(server, {"method": "exit"})
        server.wait()
        gone = time.perf_counter()
        return (answered - begun) * 1000, (gone - leaving) * 1000, (used.user + used.system) * 1000


def ask(server: subprocess.Popen[bytes], number: int, method: str, params: Any) -> None:
    """Send a request and read until its answer."""
    send(server, {"id": number, "method": method, "params": params})
    assert server.stdout is not None
    while True:
        length = 0
        while line := server.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if json.loads(server.stdout.read(length)).get("id") == number:
            return


def send(server: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    assert server.stdin is not None
    server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    server.stdin.flush()


def main(rounds: int = 9) -> int:
    """Measure; 0 when both targets are met."""
    with tempfile.TemporaryDirectory() as store:
        runs = [
            (start_and_leave(BARE, []), start_and_leave(OURS, ["--store", store])) for _ in range(rounds + 1)
        ][1:]
    bare = statistics.median(run[0][0] for run in runs)
    ours = statistics.median(run[1][0] for run in runs)
    leaving = statistics.median(run[1][1] for run in runs)
    bare_used, used = (statistics.median(run[which][2] for run in runs) for which in (0, 1))
    result = {
        "initialize_ms": round(ours, 1),
        "bare_initialize_ms": round(bare, 1),
        "ratio": round(ours / bare, 3),
        "processor_ratio": round(used / bare_used, 3),
        "target_ratio": TARGET_RATIO,
        "exit_ms": round(leaving, 1),
        "target_exit_ms": TARGET_EXIT_MS,
        "rounds": rounds,
    }
    print(json.dumps(result))
    return 0 if ours / bare <= TARGET_RATIO and leaving <= TARGET_EXIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
