"""The server's connections to the gateway: answers that stream, and live conversations, signed with its own key.

aiohttp is loaded with the first of them, so that the start of the server does not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from workbench.errors import GatewayUnreachable, NotFound, StreamCut, WorkbenchError
from workbench_jupyter.passed_headers import query_to_gateway

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

    from workbench.wire.key_file import MountedKey
    from workbench_jupyter.server_key import ServerKey

_CONNECT = 5.0  # seconds
_SILENCE = 660.0  # seconds; the gateway itself gives a call ten minutes
_LARGEST_MESSAGE = 16 << 20  # bytes of a live conversation's message, a second of sound is a hundredth of it


@dataclass(frozen=True)
class Asked:
    """What a page asks the gateway."""

    method: str
    """HTTP method."""
    path: str
    """Below the gateway's root, as it was sent."""
    query: str
    """As it was sent."""
    headers: Mapping[str, str]
    """What of its headers goes on."""
    body: bytes
    """The whole body."""


@dataclass(frozen=True)
class Answer:
    """What the gateway answers."""

    status: int
    """Its HTTP status."""
    headers: Mapping[str, str]
    """Its headers, all of them."""
    response: aiohttp.ClientResponse
    """Where its bytes come from."""

    @property
    def content_type(self) -> str:
        """What the bytes are."""
        return self.headers.get("Content-Type", "application/json")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come; raises StreamCut where they break off."""
        aiohttp = import_module("aiohttp")
        try:
            async for chunk in self.response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StreamCut("The gateway ended within this answer.", hint="Ask again.") from error


class Upstream:
    """One pool of connections; everything runs in the server's event loop."""

    def __init__(self, key: ServerKey) -> None:
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def answer(self, asked: Asked) -> AsyncIterator[Answer]:
        """Send a request and give its answer; once more with another key where the first is refused.

        Raises GatewayUnreachable, or what kept this server from having a key.
        """
        key = await self._key.current()
        response = await self._send(asked, key)
        if response.status == 401:
            response.release()
            response = await self._send(asked, await self._key.renewed(key.key))
        try:
            yield Answer(response.status, response.headers, response)
        finally:
            response.close()  # an answer that was not read to its end ends the call

    async def converse(self, path: str, *, query: str, subprotocols: Sequence[str]) -> aiohttp.ClientWebSocketResponse:
        """Open a live conversation; raises what the gateway refuses it with."""
        aiohttp = await _aiohttp()
        key = await self._key.current()
        session = await self._open()
        try:
            return await session.ws_connect(
                _url(key, path, query),
                protocols=tuple(subprotocols),
                headers={"Authorization": f"Bearer {key.key}"},
                max_msg_size=_LARGEST_MESSAGE,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise _refused(error.status, path) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(key) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, asked: Asked, key: MountedKey) -> aiohttp.ClientResponse:
        aiohttp = await _aiohttp()
        session = await self._open()
        try:
            return await session.request(
                asked.method,
                _url(key, asked.path, asked.query),
                headers={**asked.headers, "Authorization": f"Bearer {key.key}"},
                data=asked.body or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(key) from error

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                aiohttp = await _aiohttp()
                key = await self._key.current()
                desk = await asyncio.to_thread(import_module, "workbench.client.desk")
                self._session = aiohttp.ClientSession(
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE),
                    auto_decompress=False,
                    trust_env=not desk.is_loopback(key.gateway_url),
                )
            return self._session


async def _aiohttp() -> ModuleType:
    return await asyncio.to_thread(import_module, "aiohttp")


def _url(key: MountedKey, path: str, query: str) -> URL:
    """Return where a request goes, written as it was sent."""
    if any(part in (".", "..") for part in unquote(path).split("/")):
        raise NotFound(f"There is nothing at {path[:200]}.")
    asked = query_to_gateway(query)
    url: URL = import_module("yarl").URL(f"{key.gateway_url}{path}" + (f"?{asked}" if asked else ""), encoded=True)
    return url


def _away(key: MountedKey) -> GatewayUnreachable:
    return GatewayUnreachable(
        f"The gateway at {key.gateway_url} does not answer.",
        hint="The embedded one is started again by itself: ask again in a moment. Else ask whoever runs it.",
    )


def _refused(status: int, path: str) -> WorkbenchError:
    from workbench.wire.envelope import error_from_body  # noqa: PLC0415

    return error_from_body(status, f"The gateway refused a live conversation at {path[:200]} with {status}.")
