"""Money, durations and times as people read them, the same on every face.

Takes whole micro-dollars, whole milliseconds and ISO timestamps; never reads a clock.
"""

from __future__ import annotations

from datetime import datetime


def money_text(micro_usd: int, estimated: bool = False) -> str:
    """``$1.23``; small amounts keep more digits (``$0.0042``); ``~`` before an estimate."""
    dollars = micro_usd / 1_000_000
    digits = 2 if dollars >= 0.1 or not micro_usd else 4
    return f"{'~' if estimated else ''}${dollars:,.{digits}f}"


def tokens_text(tokens: int) -> str:
    """``980``, ``12.3k``, ``4.56M``."""
    if tokens < 1000:
        return str(tokens)
    return f"{tokens / 1000:.1f}k" if tokens < 999_950 else f"{tokens / 1_000_000:.2f}M"


def duration_text(milliseconds: int) -> str:
    """``0 s``, ``42 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 d 4 h``."""
    seconds = max(0, milliseconds) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def moment(timestamp: str | None) -> datetime | None:
    """The time of an ISO timestamp with a zone; None if there is none or it cannot be read."""
    try:
        found = datetime.fromisoformat(timestamp) if timestamp else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def elapsed_ms(since: str | None, now: datetime) -> int:
    """Whole milliseconds from ``since`` to ``now``; 0 if unknown or in the future."""
    start = moment(since)
    return max(0, int((now - start).total_seconds() * 1000)) if start is not None else 0


def ago_text(timestamp: str | None, now: datetime) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``2 d ago``; empty if the time is unknown."""
    if moment(timestamp) is None:
        return ""
    minutes = elapsed_ms(timestamp, now) // 60_000
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} d ago"
