"""Answers that come in pieces. What is not I/O stands once, in `_Pieces`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from workbench.client.answers import Assembly
from workbench.client.results import ChatResult
from workbench.errors import InvalidInput

Translated = Callable[[], AbstractContextManager[None]]


class _Pieces:
    def __init__(self, chunks: Any, started: float, rate: Callable[..., Any]) -> None:
        self._chunks = chunks
        self._started = started
        self._rate = rate
        self._assembly = Assembly(chunks.response.headers)
        self._result: ChatResult | None = None

    @property
    def request_id(self) -> str:
        """The gateway's name of the call, known from the start."""
        return self._assembly.request_id

    @property
    def result(self) -> ChatResult:
        """The whole answer; raises InvalidInput before the stream was read to its end."""
        if self._result is None:
            raise InvalidInput(
                "The stream has not been read to its end, so there is no result yet.", hint="Iterate over it first."
            )
        return self._result

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000

    def _add(self, chunk: Any) -> str:
        return self._assembly.add(chunk, elapsed_ms=self._elapsed_ms())

    def _whole(self) -> ChatResult:
        return self._assembly.result(elapsed_ms=self._elapsed_ms(), cost_usd=None)

    def _end(self, whole: ChatResult, cost_usd: float | None) -> None:
        self._result = replace(whole, cost_usd=cost_usd).rated_by(self._rate)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.request_id}, {'finished' if self._result else 'unfinished'})"


class Stream(_Pieces):
    """Iterate over pieces of text; `result` holds the whole answer after the end.

    Leaving the loop early, `close` and Ctrl-C close the connection, and the gateway stops the model.
    """

    def __init__(
        self,
        chunks: Any,
        *,
        started: float,
        translated: Translated,
        cost_of: Callable[[str], float | None],
        rate: Callable[..., Any],
    ) -> None:
        super().__init__(chunks, started, rate)
        self._pieces = self._read(translated, cost_of)

    def _read(self, translated: Translated, cost_of: Callable[[str], float | None]) -> Iterator[str]:
        try:
            with translated():
                for chunk in self._chunks:
                    if piece := self._add(chunk):
                        yield piece
            whole = self._whole()
            self._end(whole, cost_of(whole.request_id))
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._chunks.close()

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStream(_Pieces):
    """Iterate over pieces of text with `async for`; `result` holds the whole answer after the end.

    Close it, or use `async with`, where the loop may be left early.
    """

    def __init__(
        self,
        chunks: Any,
        *,
        started: float,
        translated: Translated,
        cost_of: Callable[[str], Awaitable[float | None]],
        rate: Callable[..., Any],
    ) -> None:
        super().__init__(chunks, started, rate)
        self._pieces = self._read(translated, cost_of)

    async def _read(
        self, translated: Translated, cost_of: Callable[[str], Awaitable[float | None]]
    ) -> AsyncIterator[str]:
        try:
            with translated():
                async for chunk in self._chunks:
                    if piece := self._add(chunk):
                        yield piece
            whole = self._whole()
            self._end(whole, await cost_of(whole.request_id))
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._chunks.close()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
