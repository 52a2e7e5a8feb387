"""A WebSocket with a simulated provider: admitted, answered message by message, and broken as a fault asks for."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from workbench.simulator.billing.invoice import Invoice
from workbench.simulator.exchange import Exchange
from workbench.simulator.faults import Fault, Faults
from workbench.simulator.protocol import Family, Path, Session
from workbench.simulator.quota import Quotas
from workbench.simulator.recording import Seen
from workbench.simulator.reply import Refused, Reply, Whole
from workbench.simulator.sending import REQUEST_ID

TRANSPORT = "simulator.transport"
"""Where the server puts a request's connection, so that it can be reset."""

_POLICY, _INTERNAL_ERROR = 1007, 1011
_GOOD_ENDS = (1000, 1001, 1005)
_BREAKS = ("cut", "stall", "error", "corrupt")


class _Over(Exception):
    """The conversation has ended, as a fault wanted."""


class Conversation:
    """One WebSocket."""

    def __init__(
        self,
        exchange: Exchange,
        path: Path | None,
        family: Family,
        seen: Seen,
        *,
        faults: Faults,
        quotas: Quotas,
        invoice: Invoice,
    ) -> None:
        self._exchange = exchange
        self._path = path
        self._family = family
        self._seen = seen
        self._faults = faults
        self._quotas = quotas
        self._invoice = invoice
        self._fault: Fault | None = None

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Talk until one side leaves; raises nothing."""
        await receive()  # websocket.connect
        try:
            session = self._admitted()
        except Refused as refused:
            await self._refuse(send, self._family.error(self._exchange, refused))
            return
        try:
            try:
                await self._talk(session, scope, receive, send)
            finally:
                self._invoice.charge(self._family.name, session.model, session.used)
        except _Over:
            self._seen.ended = "broken"
        except OSError:  # the client left while it was spoken to
            self._seen.ended = "client_left"

    def _admitted(self) -> Session:
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

    async def _talk(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        fault, transport = self._fault, scope.get(TRANSPORT)
        if fault is not None and fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "reset" and transport is not None:
            transport.abort()
            raise _Over
        if fault is not None and fault.kind == "hang":
            await _until_left(receive)
            raise _Over
        offered = scope.get("subprotocols") or []
        await send({"type": "websocket.accept", "subprotocol": "realtime" if "realtime" in offered else None})
        self._seen.status = 101
        await self._say(session.opening(), scope, receive, send)
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            raw = message.get("bytes") if text is None else text.encode()
            self._seen.messages.append(text if text is not None else base64.b64encode(raw or b"").decode())
            try:
                await self._say(session.answer(_read(raw or b"")), scope, receive, send)
            except Refused as refused:
                await send({"type": "websocket.close", "code": _POLICY, "reason": refused.message[:100]})
                self._seen.ended = "answered"
                return
        self._seen.ended = "answered" if message.get("code") in _GOOD_ENDS else "client_left"

    async def _say(self, messages: Iterator[str] | Iterator[bytes], scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault
        for message in messages:
            if fault is not None and fault.kind in _BREAKS and self._seen.frames >= fault.frames:
                await self._break(fault, scope, receive, send)
                raise _Over
            if fault is not None and fault.kind in ("slow", "drip"):
                await asyncio.sleep(fault.seconds)
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
            self._seen.frames += 1

    async def _break(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope.get(TRANSPORT)
        match fault.kind:
            case "cut":
                if transport is not None:
                    transport.abort()
            case "stall":
                await _until_left(receive)
            case "error":
                told = self._family.error_frame(self._exchange, Refused(fault.status, fault.message, code=fault.code))
                await send({"type": "websocket.send", "text": told.decode()})
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": fault.message[:100]})
            case _:
                await send({"type": "websocket.send", "text": '{"type": "response.do'})
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": ""})


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def _read(raw: bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = None
    return message if isinstance(message, dict) else {}
