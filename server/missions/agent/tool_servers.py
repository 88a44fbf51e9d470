"""Servers of tools that speak the Model Context Protocol (MCP), for one conversation: started, asked, ended with it.

Each runs in a sandbox of its own, so that the commands of the run cannot read what it was given, and sees the repository
read-only. What it says is as untrusted as a command's output. A server that does not start costs its tools, never the run;
this module says so in a sentence and decides nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import shlex
import shutil
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from missions.agent.model import mcp_block
from missions.agent.sandbox.policy import Policy
from missions.agent.sandbox.probe import Mode
from missions.agent.sandbox.session import Job, Sandbox
from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.agent.tools.excerpt import clean, excerpt
from missions.agent.tools.workspace import Workspace
from missions.model.errors import MissionError
from missions.settings import McpServer

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.client import Client, Transport

HOW_TO_INSTALL = "The package `mcp` is not installed: pip install 'missions[mcp]'."
_START_DEADLINE = 30.0
_CALL_DEADLINE = 120.0
_CLOSE_DEADLINE = 3.0
_LONGEST_MESSAGE = 16 << 20
"""Bytes of one line of a server; a longer one ends the connection."""
_MOST_TOOLS = 100
_MOST_DEFINITIONS = 100_000
"""Bytes of all definitions of one server: each request carries them."""
_LONGEST_DESCRIPTION = 2_000
_LARGEST_IMAGE = 5 << 20
_NAME = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 128

logging.getLogger("mcp").addHandler(logging.NullHandler())


def installed() -> bool:
    """Whether the optional package is there; it is imported only when a server is started."""
    return find_spec("mcp") is not None


def policy_of(server: McpServer, base: Policy, host: Mapping[str, str]) -> Policy:
    """The sandbox of a server: what the run's sees, read-only; its own hosts, its own variables.

    ``host`` is the environment that the variables named in the settings are taken from.
    """
    path = base.env.get("PATH", "")
    program = shutil.which(server.command, path=path)
    env = {**base.env, **{name: host[name] for name in server.environment if name in host}}
    if program is not None:
        # An installation is recognised, and shown as a whole, by its folder being on PATH.
        env["PATH"] = f"{Path(program).parent}:{path}"
    readable = tuple(Path(one).expanduser() for one in server.read)
    hosts: bool | tuple[str, ...] = True if "*" in server.network else server.network
    return replace(
        base,
        workspace_mode="ro",
        git_dir=None,
        common_dir=None,
        output=None,
        extra_ro=(*base.extra_ro, *base.extra_rw, *readable),
        extra_rw=(),
        protected=(),
        network=hosts or False,
        env=env,
    )


async def open_servers(
    stack: AsyncExitStack,
    servers: Mapping[str, McpServer],
    base: Callable[[], Policy],
    mode: Mode,
    host: Mapping[str, str],
    workspace: Workspace,
) -> tuple[list[Tool], list[str]]:
    """The tools of all servers, in the order of names, and a sentence for each thing that is not there.

    ``base`` makes the policy of the run; ``stack`` ends the servers. Must be called in the main thread, as a sandbox must.
    """
    if not servers:
        return [], []
    if not installed():
        return [], [HOW_TO_INSTALL]
    around = base()
    opened = [_Server(name, servers[name]) for name in sorted(servers)]
    for one in opened:
        stack.push_async_callback(one.close)
    await asyncio.gather(*(one.open(policy_of(one.settings, around, host), mode) for one in opened))
    tools: list[Tool] = []
    said: list[str] = []
    for one in opened:
        said += [workspace.redact(sentence) for sentence in one.problems]
        for tool in one.offered:
            name = _NAME.sub("_", f"mcp__{one.name}__{tool.name}")
            problem = _unusable(name, tool, tools)
            if problem:
                said.append(
                    f"The tool {clean(tool.name.encode())[:80]} of the MCP server {one.name} is left out: {problem}."
                )
                continue
            tools.append(ServedTool(one, tool, name, workspace))
    return sorted(tools, key=lambda tool: tool.name), said


def _unusable(name: str, tool: types.Tool, others: list[Tool]) -> str:
    """Why a tool cannot be handed on, or nothing."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    schema = tool.input_schema
    if len(name) > _LONGEST_NAME or any(other.name == name for other in others):
        return "its name is too long or taken"
    if schema.get("type") != "object":
        return "its input is no object"
    if _refers_outside(schema):
        return "its schema refers to another document"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return "its schema is not valid"
    return ""


