"""A lean HTTP/1.1 client on httptools for requests whose body is at hand: a third of what aiohttp's costs for a call.

Nothing is followed, nothing is kept of cookies or proxies; connections are used again, newest first. Its answers have
the part of aiohttp's interface that the gateway uses, and fail with aiohttp's errors.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import zlib
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from time import monotonic

import aiohappyeyeballs
import aiohttp
import httptools
from multidict import CIMultiDict
from yarl import URL

_MAX_HEAD_BYTES = 64 * 1024
_MOST_BUFFERED = 256 * 1024
_JOINED_BYTES = 64 * 1024
_UNPACKED_BYTES = 1024 * 1024
_IDLE_SECONDS = 15.0
_REPEATABLE = frozenset({"GET", "PUT", "DELETE", "OPTIONS"})
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})

_Place = tuple[str, int, bool]
"""Host, port, and whether TLS is spoken there."""


class Unconnected(OSError):
    """No connection came about."""


class Pool:
    """Connections to all providers."""

    def __init__(self, *, connect_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._idle: dict[_Place, deque[_Connection]] = {}
        self._open: set[_Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def request(self, method: str, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the head of the answer.

        Raises Unconnected, TimeoutError where no connection stands in time, and aiohttp.ClientError for the rest.
        """
        place, start = _target(method, url)
        data = b"%bContent-Length: %d\r\n\r\n" % (_head(start, tuple(headers.items())), len(body))
        while True:
            connection = self._take(place)
            used = connection is not None
            if connection is None:
                connection = await self._connect(place)
            try:
                return await connection.ask(data, body)
            except aiohttp.ServerDisconnectedError:
                if not (used and method in _REPEATABLE):
                    raise  # a connection that had gone stale; whether to ask again is the caller's to say

    def _take(self, place: _Place) -> _Connection | None:
        """Return an idle connection; those that idled too long are closed."""
        idle = self._idle.get(place)
        if not idle:
            return None
        oldest = monotonic() - _IDLE_SECONDS
        while idle and idle[0].idle_since < oldest:
            idle.popleft().close()
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self, place: _Place) -> _Connection:
        host, port, secure = place
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):  # looking up the name included
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                connected = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=0.25, interleave=1)
                try:
                    _, connection = await loop.create_connection(
                        lambda: _Connection(self, place),
                        sock=connected,
                        ssl=self._context() if secure else None,
                        server_hostname=host if secure else None,
                    )
                except BaseException:
                    connected.close()
                    raise
        except socket.gaierror as error:
            raise Unconnected("its host name does not resolve") from error
        except ssl.SSLCertVerificationError as error:
            raise Unconnected("its certificate is not good") from error
        except TimeoutError:
            raise
        except OSError as error:
            raise Unconnected(os.strerror(error.errno) if error.errno else "no connection") from error
        self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def give_back(self, connection: _Connection, place: _Place) -> None:
        """Keep a connection for the next request."""
        self._idle.setdefault(place, deque()).append(connection)

    def forget(self, connection: _Connection, place: _Place) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        idle = self._idle.get(place)
        if idle and connection in idle:
            idle.remove(connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.close()
        self._idle.clear()


@lru_cache(maxsize=256)
def _head(start: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return the head of a request but for the body's length; most calls of a provider have the same."""
    lines = [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in _OURS]
    head = f"{start}{''.join(lines)}"
    if head.count("\n") != len(lines) + 2 or head.count("\r") != len(lines) + 2:
        raise aiohttp.InvalidURL("a header of the request holds a line end")
    return head.encode("latin-1", "replace")


@lru_cache(maxsize=1024)
def _target(method: str, url: URL) -> tuple[_Place, str]:
    """Return where a request goes, and its first two lines."""
    if url.host is None or url.port is None:
        raise aiohttp.InvalidURL(url)
    start = f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"
    return (url.host, url.port, url.scheme == "https"), start


class Answer:
    """The answer to one request; its body comes with `readany`."""

    __slots__ = (
        "_chunks", "_connection", "_error", "_size", "_torn", "_unpack", "_waiter", "complete", "headers", "status",
    )  # fmt: skip

    def __init__(self, connection: _Connection) -> None:
        self.status = 0
        """HTTP status."""
        self.headers: CIMultiDict[str] = CIMultiDict()
        """Headers, in their order."""
        self.complete = False
        """Whether the body has come to its proper end."""
        self._connection = connection
        self._chunks: list[bytes] = []
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unpack: zlib._Decompress | None = None
        self._torn = False

    @property
    def content(self) -> Answer:
        """The body; the answer itself reads it."""
        return self

    @property
    def content_type(self) -> str:
        """The type of the body, without parameters."""
        return self.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """How many bytes the body has, if the head told."""
        told = self.headers.get("content-length", "")
        return int(told) if told.isascii() and told.isdigit() else None

    def at_eof(self) -> bool:
        """Tell whether everything has been read."""
        return self.complete and not self._chunks

    async def readany(self) -> bytes:
        """Return what has come of the body, at least a byte; nothing at its end.

        Raises aiohttp.ClientPayloadError if it breaks off.
        """
        while True:
            if self._chunks:
                data = b"".join(self._chunks)
                self._chunks.clear()
                self._size = 0
                if self._unpack is not None:
                    data = self._unpacked(data, self._unpack)
                if data and not (self._torn and self.at_eof()):
                    return data
            elif self.complete:
                if self._torn:
                    raise aiohttp.ClientPayloadError("the packed body breaks off")
                return b""
            elif self._error is not None:
                raise self._error
            else:
                self._connection.resume()
                self._waiter = self._connection.future()
                await self._waiter

    def _unpacked(self, data: bytes, unpack: zlib._Decompress) -> bytes:
        try:
            plain = unpack.decompress(data, _UNPACKED_BYTES)
        except zlib.error as error:
            self.close()
            raise aiohttp.ClientPayloadError("the body is not packed as its head says") from error
        self._torn = not unpack.eof
        if unpack.unconsumed_tail or len(plain) == _UNPACKED_BYTES:  # there may be more of it without a tail, too
            self._chunks.append(unpack.unconsumed_tail)
        return plain

    def begin(self, status: int) -> None:
        """Take the status, once the head is whole."""
        self.status = status
        if self.headers.get("content-encoding", "").lower() in _PACKED:
            self._unpack = zlib.decompressobj(wbits=47)  # gzip or zlib, as its first bytes say

    def feed(self, chunk: bytes) -> bool:
        """Take a piece of the body; return whether that is enough for now."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._wake()
        return self._size > _MOST_BUFFERED

    def end(self) -> None:
        """Note the proper end."""
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Note that nothing more comes."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Stop it: where the end has not come, the connection is closed."""
        if not self.complete:
            self._connection.close()


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, and the next."""

    def __init__(self, pool: Pool, place: _Place) -> None:
        self._pool = pool
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._head: asyncio.Future[Answer] | None = None
        self._paused = False
        self._head_bytes = 0
        self._began = False
        self._until_closed = False
        self.usable = True
        """Whether another request may be sent."""
        self.idle_since = 0.0
        """When the last answer was over, by the monotonic clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    async def ask(self, head: bytes, body: bytes) -> Answer:
        """Send a request and return its answer once its head is there."""
        self._answer = Answer(self)
        self._began = False
        self._head = waiting = self._loop.create_future()
        if len(body) > _JOINED_BYTES:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)
        try:
            answer: Answer = await waiting
        except BaseException:
            self.close()
            raise
        return answer

    def close(self) -> None:
        """Close it now."""
        self.usable = False
        self._transport.abort()

    def future(self) -> asyncio.Future[None]:
        """Return what somebody can wait for."""
        return self._loop.create_future()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # nothing was asked
            return
        self._began = True
        if self._head is not None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(aiohttp.ClientPayloadError("the answer is not HTTP"))
            self.close()
        else:
            if self._head is not None and self._head_bytes > _MAX_HEAD_BYTES:
                self._fail(aiohttp.ClientPayloadError("the head of the answer is too large"))
                self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._pool.forget(self, self._place)
        if self._answer is None:
            return
        if self._until_closed and exc is None and self._head is None:
            self._answer.end()
        elif self._began:
            self._fail(aiohttp.ClientPayloadError("the connection was closed in the middle of the answer"))
        else:
            self._fail(aiohttp.ServerDisconnectedError())

    def _fail(self, error: aiohttp.ClientError) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
        elif self._answer is not None:
            self._answer.fail(error)

    # -- what the parser tells ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None:
            raise ValueError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None and self._answer is not None:  # else a trailer
            self._answer.headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        answer, head = self._answer, self._head
        assert answer is not None
        if 100 <= status < 200:  # `100 Continue` and its like: the answer is still to come
            answer.headers.clear()
            return
        if head is None:
            raise ValueError("an answer that nobody asked for")
        answer.begin(status)
        self._until_closed = "content-length" not in answer.headers and "transfer-encoding" not in answer.headers
        self._head, self._head_bytes = None, 0
        if not head.done():
            head.set_result(answer)

    def on_body(self, body: bytes) -> None:
        assert self._answer is not None
        if self._answer.feed(body) and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        answer = self._answer
        if answer is None or self._head is not None:
            return
        self._answer = None
        again = self._parser.should_keep_alive() and not self._transport.get_write_buffer_size()
        self.resume()
        answer.end()
        if again and self.usable:
            self.idle_since = monotonic()
            self._pool.give_back(self, self._place)
        else:
            self.close()
