"""A small server of tools, written with the `mcp` package: what a user's own server would be. Run as a program."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types import AudioContent, ImageContent, TextContent

server = MCPServer("tickets")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@server.tool()
def ticket(number: int) -> str:
    """The text of a ticket."""
    return f"Ticket {number}: the greeting lacks a full stop. Asked by {os.environ.get('TICKETS_TOKEN', 'nobody')}."


@server.tool()
def flood(lines: int) -> str:
    """Many lines."""
    return "\n".join(f"line {number}" for number in range(lines))


@server.tool()
def picture() -> list[Any]:
    """A picture, a sound and words."""
    return [
        TextContent(type="text", text="\x1b[31mred\x1b[0m"),
        ImageContent(type="image", data=PIXEL, mime_type="image/png"),
        AudioContent(type="audio", data="UklGRg==", mime_type="audio/wav"),
    ]


@server.tool()
def refuse() -> str:
    """Always fails."""
    raise ValueError("there is no such ticket")


@server.tool()
def look(path: str) -> str:
    """What a file holds."""
    return Path(path).read_text()


@server.tool()
def write(path: str) -> str:
    """Write a file."""
    Path(path).write_text("written by the server\n")
    return "written"


@server.tool()
def connect(port: int) -> str:
    """Reach a port of the machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return "connected"


@server.tool()
def linger() -> str:
    """Leave a process behind."""
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return str(child.pid)


@server.tool()
async def wait(seconds: int) -> str:
    """Take time."""
    await asyncio.sleep(seconds)
    return "waited"


@server.tool()
def die() -> str:
    """End without an answer."""
    print("out of order", file=sys.stderr, flush=True)
    os._exit(3)


if __name__ == "__main__":
    server.run("stdio")
