"""The body of a native request: held where the gateway or a signature must see it whole, else passed on as it comes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from typing import IO

from starlette.types import Receive

from workbench.errors import PayloadTooLarge, WorkbenchError
from workbench.gateway.unified.body import ClientLeft

_IN_MEMORY = 1024 * 1024
"""What is kept of a body in memory while its model is looked for; the rest waits in a file."""
_PIECE = 256 * 1024


class Incoming:
    """Pieces of a body as they come, counted."""

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0
        self.ended = False
        """Whether the last piece has come."""
        length = headers.get(b"content-length", b"")
        self.declared = int(length) if length.isdigit() else None
        """How long it is said to be; None: not said."""
        if self.declared is not None and self.declared > limit:
            raise self._too_large()

    async def next(self) -> bytes:
        """Return the next piece; raises ClientLeft, or PayloadTooLarge as soon as there is too much."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        self.ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._size += len(chunk)
        if self._size > self._limit:
            raise self._too_large()
        return chunk

    async def whole(self) -> bytes:
        """Return the whole body."""
        chunks = []
        while not self.ended:
            chunks.append(await self.next())
        return b"".join(chunks)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The request body is larger than {self._limit} bytes.",
            hint="Send less, or have the admin raise [gateway] max_body_bytes.",
        )


class Passing:
    """A body that goes on while it comes: first what was looked at, then the rest. It can be sent once."""

    def __init__(self, incoming: Incoming, look: Callable[[bytes], None] | None = None) -> None:
        self._incoming = incoming
        self._look = look
        self._held: IO[bytes] | None = None
        self.error: WorkbenchError | ClientLeft | None = None
        """What went wrong with it while it was sent: the caller's, though the provider's connection broke."""
        self.begun = False
        """Whether some of it may be out."""

    @property
    def declared(self) -> int | None:
        """How long it is said to be."""
        return self._incoming.declared

    async def peek(self, enough: Callable[[], bool]) -> None:
        """Take pieces, and keep them, until what is looked for is there or there are no more."""
        while not (self._incoming.ended or enough()):
            self._keep(await self._next())

    async def _next(self) -> bytes:
        chunk = await self._incoming.next()
        if self._look is not None:
            self._look(chunk)
        return chunk

    def _keep(self, chunk: bytes) -> None:
        if self._held is None:
            self._held = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
        self._held.write(chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        try:
            if self._held is not None:
                self._held.seek(0)
                while chunk := self._held.read(_PIECE):
                    yield chunk
                self.close()
            while not self._incoming.ended:
                if chunk := await self._next():
                    yield chunk
        except (WorkbenchError, ClientLeft) as error:
            self.error = error
            raise

    def close(self) -> None:
        """Let go of what is held."""
        if self._held is not None:
            self._held.close()
            self._held = None
