"""How long the fold takes for 1,000 events; the aim is 50 ms. Prints the best of twenty.

Run by hand: ``PYTHONPATH=tests python tests/bench/bench_fold.py``.
"""

from __future__ import annotations

import time

from missions.model import events as ev
from missions.model.fold import fold
from missions.model.usage import Usage
from support.histories import MISSION, History

EVENTS = 1_000


def history() -> History:
    """A mission under way: workers that fail and go on, with the usage of eight requests each."""
    made = History().started()
    used = Usage(inputTokens=500, outputTokens=100, requests=1, costMicroUsd=900)
    while len(made.entries) < EVENTS:
        run = made.work("F1", accepted=False)
        for _ in range(8):
            made.add(ev.UsageRecorded(runId=run, role="worker", model="claude-sonnet-5-5", usage=used))
        made.packet().block("handoff_rejected")
        made.add(ev.MissionResumeRequested())
    return made


def main() -> None:
    made = history()
    times: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        fold(None, made.entries[:EVENTS], made.blobs.__getitem__, MISSION)
        times.append(time.perf_counter() - began)
    print(f"fold of {EVENTS} events: {min(times) * 1000:.1f} ms (aim: 50 ms)")


if __name__ == "__main__":
    main()
