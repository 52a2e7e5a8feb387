"""Server-sent events, read without being re-framed: bytes in, the same bytes out, cut only between events.

Source: WHATWG HTML, section 9.2 (server-sent events). Line ends may be LF, CR LF or CR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
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
        before = b"".join(self._parts[-3:])[-3:]
        self._parts.append(chunk)
        end = _END_OF_EVENT.search(before + chunk)
        if end is None:
            return
        buffer = self.rest
        start = 0
        search = len(buffer) - len(chunk) - len(before) + end.start()
        while (end := _END_OF_EVENT.search(buffer, search)) is not None:
            yield parse(buffer[start : end.end()])
            start = search = end.end()
        self._parts = [buffer[start:]] if start < len(buffer) else []


def parse(raw: bytes) -> Event:
    """Read the fields of one event."""
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return Event(raw=raw, data=raw[6:-2])  # the shape that nearly every event has
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
