"""What models cost: a dated table, an override file of the user, and the arithmetic.

Money is integer micro-dollars, rounded up. A model without a price counts with the highest known price and is flagged as
estimated, never as free. Nothing here talks to a provider.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from missions.model.errors import MissionError
from missions.model.usage import Usage

_MILLION = 1_000_000


class PriceRow(BaseModel):
    """Prices of one family of model ids, in micro-dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    prefix: str = Field(min_length=1)
    upTo: int | None = None
    """The row holds for prompts of at most this many tokens (the whole request); None: for all larger ones."""
    input: int = Field(ge=0)
    write5m: int = Field(ge=0)
    write1h: int = Field(ge=0)
    read: int = Field(ge=0)
    output: int = Field(ge=0)
    dated: str = ""
    contextWindow: int = 1_000_000
    maxOutput: int = 128_000


class _PriceFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: str
    unit: str = ""
    models: tuple[PriceRow, ...]


class PriceTable:
    """Rows by longest prefix; rows of an override file win over the packaged ones of the same prefix."""

    def __init__(self, version: str, rows: tuple[PriceRow, ...]) -> None:
        self.version = version
        """Date of the table, recorded with every run; ``+override`` when the user's file took part."""
        self._rows = rows

    @classmethod
    def load(cls, override: Path | None = None) -> PriceTable:
        """The packaged table, with the user's file over it; raises ``bad_argument`` for a file that is not a table."""
        packaged = _packaged()
        if override is None or not override.exists():
            return cls(packaged.version, packaged.models)
        try:
            own = _PriceFile.model_validate_json(override.read_bytes())
        except (OSError, ValidationError) as error:
            raise MissionError(
                "bad_argument",
                f"The price file {override} cannot be used: {_first_line(error)}",
                'It needs {"version": "…", "models": [{"prefix", "input", "write5m", "write1h", "read", "output"}]} '
                "in micro-dollars per million tokens.",
            ) from None
        replaced = {row.prefix for row in own.models}
        kept = tuple(row for row in packaged.models if row.prefix not in replaced)
        return cls(f"{packaged.version}+{own.version}", own.models + kept)

    def names(self) -> tuple[str, ...]:
        """What names of models begin with that have a price."""
        return tuple(dict.fromkeys(row.prefix for row in self._rows))

    def knows(self, model: str) -> bool:
        """Whether the model has a price of its own."""
        return bool(self._matching(model))

    def row(self, model: str, prompt_tokens: int = 0) -> PriceRow:
        """The row that applies to a request of this size; the dearest row for an unknown model."""
        rows = self._matching(model)
        if not rows:
            return max(self._rows, key=lambda row: (row.output, row.input, row.read))
        fitting = [row for row in rows if row.upTo is not None and prompt_tokens <= row.upTo]
        if fitting:
            return min(fitting, key=lambda row: row.upTo or 0)
        return next((row for row in rows if row.upTo is None), rows[-1])

    def cost(self, model: str, usage: Usage) -> int:
        """Micro-dollars of one request."""
        row = self.row(model, usage.prompt_tokens)
        total = (
            usage.inputTokens * row.input
            + usage.cacheWrite5mTokens * row.write5m
            + usage.cacheWrite1hTokens * row.write1h
            + usage.cacheReadTokens * row.read
            + usage.outputTokens * row.output
        )
        return -(-total // _MILLION)

    def priced(self, model: str, reported: dict[str, Any], *, estimated: bool = False) -> Usage:
        """The usage of one request from the provider's ``usage`` object, with its cost."""
        usage = usage_of(reported)
        flag = estimated or not self.knows(model)
        usage = usage.model_copy(update={"requests": 1, "estimated": flag})
        # Sub-requests (compaction) are reported apart from the totals, and only there.
        for part in _objects(reported.get("iterations")):
            if part.get("type") == "compaction":
                usage += usage_of(part)
        return usage.model_copy(update={"costMicroUsd": self.cost(model, usage)})

    def _matching(self, model: str) -> list[PriceRow]:
        # Cloud ids carry a region and vendor before the name ("eu.anthropic.claude-…") and a date after it.
        name = model[model.index("claude-") :] if "claude-" in model else model
        fitting = [row for row in self._rows if _is_prefix(row.prefix, name)]
        longest = max((len(row.prefix) for row in fitting), default=0)
        return [row for row in fitting if len(row.prefix) == longest]


def usage_of(reported: dict[str, Any]) -> Usage:
    """Token counts from a provider's ``usage`` object; missing and null fields count as zero."""
    split = reported.get("cache_creation")
    created = _count(reported, "cache_creation_input_tokens")
    hour = (
        _count(cast("dict[str, Any]", split), "ephemeral_1h_input_tokens") if isinstance(split, dict) else 0
    )
    return Usage(
        inputTokens=_count(reported, "input_tokens"),
        outputTokens=_count(reported, "output_tokens"),
        cacheReadTokens=_count(reported, "cache_read_input_tokens"),
        cacheWrite5mTokens=max(0, created - hour),
        cacheWrite1hTokens=hour,
    )


def _is_prefix(prefix: str, name: str) -> bool:
    # "claude-opus-5" must not price a future "claude-opus-5-7": a following version number is another model,
    # while a date ("-20260101") or a platform suffix ("@", "-v1") is the same one.
    if not name.startswith(prefix):
        return False
    rest = name[len(prefix) :].lstrip("-")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return not digits or len(digits) >= 8 or prefix[-1:] in "-*"


def _count(values: dict[str, Any], key: str) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", item) for item in cast("list[Any]", value) if isinstance(item, dict)]


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


@cache
def _packaged() -> _PriceFile:
    data = resources.files("missions.agent").joinpath("prices.json").read_text("utf-8")
    return _PriceFile.model_validate(json.loads(data))
