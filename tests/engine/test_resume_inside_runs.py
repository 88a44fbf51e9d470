"""A run that is cut short anywhere goes on inside: the same conversation, the same bytes, nothing done twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Simulator
from missions.simulator.service import Exchange
from missions.store.inbox import By, Request, submit
from support.liars import CHECK, Ground, bash, commit_all, handoff, script, write
from support.scripted_model import bare

_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "MISSIONS_CREDENTIALS_FD")


def _counting_worker() -> dict[str, Any]:
    """A worker whose every command leaves one line in an ignored file."""
    turns = [[bash(f"mkdir -p build && echo {n} >> build/ran.txt")] for n in range(6)]
    return script(
        "F1",
        *turns,
        [write("work/F1.txt", "one\n"), bash(CHECK)],
        [bash(commit_all("F1"))],
        [handoff("F1", ["work/F1.txt"])],
    )


def _command_line(ground: Ground, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _CREDENTIALS}
    own = {"MISSIONS_HOME": str(ground.store.root), **environment}
    return subprocess.run(
        [sys.executable, "-P", "-m", "missions", *arguments],
        cwd=ground.root,
        env={**inherited, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _of_worker(simulator: Simulator) -> list[Exchange]:
    return [one for one in simulator.exchanges if one.turn.role == "worker"]


def _same_prefixes(exchanges: list[Exchange]) -> None:
    for earlier, later in itertools.pairwise(exchanges):
        assert bare(later.body).startswith(bare(earlier.body)[:-1])


def _records(ground: Ground, kind: str) -> list[dict[str, Any]]:
    (path,) = (ground.store.mission(ground.id).runs).glob("*-worker-F1/transcript.jsonl")
    return [record for record in map(json.loads, path.read_text().splitlines()) if record["type"] == kind]


def test_a_conversation_killed_again_and_again_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.create()
    simulator = Simulator(ground.playbook(_counting_worker()))
    with simulator as url:
        access = {"MISSIONS_BASE_URL": url, "ANTHROPIC_API_KEY": "for-the-simulator"}
        arguments = ("run", ground.id, "--headless", "--hosted")
        for step in (5, 8, 9):
            failpoint = f"store.transcript.fsync:kill@{step}"
            killed = _command_line(ground, *arguments, **access, MISSIONS_FAILPOINT=failpoint)
            assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        ended = _command_line(ground, *arguments, **access)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(ground.events("worker_started")) == 1
    _same_prefixes(_of_worker(simulator))
    for kind in ("tool_start", "tool_end"):
        calls = [record["id"] for record in _records(ground, kind)]
        assert len(calls) == len(set(calls))
    # A command that a kill cut short is answered as interrupted and may be asked for again; no other ran twice.
    cut = sum("interrupted" in json.dumps(record["content"]) for record in _records(ground, "tool_end"))
    ran = (ground.root / "build" / "ran.txt").read_text().split()
    assert sorted(set(ran)) == list("012345")
    assert len(ran) <= 6 + cut


@pytest.mark.parametrize("place", ["repo.restore.unlink:kill@1", "repo.restore.index:kill@1"])
def test_a_kill_while_half_done_work_is_put_back_is_made_good(place: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.create()
    with Simulator(ground.playbook(deviations={"F1": "dirty-tree"}, every_attempt=False)) as url:
        access = {"MISSIONS_BASE_URL": url, "ANTHROPIC_API_KEY": "for-the-simulator"}
        arguments = ("run", ground.id, "--headless", "--hosted")
        killed = _command_line(ground, *arguments, **access, MISSIONS_FAILPOINT=place)
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        ended = _command_line(ground, *arguments, **access)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ground.user.git("log", "--format=%s").splitlines().count("F1: Piece 1") == 1
    assert not (ground.root / "left-behind.txt").exists()
    assert ground.user.git("status", "--porcelain") == ""


class _Submits:
    """Puts a request into the inbox when the conversation's third turn begins."""

    def __init__(self, ground: Ground, op: str, **args: Any) -> None:
        self.ground, self.op, self.args, self.turns = ground, op, args, 0

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "turn":
            self.turns += 1
            if self.turns == 3:
                asked = Request(op=self.op, args=self.args, by=By(face="test"))
                submit(self.ground.store.mission(self.ground.id), asked)


def _slow_worker() -> dict[str, Any]:
    turns = [[bash(f"mkdir -p build && echo {n} >> build/ran.txt && sleep 0.3")] for n in range(6)]
    return script(
        "F1",
        *turns,
        [write("work/F1.txt", "one\n"), bash(CHECK)],
        [bash(commit_all("F1"))],
        [handoff("F1", ["work/F1.txt"], commandsRun=[])],
    )


