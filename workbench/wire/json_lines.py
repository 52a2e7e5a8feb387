"""JSON values, one a line, as Ollama streams them: an event per line, no byte changed."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.wire.sse import Event

CONTENT_TYPE = "application/x-ndjson"


class Splitter:
    """Collect chunks of lines and give out each line that has become whole."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """Bytes of a line whose end has not come."""
        return self._rest

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the lines that `chunk` completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield Event(raw=line + b"\n", data=line.strip())
