"""The client of the Messages API: the only importer of the SDK, and only when a request is made.

Streams raw events as plain dictionaries and turns every failure into a ``ProviderFault``. It never retries (the SDK's own
retries are off), never keeps a history and never logs a request.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, cast

from missions.agent.credentials import Credentials, Provider
from missions.agent.faults import ProviderFault, classify, retry_after
from missions.loading import load
from missions.model.errors import MissionError

COMPACTION_BETA = "compact-2026-09-04"

_CLOUD_CLIENTS = {
    "bedrock": "AsyncAnthropicBedrock",
    "vertex": "AsyncAnthropicVertex",
    "foundry": "AsyncAnthropicFoundry",
}


class ModelClient:
    """One connection pool to one provider, shared by all conversations of a process."""

    def __init__(
        self, credentials: Credentials, provider: Provider | None = None, *, read_timeout: float = 90.0
    ) -> None:
        self.credentials = credentials
        self.provider = provider or Provider()
        self.not_before: dict[str, float] = {}
        """Monotonic time before which no conversation asks a model again: a rate limit holds for all of them."""
        self._read_timeout = read_timeout
        self._client: Any = None

    def warm(self) -> threading.Thread:
        """Import the SDK (two seconds) in a thread, so that the first request does not wait for it."""
        thread = threading.Thread(target=_sdk, name="import-sdk", daemon=True)
        thread.start()
        return thread

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The raw events of one streamed reply; raises ``ProviderFault``.

        ``body`` is the request as the API takes it. With ``compaction`` in it the beta endpoint is asked.
        """
        # Only the first import takes long.
        sdk = _sdk() if self._client is not None else await asyncio.to_thread(_sdk)
        client = self._connect(sdk)
        compacting = "compaction" in body
        try:
            if compacting:
                answer = await client.beta.messages.create(**body, stream=True, betas=[COMPACTION_BETA])
            else:
                answer = await client.messages.create(**body, stream=True)
            async with aclosing(_events(answer)) as events:
                async for event in events:
                    yield event
        except (GeneratorExit, asyncio.CancelledError, MissionError):
            raise
        except Exception as error:
            raise _fault(sdk, error, compacting) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            with suppress(Exception):
                await client.close()

    def _connect(self, sdk: Any) -> Any:
        if self._client is None:
            httpx2 = importlib.import_module("httpx2")
            options: dict[str, Any] = {
                "max_retries": 0,
                "timeout": httpx2.Timeout(self._read_timeout, connect=10.0),
                **({"base_url": self.provider.base_url} if self.provider.base_url else {}),
            }
            try:
                self._client = self._make(sdk, options)
            except (ImportError, ValueError, TypeError) as error:
                raise MissionError(
                    "no_credentials",
                    f"The client for the provider {self.provider.name} could not be made: {error}",
                    "Check the provider's settings and its optional packages.",
                ) from None
        return self._client

    def _make(self, sdk: Any, options: dict[str, Any]) -> Any:
        key, provider = self.credentials, self.provider
        if provider.name == "anthropic":
            if key.kind != "ambient":
                options[key.kind] = key.value
            return sdk.AsyncAnthropic(**options)
        if key.value:
            options["access_token" if provider.name == "vertex" else "api_key"] = key.value
        if provider.name == "bedrock" and provider.region:
            options["aws_region"] = provider.region
        if provider.name == "vertex":
            options.update(
                {k: v for k, v in (("region", provider.region), ("project_id", provider.project)) if v}
            )
        if provider.name == "foundry" and provider.resource:
            options["resource"] = provider.resource
        return getattr(sdk, _CLOUD_CLIENTS[provider.name])(**options)


def mcp_block(content: Any) -> dict[str, Any]:
    """One content block of an MCP server as the API takes it, by the SDK's helper; what the API does not take is named in text."""
    helpers = importlib.import_module("anthropic.lib.tools.mcp")
    try:
        return cast("dict[str, Any]", dict(helpers.mcp_content(content)))
    except (helpers.UnsupportedMCPValueError, ValueError) as error:
        return {"type": "text", "text": f"[not shown: {error}]"}


async def _events(answer: Any) -> AsyncGenerator[dict[str, Any], None]:
    try:
        async for event in answer:
            yield cast("dict[str, Any]", event.to_dict(mode="json", warnings=False))
    finally:
        await answer.close()


def _sdk() -> Any:
    return load("anthropic")


def _fault(sdk: Any, error: Exception, compacting: bool) -> Exception:
    if isinstance(error, ProviderFault):
        return error
    if isinstance(error, sdk.APIStatusError):
        found: Any = error
        message = str(found.api_message or found.message)[:2_000]
        return ProviderFault(
            classify(found.status_code, found.type, found.error_code, message, compacting=compacting),
            message,
            status=found.status_code,
            type_=found.type,
            retry_after=retry_after(found.response.headers),
            request_id=found.request_id,
        )
    name = type(error).__name__
    if isinstance(error, sdk.APITimeoutError) or name == "ReadTimeout":
        return ProviderFault("silence", "The provider sent nothing for too long.", type_=name)
    if isinstance(error, sdk.CredentialsError) or (
        isinstance(error, TypeError) and "authentication" in str(error)
    ):
        # The SDK finds out about missing ambient credentials only at the first request.
        return ProviderFault("rejected", str(error), status=401, type_="authentication_error")
    # Refused connections, resets, cut bodies, undecodable events; anything else is a bug and must show as one.
    httpx2 = importlib.import_module("httpx2")
    if isinstance(error, (sdk.APIError, httpx2.HTTPError, httpx2.StreamError, OSError, ValueError)):
        return ProviderFault("transient", f"The connection to the provider failed ({name}).", type_=name)
    return error
