"""A stream of another protocol as a stream of OpenAI's chunks, event by event, its terminal event included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.errors import ProviderError
from workbench.gateway.providers.http import HttpStream
from workbench.gateway.providers.translation import EventReader
from workbench.wire.sse import Event, frame, parse

_DONE = parse(frame(b"[DONE]"))


class TranslatedStream:
    """A stream whose events become OpenAI's chunks, one by one."""

    status = 200
    content_type = b"text/event-stream; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self, stream: HttpStream, reader: EventReader, *, name: str) -> None:
        self.request_id = stream.request_id
        self.limits = stream.limits
        self._stream = stream
        self._reader = reader
        self._name = name
        self._created = int(time.time())
        self._usage: dict[str, Any] | None = None
        self._begun: set[int] = set()
        # A choice ends once, in a chunk of its own: litellm calls every piece of a Gemini stream the last one.
        self._finished: dict[int, str] = {}
        self._ended = False
        self._first: list[Event] = []

    @property
    def cut(self) -> bool:
        """Whether the provider's connection ended before its body did."""
        return self._stream.cut

    async def open(self) -> TranslatedStream:
        """Wait for the first chunk."""
        try:
            self._first = await self.next()
        except BaseException:
            self.abort()
            raise
        if not self._first:
            self.abort()
            raise ProviderError(f"Provider {self._name!r} ended its stream before the first chunk.")
        return self

    async def next(self) -> list[Event]:
        """Return the chunks that have come since; an empty list at the end."""
        if self._first:
            chunks, self._first = self._first, []
            return chunks
        while events := await self._stream.next():
            chunks = [chunk for event in events for chunk in self._chunks(event)]
            if chunks:
                return chunks
        return list(self._end()) if self._reader.whole else []

    async def finish(self) -> None:
        """Let go of the connection after the terminal event."""
        await self._stream.finish()

    def abort(self) -> None:
        """Close the connection at once."""
        self._stream.abort()

    def _chunks(self, event: Event) -> Iterator[Event]:
        try:
            step = self._reader.read(event)
        except Exception as error:
            raise ProviderError(f"Provider {self._name!r} sent an event that can't be translated.") from error
        if step is None:
            return
        if step.error is not None:
            yield _event({"error": {**step.error, "code": "provider_error"}})
            return
        if step.chunk is not None:
            yield from self._choices(step.chunk)
        if step.last:
            yield from self._end()

    def _choices(self, chunk: dict[str, Any]) -> Iterator[Event]:
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            index = choice.get("index", 0)
            delta, finish = _delta(choice.get("delta") or {}), choice.get("finish_reason") or None
            if index not in self._begun:
                self._begun.add(index)
                delta = {"role": "assistant", "content": "", **delta}
            elif not delta.keys() - {"role"}:
                delta = {}
            if finish is not None and not (finish == "stop" and self._finished.get(index) == "tool_calls"):
                self._finished[index] = finish
            if not delta:
                continue
            told = {"index": index, "delta": delta, "finish_reason": None}
            if choice.get("logprobs"):
                told["logprobs"] = choice["logprobs"]
            yield self._chunk([told])

    def _end(self) -> Iterator[Event]:
        """Tell why each choice ended, the usage, and that all is told, once."""
        if self._ended:
            return
        self._ended = True
        for index, finish in self._finished.items():
            yield self._chunk([{"index": index, "delta": {}, "finish_reason": finish}])
        if self._usage is not None:
            yield self._chunk([], usage=self._usage)
        yield _DONE

    def _chunk(self, choices: list[dict[str, Any]], *, usage: dict[str, Any] | None = None) -> Event:
        return _event(
            {
                "id": self._reader.id,
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": self._reader.model,
                "choices": choices,
                "usage": usage,
            }
        )


def _delta(delta: dict[str, Any]) -> dict[str, Any]:
    """Return a delta without what is empty; litellm fills in every field."""
    return {name: value for name, value in delta.items() if value not in ("", None, [], {})}


def _event(fields: dict[str, Any]) -> Event:
    data = msgspec.json.encode(fields)
    return Event(raw=b"data: " + data + b"\n\n", data=data)
