"""The doctor: looks at the machine, the store and every mission, and mends only what loses nothing by it.

What it finds is told with the next step. It never ends a process, never takes a mission from a living owner, and never
decides about content: damaged records, edited plans and orphans are for people.
"""

from __future__ import annotations

from missions.control.doctor_machine import look_at_machine
from missions.control.doctor_missions import look_at_mission, look_at_strays
from missions.control.doctor_store import look_at_store
from missions.control.finding import Diagnosis, Finding
from missions.model.errors import MissionError
from missions.store.layout import Store


def doctor(store: Store, *, fix: bool = False, mission: str | None = None) -> Diagnosis:
    """Everything that is found; with ``fix``, what is fixable is mended and said so.

    With ``mission`` only that mission is looked at (``not_found`` if there is none). Nothing is written without ``fix``.
    """
    if mission is not None:
        if not store.mission(mission).exists():
            raise MissionError(
                "not_found", f"There is no mission {mission}.", "`missions list` shows the missions."
            )
        return _mended([], look_at_mission(store, mission), fix)
    # A store that others may enter is mended before anything in it is.
    diagnosis = _mended([], [*look_at_machine(store), *look_at_store(store)], fix)
    missions = look_at_strays(store)
    for mission_id in store.mission_ids():
        missions += look_at_mission(store, mission_id)
    return _mended(diagnosis.findings, missions, fix)


def _mended(before: list[Finding], found: list[Finding], fix: bool) -> Diagnosis:
    for finding in found:
        if not fix or finding.mend is None:
            continue
        try:
            finding.mend()
            finding.fixed = True
        except MissionError as error:
            finding.next_step = f"It could not be mended: {error.message} {finding.next_step}".strip()
    return Diagnosis([*before, *found])
