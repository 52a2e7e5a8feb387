"""What the gateway must know of a wire protocol to stand in the middle of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from workbench.errors import LimitExceeded, ProviderUnavailable, Unavailable, WorkbenchError
from workbench.wire.sse import Event

Headers = list[tuple[bytes, bytes]]
_SOON = 2
"""Seconds after which a part of the gateway that failed may be back."""


class Framing(Protocol):
    """Finds the events in the bytes of a stream, and never cuts them elsewhere."""

    @property
    def rest(self) -> bytes:
        """Bytes of an event whose end has not come."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that `chunk` completes."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire protocol."""

    name: str
    """What it is called here."""
    presented: Callable[[Mapping[bytes, bytes], bytes], str | None]
    """Headers, query string -> the gateway key, wherever this protocol's SDKs put it."""
    error_body: Callable[[WorkbenchError, str], bytes]
    """Error, request id -> a body that the SDKs raise by type."""
    error_event: Callable[[bytes], bytes | None]
    """Such a body -> one frame that the SDKs raise in the middle of a stream; None where there is no such frame."""
    error_headers: Callable[[WorkbenchError], Headers]
    """Error -> headers of its own, `retry-after` among them."""
    framing: Callable[[str], Framing | None]
    """An answer's content type -> how its frames are found; None: it has none, bytes pass as they come."""
    error_type: bytes = b"application/json"
    """Content type of an error."""


def come_back(error: WorkbenchError) -> Headers:
    """Return the header that tells when to come back, where that is known."""
    if isinstance(error, LimitExceeded | ProviderUnavailable) and error.retry_after is not None:
        return [(b"retry-after", f"{max(1, round(error.retry_after))}".encode())]
    if isinstance(error, Unavailable):
        return [(b"retry-after", f"{_SOON}".encode())]
    return []
