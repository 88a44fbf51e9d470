"""Times of the store: one recorded event against the bare write and fsync, a short ownership, lists and tails.

Run by hand: ``python tests/bench/bench_journal.py [missions]``. It prints figures and asserts nothing: the machine decides.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from missions.model import events as ev
from missions.store.catalog import list_missions, view_mission
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from missions.store.records import encode
from missions.store.redact import Redactor, clean_text
from missions.store.transcript import TranscriptReader

WHO = Owner(face="bench")
MISSION = "mission-bench"
TS = "2026-11-23T00:00:00.000Z"


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The median time of ``work``."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def in_turns(
    one: Callable[[], object], other: Callable[[], object], times: int, pause: float
) -> tuple[float, float]:
    """The median times of both, done one after the other with a pause (milliseconds) before each: a disk, and the processor's
    caches, are quicker for whoever has just been there."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for work, column in zip((one, other), taken, strict=True):
            time.sleep(pause / 1000)
            began = time.perf_counter()
            work()
            column.append(time.perf_counter() - began)
    return statistics.median(taken[0]) * 1000, statistics.median(taken[1]) * 1000


def recording(store: Store) -> None:
    event = ev.IntentRecorded(stepId="x" * 1300, kind="bench")
    line = encode(1, 1, TS, event.type, event.data())
    fd = os.open(store.root / "raw", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def raw() -> None:
        os.write(fd, line)
        os.fsync(fd)

    with MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title="x", cwd="/")) as log:
        for pause in (0, 1, 5):
            bare, full = in_turns(raw, lambda: log.record(event), 600, pause)
            print(
                f"{pause} ms between: write + fsync {bare:.3f} ms, record() {full:.3f} ms   ratio {full / bare:.2f} (limit 1.5)"
            )

    def apply() -> None:
        with MissionLog.acquire(store, MISSION, WHO, purpose="apply") as log:
            log.record(event)

    print(f"acquire+record+release {milliseconds(apply, 20):6.2f} ms  (journal of 1,000 events)")


def folding(store: Store) -> None:
    path = store.root / "mission-fold"
    path.mkdir(mode=0o700)
    lines = [encode(1, 1, TS, "mission_created", {"title": "x", "cwd": "/"})]
    lines += [encode(n, 1, TS, "intent_recorded", {"stepId": "x" * 300, "kind": "k"}) for n in range(2, 5001)]
    (path / "event-log.jsonl").write_bytes(b"".join(lines))
    took = milliseconds(lambda: view_mission(store, "mission-fold"), 3)
    print(f"fold without snapshot {took / 5:7.1f} ms per 1,000 events (limit 50)")


def listing(store: Store, count: int) -> None:
    content = b"".join(
        [encode(1, 1, TS, "mission_created", {"title": "A mission", "cwd": "/home/someone/project"})]
        + [encode(n, 1, TS, "intent_recorded", {"stepId": "x" * 100, "kind": "k"}) for n in range(2, 20)]
    )
    for number in range(count):
        path = store.root / f"mission-list-{number:06}"
        path.mkdir(mode=0o700)
        (path / "event-log.jsonl").write_bytes(content)
    cold = milliseconds(lambda: list_missions(store), 1)
    warm = milliseconds(lambda: list_missions(store), 5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"list of {count:6} missions: warm {warm:.0f} ms (limit 1,000), first {cold:.0f} ms, peak {peak:.0f} MB (limit 150)"
    )


def tails(store: Store) -> None:
    path = store.root / "transcript.jsonl"
    line = json.dumps({"type": "text", "text": "x" * 1900}).encode() + b"\n"
    with path.open("wb") as out:
        for _ in range(500_000_000 // (len(line) * 500)):
            out.write(line * 500)
    took = milliseconds(lambda: TranscriptReader(path).tail(200), 20)
    print(f"tail(200) of {path.stat().st_size // 1_000_000} MB  {took:6.2f} ms (limit 50)")


def texts() -> None:
    text = "".join(f"def function_{n}(argument: str) -> None:  # {n * 7919}\n" for n in range(100_000))
    size = len(text) / 1e6
    redactor = Redactor({"SOME_TOKEN": "abcdefgh-12345678"})
    print(f"redact  {size / milliseconds(lambda: redactor.text(text), 3) * 1000:6.0f} MB/s (limit 10)")
    print(f"clean   {size / milliseconds(lambda: clean_text(text), 3) * 1000:6.0f} MB/s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        bench = Store(Path(place) / "home")
        bench.ensure()
        recording(bench)
        folding(bench)
        listing(bench, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
        tails(bench)
        texts()
