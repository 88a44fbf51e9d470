"""The daemon that runs a mission by itself: whoever starts it learns at once how that went."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.agent.credentials import Credentials
from missions.model.errors import MissionError
from missions.runner import host_process
from missions.store.layout import Store

MISSION = "mission-20261127000000-abc123"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.ensure()
    return found


def test_a_daemon_that_dies_before_it_can_say_a_word_is_noticed(store: Store) -> None:
    with pytest.raises(MissionError) as told:
        host_process.start_daemon(store, MISSION, environment={"PYTHONHOME": str(store.root)})
    assert told.value.code == "internal"
    assert "died before it took the mission" in str(told.value)
    assert str(host_process.log_file(store, MISSION)) in told.value.next_step


def test_one_that_never_reads_its_key_is_noticed_too(store: Store) -> None:
    key = Credentials(kind="api_key", value="not-a-key" * 1000, source="a test")
    with pytest.raises(MissionError) as told:
        host_process.start_daemon(
            store, MISSION, credentials=key, environment={"PYTHONHOME": str(store.root)}
        )
    assert "died before it took the mission" in str(told.value)
    assert "not-a-key" not in host_process.log_file(store, MISSION).read_text()
