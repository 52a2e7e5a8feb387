"""A WebSocket with a simulated provider: admitted, answered message by message, and broken as a fault asks for."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from workbench.simulator.exchange import Exchange
from workbench.simulator.faults import Fault, Faults
from workbench.simulator.protocol import Family, Path
from workbench.simulator.quota import Quotas
from workbench.simulator.recording import Seen
from workbench.simulator.reply import Refused, Reply, Whole
from workbench.simulator.sending import FOREVER, REQUEST_ID

_INTERNAL_ERROR = 1011
_GOING_AWAY = 1001


class Conversation:
    """One WebSocket."""

    def __init__(
        self, exchange: Exchange, path: Path | None, family: Family, seen: Seen, *, faults: Faults, quotas: Quotas
    ) -> None:
        self._exchange = exchange
        self._path = path
        self._family = family
        self._seen = seen
        self._faults = faults
        self._quotas = quotas
        self._fault: Fault | None = None

    async def run(self, receive: Receive, send: Send, scope: Scope) -> None:
        """Talk until one side leaves; raises nothing."""
        await receive()  # websocket.connect
        try:
            session = self._admitted()
        except Refused as refused:
            await self._refuse(send, self._family.error(refused))
            return
        fault = self._fault
        if fault is not None and fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "hang":
            await self._until_left(receive)
            return
        offered = scope.get("subprotocols") or []
        await send({"type": "websocket.accept", "subprotocol": "realtime" if "realtime" in offered else None})
        self._seen.status = 101
        if not await self._say(send, receive, session.opening()):
            return
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            raw = message.get("bytes") if text is None else text.encode()
            self._seen.messages.append(text if text is not None else base64.b64encode(raw or b"").decode())
            if not await self._say(send, receive, session.answer(_read(raw or b""))):
                return
        self._seen.ended = "answered" if message.get("code") in (1000, 1001, 1005) else "client_left"

    def _admitted(self) -> Any:
        if self._path is None:
            raise Refused(404, f"No WebSocket at {self._exchange.path}.")
        self._family.admit(self._exchange)
        self._fault = self._faults.next_for(self._exchange, self._family.name)
        if self._fault is not None and self._fault.kind == "status":
            raise Refused(self._fault.status, self._fault.message, code=self._fault.code)
        wait, _ = self._quotas.spend(self._exchange, self._family.name, 0)
        if wait is not None:
            raise Refused(429, "The simulated quota is used up.")
        session = self._path.handler(self._exchange)
        assert not isinstance(session, Reply)
        return session

    async def _refuse(self, send: Send, told: Whole) -> None:
        self._seen.status, self._seen.ended = told.status, "answered"
        headers = [
            (b"content-type", told.content_type.encode()),
            (self._family.request_id.encode(), REQUEST_ID.encode()),
        ]
        await send({"type": "websocket.http.response.start", "status": told.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": told.raw})

    async def _say(self, send: Send, receive: Receive, messages: Any) -> bool:
        """Send messages; return whether the conversation goes on."""
        fault = self._fault
        for text in messages:
            if fault is not None and fault.kind in ("cut", "stall", "error", "corrupt", "reset"):
                after = 0 if fault.kind == "reset" else fault.frames
                if self._seen.frames >= after:
                    await self._break(send, receive, fault)
                    return False
            if fault is not None and fault.kind in ("slow", "drip"):
                await asyncio.sleep(fault.seconds)
            try:
                await send({"type": "websocket.send", "text": text})
            except OSError:
                self._seen.ended = "client_left"
                return False
            self._seen.frames += 1
        return True

    async def _break(self, send: Send, receive: Receive, fault: Fault) -> None:
        self._seen.ended = "broken"
        match fault.kind:
            case "stall":
                await self._until_left(receive)
                self._seen.ended = "broken"
            case "error":
                told = self._family.error_frame(self._exchange, Refused(fault.status, fault.message, code=fault.code))
                await send({"type": "websocket.send", "text": told.decode()})
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": fault.message[:100]})
            case "corrupt":
                await send({"type": "websocket.send", "text": '{"type": "response.do'})
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": ""})
            case _:
                await send(
                    {"type": "websocket.close", "code": _GOING_AWAY, "reason": "the simulated provider goes away"}
                )

    async def _until_left(self, receive: Receive) -> None:
        async with asyncio.timeout(FOREVER):
            while (await receive())["type"] != "websocket.disconnect":
                pass
        self._seen.ended = "client_left"


def _read(raw: bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = None
    return message if isinstance(message, dict) else {}
