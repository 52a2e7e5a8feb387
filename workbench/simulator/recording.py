"""What the simulator saw: every request as it arrived, and how it ended."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

_MOST = 50_000
_MOST_BYTES = 256 * 1024 * 1024


class Seen(msgspec.Struct, kw_only=True):
    """One request."""

    path: str
    """Path as it was sent, percent-encoding and region included, without the query."""
    headers: dict[str, str]
    """Headers, names in lower case."""
    body: Any
    """The JSON body; None if it was none."""
    method: str = "POST"
    """HTTP method; WEBSOCKET for an upgrade."""
    query: str = ""
    """Query as it was sent."""
    raw: bytes = b""
    """The body as it came; in JSON as base64."""
    provider: str = ""
    """Whose path it was: openai azure anthropic gemini vertex bedrock ollama tokens; empty for an unknown path."""
    region: str | None = None
    """The name in `/region/{name}/...`."""
    messages: list[str] = []
    """What came over a WebSocket; bytes as base64."""
    status: int = 0
    """Status that was answered; 0 while there is none, 101 for a WebSocket."""
    frames: int = 0
    """Events of a stream, or messages of a WebSocket, that went out."""
    ended: Literal["open", "answered", "client_left", "broken"] = "open"
    """How it ended; `broken` is a fault that was asked for."""


class Recording:
    """All requests since the last `clear`; of very many, or very large ones, the later half."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self._bytes = 0

    def begin(self, seen: Seen) -> Seen:
        """Note a request."""
        if len(self.requests) >= _MOST or self._bytes > _MOST_BYTES:
            del self.requests[: (len(self.requests) + 1) // 2]
            self._bytes = sum(len(kept.raw) for kept in self.requests)
        self._bytes += len(seen.raw)
        self.requests.append(seen)
        return seen

    def clear(self) -> None:
        """Forget what was seen."""
        self.requests.clear()
        self._bytes = 0
