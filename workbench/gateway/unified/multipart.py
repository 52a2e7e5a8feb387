"""Multipart bodies, found in a stream without a byte changed: where each part begins and ends.

Source: RFC 7578 and RFC 2046, section 5.1. Nothing here holds more than a piece of the body and one part's head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import InvalidInput

_MOST_PARTS = 200
_LONGEST_HEAD = 16 * 1024
_PLAIN_ENCODINGS = (b"binary", b"8bit", b"7bit")
_PARAMETER = re.compile(rb';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))')
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


@dataclass(slots=True)
class Part:
    """One part: its head, and where its value stands in the body."""

    name: str
    """Name of the form's field."""
    filename: str | None
    """Name of the file, where it is one."""
    content_type: str
    """What it says that it is; empty where it says nothing."""
    start: int
    """Offset of its first byte in the body."""
    end: int = -1
    """Offset behind its last byte."""

    @property
    def size(self) -> int:
        """Bytes of its value."""
        return self.end - self.start


def boundary_of(content_type: bytes) -> bytes:
    """Return the boundary that a content type names; raises InvalidInput where there is none."""
    for name, quoted, plain in _PARAMETER.findall(content_type):
        if name.lower() == b"boundary":
            boundary = bytes(quoted or plain)
            if _BOUNDARY.fullmatch(boundary):
                return boundary
    raise bad_multipart("its content type names no boundary")


class Scanner:
    """Takes a body piece by piece and finds its parts."""

    def __init__(self, boundary: bytes) -> None:
        self.parts: list[Part] = []
        """Those whose head has come, in order."""
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter may stand at the very beginning: a line end is thought before it.
        self._buffer = b"\r\n"
        self._offset = -2
        self._step = self._preamble
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        """Take the next piece; raises InvalidInput as soon as it can't be multipart."""
        if self._ended:
            return  # an epilogue is nobody's
        self._buffer += chunk
        while self._step():
            pass

    def finish(self) -> list[Part]:
        """Return the parts of a whole body; raises InvalidInput where the end is missing."""
        if not self._ended:
            if not self.parts:
                raise bad_multipart("its boundary stands nowhere in it")
            raise bad_multipart(f"it ends in the middle of part {self.parts[-1].name!r}")
        return self.parts

    # -- steps: each takes what it can from the buffer and tells whether there may be more to take --------------------

    def _take(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._offset += count

    def _preamble(self) -> bool:
        return self._find_delimiter() is not None

    def _value(self) -> bool:
        end = self._find_delimiter()
        if end is None:
            return False
        self.parts[-1].end = end
        return True

    def _find_delimiter(self) -> int | None:
        """Pass over the next delimiter and return its offset; without one, let go of what can't belong to it."""
        found = self._buffer.find(self._delimiter)
        if found < 0:
            self._take(max(0, len(self._buffer) - len(self._delimiter) + 1))
            return None
        offset = self._offset + found
        self._take(found + len(self._delimiter))
        self._step = self._behind_delimiter
        return offset

    def _behind_delimiter(self) -> bool:
        padded = self._buffer.lstrip(b" \t")
        if len(padded) < 2:
            if len(self._buffer) > _LONGEST_HEAD:
                raise bad_multipart("a boundary has no line end")
            return False
        if padded.startswith(b"--"):
            self._ended = True
            return False
        if not padded.startswith(b"\r\n"):
            raise bad_multipart("a boundary is followed by neither a line end nor '--'")
        # The line end stays: an empty head is then a head like any other.
        self._take(len(self._buffer) - len(padded))
        self._step = self._head
        return True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise bad_multipart(f"the head of a part is over {_LONGEST_HEAD} bytes")
            return False
        if len(self.parts) >= _MOST_PARTS:
            raise bad_multipart(f"it has more than {_MOST_PARTS} parts")
        self.parts.append(_part(self._buffer[2:end], start=self._offset + end + 4))
        self._take(end + 4)
        # An empty value: its delimiter's line end must not be the one that ended the head.
        self._step = self._value
        return True


def bad_multipart(fault: str) -> InvalidInput:
    """Return the error for a body that is no multipart form."""
    return InvalidInput(
        f"The request body is not a multipart form: {fault}.",
        hint="Send multipart/form-data as the SDKs do.",
        code="invalid_multipart",
    )


def _part(head: bytes, *, start: int) -> Part:
    # What parsers read in different ways is refused: a provider must find the same field in a part as the gateway.
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        field, colon, value = line.partition(b":")
        if b"\n" in line or b"\r" in line or (line and (not colon or line[:1] in b" \t")):
            raise bad_multipart("a line in the head of a part is no header")
        if line and field.strip().lower() in fields:
            raise bad_multipart("a header stands twice in the head of a part")
        fields[field.strip().lower()] = value.strip()
    disposition = fields.get(b"content-disposition", b"")
    if disposition.partition(b";")[0].strip().lower() != b"form-data":
        raise bad_multipart("a part has no content-disposition of form-data")
    named = _PARAMETER.findall(disposition)
    given = {key.lower(): _unquoted(quoted) or plain for key, quoted, plain in named}
    if len(given) < len(named) or b"name*" in given:
        raise bad_multipart("a part has two names")
    name = _text(given.get(b"name", b""))
    if not name:
        raise bad_multipart("a part has no name")
    filename = given.get(b"filename")
    if fields.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN_ENCODINGS:
        raise bad_multipart(f"part {name!r} has a transfer encoding")
    return Part(
        name=name,
        filename=None if filename is None and b"filename*" not in given else _text(filename or given[b"filename*"]),
        content_type=_text(fields.get(b"content-type", b"")),
        start=start,
    )


def _unquoted(quoted: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", quoted)


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise bad_multipart("the head of a part is not UTF-8") from error
    if "\x00" in text:
        raise bad_multipart("the head of a part holds a NUL")
    return text
