"""What differs between models as far as a client can notice: windows, cache minimums, refused parameters.

A table of published limits for the model ids of autumn 2026; an unknown id gets the newest generation's generous values.
It holds no prices and never decides what a model answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from missions.simulator.shapes import Object


@dataclass(frozen=True)
class ModelRules:
    """The limits of one model."""

    window: int = 1_000_000
    """Most tokens of a prompt."""
    max_output: int = 128_000
    cache_minimum: int = 512
    """Shortest prefix (tokens) that is cached."""
    forced_tool_choice: bool = True
    thinking_types: tuple[str, ...] = ("adaptive", "enabled", "disabled", "between_tools")
    effort_keeps_cache: bool = False
    system_messages: bool = True
    """Whether ``role: "system"`` may stand inside the conversation."""
    binds_thinking: bool = True
    """Whether a thinking block is refused once anything before it changed."""


_NEWEST = ModelRules(forced_tool_choice=False)
_OLD = ModelRules(
    window=200_000, max_output=64_000, cache_minimum=4096, system_messages=False, binds_thinking=False
)

# The first prefix that matches wins, so the longer ids come first.
_TABLE: tuple[tuple[str, ModelRules], ...] = (
    ("claude-opus-5-5", replace(_NEWEST, thinking_types=("adaptive",), effort_keeps_cache=True)),
    ("claude-sonnet-5-5", replace(_NEWEST, thinking_types=("adaptive", "between_tools"))),
    ("claude-fable-5", replace(_NEWEST, thinking_types=("adaptive",), effort_keeps_cache=True)),
    ("claude-mythos-5", replace(_NEWEST, thinking_types=("adaptive",), effort_keeps_cache=True)),
    ("claude-haiku-5-5", ModelRules()),
    ("claude-opus-5", ModelRules()),
    ("claude-sonnet-5", ModelRules(cache_minimum=1024)),
    ("claude-opus-4-8", ModelRules(cache_minimum=1024, binds_thinking=False)),
    ("claude-opus-4-7", ModelRules(cache_minimum=2048, system_messages=False, binds_thinking=False)),
    ("claude-sonnet-4", replace(_OLD, cache_minimum=1024)),
    ("claude-opus-4", _OLD),
    ("claude-haiku-4", _OLD),
)


def rules_for(model: str) -> ModelRules:
    """The limits of the model with this id."""
    return next((rules for prefix, rules in _TABLE if model.startswith(prefix)), ModelRules())


def model_info(model: str) -> Object:
    """The answer of ``GET /v1/models/{id}``, reduced to what is known without inventing capabilities."""
    rules = rules_for(model)
    line = next(
        (name for name in ("haiku", "sonnet", "opus", "fable", "mythos") if f"-{name}-" in model), None
    )
    return {
        "type": "model",
        "id": model,
        "display_name": f"{model} (simulated)",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "line": line,
        "max_input_tokens": rules.window,
        "max_tokens": rules.max_output,
    }
