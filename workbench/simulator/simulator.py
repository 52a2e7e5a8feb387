"""One simulator: the ASGI application of every provider's paths, with its faults, quotas, memory and recording."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from starlette.types import Message, Receive, Scope, Send

from workbench.simulator.billing.invoice import Invoice
from workbench.simulator.conversation import TRANSPORT, Conversation
from workbench.simulator.exchange import Exchange
from workbench.simulator.faults import Fault, Faults
from workbench.simulator.paths import TABLE
from workbench.simulator.protocol import Family, Path
from workbench.simulator.quota import Quotas, whole_seconds
from workbench.simulator.recording import Recording, Seen
from workbench.simulator.reply import Frames, Refused, Reply, Whole
from workbench.simulator.sending import REQUEST_ID, Broken, Sending
from workbench.simulator.state import CREDENTIAL, State

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Simulator:
    """The state of one simulator; itself the ASGI endpoint of every provider's path."""

    def __init__(self, *, credential: str = CREDENTIAL) -> None:
        self.faults = Faults()
        self.quotas = Quotas()
        self.recording = Recording()
        self.invoice = Invoice()
        self.state = State(credential=credential)

    def clear(self) -> None:
        """Forget faults, quotas, recording, invoice and prompt caches; files, jobs and tokens stay good."""
        self.faults.clear()
        self.quotas.clear()
        self.recording.clear()
        self.invoice.clear()
        self.state.forget_prompts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket, or fail as told."""
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        raw = b"" if method == "WEBSOCKET" else await _body(receive)
        exchange = _exchange(scope, method, raw, self.state)
        path, family = TABLE.find(exchange)
        seen = self.recording.begin(_seen(exchange, family if path is not None else None))
        if method == "WEBSOCKET":
            conversation = Conversation(
                exchange, path, family, seen, faults=self.faults, quotas=self.quotas, invoice=self.invoice
            )
            await conversation.run(scope, receive, send)
            return
        sending = Sending(send, seen, {family.request_id: REQUEST_ID})
        answering = asyncio.ensure_future(self._answer(exchange, path, family, sending, scope.get(TRANSPORT)))
        leaving = asyncio.ensure_future(_left(receive))
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not answering.done():
            answering.cancel()
            if seen.ended == "open":
                seen.ended = "client_left"
            return
        try:
            answering.result()
        except Broken:
            seen.ended = "broken"
            raise
        if seen.ended == "open":
            seen.ended = "answered"

    async def _answer(
        self,
        exchange: Exchange,
        path: Path | None,
        family: Family,
        sending: Sending,
        transport: asyncio.Transport | None,
    ) -> None:
        try:
            if path is None:
                raise TABLE.unknown(exchange)
            family.admit(exchange)
            _check(exchange, path)
            fault = self.faults.next_for(exchange, family.name)
            if fault is not None and fault.kind == "latency":
                await self._work(exchange, path, fault.seconds)
            if fault is not None and fault.kind == "reset" and transport is not None:
                await sending.reset(transport)
            sending.fault = fault
            if await sending.instead(lambda fault: family.error(exchange, _meant(fault))):
                return
            reply = self._within_quota(exchange, family, _handled(exchange, path))
        except Refused as refused:
            sending.fault = None
            await sending.whole(family.error(exchange, refused))
            return
        if isinstance(reply, Whole):
            self.invoice.charge(family.name, exchange.model, reply.used)
            await sending.whole(reply)
        else:
            await self._send_frames(exchange, family, sending, reply)

    async def _work(self, exchange: Exchange, path: Path, seconds: float) -> None:
        """Be at work for so long; whoever leaves meanwhile is charged all the same."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            with contextlib.suppress(Refused):
                self.invoice.charge(exchange.provider, exchange.model, _handled(exchange, path).used)
            raise

    async def _send_frames(self, exchange: Exchange, family: Family, sending: Sending, reply: Frames) -> None:
        used = [one.up_to(0) for one in reply.used]
        try:
            await sending.frames(
                reply,
                error=lambda fault: family.error_frame(exchange, _meant(fault)),
                corrupt=lambda: family.corrupt_frame(exchange),
            )
            broken = sending.fault is not None and sending.fault.kind in ("error", "corrupt")
            used = [one.up_to(sending.frames_sent) for one in reply.used] if broken else list(reply.used)
        except (Broken, asyncio.CancelledError, OSError):
            used = [one.up_to(sending.frames_sent) for one in reply.used]
            raise
        finally:
            self.invoice.charge(family.name, exchange.model, used)

    def _within_quota(self, exchange: Exchange, family: Family, reply: Reply) -> Reply:
        """Return the answer with what is left of its quota, or the refusal of one that is used up."""
        wait, left = self.quotas.spend(exchange, family.name, reply.tokens)
        told = family.limits(left) if left is not None else {}
        if wait is not None:
            seconds = str(whole_seconds(wait))
            refusal = family.error(exchange, Refused(429, "The simulated quota is used up.", retry_after=seconds))
            reply = replace(refusal, headers={**refusal.headers, "retry-after": seconds})
        return replace(reply, headers={**reply.headers, **told})


def _handled(exchange: Exchange, path: Path) -> Reply:
    try:
        reply = path.handler(exchange)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Refused(400, f"The request has a field that is missing or of the wrong type: {error}.") from error
    assert isinstance(reply, Reply)
    return reply


def _meant(fault: Fault) -> Refused:
    after = fault.headers.get("retry-after")
    return Refused(fault.status, fault.message, code=fault.code, retry_after=after)


def _check(exchange: Exchange, path: Path) -> None:
    """Refuse a JSON body without the fields that the path needs."""
    if path.needs:
        body = exchange.body if isinstance(exchange.body, dict) else {}
        if any(not body.get(name) for name in path.needs) or not exchange.model:
            raise Refused(400, f"model and {' and '.join(path.needs)} are required.")


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(chunks)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _exchange(scope: Scope, method: str, raw: bytes, state: State) -> Exchange:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    sent = scope.get("raw_path") or quote(scope["path"]).encode()
    sent_path = sent.decode("latin-1").partition("?")[0]
    path, region = sent_path, None
    if sent_path.startswith("/region/"):
        name, _, rest = sent_path.removeprefix("/region/").partition("/")
        path, region = f"/{rest}", unquote(name)
    return Exchange(
        method=method,
        path=path,
        sent_path=sent_path,
        query_string=scope["query_string"].decode("latin-1"),
        headers=headers,
        raw=raw,
        body=_json(raw),
        url=f"{_SCHEMES[scope['scheme']]}://{headers.get('host', '127.0.0.1')}",
        state=state,
        region=region,
    )


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _seen(exchange: Exchange, family: Family | None) -> Seen:
    return Seen(
        path=exchange.sent_path,
        query=exchange.query_string,
        headers=exchange.headers,
        body=exchange.body,
        raw=exchange.raw,
        method=exchange.method,
        provider="" if family is None else family.name,
        region=exchange.region,
    )
