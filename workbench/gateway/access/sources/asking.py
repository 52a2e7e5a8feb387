"""Ask a source of identities over HTTP: bounded in time and size, never redirected, no fault taken for a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from workbench.errors import Unavailable

_LARGEST_ANSWER = 1 << 20
_AT_ONCE = 16


class Source:
    """One place that is asked; opened with the first question, inside the event loop."""

    def __init__(self, name: str, *, timeout: float) -> None:
        """`name` is what errors call it."""
        self.name = name
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Return status and JSON of an answer, None where there is none; raises Unavailable where nothing answers."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                connector=aiohttp.TCPConnector(limit=_AT_ONCE),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                body = b""
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > _LARGEST_ANSWER:
                        raise self.unavailable(f"it answered more than {_LARGEST_ANSWER >> 20} MiB")
                return answer.status, _json(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self.unavailable(str(error) or type(error).__name__) from error

    def unavailable(self, why: str) -> Unavailable:
        """Return the error for a source that gave no word: nobody's token is blamed for it."""
        return Unavailable(
            f"{self.name} can't be asked who you are: {why}.",
            hint="Try again; if it stays so, the admin must look at it.",
            code="identity_unavailable",
        )

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Flights:
    """Questions that are on their way, so that the same one is asked once, however many want to know."""

    def __init__(self) -> None:
        self._flying: dict[Any, asyncio.Task[Any]] = {}

    async def once(self, key: Any, question: Any) -> Any:
        """Return the answer to `question`, a function, or to the same one that is on its way; a caller may leave."""
        task = self._flying.get(key)
        if task is None:
            task = self._flying[key] = asyncio.ensure_future(question())
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task)

    def _land(self, key: Any, done: asyncio.Task[Any]) -> None:
        del self._flying[key]
        if not done.cancelled():
            done.exception()  # those who waited have it; where all of them left, nobody needs it
