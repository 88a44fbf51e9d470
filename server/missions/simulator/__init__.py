"""The simulated model: a real HTTP service that answers from a playbook, for the demo and the tests.

It knows no floor of the product. ``Simulator(playbook).start()`` returns the base URL to point a client at.
"""

from __future__ import annotations

from missions.simulator.playbook import Playbook, PlaybookError
from missions.simulator.service import Exchange, Simulator, Unmatched

__all__ = ["Exchange", "Playbook", "PlaybookError", "Simulator", "Unmatched"]
