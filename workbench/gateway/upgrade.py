"""The protocol of connections that become WebSockets, loaded with the first of them."""

from __future__ import annotations

import asyncio
from typing import Any


def websocket_protocol(**parts: Any) -> asyncio.Protocol:
    """Return uvicorn's WebSocket protocol for one connection."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol  # noqa: PLC0415

    return WebSocketsSansIOProtocol(**parts)
