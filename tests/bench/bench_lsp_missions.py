"""What a client waits for: the first tree, news of another process, answers while a mission runs, memory, idle time.

Run it as a program: ``python tests/bench/bench_lsp_missions.py [--large]``; it prints one JSON object and the targets.
``--large`` adds 10,000 missions. The machine decides, so nothing is asserted. Beside wall times stand processor times of
the server and the same answers of an idle server in the same run, which a busy machine falsifies less.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.bench_lsp_startup import BARE
from bench.make_store import make_store
from missions.model import events as ev
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.engine import plan_of
from support.lsp_client import Client, connected
from support.lsp_missions import Scene

TARGETS = {
    "first_tree_ms_1000": 300,
    "first_tree_ms_10000": 1500,
    "news_p95_ms": 300,
    "status_p99_ms_while_running": 50,
    "idle_cpu_percent": 1,
    "memory_ratio_10": 2,
    "memory_mb_10000": 150,
}


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def processor_ms(client: Client) -> float:
    """What the server has used so far."""
    times = psutil.Process(client.process.pid).cpu_times()
    return (times.user + times.system) * 1000


async def first_tree(client: Client) -> float:
    """Milliseconds from the question to the roots and the missions of each section that is open."""
    begun = time.perf_counter()
    roots = (await client.request("missions/tree/children", {}))["nodes"]
    for node in roots:
        if node["collapsible"] == "expanded":
            await client.request("missions/tree/children", {"nodeId": node["id"]})
    return (time.perf_counter() - begun) * 1000


def memory_mb(client: Client) -> float:
    return psutil.Process(client.process.pid).memory_info().rss / 1e6


async def with_many(root: Path, count: int, quiet: float) -> dict[str, float]:
    """First and second tree, memory and idle time of a server on a store with that many missions."""
    await asyncio.to_thread(make_store, root, count)
    async with connected(root, "vscode", root) as client:
        await client.run("models")  # what the session loads is not the store's time
        used = processor_ms(client)
        first = await first_tree(client)
        used = processor_ms(client) - used
        again = await first_tree(client)
        client.notify("missions/tree/visibility", {"visible": True})
        await asyncio.sleep(3)
        process = psutil.Process(client.process.pid)
        process.cpu_percent()
        await asyncio.sleep(quiet)
        return {
            f"first_tree_ms_{count}": round(first, 1),
            f"first_tree_processor_ms_{count}": round(used, 1),
            f"second_tree_ms_{count}": round(again, 1),
            f"memory_mb_{count}": round(memory_mb(client), 1),
            f"idle_cpu_percent_{count}": round(process.cpu_percent(), 2),
        }


async def bare_memory_mb(folder: Path) -> float:
    async with connected(folder, "vscode", folder, command=[sys.executable, "-c", BARE]) as client:
        await client.request("workspace/executeCommand", {"command": "bare.nothing", "arguments": []})
        return memory_mb(client)


async def news(root: Path, rounds: int) -> dict[str, float]:
    """From an append by this process to the client's ``didChange``."""
    store = Store(root)
    mission = store.mission_ids()[0]
    times: list[float] = []
    async with connected(root, "vscode", root) as client:
        client.notify("missions/tree/visibility", {"visible": True})
        await first_tree(client)
        with MissionLog.acquire(store, mission, Owner(face="bench"), purpose="apply") as log:
            await client.until(lambda: client.of("missions/tree/didChange"), "the owner to be noticed")
            for number in range(rounds):
                await asyncio.sleep(0.7)
                seen = len(client.of("missions/tree/didChange"))
                begun = time.perf_counter()
                log.record(ev.IntentRecorded(stepId=f"bench-{number}", kind="bench"))
                while len(client.of("missions/tree/didChange")) == seen:  # noqa: ASYNC110 (the client has no event for it)
                    await asyncio.sleep(0.002)
                times.append((time.perf_counter() - begun) * 1000)
    return {
        "news_p50_ms": round(statistics.median(times), 1),
        "news_p95_ms": round(percentile(times, 0.95), 1),
    }


async def status_while_running(folder: Path) -> dict[str, Any]:
    """Answers of ``missions.status`` while a mission runs in the server."""
    scene = Scene(folder, plan_of({"M1": [f"F{number}" for number in range(1, 9)]}))
    times: list[float] = []

    async def answered(client: Client, into: list[float]) -> None:
        begun = time.perf_counter()
        await client.run("status")
        into.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0.02)

    async with scene.serving(), scene.client() as client:
        idle: list[float] = []
        await client.run("status")
        for _ in range(200):
            await answered(client, idle)
        await client.run("run", {"accept": ["plan", "no-sandbox"], "host": "server"}, 60)
        while scene.world.store.mission(scene.mission).report.exists() is False:
            await answered(client, times)
        return {
            "status_p50_ms_idle": round(statistics.median(idle), 1),
            "status_p99_ms_idle": round(percentile(idle, 0.99), 1),
            "status_answers_while_running": len(times),
            "status_p50_ms_while_running": round(statistics.median(times), 1),
            "status_p99_ms_while_running": round(percentile(times, 0.99), 1),
            "status_max_ms_while_running": round(max(times), 1),
        }


async def measure(large: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"load": psutil.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = await bare_memory_mb(folder)
        found |= await with_many(folder / "few", 10, 10)
        found["idle_cpu_percent"] = found["idle_cpu_percent_10"]
        found["memory_mb_bare"] = round(bare, 1)
        found["memory_ratio_10"] = round(found["memory_mb_10"] / bare, 2)
        found |= await with_many(folder / "thousand", 1000, 10)
        found |= await news(folder / "thousand", 30)
        found |= await status_while_running(folder / "scene")
        if large:
            found |= await with_many(folder / "many", 10_000, 20)
    return found


def main() -> None:
    found = asyncio.run(measure("--large" in sys.argv))
    found["targets_missed"] = [name for name, most in TARGETS.items() if found.get(name, 0) > most]
    print(json.dumps({**found, "targets": TARGETS}, indent=1))


if __name__ == "__main__":
    main()