def _refers_outside(node: Any) -> bool:
    """Whether a schema names another document: checking an input would fetch it."""
    if isinstance(node, list):
        return any(_refers_outside(item) for item in cast("list[Any]", node))
    if not isinstance(node, dict):
        return False
    part = cast("dict[str, Any]", node)
    for key in ("$ref", "$dynamicRef", "$id"):
        value = part.get(key)
        if isinstance(value, str) and not value.startswith("#"):
            return True
    return any(_refers_outside(value) for value in part.values())


class _Server:
    """One server from start to end. Its session lives in a task of its own, so that its end cannot cancel the run."""

    def __init__(self, name: str, settings: McpServer) -> None:
        self.name, self.settings = name, settings
        self.offered: list[types.Tool] = []
        self.problems: list[str] = []
        self._sandbox: Sandbox | None = None
        self._job: Job | None = None
        self._client: Client | None = None
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self, policy: Policy, mode: Mode) -> None:
        """Start it and ask for its tools; what went wrong is in ``problems``."""
        try:
            self._sandbox = await Sandbox.start(policy, mode)
            command = shlex.join([self.settings.command, *self.settings.args])
            self._job, own = await self._sandbox.start_service(f"exec {command}")
        except MissionError as error:
            self.problems.append(f"The MCP server {self.name} did not start: {error.message}")
            return
        ready: asyncio.Future[list[types.Tool]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._talk(own, ready), name=f"mcp-{self.name}")
        await asyncio.wait([ready], timeout=_START_DEADLINE)
        if ready.done() and ready.exception() is None:
            self._take(ready.result())
            return
        reason = "it did not answer in time" if not ready.done() else _reason(ready.exception())
        ready.cancel()
        self.problems.append(f"The MCP server {self.name} did not start: {reason}.{self._last_words()}")

    def _take(self, found: list[types.Tool]) -> None:
        size = sum(len(json.dumps(tool.input_schema)) + len(tool.description or "") for tool in found)
        if len(found) > _MOST_TOOLS or size > _MOST_DEFINITIONS:
            self.problems.append(
                f"The MCP server {self.name} is left out: {len(found)} tools with {size} bytes of definitions; at most "
                f"{_MOST_TOOLS} tools and {_MOST_DEFINITIONS} bytes."
            )
            return
        self.offered = sorted(found, key=lambda tool: tool.name)

    async def _talk(self, own: socket.socket, ready: asyncio.Future[list[types.Tool]]) -> None:
        try:
            # Importing the package takes a good part of a second; the loop goes on meanwhile.
            client_type = await asyncio.to_thread(_client_type)
            async with client_type(_streams(own), read_timeout_seconds=_CALL_DEADLINE) as client:
                found = await _all_tools(client)
                self._client = client
                if not ready.done():
                    ready.set_result(found)
                await self._closing.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
        finally:
            self._client = None
            own.close()

    async def call(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult | str:
        """The result of one call, or why there is none."""
        client = self._client
        if client is None or self._job is None or self._job.main_ended:
            return f"The MCP server {self.name} has ended.{self._last_words()}"
        try:
            return await client.call_tool(name, arguments)
        except Exception as error:
            return f"The MCP server {self.name} did not answer: {_reason(error)}.{self._last_words()}"

    def _last_words(self) -> str:
        printed = clean(self._job.output.content()).strip() if self._job is not None else ""
        return f" It said: {printed[-600:]}" if printed else ""

    async def close(self) -> None:
        """End the session, then the process with everything it started."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_DEADLINE)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._sandbox is not None:
            await self._sandbox.close()


@dataclass
class ServedTool:
    """One tool of a server, as the loop knows tools."""

    server: _Server
    tool: types.Tool
    name: str
    workspace: Workspace
    read_only: bool = False
    """Whatever the server claims: its calls run one after another."""
    strict: bool = False

    @property
    def description(self) -> str:
        """The server's words, with whose words they are."""
        said = clean((self.tool.description or "").encode())[:_LONGEST_DESCRIPTION]
        return f"Tool of the MCP server {self.server.name}. {said}".strip()

    @property
    def input_schema(self) -> dict[str, Any]:
        """As the server gave it."""
        return self.tool.input_schema

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Ask the server; what it answers is cleaned, cut and redacted like a command's output."""
        asking = asyncio.create_task(self.server.call(self.tool.name, args))
        stopped = asyncio.create_task(ctx.cancelled.wait())
        try:
            await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return ToolResult("Cancelled; the server may have done it all the same.", is_error=True)
            answer = asking.result()
        finally:
            asking.cancel()
            stopped.cancel()
        if isinstance(answer, str):
            return ToolResult(self.workspace.redact(answer), is_error=True)
        blocks = await asyncio.to_thread(self._blocks, answer)
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        others = [block for block in blocks if block["type"] != "text"]
        text = self._shown("\n".join(texts), ctx.tool_use_id) if texts or not others else ""
        if not others:
            return ToolResult(text, is_error=bool(answer.is_error))
        head: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        return ToolResult([*head, *others], is_error=bool(answer.is_error))

    def _blocks(self, answer: types.CallToolResult) -> list[dict[str, Any]]:
        """The content as text and image blocks; what is neither is named."""
        if not answer.content and answer.structured_content is not None:
            return [{"type": "text", "text": json.dumps(answer.structured_content, ensure_ascii=False)}]
        blocks: list[dict[str, Any]] = []
        for item in answer.content:
            block = mcp_block(item)
            source: dict[str, Any] = block.get("source", {})
            if block["type"] == "document" and source.get("type") == "text":
                block = {"type": "text", "text": str(source.get("data", ""))}
            elif block["type"] == "document" or len(str(source.get("data", ""))) * 3 // 4 > _LARGEST_IMAGE:
                block = {"type": "text", "text": f"[a {block['type']} that is not shown]"}
            blocks.append(block)
        return blocks

    def _shown(self, text: str, call: str) -> str:
        whole = self.workspace.redact(clean(text.encode("utf-8", "replace")))
        short = excerpt(whole)
        if not short.cut:
            return short.text.rstrip("\n") or "(no content)"
        place = self.workspace.spill(f"mcp-{_NAME.sub('_', call)[-40:]}", whole.encode("utf-8", "replace"))
        return excerpt(whole, f"all of it: {place}").text.rstrip("\n") if place else short.text.rstrip("\n")


def _client_type() -> Callable[..., Client]:
    from mcp.client import Client

    return Client


async def _all_tools(client: Client) -> list[types.Tool]:
    found: list[types.Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if cursor is None or len(found) > _MOST_TOOLS:
            return found


def _reason(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return ((str(error) or type(error).__name__).splitlines() or ["?"])[0][:300].rstrip(".")


@asynccontextmanager
async def _open_streams(own: socket.socket) -> AsyncGenerator[Any]:
    """The socket as the two streams of messages that the session wants: one JSON document in a line."""
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    arriving, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    outgoing, leaving = anyio.create_memory_object_stream[SessionMessage](16)
    reader, writer = await asyncio.open_connection(sock=own, limit=_LONGEST_MESSAGE)

    async def receive() -> None:
        async with arriving:
            # A line that is too long is a ValueError: the connection ends there.
            with contextlib.suppress(
                ValueError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError
            ):
                while line := await reader.readline():
                    try:
                        await arriving.send(
                            SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
                        )
                    except ValueError as error:
                        await arriving.send(error)

    async def send() -> None:
        async with leaving:
            with contextlib.suppress(OSError):
                async for message in leaving:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    writer.write(text.encode() + b"\n")
                    await writer.drain()

    pumps = [asyncio.create_task(receive()), asyncio.create_task(send())]
    try:
        yield incoming, outgoing
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        writer.close()
        for stream in (arriving, incoming, outgoing, leaving):
            stream.close()


def _streams(own: socket.socket) -> Transport:
    return cast("Transport", _open_streams(own))
