"""``python -m missions.simulator``: the simulated model as a process of its own, until it is interrupted.

It reads one playbook and serves it on loopback. It never talks to anything but its clients.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from missions.simulator.playbook import Playbook, PlaybookError
from missions.simulator.service import Simulator


def main() -> int:
    """Serve a playbook until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m missions.simulator", description="A simulated model service."
    )
    parser.add_argument("--playbook", type=Path, required=True, help="playbook file (JSON)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds an average reply takes (default 0)")
    parser.add_argument("--print-url", action="store_true", help="print the bare base URL as the first line")
    options = parser.parse_args()
    try:
        simulator = Simulator(Playbook.load(options.playbook), options.port, options.pace)
    except (PlaybookError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    url = simulator.start()
    sys.stdout.write(
        f"{url}\n" if options.print_url else f"Simulated model ({simulator.playbook.title}) at {url}\n"
    )
    sys.stdout.flush()
    stop.wait()
    simulator.stop()
    for item in simulator.unmatched:
        sys.stderr.write(f"no rule: {item}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
