"""What can go wrong with a request, classified by what to do about it.

Classification is by the error's type string first and by status second: an error inside a stream arrives with status
200. Nothing here imports the SDK, waits or retries.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal

FaultKind = Literal[
    "transient",  # overloaded, 5xx, cut streams, transport: back off and try again
    "silence",  # nothing arrived within the read timeout: try again at once, then back off
    "rate_limited",  # 429: wait as told
    "out_of_funds",  # spend limits, 402: no use in waiting
    "too_long",  # the prompt does not fit: compaction or hand-off, never the same request again
    "thinking_prefix",  # the history's thinking blocks are refused
    "compaction_refused",  # the provider cannot compact
    "rejected",  # 400, 401, 403, 404 …: the same request will fail again
]

_TRANSIENT = {"overloaded_error", "api_error", "timeout_error"}


class ProviderFault(Exception):  # noqa: N818 - a fault of the provider, not an error of ours
    """A request that failed."""

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        status: int | None = None,
        type_: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.message = message
        self.status = status
        self.type = type_
        self.retry_after = retry_after
        """Seconds the provider asks to wait."""
        self.request_id = request_id

    @property
    def label(self) -> str:
        """A short name for progress lines: the error's type, or the status."""
        return self.type or (f"HTTP {self.status}" if self.status else self.kind)

    @property
    def told(self) -> str:
        """What happened, for progress lines; the short name stands there once."""
        message = self.message.rstrip(". ")
        return message if self.label in message else f"{self.label}: {message}"


def classify(
    status: int, type_: str | None, error_code: str | None, message: str, *, compacting: bool = False
) -> FaultKind:
    """The kind of an error response."""
    lowered = message.lower()
    if (
        status == 402
        or type_ == "billing_error"
        or (error_code and "limit" in error_code and "spend" in error_code)
    ):
        return "out_of_funds"
    if error_code and "ramp" not in error_code and type_ == "rate_limit_error" and "spend" in lowered:
        return "out_of_funds"
    if type_ == "rate_limit_error" or (status == 429 and type_ is None):
        return "rate_limited"
    if compacting and (status in (400, 404, 422) or (error_code and "compaction" in error_code)):
        return "compaction_refused"
    if type_ in _TRANSIENT or status in (408, 409) or status >= 500:
        return "transient"
    if status == 413 or type_ == "request_too_large" or "prompt is too long" in lowered:
        return "too_long"
    if (
        status == 400
        and "thinking" in lowered
        and any(word in lowered for word in ("prefix", "signature", "modified", "cannot be"))
    ):
        return "thinking_prefix"
    return "rejected"


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds from ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now))
        except (TypeError, ValueError):
            continue
    return None


def sentence(fault: ProviderFault) -> str:
    """What to tell a user about a fault that ends the run."""
    if fault.status == 401:
        return f"The provider does not accept the credentials: {fault.message} Check the key, then resume."
    if fault.status == 403:
        return f"The credentials do not allow this request: {fault.message} Check the account's permissions, then resume."
    if fault.status == 404:
        return f"The provider does not know the model or address: {fault.message} Check the model's name and the base URL, then resume."
    if fault.kind == "out_of_funds":
        return f"The provider's spending limit is reached: {fault.message} Raise it or wait until it resets, then resume."
    return f"The provider refused the request ({fault.label}): {fault.message}"
