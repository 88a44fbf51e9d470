"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], deadline: float = 20.0, what: str = "the condition") -> T:
    """Return the first true value of ``condition()``; fail after ``deadline`` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} was not met within {deadline} s")
        time.sleep(0.02)


async def until_async(condition: Callable[[], T], deadline: float = 20.0, what: str = "the condition") -> T:
    """As :func:`until`, for tests that run in the event loop."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} was not met within {deadline} s")
        await asyncio.sleep(0.02)
