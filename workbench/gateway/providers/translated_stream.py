"""A stream of another protocol as a stream of OpenAI's chunks, event by event, its terminal event included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from workbench.errors import ProviderError
from workbench.gateway.providers.http import HttpStream
from workbench.wire.sse import Event, frame, parse

_DONE = parse(frame(b"[DONE]"))


class Parser(Protocol):
    """What understands one event after the other."""

    response_id: str
    served_model: str | None

    def chunk_parser(self, chunk: dict[str, Any]) -> Any:
        """Return a chunk in OpenAI's shape, as a pydantic model."""


class TranslatedStream:
    """A stream whose events become OpenAI's chunks, one by one."""

    status = 200
    content_type = b"text/event-stream; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def cut(self) -> bool:
        """Whether the provider's connection ended before its body did."""
        return self._stream.cut

    def __init__(self, stream: HttpStream, parser: Parser, *, terminal: str, name: str) -> None:
        self.request_id = stream.request_id
        self._stream = stream
        self._terminal = terminal
        self._name = name
        self._created = int(time.time())
        self._usage: dict[str, Any] | None = None
        self._begun = False
        self._first: list[Event] = []
        self._parser = parser

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
        return []

    async def finish(self) -> None:
        """Let go of the connection after the terminal event."""
        await self._stream.finish()

    def abort(self) -> None:
        """Close the connection at once."""
        self._stream.abort()

    def _chunks(self, event: Event) -> Iterator[Event]:
        try:
            fields = msgspec.json.decode(event.data) if event.data else {}
            kind = fields.get("type", "")
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError) as error:
            raise ProviderError(f"Provider {self._name!r} sent an event that is not JSON.") from error
        if kind == "error":
            said = fields.get("error") or {}
            yield _event(
                {"error": {"message": str(said.get("message")), "type": said.get("type"), "code": "provider_error"}}
            )
            return
        if kind == self._terminal:
            if self._usage is not None:
                yield self._chunk([], usage=self._usage)
            yield _DONE
            return
        if kind == "ping" or not kind:
            return
        try:
            parsed = self._parser.chunk_parser(fields).model_dump(exclude_none=True)
        except Exception as error:
            raise ProviderError(f"Provider {self._name!r} sent an event that can't be translated.") from error
        self._usage = parsed.get("usage") or self._usage
        for choice in parsed.get("choices", ()):
            delta = _delta(choice.get("delta") or {})
            finish = choice.get("finish_reason") or None
            if delta or finish or not self._begun:
                if not self._begun:
                    self._begun = True
                    delta = {"role": "assistant", "content": "", **delta}
                yield self._chunk([{"index": choice.get("index", 0), "delta": delta, "finish_reason": finish}])

    def _chunk(self, choices: list[dict[str, Any]], *, usage: dict[str, Any] | None = None) -> Event:
        return _event(
            {
                "id": self._parser.response_id,
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": self._parser.served_model or "",
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
