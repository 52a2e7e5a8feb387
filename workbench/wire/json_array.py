"""A JSON array that comes in pieces, as Gemini streams without `alt=sse`: an event per element, no byte changed.

Brackets, commas and white space stay in `raw`, so the events' raw bytes joined are the bytes that came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.errors import ProviderError
from workbench.wire.sse import Event

END = "end"
"""Name of the event that closes the array; its `data` is empty."""

_SPACE = b" \t\r\n"
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')


class Splitter:
    """Collect chunks of a JSON array of objects and give out each element that has become whole."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._depth = 0
        self._element = 0
        self._in_text = False
        self._closed = False

    @property
    def rest(self) -> bytes:
        """Bytes that belong to an element whose end has not come."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the elements that `chunk` completes, then the end.

        Raises ProviderError where the bytes are no array of objects.
        """
        self._rest += chunk
        while (end := self._next_end()) is not None:
            if self._depth == 0:
                yield Event(raw=self._cut(end), data=b"", name=END)
                self._closed = True
            else:
                start = self._element
                data = bytes(self._rest[start:end])
                yield Event(raw=self._cut(end), data=data)
        if self._closed and self._rest:
            if self._rest.strip(_SPACE):
                raise _broken("something stands after its end")
            yield Event(raw=self._cut(len(self._rest)), data=b"", name=END)

    def _cut(self, end: int) -> bytes:
        raw = bytes(self._rest[:end])
        del self._rest[:end]
        self._searched = self._element = 0
        return raw

    def _next_end(self) -> int | None:
        """Return where the next element, or the array, ends; None while that has not come."""
        while not self._closed:
            found = (_INSIDE if self._in_text else _OUTSIDE).search(self._rest, self._searched)
            if found is None:
                self._no_strangers(self._searched, len(self._rest))
                self._searched = len(self._rest)
                return None
            sign, at = found.group(), found.start()
            self._no_strangers(self._searched, at)
            if sign == b"\\" and at + 2 > len(self._rest):  # what it escapes has not come
                self._searched = at
                return None
            self._searched = at + (2 if sign == b"\\" else 1)
            if self._step(sign, at):
                return self._searched
        return None

    def _step(self, sign: bytes, at: int) -> bool:
        """Take one sign; return whether it ends an element or the array."""
        if sign == b"\\":
            return False
        if self._depth < 2 and sign not in (b"[" if self._depth == 0 else b"{]"):
            raise _broken("it is no array of objects")
        if sign == b'"':
            self._in_text = not self._in_text
        elif sign in b"{[":
            if self._depth == 1:
                self._element = at
            self._depth += 1
        else:
            self._depth -= 1
            return self._depth < 2
        return False

    def _no_strangers(self, start: int, end: int) -> None:
        """Refuse anything but commas and white space between elements."""
        if self._depth < 2 and self._rest[start:end].strip(_SPACE + b","):
            raise _broken("it is no array of objects")


def _broken(what: str) -> ProviderError:
    return ProviderError(f"The provider's JSON array is broken: {what}.")
