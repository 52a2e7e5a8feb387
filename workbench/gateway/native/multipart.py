"""Find a few short fields in a multipart body while it passes, without holding it.

Source: RFC 7578 and RFC 2046, section 5.1. A field that stands twice with two values is refused: the gateway and the
provider might each believe another one.
"""

from __future__ import annotations

import re

from workbench.errors import InvalidInput

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^;,\s"]{1,70}))', re.IGNORECASE)
_PARAMETER = rb';\s*([\w.*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s]*)\s*'
_PARAMETERS = re.compile(_PARAMETER)
_DISPOSITION = re.compile(rb"content-disposition:\s*[\w-]+\s*((?:" + _PARAMETER + rb")*);?", re.IGNORECASE)
_MOST_HEAD, _MOST_FIELD = 16 * 1024, 4 * 1024


class Fields:
    """Reads a multipart body piece by piece; `found` holds the wanted fields that have come whole."""

    def __init__(self, content_type: str, wanted: frozenset[str]) -> None:
        match = _BOUNDARY.search(content_type)
        if match is None:
            raise _broken("its content type names no boundary")
        self.found: dict[str, str] = {}
        self.ended = False
        """Whether the last boundary has come."""
        self._wanted = wanted
        self._delimiter = b"\r\n--" + (match[1] or match[2]).encode("latin-1", "replace")
        self._rest = bytearray(b"\r\n")  # the first delimiter may stand without a line before it
        self._state = self._before
        self._name: str | None = None
        self._value = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next piece; raises InvalidInput where the body is no multipart."""
        self._rest += chunk
        while not self.ended and self._state():
            pass
        if self.ended:
            self._rest.clear()

    def end(self) -> None:
        """Take the end; raises InvalidInput where the body stops in the middle."""
        if not self.ended:
            raise _broken("it ends before its last boundary")

    def _before(self) -> bool:
        """Skip to the next delimiter; what stands before it is a field's value, or nobody's."""
        at = self._rest.find(self._delimiter)
        kept = at if at >= 0 else max(0, len(self._rest) - len(self._delimiter))
        if self._name is not None:
            self._value += self._rest[:kept]
            if len(self._value) > _MOST_FIELD:
                raise _broken(f"its field {self._name!r} is longer than {_MOST_FIELD} bytes")
        del self._rest[:kept]
        if at < 0:
            return False
        if len(self._rest) < len(self._delimiter) + 2:
            return False
        self._close()
        after = bytes(self._rest[len(self._delimiter) : len(self._delimiter) + 2])
        if after == b"--":
            self.ended = True
        elif after != b"\r\n":
            raise _broken("something stands behind a boundary")
        del self._rest[: len(self._delimiter)]
        self._state = self._head
        return True

    def _head(self) -> bool:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            if len(self._rest) > _MOST_HEAD:
                raise _broken("the head of a part is too long")
            return False
        name = _name_of(bytes(self._rest[:end]))
        self._name = name if name in self._wanted else None
        del self._rest[: end + 4]
        self._state = self._before
        return True

    def _close(self) -> None:
        if self._name is None:
            return
        value = self._value.decode("utf-8", "replace")
        if self.found.setdefault(self._name, value) != value:
            raise _broken(f"its field {self._name!r} stands twice")
        self._name = None
        self._value = bytearray()


def _name_of(head: bytes) -> str:
    """Return the name of a part; raises InvalidInput where its head tells two."""
    told = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition")]
    if len(told) > 1:
        raise _broken("a part has two names")
    match = _DISPOSITION.fullmatch(told[0]) if told else None
    if told and match is None:
        raise _broken("the name of a part is not written as it must be")
    parameters = _PARAMETERS.findall(match[1]) if match else []
    names = [value for name, value in parameters if name.lower() == b"name"]
    if len(names) > 1:
        raise _broken("a part has two names")
    return names[0].strip(b'"').decode("utf-8", "replace") if names else ""


def _broken(why: str) -> InvalidInput:
    return InvalidInput(
        f"The multipart body can't be read: {why}.", hint="Send it as the SDK makes it.", code="invalid_multipart"
    )
