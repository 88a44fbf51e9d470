"""What the Neovim plugin costs at start, before it is first used: below 2 ms."""

from __future__ import annotations

import re
import statistics
import subprocess
from pathlib import Path

from support.editors import World, program
from support.neovim_plugin import PLUGIN

ROUNDS = 20
LIMIT_MS = 2.0


def test_the_plugin_costs_less_than_two_milliseconds_before_its_first_use(tmp_path: Path) -> None:
    world = World(tmp_path)
    log = tmp_path / "startup.log"
    command = [program("nvim"), "--clean", "-n", "--headless", "--cmd", f"set runtimepath^={PLUGIN}"]
    costs: list[float] = []
    for _ in range(ROUNDS):
        log.unlink(missing_ok=True)
        subprocess.run(
            [*command, "--startuptime", str(log), "-c", "qa!"],
            check=True,
            env=world.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        text = log.read_text(encoding="utf-8", errors="replace")
        # "clock  self+sourced  self: sourcing FILE"; the second column holds all that the file did.
        ours = re.findall(
            rf"^\s*[\d.]+\s+([\d.]+)\s+[\d.]+: (?:sourcing|require\('missions).*?(?:{re.escape(str(PLUGIN))}|missions)",
            text,
            re.MULTILINE,
        )
        assert ours, text
        costs.append(sum(map(float, ours)))
    print(
        f"\nplugin at start: median {statistics.median(costs):.2f} ms, worst {max(costs):.2f} ms of {ROUNDS}"
    )
    assert statistics.median(costs) < LIMIT_MS
