"""Server-sent events, read without being re-framed: bytes in, the same bytes out, cut only between events.

Source: WHATWG HTML, section 9.2 (server-sent events). Line ends may be LF, CR LF or CR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream."""

    raw: bytes
    """The bytes as they came, the closing blank line included."""
    data: bytes
    """The `data:` lines joined by LF; empty for a comment."""
    name: str = ""
    """The `event:` field."""


class Splitter:
    """Collect chunks of a stream and give out each event that has become whole; each byte is looked at once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @property
    def rest(self) -> bytes:
        """Bytes that belong to an event whose end has not come."""
        return b"".join(self._parts)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that `chunk` completes."""
        if not chunk:
            return
        # What came before holds no end, but may hold the first bytes of one.
        fresh = b"".join(self._parts[-3:])[-3:] + chunk
        self._parts.append(chunk)
        if not (b"\n\n" in fresh or (b"\r" in fresh and _END_OF_EVENT.search(fresh))):
            return
        buffer = self.rest
        if b"\r" in buffer:
            yield from self._slowly(buffer, len(buffer) - len(fresh))
            return
        *whole, rest = buffer.split(b"\n\n")
        self._parts = [rest] if rest else []
        for piece in whole:
            if piece.startswith(b"data: ") and b"\n" not in piece:
                yield Event(piece + b"\n\n", piece[6:])  # the shape that nearly every event has
            else:
                yield parse(piece + b"\n\n")

    def _slowly(self, buffer: bytes, search: int) -> Iterator[Event]:
        start = 0
        while (end := _END_OF_EVENT.search(buffer, search)) is not None:
            yield parse(buffer[start : end.end()])
            start = search = end.end()
        self._parts = [buffer[start:]] if start < len(buffer) else []


def parse(raw: bytes) -> Event:
    """Read the fields of one event."""
    data: list[bytes] = []
    name = ""
    for line in _END_OF_LINE.split(raw):
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(raw=raw, data=b"\n".join(data), name=name)


def frame(data: bytes, *, name: str = "") -> bytes:
    """Return one event as bytes."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"
