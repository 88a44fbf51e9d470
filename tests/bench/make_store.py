"""Makes a store with many valid missions in all states: ``python tests/bench/make_store.py DIR N``.

It writes journals and plans as the product would, without its locks and fsyncs, so that 10,000 take seconds. The list
is read once at the end, so that the store's index is there as in a store that has been used.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from missions.model import events as ev
from missions.model.recovery import Block
from missions.store.catalog import DamagedMission, list_missions
from missions.store.layout import Store
from missions.store.records import encode
from support.plans import plan_document

STATES = ("planning", "planned", "running", "paused", "blocked", "complete", "complete", "failed")
"""In turn; half as many again are complete."""

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def make_store(root: Path, count: int, cwd: str = "/somewhere/else") -> Store:
    """Missions ``0 … count-1`` in a new store; their repositories do not exist."""
    store = Store(root)
    store.ensure()
    plan = plan_document().as_bytes()
    name = sha256(plan).hexdigest()
    shared = root / ".plan"
    shared.write_bytes(plan)
    shared.chmod(0o600)
    for number in range(count):
        _mission(store, number, name, shared, cwd)
    shared.unlink()
    rows = list_missions(store)
    assert len(rows) == count
    assert not any(isinstance(row, DamagedMission) for row in rows), rows
    return store


def _mission(store: Store, number: int, plan: str, shared: Path, cwd: str) -> None:
    moment = _FIRST + timedelta(minutes=number)
    mission_id = f"mission-{moment:%Y%m%d%H%M%S}-{number:06d}"
    directory = store.mission(mission_id)
    for part in ("tmp", "new", "done"):
        (directory.inbox / part).mkdir(parents=True, mode=0o700)
    directory.blobs.mkdir(mode=0o700)
    os.link(shared, directory.blobs / plan)
    state = STATES[number % len(STATES)]
    events = _events(number, mission_id, state, plan, cwd)
    ts = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [encode(seq, 1, ts, event.type, event.data()) for seq, event in enumerate(events, 1)]
    directory.journal.write_bytes(b"".join(lines))
    directory.journal.chmod(0o600)
    # Long ago, so that nobody takes them for missions at work.
    old = time.time() - 86_400
    os.utime(directory.journal, (old, old))


def _events(number: int, mission_id: str, state: str, plan: str, cwd: str) -> list[ev.Event]:
    found: list[ev.Event] = [ev.MissionCreated(title=f"Mission {number} of many", cwd=f"{cwd}/{number % 50}")]
    if state == "planning":
        return [*found, ev.RunnerReleased(reason="created")]
    found.append(
        ev.InteractivePlanWritten(
            title=f"Mission {number} of many", features=3, planVersion=1, blob=plan, by="bench"
        )
    )
    if state != "planned":
        found.append(ev.MissionExecutionStarted(planVersion=1, gates=("plan",), source="bench"))
    if state == "paused":
        found.append(ev.MissionPaused(reason="Paused as asked."))
    elif state == "blocked":
        found.append(ev.MissionBlockManual(source="bench", reason="By hand.", block=_block(mission_id)))
    elif state == "complete":
        found += [_skipped(feature) for feature in ("F1", "F2", "F3")]
        found.append(ev.MissionComplete())
    elif state == "failed":
        found.append(ev.MissionAbandoned(reason="Not needed any more."))
    return [*found, ev.RunnerReleased(reason="applied")]


def _skipped(feature: str) -> ev.Event:
    return ev.FeatureSkipped(featureId=feature, reason="Done by hand.", by={})


def _block(mission_id: str) -> Block:
    facts: dict[str, Any] = {
        "timestamp": "2026-01-01T00:00:00.000Z",
        "reasonCategory": "manual",
        "kind": "mission",
        "failedItemId": "F1",
        "failedItemTitle": "Parse ISO dates",
        "missionId": mission_id,
        "message": "Blocked by hand.",
    }
    return Block.model_validate(facts)


if __name__ == "__main__":
    begun = time.monotonic()
    made = make_store(Path(sys.argv[1]), int(sys.argv[2]))
    print(f"{sys.argv[2]} missions in {time.monotonic() - begun:.1f} s")
