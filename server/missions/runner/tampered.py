"""Records that were changed while commands ran without a sandbox: noticing it, and stopping for a human.

What somebody else wrote into the journal is set aside and never believed. The work tree is left as it is, because the
human who decides may want to see it. It repairs nothing but the journal.
"""

from __future__ import annotations

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.schedule import Unit
from missions.runner.blocking import Trouble, record_block
from missions.settings import RecoverySettings
from missions.store.mission_log import MissionLog
from missions.store.tampering import Stamps


def check_untouched(log: MissionLog, stamps: Stamps) -> None:
    """Raise ``store_tampered`` if the run that has just ended changed the journal or finished artifacts."""
    log.verify()
    changed = stamps.changed()
    if changed:
        raise MissionError(
            "store_tampered",
            f"Finished artifacts were changed: {', '.join(changed[:12])}.",
            "Look at what the commands of the last run did.",
            paths=changed[:50],
        )


def settle_tampering(log: MissionLog, unit: Unit, error: MissionError, limits: RecoverySettings) -> bool:
    """End the current run, record the block and ask; ``False`` if the mission cannot be written to any more."""
    aside = log.mend()
    if aside is None and not error.data.get("paths"):
        return False
    where = f" What was there is kept as {aside.name}." if aside is not None else ""
    message = f"{error.message}{where} Nothing of it was believed; the work tree was left as it is."
    active = log.mission.activeRun
    ended = (
        [ev.RunInterrupted(runId=active.runId, reason="the mission's records were changed")] if active else []
    )
    kind = unit.kind if unit.kind in ("worker", "recovery") else "validator"
    trouble = Trouble(
        "store_tampered",
        message,
        kind,
        unit.itemId,
        unit.itemId,
        unit.milestoneId,
        unit.itemId if kind == "worker" else None,
        active.runId if active else None,
    )
    record_block(log, trouble, limits, ended)
    return True
