"""Large stores and long transcripts: what list, status, watch and show cost, each in a process of its own.

Run it as a program: ``python tests/bench/bench_scale.py [missions] [megabytes]`` (10,000 and 500 without arguments). It
prints one JSON object with the targets; the machine decides, so nothing is asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.make_store import make_store
from missions.model import events as ev
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from missions.store.transcript import TranscriptWriter

TARGETS = {"list_warm_ms": 1000, "tail_ms": 50, "memory_mb": 150}
RUN = "1795400000000-worker-F1"

_MEASURE = """
import json, resource, sys, time
from pathlib import Path
{imports}
store = Store(Path(sys.argv[1])); mission = sys.argv[2]
{prepare}
begun = time.perf_counter()
{work}
took = (time.perf_counter() - begun) * 1000
print(json.dumps([round(took, 1), round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)]))
"""
_IMPORTS = "from missions.store.layout import Store\\nfrom missions.control.control import Control"
WORKS = {
    "list_first": ("from missions.store.catalog import list_missions", "", "list_missions(store)"),
    "list_warm": (
        "from missions.store.catalog import list_missions",
        "list_missions(store)",
        "list_missions(store)",
    ),
    "rows": ("", "c = Control(store, face='bench')", "c.list()"),
    "overview": ("", "c = Control(store, face='bench')", "c.overview()"),
    "status": ("", "c = Control(store, face='bench')", "c.status_text(mission)"),
    "show_transcript": ("", "c = Control(store, face='bench')", "c.show(mission, 'transcript')"),
    "page_of_the_transcript": (
        "from missions.control.pages import page",
        "c = Control(store, face='bench')",
        f"page(c.caller, mission + '/runs/{RUN}/transcript.md')",
    ),
    "tail": (
        "from missions.store.transcript import TranscriptReader",
        f"r = TranscriptReader(store.mission(mission).run('{RUN}').transcript)",
        "assert len(r.tail(200)) == 200",
    ),
    "watch_ready": (
        "import asyncio\\nfrom contextlib import aclosing\\nfrom missions.store.watch import changes",
        "async def first():\\n    async with aclosing(changes(store)) as found:\\n        return await anext(found)",
        "asyncio.run(first())",
    ),
}


def long_mission(store: Store, megabytes: int) -> str:
    """A mission at work whose transcript has this size; its id."""
    mission = "mission-20261123000000-longone"
    with MissionLog.create(store, mission, Owner(face="bench"), ev.MissionCreated(title="x", cwd="/")) as log:
        log.record(ev.WorkerStarted(runId=RUN, attempt=1, featureId="F1", milestoneId="M1"))
        writer = TranscriptWriter(log.directory.run(RUN).transcript)
        words = [{"type": "text", "text": "What happened in this turn. " * 140}]
        record = {"at": "2026-11-23T00:00:00.000Z", "type": "user", "kind": "results", "content": words}
        for number in range(megabytes * 250):
            writer.append({**record, "n": number})
        writer.close()
    return mission


def measured(store: Store, mission: str, name: str) -> tuple[float, float]:
    """Milliseconds and megabytes of one work in a new process."""
    imports, prepare, work = (text.replace("\\n", "\n") for text in WORKS[name])
    program = _MEASURE.format(
        imports=f"{_IMPORTS}\n{imports}".replace("\\n", "\n"), prepare=prepare, work=work
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(store.root), mission],
        check=True,
        capture_output=True,
        env={**os.environ, "MISSIONS_HOME": str(store.root)},
    )
    took, memory = json.loads(done.stdout)
    return took, memory


def main() -> None:
    """Make the store, measure, print."""
    count, megabytes = (int(text) for text in (sys.argv[1:] + ["10000", "500"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        store = make_store(Path(folder) / "store", count)
        mission = long_mission(store, megabytes)
        print(f"made in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        figures = {
            name: dict(zip(("ms", "mb"), measured(store, mission, name), strict=True)) for name in WORKS
        }
    print(
        json.dumps(
            {"missions": count, "megabytes": megabytes, "figures": figures, "targets": TARGETS}, indent=2
        )
    )


if __name__ == "__main__":
    main()
