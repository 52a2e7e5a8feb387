"""A multipart body that was read: kept as it came, in memory or, over a limit, in a temporary file without a name.

It goes to a provider as often as that is tried. Only the values that the gateway replaces differ from what came.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput, UnsupportedMedia
from workbench.gateway.unified.body import ClientLeft, too_large
from workbench.gateway.unified.multipart import Part, Scanner, bad_multipart, boundary_of

if TYPE_CHECKING:
    from starlette.types import Receive

IN_MEMORY = 1024 * 1024
"""Bytes above which a body is kept on disk."""
PIECE = 64 * 1024
_LONGEST_TEXT = 256 * 1024


class Form:
    """The parts of a multipart body, in order."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        """As the caller sent it, boundary included."""
        self.size = 0
        """Bytes of the whole body."""
        self.parts: list[Part] = []
        """The parts, in order."""
        self.replaced: dict[str, bytes] = {}
        """Values that stand in the place of what came, by the name of the part."""
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - `close` ends it

    def write(self, chunk: bytes) -> None:
        """Keep the next piece."""
        self._file.write(chunk)
        self.size += len(chunk)

    def named(self, name: str) -> list[Part]:
        """Return the parts of a name."""
        return [part for part in self.parts if part.name == name]

    def text(self, name: str) -> str | None:
        """Return the text of a field, None where it is not there; raises InvalidInput for a file, or for two."""
        found = self.named(name)
        if not found:
            return None
        if len(found) > 1:
            raise InvalidInput(f"{name} stands {len(found)} times in the form.", hint="Send it once.", param=name)
        part = found[0]
        if part.size > _LONGEST_TEXT:
            raise InvalidInput(f"{name} is over {_LONGEST_TEXT} bytes.", hint="Shorten it.", param=name)
        try:
            return self.read(part).decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{name} is not UTF-8.", hint="Send text.", param=name) from error

    def texts(self) -> dict[str, str]:
        """Return the fields that are no files; of several with one name the last."""
        plain = (part for part in self.parts if part.filename is None and part.size <= _LONGEST_TEXT)
        return {part.name: self.read(part).decode("utf-8", "replace") for part in plain}

    def read(self, part: Part, count: int | None = None) -> bytes:
        """Return the value of a part, or its first bytes."""
        self._file.seek(part.start)
        return self._file.read(part.size if count is None else min(count, part.size))

    def digest(self) -> str:
        """Return a hash over names, files and values: the same for the same form, whatever its boundary."""
        told = hashlib.sha256()
        for part in self.parts:
            told.update(repr((part.name, part.filename, part.size)).encode())
            self._file.seek(part.start)
            left = part.size
            while left and (piece := self._file.read(min(PIECE, left))):
                told.update(piece)
                left -= len(piece)
        return told.hexdigest()

    def size_with(self, values: Mapping[str, bytes]) -> int:
        """Return the bytes of the body with some values replaced."""
        values = {**self.replaced, **values}
        return self.size + sum(len(values[part.name]) - part.size for part in self.parts if part.name in values)

    async def body_with(self, values: Mapping[str, bytes]) -> AsyncIterator[bytes]:
        """Yield the body, some values replaced, every other byte as it came."""
        values = {**self.replaced, **values}
        at = 0
        for part in self.parts:
            if part.name in values:
                for piece in self._pieces(at, part.start):
                    yield piece
                yield values[part.name]
                at = part.end
        for piece in self._pieces(at, self.size):
            yield piece

    def close(self) -> None:
        """Forget the body."""
        self._file.close()

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            self._file.seek(start)  # each time: several may read at once
            piece = self._file.read(min(PIECE, end - start))
            start += len(piece)
            yield piece


async def read_form(receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> Form:
    """Read a multipart body of at most `limit` bytes; raises InvalidInput that names the fault, or ClientLeft."""
    kind = headers.get(b"content-type", b"")
    if kind.partition(b";")[0].strip().lower() != b"multipart/form-data":
        raise UnsupportedMedia(
            f"The content type {kind.decode('latin-1')[:100]!r} is not taken here.", hint="Send multipart/form-data."
        )
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    scanner = Scanner(boundary_of(kind))
    form = Form(kind.decode("latin-1"))
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            chunk = message.get("body", b"")
            if form.size + len(chunk) > limit:
                raise too_large(limit)
            form.write(chunk)
            scanner.feed(chunk)
            if not message.get("more_body", False):
                break
        form.parts = scanner.finish()
        if not form.parts:
            raise bad_multipart("it has no parts")
    except BaseException:
        form.close()
        raise
    return form
