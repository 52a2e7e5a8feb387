"""Restores tokens in a stream, wherever its events are cut; an event without a token passes as it came."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from workbench.gateway.privacy.deltas import ConverseDeltas, Deltas, GenerateDeltas, MessageDeltas, OpenAIDeltas
from workbench.gateway.privacy.restore import TextInPieces, Vault
from workbench.wire import event_stream, sse
from workbench.wire.json_strings import Path, exchanged
from workbench.wire.sse import Event


class _Chunk(msgspec.Struct):
    bytes: str = ""


_object = msgspec.json.Decoder(dict[str, Any])
_chunk = msgspec.json.Decoder(_Chunk)
PROTOCOLS: Mapping[str, Deltas] = {
    "openai": OpenAIDeltas(),
    "anthropic": MessageDeltas(),
    "gemini": GenerateDeltas(),
    "bedrock": ConverseDeltas(),
}
"""Where texts stand, by the dialect's name."""


class StreamRestorer:
    """Restores one stream, event by event."""

    def __init__(self, vault: Vault, dialect: str) -> None:
        self._vault = vault
        self._deltas = PROTOCOLS[dialect]
        self._texts: dict[Hashable, TextInPieces] = {}
        self._wrapped: StreamRestorer | None = None

    def event(self, event: Event) -> Event:
        """Return an event with the texts that are certain by now; what was held back comes before an end."""
        if not event.data:
            return event
        if event.name == "chunk" and _is_message(event.raw):
            return self._chunk(event)
        try:
            content = _object.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._ended(event, None)
        news: dict[Path, str] = {}
        for delta in self._deltas.found(content, event.name):
            texts = self._texts.get(delta.channel)
            if texts is None:
                texts = self._texts[delta.channel] = TextInPieces(self._vault, within_json=delta.within_json)
            text = texts.feed(delta.text)
            if self._deltas.ends(content, event.name, delta.channel):
                text += texts.end()
            if text != delta.text:
                news[delta.path] = text
        if news:
            event = _with_data(event, exchanged(event.data, news))
        return self._ended(event, content)

    def _chunk(self, event: Event) -> Event:
        """Restore what InvokeModel's stream wraps: the model's own event, for Claude one of Anthropic's."""
        if self._wrapped is None:
            self._wrapped = StreamRestorer(self._vault, "anthropic")
        try:
            inner = base64.b64decode(_chunk.decode(event.data).bytes)
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error):
            return event
        plain = sse.frame(inner)
        restored = self._wrapped.event(sse.parse(plain)).raw
        if restored == plain:
            return event
        wraps = [
            msgspec.json.encode(_Chunk(base64.b64encode(one.data).decode())) for one in sse.Splitter().feed(restored)
        ]
        raw = b"".join(event_stream.event("chunk", data) for data in wraps)
        return Event(raw=raw, data=wraps[-1], name=event.name)

    def _ended(self, event: Event, content: dict[str, Any] | None) -> Event:
        """Put what was still held back of the texts that end here before the event that ends them."""
        raw = event.raw
        for channel in [one for one in self._texts if self._deltas.ends(content, event.name, one)]:
            held = self._texts.pop(channel).end()
            if held:
                name, more = self._deltas.more(content, channel, held)
                raw = _with_one_before(event, raw, name, msgspec.json.encode(more))
        return event if raw is event.raw else Event(raw=raw, data=event.data, name=event.name)


def _is_message(raw: bytes) -> bool:
    """Tell whether an event is a binary message: those begin with their length, which is below 16 MB."""
    return raw[:1] in (b"\0", b"\1")


def _with_data(event: Event, data: bytes) -> Event:
    if _is_message(event.raw):
        raw = event_stream.encode(event_stream.read(event.raw).headers, data)
    elif event.data in event.raw:
        raw = event.raw.replace(event.data, data, 1)
    else:  # its data came in several lines
        raw = sse.frame(data, name=event.name)
    return Event(raw=raw, data=data, name=event.name)


def _with_one_before(event: Event, raw: bytes, name: str, data: bytes) -> bytes:
    if _is_message(event.raw):
        return event_stream.event(name, data) + raw
    if raw.lstrip().startswith((b"[", b",", b"{")):  # an element of a JSON array, its comma or bracket before it
        at = raw.index(b"{")
        return raw[:at] + data + b",\r\n" + raw[at:]
    return sse.frame(data, name=name) + raw
