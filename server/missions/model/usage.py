"""What model calls cost, and which model a role uses.

Pure values: tokens are counted as the provider reports them, money is integer micro-dollars. Prices are not here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Effort = Literal["low", "medium", "high", "xhigh", "max"]


class Usage(BaseModel):
    """Tokens, requests and money of one request or of many."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    inputTokens: int = Field(default=0, ge=0)
    """Prompt tokens that were neither read from nor written to the cache."""
    outputTokens: int = Field(default=0, ge=0)
    """Generated tokens, thinking included."""
    cacheReadTokens: int = Field(default=0, ge=0)
    cacheWrite5mTokens: int = Field(default=0, ge=0)
    cacheWrite1hTokens: int = Field(default=0, ge=0)
    requests: int = Field(default=0, ge=0)
    """Requests that reached the provider, discarded attempts included."""
    costMicroUsd: int = Field(default=0, ge=0)
    estimated: bool = False
    """Some part is an estimate: an unknown price, or an attempt whose final figures never arrived."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            inputTokens=self.inputTokens + other.inputTokens,
            outputTokens=self.outputTokens + other.outputTokens,
            cacheReadTokens=self.cacheReadTokens + other.cacheReadTokens,
            cacheWrite5mTokens=self.cacheWrite5mTokens + other.cacheWrite5mTokens,
            cacheWrite1hTokens=self.cacheWrite1hTokens + other.cacheWrite1hTokens,
            requests=self.requests + other.requests,
            costMicroUsd=self.costMicroUsd + other.costMicroUsd,
            estimated=self.estimated or other.estimated,
        )

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompts, from the cache or not."""
        return self.inputTokens + self.cacheReadTokens + self.cacheWrite5mTokens + self.cacheWrite1hTokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output together; what a token budget counts."""
        return self.prompt_tokens + self.outputTokens

    @property
    def cache_share(self) -> float:
        """Share of prompt tokens read from the cache, 0 to 1."""
        return self.cacheReadTokens / self.prompt_tokens if self.prompt_tokens else 0.0


class ModelChoice(BaseModel):
    """The model of a role."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    model: str = Field(min_length=1, max_length=200)
    effort: Effort | None = None
    """None leaves the provider's default."""
    fallback: str | None = Field(default=None, min_length=1, max_length=200)
    """Model that is tried once, in a fresh context, when this one refuses."""
