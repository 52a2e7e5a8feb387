"""The HTTP client towards providers: one session, nothing followed, nothing unbounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import cast

import aiohttp
from yarl import URL

from workbench.errors import ProviderError, ProviderTimeout, ProviderUnavailable, WorkbenchError
from workbench.gateway.dialects.dialect import Framing
from workbench.gateway.providers.pool import Pool, Unconnected
from workbench.gateway.providers.provider import AnswerBroken, ConnectionDropped
from workbench.gateway.providers.refusal import refusal
from workbench.settings import Timeouts
from workbench.wire.sse import Event, Splitter, parse

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_EVENT_BYTES = 16 * 1024 * 1024
_MAX_ERROR_BYTES = 256 * 1024
_END_SECONDS = 0.5
_HANDSHAKE_SECONDS = 10.0
_HEARTBEAT_SECONDS = 30.0
"""Between two pings of a conversation: a provider that is silently gone is noticed."""
_REQUEST_ID_HEADERS = ("x-request-id", "request-id")

Refusal = Callable[[str, int, Mapping[str, str], bytes], WorkbenchError]
"""Provider, status, headers and body of an answer that is no success -> the error that it means."""


class HttpClient:
    """One aiohttp session for all providers; opened inside the event loop.

    Answers are asked for uncompressed, since usage is read from them as they pass; one that comes compressed all the
    same is unpacked here and relayed plain.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, connect=timeouts.connect)  # looking up the name included
        self._pool = Pool(connect_seconds=timeouts.connect)
        self._connect_seconds = timeouts.connect
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            trust_env=False,
            auto_decompress=True,
            raise_for_status=False,
            trace_configs=[_no_redirects()],
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
        )

    async def post(
        self, provider: str, url: URL, body: bytes, headers: Mapping[str, str], *, refused: Refusal = refusal
    ) -> aiohttp.ClientResponse:
        """Return the answer's head once it is a success; raises what `refused` says of any other status."""
        response = await self.send(provider, "POST", url, body, headers)
        if response.status == 200:
            return response
        raise await self.meant(provider, response, refused=refused)

    async def send(
        self,
        provider: str,
        method: str,
        url: URL,
        body: bytes | AsyncIterable[bytes] | None,
        headers: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        """Return the answer's head, whatever its status; raises ProviderError where there is none."""
        assert self._session is not None
        try:
            if isinstance(body, bytes) and method != "HEAD":
                # Nearly every call; the answer has the part of the interface that is used here.
                return cast(aiohttp.ClientResponse, await self._pool.request(method, url, body, headers))
            return await self._session.request(method, url, data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(provider, error, self._connect_seconds) from error

    async def converse(
        self,
        provider: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        protocols: Iterable[str] = (),
        refused: Refusal = refusal,
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket; raises what `refused` says of a refusal, or ProviderError where nobody answers."""
        assert self._session is not None
        try:
            async with asyncio.timeout(self._connect_seconds + _HANDSHAKE_SECONDS):
                return await self._session.ws_connect(
                    url.with_scheme("wss" if url.scheme == "https" else "ws"), headers=headers, protocols=protocols,
                    max_msg_size=MAX_EVENT_BYTES, heartbeat=_HEARTBEAT_SECONDS,
                )  # fmt: skip
        except aiohttp.WSServerHandshakeError as error:
            raise refused(provider, error.status, dict(error.headers or {}), b"") from error
        except aiohttp.TooManyRedirects as error:
            raise refused(provider, 302, {}, b"") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(provider, error, self._connect_seconds) from error

    async def meant(
        self, provider: str, response: aiohttp.ClientResponse, *, refused: Refusal = refusal
    ) -> WorkbenchError:
        """Return the error that an answer without success means; the answer is closed."""
        try:
            text = await _bounded(response, _MAX_ERROR_BYTES)
        except (aiohttp.ClientError, OSError):
            text = None
        response.close()
        return refused(provider, response.status, response.headers, text or b"")

    async def close(self) -> None:
        """Close the session and its connections."""
        self._pool.close()
        if self._session is not None:
            await self._session.close()


async def read_whole(provider: str, response: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer; raises ProviderError if it breaks off or is too large."""
    try:
        body = await _bounded(response, MAX_ANSWER_BYTES)
    except (aiohttp.ClientError, OSError) as error:
        response.close()
        raise AnswerBroken(f"Provider {provider!r} broke off in the middle of its answer.") from error
    except BaseException:
        response.close()
        raise
    if body is None:
        response.close()
        raise ProviderError(f"Provider {provider!r} answered with more than {MAX_ANSWER_BYTES} bytes.")
    return body


def request_id_of(response: aiohttp.ClientResponse) -> str | None:
    """Return the provider's own id of a request."""
    for name in _REQUEST_ID_HEADERS:
        if value := response.headers.get(name):
            return value[:200]
    return None


class HttpStream:
    """A streamed answer, its events found and never re-framed; without a framing, its bytes as they come."""

    def __init__(
        self,
        provider: str,
        response: aiohttp.ClientResponse,
        *,
        framing: Framing | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.request_id = request_id_of(response)
        self.status = response.status
        self.content_type = response.headers.get("content-type", "application/octet-stream").encode(
            "latin-1", "replace"
        )
        self.headers = headers
        self.limits: Mapping[str, str] = response.headers
        self.cut = False
        self._provider = provider
        self._response = response
        self._framing = framing
        self._first: list[Event] = []

    async def open(self, *, content_type: str = "text/event-stream") -> HttpStream:
        """Wait for the first event, a server-sent one; raises ProviderError where the answer is no stream or has none.

        A stream of another content type was given its framing.
        """
        if self._response.content_type != content_type:
            kind = self._response.content_type[:100]
            self.abort()
            raise ProviderError(f"Provider {self._provider!r} answered a request for a stream with {kind!r}.")
        if self._framing is None:
            self._framing = Splitter()
        try:
            self._first = await self._read()
        except BaseException:
            self.abort()
            raise
        if not self._first:
            self.abort()
            raise ProviderError(f"Provider {self._provider!r} ended its stream before the first event.")
        return self

    async def next(self) -> list[Event]:
        """Return the events that have come since; an empty list at the end, which is a bad one if `cut`."""
        if self._first:
            events, self._first = self._first, []
            return events
        return await self._read()

    async def finish(self) -> None:
        """Read to the end, which is near, so that the connection can serve the next call; else close it."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                while not self._response.content.at_eof() and await self._response.content.readany():
                    pass
        except (aiohttp.ClientError, OSError):
            pass
        finally:
            self._response.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._response.close()

    async def _read(self) -> list[Event]:
        framing = self._framing
        size = 0
        while True:
            try:
                chunk = await self._response.content.readany()
            except (aiohttp.ClientError, OSError):
                self.cut = True
                return []
            if framing is None:
                return [Event(raw=chunk, data=chunk)] if chunk else []
            if not chunk:
                return self._rest(framing)
            events = list(framing.feed(chunk))
            if events:
                return events
            size += len(chunk)
            if size > MAX_EVENT_BYTES:
                raise ProviderError(f"Provider {self._provider!r} sent an event of over {MAX_EVENT_BYTES} bytes.")

    def _rest(self, framing: Framing) -> list[Event]:
        """Return what stands after the last whole event, where it is no torn piece of one."""
        rest = framing.rest
        self._framing = None
        if not rest:
            return []
        if isinstance(framing, Splitter):
            last = parse(rest)
            return [last] if rest.endswith((b"\n", b"\r")) or last.data == b"[DONE]" else []
        return [Event(raw=rest, data=b"")]


def _no_redirects() -> aiohttp.TraceConfig:
    """Return what refuses a redirect of a WebSocket's handshake, which the library would follow."""

    async def refuse(_session: object, _context: object, params: aiohttp.TraceRequestRedirectParams) -> None:
        raise aiohttp.TooManyRedirects(params.response.request_info, ())

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the body, or None as soon as it is over the limit."""
    if (response.content_length or 0) > limit:
        return None
    content = response.content
    first = await content.readany()
    if not first or content.at_eof():
        return first
    chunks, size = [first], len(first)
    while chunk := await content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return None
    return b"".join(chunks)


def _unreachable(provider: str, error: Exception, connect_seconds: float) -> WorkbenchError:
    if isinstance(error, TimeoutError):
        return ProviderTimeout(f"Provider {provider!r}: no connection within {connect_seconds:g} s.")
    if isinstance(error, Unconnected | aiohttp.ClientConnectorError):
        return ProviderUnavailable(
            f"Provider {provider!r} can't be reached: {_why(error)}.",
            hint=f"It may be down; if it stays so, the admin must check [providers.{provider}] base_url.",
        )
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        return ConnectionDropped(f"Provider {provider!r} closed the connection before it answered.")
    return ProviderError(f"Provider {provider!r} answered what is not HTTP ({type(error).__name__}).")


def _why(error: Unconnected | aiohttp.ClientConnectorError) -> str:
    if isinstance(error, Unconnected):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name does not resolve"
    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate is not good"
    return error.os_error.strerror or "no connection"
