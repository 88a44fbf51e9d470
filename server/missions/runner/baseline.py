"""Before the first unit: the setup of a private clone, and which of the plan's checks fail already.

Known failures are recorded so that nobody is blamed for them. What the checks leave in the tree is put back. It judges no
work.
"""

from __future__ import annotations

import asyncio

from missions.agent.sandbox.session import Sandbox
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import KnownFailure
from missions.runner.bench import Bench
from missions.runner.unit_run import make_run_dir, policy_for
from missions.store.files import check_free_space
from missions.store.layout import RunDir

_TIMEOUT = 600.0


async def record_baseline(bench: Bench) -> None:
    """Run setup and checks once, in the sandbox, and record the result; repeatable until it is recorded."""
    if bench.mission.baseline is not None:
        return
    environment = bench.plan().environment
    setup = environment.setup if bench.mission.workspace.kind == "clone" else None
    failures: list[KnownFailure] = []
    if environment.checks or setup:
        run = RunDir("baseline", bench.directory.runs / "baseline")
        make_run_dir(run)
        start = await asyncio.to_thread(bench.place.begin, "baseline")
        async with await Sandbox.start(policy_for(bench, run), bench.settings.sandbox.mode) as sandbox:
            if setup:
                bench.activity.show(now=True, tool="setup", summary=setup[:160])
                await _setup(sandbox, setup)
                start = await asyncio.to_thread(bench.place.begin, "baseline")
            for check in environment.checks:
                bench.activity.show(now=True, tool="check", summary=check[:160])
                result = await sandbox.run(check, _TIMEOUT)
                if result.ending == "disk":
                    check_free_space(bench.place.root)
                if result.code != 0:
                    failures.append(KnownFailure(command=check, exitCode=result.code))
        await asyncio.to_thread(bench.place.put_back, "baseline", start)
    bench.log.record(ev.ChecksRecorded(failures=failures, commands=len(environment.checks)))
    bench.activity.clear()


async def _setup(sandbox: Sandbox, command: str) -> None:
    result = await sandbox.run(command, _TIMEOUT)
    if result.code != 0:
        shown = result.output[-1500:].decode("utf-8", "replace")
        raise MissionError(
            "repository",
            f"The plan's setup command ended with exit code {result.code}.",
            "Mend `environment.setup` or what it needs, then resume.",
            output=shown,
        )