async def test_a_run_paused_now_goes_on_in_the_same_conversation(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    simulator = Simulator(ground.playbook(_slow_worker()))
    with simulator as url:
        ground.create()
        paused = await ground.runner(url, watcher=_Submits(ground, "pause", now=True)).run()
        assert (paused.exit_code, ground.mission.status) == (11, "paused")
        ground.ask("resume")
        assert (await ground.runner(url).run()).exit_code == 0
    assert len(ground.events("worker_started")) == 1
    _same_prefixes(_of_worker(simulator))


async def test_what_the_user_edits_while_a_run_is_paused_is_the_users(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    with Simulator(ground.playbook(_slow_worker())) as url:
        ground.create()
        await ground.runner(url, watcher=_Submits(ground, "pause", now=True)).run()
        await asyncio.sleep(0.2)  # set apart from the run by more than a file system's clock
        ground.user.write("src/app.py", "print('the user was here')\n")
        await asyncio.sleep(0.2)  # set apart from the run by more than a file system's clock
        ground.ask("resume")
        result = await ground.runner(url).run()
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    assert (ground.root / "src/app.py").read_text() == "print('the user was here')\n"


_OUTAGES: dict[str, dict[str, Any]] = {
    "429 with retry-after": {"kind": "status", "status": 429, "headers": {"retry-after": "1"}},
    "429 without": {"kind": "status", "status": 429},
    "529": {"kind": "status", "status": 529},
    "500": {"kind": "status", "status": 500},
    "no answer": {"kind": "disconnect"},
    "a broken stream": {"kind": "cut-chunked"},
    "a stream that just ends": {"kind": "cut-plain"},
    "an error in the stream": {"kind": "error-event", "status": 529},
}


@pytest.mark.parametrize("outage", _OUTAGES)
async def test_a_short_outage_is_waited_for_and_leaves_no_trace_in_the_work(
    outage: str, tmp_path: Path
) -> None:
    ground = Ground(tmp_path)
    simulator = Simulator(ground.playbook())
    fault = dict(_OUTAGES[outage])
    simulator.faults.add(fault.pop("kind"), when={"role": "worker", "turn": 2}, times=2, **fault)
    with simulator as url:
        assert (await ground.runner(url).run()).exit_code == 0
    assert len(ground.events("worker_started")) == 1
    assert ground.events("worker_finished")[0]["data"]["providerWaitMs"] > 0
    _same_prefixes(_of_worker(simulator))


@pytest.mark.parametrize("status", [529, 401])
async def test_a_long_outage_pauses_the_mission_and_a_resume_goes_on_inside(
    status: int, tmp_path: Path
) -> None:
    ground = Ground(tmp_path)
    ground.settings = {"provider": {"waitMinutes": 0.02}}
    simulator = Simulator(ground.playbook())
    simulator.faults.add("status", when={"role": "worker", "turn": 2}, times=None, status=status)
    with simulator as url:
        result = await ground.runner(url).run()
        assert (result.exit_code, ground.block, ground.mission.status) == (
            14,
            "provider_unavailable",
            "paused",
        )
        simulator.faults.clear()
        ground.ask("resume")
        assert (await ground.runner(url).run()).exit_code == 0
    assert len(ground.events("worker_started")) == 1


async def test_thirty_tool_turns_are_read_from_the_cache_and_the_fixed_prompt_is_small(
    tmp_path: Path,
) -> None:
    ground = Ground(tmp_path)
    turns = [[bash(f"seq {n} {n + 120}")] for n in range(30)]
    rule = script(
        "F1",
        *turns,
        [write("work/F1.txt", "one\n"), bash(CHECK)],
        [bash(commit_all("F1"))],
        [handoff("F1", ["work/F1.txt"])],
    )
    simulator = Simulator(ground.playbook(rule))
    with simulator as url:
        assert (await ground.runner(url).run()).exit_code == 0
    worker = _of_worker(simulator)
    assert len(worker) >= 30
    _same_prefixes(worker)
    used = [one.usage for one in worker]
    read = sum(one["cache_read_input_tokens"] for one in used)
    whole = read + sum(one["input_tokens"] + one["cache_creation_input_tokens"] for one in used)
    assert read / whole >= 0.90
    fixed = len(json.dumps([worker[0].body["tools"], worker[0].body["system"]], ensure_ascii=False).encode())
    print(f"cache share {read / whole:.1%}; fixed prompt of a worker {fixed} bytes")
    assert fixed <= 24_000


async def test_all_workers_share_tools_and_system_byte_for_byte(tmp_path: Path) -> None:
    first, second = Ground(tmp_path / "one"), Ground(tmp_path / "two")
    prefixes: set[str] = set()
    for ground in (first, second):
        simulator = Simulator(ground.playbook())
        with simulator as url:
            assert (await ground.runner(url).run()).exit_code == 0
        prefixes |= {json.dumps([one.body["tools"], one.body["system"]]) for one in _of_worker(simulator)}
    assert len(prefixes) == 1


def test_a_start_without_credentials_says_so_in_one_sentence_before_anything_is_written(
    tmp_path: Path,
) -> None:
    ground = Ground(tmp_path)
    ground.create(start=False)
    before = _everything_below(ground.store.mission(ground.id).path)
    nowhere = {"HOME": str(tmp_path / "nobody"), "XDG_CONFIG_HOME": str(tmp_path / "nobody")}
    refused = _command_line(ground, "run", ground.id, "--headless", "--yes", "--no-sandbox", **nowhere)
    assert refused.returncode == 1
    said = refused.stderr + refused.stdout
    assert "ANTHROPIC_API_KEY" in said
    assert "missions demo" in said
    assert "Traceback" not in said
    assert _everything_below(ground.store.mission(ground.id).path) == before
    assert ground.user.git("branch", "--format=%(refname:short)") == "main"


def _everything_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
