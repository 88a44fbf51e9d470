"""The two sizes of the fault tests: short in every test run, long by ``MISSIONS_FAULTS=long``; and the seed of both.

It only chooses numbers: both forms are the same tests.
"""

from __future__ import annotations

import os
import random

LONG = os.environ.get("MISSIONS_FAULTS") == "long"
SEED = int(os.environ.get("MISSIONS_TEST_SEED", "20261123"))


def size(short: int, long: int) -> int:
    """How many times, in the chosen form."""
    return long if LONG else short


def chance(name: str) -> random.Random:
    """Random numbers that are the same in every run with the same seed."""
    return random.Random(f"{SEED} {name}")
