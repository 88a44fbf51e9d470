"""The simulator as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from missions.simulator.demo import PLAYBOOK_FILE


def test_the_process_prints_its_url_serves_and_ends_on_a_signal() -> None:
    command = [sys.executable, "-m", "missions.simulator", "--playbook", str(PLAYBOOK_FILE), "--print-url"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(url) as answer:
                assert json.load(answer)["simulated"] is True
                assert answer.headers["x-missions-simulated"] == "1"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_bad_playbook_ends_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"rules": [{}]}')
    command = [sys.executable, "-m", "missions.simulator", "--playbook", str(tmp_path / "bad.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "/rules/0: needs one of reply, turns, steps" in done.stderr


def test_the_simulator_imports_nothing_of_the_product_and_no_package() -> None:
    script = (
        "import sys; import missions.simulator.__main__, missions.simulator.demo, missions.simulator.scripts\n"
        "print([n for n in sys.modules if n.startswith('missions') and not n.startswith('missions.simulator')])\n"
        "print([n for n in ('anthropic', 'pydantic', 'attrs') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["['missions']", "[]"]
