"""The one way out of a sandbox with a list of allowed hosts: an HTTP proxy run by the engine.

The listening socket is made inside the sandbox's network (by the supervisor) and served from outside, so nothing else
leads out and nothing listens on the machine. Only listed hosts are reached, never private or metadata addresses, except
an address that the list names literally with its port. It reads no content: it relays.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from urllib.parse import urlsplit

_WEB_PORTS = (80, 443)
_LONGEST_HEAD = 32_768
_HEAD_DEADLINE = 30.0
_CHUNK = 1 << 16


class HostList:
    """Which hosts and ports may be reached."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._exact: set[tuple[str, int | None]] = set()
        self._domains: set[str] = set()
        for entry in entries:
            text = entry.strip().lower().rstrip(".")
            if text.startswith("*."):
                self._domains.add(text[1:])
                continue
            host, port = _split(text)
            self._exact.add((host, port))

    def allows(self, host: str, port: int) -> bool:
        """Whether the name and port are on the list."""
        host = host.lower().rstrip(".")
        if (host, port) in self._exact:
            return True
        return port in _WEB_PORTS and (
            (host, None) in self._exact or any(host.endswith(end) for end in self._domains)
        )

    def allows_address(self, host: str, port: int, address: str) -> bool:
        """Whether this address of an allowed name may be reached."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        if parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
            return False
        return parsed.is_global or (host == address and (host, port) in self._exact)


def _split(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdigit() else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        if port.isdigit():
            return host, int(port)
    return text, None


class _RefusedError(Exception):
    pass


class Proxy:
    """A running proxy on a socket that listens inside a sandbox."""

    def __init__(self, hosts: tuple[str, ...], listener: socket.socket) -> None:
        self._hosts = HostList(hosts)
        self._port: int = listener.getsockname()[1]
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, hosts: tuple[str, ...], listener: socket.socket) -> Proxy:
        """Serve ``listener`` from now on."""
        proxy = cls(hosts, listener)
        proxy._server = await asyncio.start_server(proxy._serve, sock=listener, limit=_LONGEST_HEAD)
        return proxy

    def environment(self) -> dict[str, str]:
        """What commands need to find the proxy."""
        url = f"http://127.0.0.1:{self._port}"
        names = (
            "http_proxy",
            "https_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "npm_config_proxy",
            "npm_config_https_proxy",
        )
        local = "localhost,127.0.0.1,::1"
        return {**dict.fromkeys(names, url), "no_proxy": local, "NO_PROXY": local}

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._relay(reader, writer)
        except _RefusedError as refusal:
            body = f"{refusal}\n".encode()
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            with contextlib.suppress(OSError):
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_DEADLINE)
        line, _, fields = head.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ", 2)
        if method == "CONNECT":
            host, port = _split(target.lower())
            out_reader, out_writer = await self._connect(host, port or 443)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            url = urlsplit(target)
            if url.scheme != "http" or not url.hostname:
                raise _RefusedError("the proxy takes CONNECT and http:// addresses")
            out_reader, out_writer = await self._connect(url.hostname, url.port or 80)
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            # One request for one connection: a second one could name another host.
            kept = [
                f
                for f in fields.split(b"\r\n")
                if f and not f.lower().startswith((b"proxy-", b"connection:", b"host:"))
            ]
            own = [
                f"{method} {path} {version}".encode("latin-1"),
                b"Host: " + url.netloc.encode("latin-1"),
                b"Connection: close",
            ]
            out_writer.write(b"\r\n".join([*own, *kept]) + b"\r\n\r\n")
        try:
            await _both_ways(reader, writer, out_reader, out_writer)
        finally:
            out_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._hosts.allows(host, port):
            raise _RefusedError(f"{host}:{port} is not on this mission's list of allowed hosts")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        allowed = [
            str(item[4][0]) for item in found if self._hosts.allows_address(host, port, str(item[4][0]))
        ]
        if not allowed:
            raise _RefusedError(f"{host} leads to a private address, which is never reached")
        # The address that was checked, not the name: it could answer differently the second time.
        return await asyncio.wait_for(asyncio.open_connection(allowed[0], port), _HEAD_DEADLINE)


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    out_reader: asyncio.StreamReader,
    out_writer: asyncio.StreamWriter,
) -> None:
    upward = asyncio.create_task(_copy(reader, out_writer))
    try:
        await _copy(out_reader, writer)
    finally:
        upward.cancel()
        await asyncio.gather(upward, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(_CHUNK):
        sink.write(piece)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
