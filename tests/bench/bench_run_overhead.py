"""What the engine costs: one worker run of four model turns against a bare loop over the SDK with the same calls.

Run by hand: ``python tests/bench/bench_run_overhead.py [features]``, with ``tests`` on the path or not. The simulated model
answers at once. It prints figures and asserts nothing: the machine decides.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anthropic import AsyncAnthropic

from missions.agent.model import ModelClient
from missions.agent.sandbox.session import Sandbox
from missions.runner.workplace import Workplace
from missions.simulator import Simulator
from support.liars import Ground, small_plan

_PARTS: dict[str, list[float]] = {}


def _timed(owner: Any, name: str, label: str) -> None:
    """Measure every call of a method of the product from outside."""
    original = getattr(owner, name)

    def measured(*args: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*args, **more)
        finally:
            _PARTS.setdefault(label, []).append(time.perf_counter() - began)

    async def awaited(*args: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return await original(*args, **more)
        finally:
            _PARTS.setdefault(label, []).append(time.perf_counter() - began)

    setattr(owner, name, awaited if asyncio.iscoroutinefunction(original) else measured)


def _moment(record: dict[str, Any]) -> float:
    return datetime.fromisoformat(record["ts"]).timestamp()


async def engine(features: int, folder: Path) -> tuple[float, float, dict[str, Any]]:
    """Median seconds of a worker's unit, from the end of one to the end of the next: all of it, and its tools alone; and
    the first call of a unit as it was sent."""
    ground = Ground(folder, small_plan([f"F{n}" for n in range(1, features + 1)]))
    sent: list[dict[str, Any]] = []
    stream = ModelClient.stream

    def noted(self: ModelClient, body: dict[str, Any]) -> Any:
        if len(body["messages"]) == 1 and not sent:
            sent.append(json.loads(json.dumps(body)))
        return stream(self, body)

    ModelClient.stream = noted
    for owner, name, label in (
        (Workplace, "begin", "snapshot"),
        (Workplace, "worker_facts", "acceptance facts"),
        (Workplace, "strangers", "look for strangers"),
        (Sandbox, "close", "sandbox end"),
        (Sandbox, "_launch", "sandbox start"),
    ):
        _timed(owner, name, label)
    result = await ground.run()
    assert result.exit_code == 0, result
    ends = [_moment(record) for record in ground.events("worker_finished")]
    tools = [
        _tool_seconds(path)
        for path in ground.store.mission(ground.id).runs.glob("*-worker-*/transcript.jsonl")
    ]
    cycles = [later - earlier for earlier, later in itertools.pairwise(ends)]
    return statistics.median(cycles), statistics.median(tools), sent[0]


def _tool_seconds(transcript: Path) -> float:
    records = [json.loads(line) for line in transcript.read_text().splitlines()]
    ended = [r for r in records if r["type"] == "tool_end" and not r["name"].startswith("submit_")]
    return sum(record["ms"] for record in ended) / 1000


@dataclass
class Bare:
    """Median seconds of the bare loop, and of its four calls alone."""

    whole: float
    calls: float


async def bare(times: int, folder: Path, call: dict[str, Any]) -> Bare:
    """The calls that the engine made for a unit (the same system text, tools, task and way of streaming), with growing
    history, one file write and one ``git commit``."""
    ground = Ground(folder)
    taken: list[tuple[float, float]] = []
    with Simulator(ground.playbook()) as url:
        client = AsyncAnthropic(api_key="no-key", base_url=url, max_retries=0)
        for number in range(times + 1):
            began = time.perf_counter()
            calls = await _bare_run(client, ground.root, number, call)
            taken.append((time.perf_counter() - began, calls))
        await client.close()
    return Bare(*(statistics.median(column) for column in zip(*taken[1:], strict=True)))


async def _bare_run(client: AsyncAnthropic, root: Path, number: int, call: dict[str, Any]) -> float:
    messages: list[Any] = [*call["messages"]]
    calling = 0.0
    for _ in range(4):
        began = time.perf_counter()
        stream = await client.messages.create(**{**call, "messages": messages, "stream": True})
        content = await _collected(stream)
        calling += time.perf_counter() - began
        messages.append({"role": "assistant", "content": content})
        results = [_answer(root, number, block) for block in content if block["type"] == "tool_use"]
        messages.append({"role": "user", "content": results})
    return calling


async def _collected(stream: Any) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    texts: list[str] = []
    async for event in stream:
        if event.type == "content_block_start":
            blocks.append(event.content_block.model_dump(exclude_none=True))
            texts.append("")
        elif event.type == "content_block_delta":
            texts[-1] += (
                getattr(event.delta, "text", None) or getattr(event.delta, "partial_json", None) or ""
            )
    for block, text in zip(blocks, texts, strict=True):
        if block["type"] == "tool_use":
            block["input"] = json.loads(text or "{}")
        else:
            block["text"] = text
    return blocks


def _answer(root: Path, number: int, block: Any) -> dict[str, Any]:
    text = "run 1 · exit code 0 · 0.0 s\n(no output)"
    if block["name"] == "bash" and "git commit" in str(block["input"]):
        (root / "bench.txt").write_text(f"{number}\n")
        command = "git add -A && git commit -q -m bench && git rev-parse HEAD"
        identity = {
            "GIT_AUTHOR_NAME": "b",
            "GIT_AUTHOR_EMAIL": "b@b",
            "GIT_COMMITTER_NAME": "b",
            "GIT_COMMITTER_EMAIL": "b@b",
        }
        done = subprocess.run(["bash", "-c", command], cwd=root, env={**_path(), **identity}, capture_output=True, text=True, check=True)  # fmt: skip
        text = f"run 1 · exit code 0 · 0.0 s\n{done.stdout}"
    return {"type": "tool_result", "tool_use_id": block["id"], "content": text}


def _path() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def _processor() -> float:
    """Processor seconds of this process and its ended children so far; a busy machine does not change them."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


async def _main(features: int) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        begun = _processor()
        whole, tools, call = await engine(features, Path(one))
        between = _processor()
        plain = await bare(features, Path(two), call)
        engine_cpu, plain_cpu = (between - begun) / (features + 1), (_processor() - between) / (features + 1)
    base, without_tools = plain.whole, whole - tools
    overhead = without_tools - plain.calls
    print(f"bare loop (4 calls, 1 commit)      {base * 1000:8.1f} ms")
    print(f"  its calls                        {plain.calls * 1000:8.1f} ms")
    print(f"a worker's unit, all of it         {whole * 1000:8.1f} ms")
    print(f"  its tools                        {tools * 1000:8.1f} ms")
    print(
        f"  without tools                    {without_tools * 1000:8.1f} ms   = {without_tools / base:.2f} × the bare loop"
    )
    print(
        f"  without tools and model          {overhead * 1000:8.1f} ms   = {overhead / base:.2f} × (limit 2.5)"
    )
    print(
        f"processor time: bare loop {plain_cpu * 1000:.0f} ms, a unit with its tools {engine_cpu * 1000:.0f} ms"
    )
    for label, taken in sorted(_PARTS.items(), key=lambda item: -statistics.median(item[1])):
        print(f"    {label:<30} {statistics.median(taken) * 1000:8.1f} ms   ({len(taken)} calls)")


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 8))
