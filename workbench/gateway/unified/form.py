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


class Kept:
    """Bytes that were written once and are read as often as needed."""

    def __init__(self) -> None:
        self.size = 0
        """How many there are."""
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - `close` ends it

    def write(self, chunk: bytes) -> None:
        """Keep the next piece."""
        self._file.seek(self.size)
        self._file.write(chunk)
        self.size += len(chunk)

    def read(self, start: int, count: int) -> bytes:
        """Return some of the bytes."""
        self._file.seek(start)  # each time: several may read at once
        return self._file.read(count)

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield a stretch of the bytes, piece by piece."""
        end = self.size if end is None else end
        while start < end:
            piece = self.read(start, min(PIECE, end - start))
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Forget them."""
        self._file.close()


class Form:
    """The parts of a multipart body, in order."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        """As the caller sent it, boundary included."""
        self.body = Kept()
        """The whole body."""
        self.parts: list[Part] = []
        """The parts, in order."""
        self._replaced: dict[str, Kept] = {}

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return self.body.size

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
        return self.body.read(part.start, part.size if count is None else min(count, part.size))

    def digest(self) -> str:
        """Return a hash over names, files and values: the same for the same form, whatever its boundary."""
        told = hashlib.sha256()
        for part in self.parts:
            told.update(repr((part.name, part.filename, part.size)).encode())
            for piece in self.body.pieces(part.start, part.end):
                told.update(piece)
        return told.hexdigest()

    def replace(self, name: str, value: Kept) -> None:
        """Let another value go to providers in the place of a part's."""
        self._replaced[name] = value

    def size_with(self, values: Mapping[str, bytes]) -> int:
        """Return the bytes of the body that `body_with` yields."""
        sizes = {name: kept.size for name, kept in self._replaced.items()}
        sizes |= {name: len(value) for name, value in values.items()}
        return self.size + sum(sizes[part.name] - part.size for part in self.parts if part.name in sizes)

    async def body_with(self, values: Mapping[str, bytes]) -> AsyncIterator[bytes]:
        """Yield the body, some values replaced, every other byte as it came."""
        at = 0
        for part in self.parts:
            kept = self._replaced.get(part.name)
            if part.name not in values and kept is None:
                continue
            for piece in self.body.pieces(at, part.start):
                yield piece
            for piece in [values[part.name]] if kept is None else kept.pieces():
                yield piece
            at = part.end
        for piece in self.body.pieces(at):
            yield piece

    def close(self) -> None:
        """Forget the body."""
        for kept in (self.body, *self._replaced.values()):
            kept.close()


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
            form.body.write(chunk)
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
