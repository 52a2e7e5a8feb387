"""A live conversation over WebSocket: OpenAI's and Azure's Realtime, Gemini's Live. Messages pass as they are.

It is a call like any other: key, rights, limits, metering, one row, and an end as soon as its key is revoked.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from aiohttp import ClientWebSocketResponse, WSMsgType
from starlette.types import Message, Receive, Scope, Send

from workbench.errors import NotFound, ProviderError, StreamCut, Unavailable, WorkbenchError
from workbench.gateway.access.credentials import checked
from workbench.gateway.access.features import check_features
from workbench.gateway.access.keys import Key, UnknownKey
from workbench.gateway.access.rights import check_rights
from workbench.gateway.admission.short import with_leases
from workbench.gateway.admission.ticket import FREE, Ticket
from workbench.gateway.ledger.row import LedgerRow, Outcome
from workbench.gateway.native import header_table
from workbench.gateway.native.errand import NativeErrand
from workbench.gateway.native.live_meter import LiveMeter
from workbench.gateway.native.live_setup import model_in_query, model_in_setup
from workbench.gateway.native.model import NativeModels
from workbench.gateway.native.question import NativeQuestion
from workbench.gateway.native.target import Target
from workbench.gateway.native.upstream import url_of
from workbench.gateway.native.vertex import check_place, place_in
from workbench.gateway.parts import Parts
from workbench.gateway.providers.refusal import refusal
from workbench.gateway.reply import request_id_of, status_of
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.times import utc_now
from workbench.wire import headers as names

_log = logging.getLogger("workbench.gateway.native")

_KEY_PROTOCOL = "openai-insecure-api-key."
_SWITCHING, _LEFT = 101, 499
_NORMAL, _GOING_AWAY, _NO_STATUS, _ABNORMAL, _POLICY, _INTERNAL = 1000, 1001, 1005, 1006, 1008, 1011
_NEVER_SENT = frozenset({1004, _NO_STATUS, _ABNORMAL, 1015})
"""Close codes that say that there was none."""
_MOST_REASON = 120


class LiveCall:
    """One WebSocket, from its handshake to its ledger row."""

    key: Key | None = None
    """The key that makes the call."""

    def __init__(
        self, gateway: Parts, models: NativeModels, target: Target, scope: Scope, *, receive: Receive, send: Send
    ) -> None:
        self._gateway = gateway
        self.upstream = gateway.upstream
        """What the call began with: a reload waits for its end before it closes that."""
        self._target = target
        self._scope = {**scope, "method": "GET"}
        self._errand = NativeErrand(gateway, models, target, self._scope)
        self._receive, self._send = receive, send
        self._began = perf_counter()
        self._row = LedgerRow(
            request_id=request_id_of(scope), time=utc_now(), stage=gateway.stage, path=self._errand.path[:200], stream=1
        )
        self._task = asyncio.current_task()
        self._meter = LiveMeter()
        self._ticket: Ticket = FREE
        self._attempts: Attempts | None = None
        self._attempt: Attempt | None = None
        self._accepted = self._closed = False
        self._interruption: WorkbenchError | None = None

    def interrupt(self, error: WorkbenchError) -> None:
        """End the conversation, wherever it is."""
        if self._interruption is None and self._task is not None:
            self._interruption = error
            self._task.cancel()

    async def live(self) -> None:
        """Live it from end to end. Whatever happens, the caller is told and the ledger has a row."""
        self._gateway.in_flight.enter(self)
        outcome: Outcome = "ok"
        error: WorkbenchError | None = None
        try:
            await self._go()
        except WorkbenchError as raised:
            error = raised
        except asyncio.CancelledError:
            error = self._interruption or Unavailable("The gateway is stopping.", code="stopping")
        except Exception:  # noqa: BLE001 - also what nobody foresaw ends in a word and a row
            _log.exception("conversation %s failed in the gateway", self._row.request_id)
            error = WorkbenchError("The gateway failed on this call.", hint="See the gateway's log.")
        finally:
            self._gateway.in_flight.leave(self)
        if error is not None:
            outcome = "failed" if self._row.attempts else "refused"
        self._settle(outcome, error)
        try:
            await self._gateway.spool.write(self._row)
        except Unavailable:
            _log.warning("the row of call %s waits for the ledger", self._row.request_id)
        if error is not None:
            await self._tell(error)

    async def _go(self) -> None:
        await self._receive()  # websocket.connect
        dialect, scope, target = self._errand.dialect, self._scope, self._target
        presented = dialect.presented(dict(scope["headers"]), scope["query_string"])
        try:
            key = checked(presented, self._gateway.keys)
        except UnknownKey:  # one that another process has issued just now is looked up
            await self._gateway.follower.look()
            key = checked(presented, self._gateway.keys)
        self.key = key
        row = self._row
        row.key_id, row.account, row.owner, row.use_case = key.id, key.account, key.owner, key.use_case
        self._row.data_class = self._gateway.recorder.class_of(key)
        check_rights(key, self._gateway.settings.gateway, path=self._errand.path)
        check_features(key, path=self._errand.path, question=NativeQuestion(rule=self._errand.rule, stream=True))
        rule = self._errand.rule
        if rule.reads != "live":
            self._errand.attempts(NativeQuestion(rule=rule), key, self._gateway)  # 403 comes before 404
            raise NotFound(f"No WebSocket is served at {self._errand.path[:200]}.")
        first: Message | None = None
        if rule.model == "path":
            await self._authorise(model_in_query(target))
        else:
            # The model comes with the first message; until then only the right to speak with the provider is known.
            self._errand.attempts(NativeQuestion(rule=rule), key, self._gateway)
            self._gateway.spool.check()
            await self._accept(None)
            first = await self._receive()
            if first["type"] != "websocket.receive":
                self._closed = True
                return
            model = model_in_setup(first.get("text") or first.get("bytes") or b"")
            check_place(target.provider, self.upstream.settings.providers[target.provider], place_in(model))
            await self._authorise(model.rpartition("models/")[2])
        async with await self._connect(presented) as upstream:
            if not self._accepted:
                await self._accept(upstream.protocol)
            if first is not None:
                await _pass_up(upstream, first)
            await self._relay(upstream)

    async def _authorise(self, name: str) -> None:
        key = self.key
        assert key is not None
        question = NativeQuestion(rule=self._errand.rule, model=f"{self._target.provider}/{name}", stream=True)
        self._row.model = question.model[:200]
        self._attempts = self._errand.attempts(question, key, self._gateway)
        self._gateway.spool.check()
        self._ticket = await with_leases(lambda: self._gateway.admission.admit(key, question))
        self._attempt = next(iter(self._attempts), None)
        if self._attempt is None:
            raise self._attempts.failure()
        deployment = self._attempt.deployment
        known, ticket, model = self.upstream.prices.of(deployment), self._ticket, self._attempt.model.name
        await with_leases(lambda: ticket.cover(question, deployment, known, model=model))
        row = self._row
        row.deployment, row.provider, row.region = deployment.label, deployment.provider, deployment.region

    async def _connect(self, key: str | None) -> ClientWebSocketResponse:
        target = self._target
        provider = self.upstream.providers[target.provider]
        assert self._attempts is not None
        assert self._attempt is not None
        self._row.attempts = 1
        try:
            if not provider.signin.ready:
                await provider.signin.prepare()
            url = url_of(provider, target.raw, target.without_key(key))
            headers = header_table.to_provider(self._scope["headers"], key=key)
            headers.pop("accept-encoding")
            headers |= provider.signin.headers("GET", url, None, headers)
            offered = [
                one
                for one in self._scope["subprotocols"]
                if not (one.startswith(_KEY_PROTOCOL) or (key and key in one))
            ]
            upstream = await self.upstream.client.converse(
                provider.name, url, headers, protocols=offered, refused=refusal
            )
        except ProviderError as error:
            self._attempts.failed(self._attempt, error)
            raise
        self._attempts.succeeded(self._attempt)
        return upstream

    # -- the conversation --------------------------------------------------------------------------------------------

    async def _accept(self, protocol: str | None) -> None:
        self._accepted = True
        self._row.first_token_ms = (perf_counter() - self._began) * 1000
        await self._send({
            "type": "websocket.accept", "subprotocol": protocol,
            "headers": [(names.REQUEST_ID.encode(), self._row.request_id.encode())],
        })  # fmt: skip

    async def _relay(self, upstream: ClientWebSocketResponse) -> None:
        up = asyncio.ensure_future(self._upwards(upstream))
        down = asyncio.ensure_future(self._downwards(upstream))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            for done in (up, down):
                if done.done():
                    done.result()
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _upwards(self, upstream: ClientWebSocketResponse) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._closed = True
                code = message.get("code") or _NORMAL
                await upstream.close(code=_NORMAL if code in _NEVER_SENT else code)
                return
            await _pass_up(upstream, message)

    async def _downwards(self, upstream: ClientWebSocketResponse) -> None:
        async for message in upstream:
            if message.type is WSMsgType.TEXT:
                self._meter.read(message.data)
                await self._send({"type": "websocket.send", "text": message.data})
            elif message.type is WSMsgType.BINARY:
                self._meter.read(message.data)
                await self._send({"type": "websocket.send", "bytes": message.data})
            elif message.type is WSMsgType.ERROR:
                break
            await self._keep_up()
        code = upstream.close_code
        if self._closed:
            return
        if code is None or code in _NEVER_SENT - {_NO_STATUS}:
            raise StreamCut(f"Provider {self._target.provider!r} broke the conversation off.")
        self._closed = True
        await self._close(_NORMAL if code == _NO_STATUS else code, "")

    async def _keep_up(self) -> None:
        """End the conversation where the budget does not reach for another answer."""
        if self._ticket is FREE or self._attempt is None or not self._meter.produced:
            return
        rate = self.upstream.prices.of(self._attempt.deployment, self._row.time).rate
        if rate is not None:
            cost, ticket = rate.cost(self._meter.usage), self._ticket
            await with_leases(lambda: ticket.keep_up(cost))

    async def _close(self, code: int, reason: str) -> None:
        short = reason.encode()[:_MOST_REASON].decode("utf-8", "ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": short})

    # -- the end -----------------------------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome, error: WorkbenchError | None) -> None:
        row, meter = self._row, self._meter
        row.outcome = outcome
        row.status = _SWITCHING if self._accepted or error is None else status_of(error)
        row.error_code = error.error_code if error is not None else None
        row.cost_usd = 0.0
        tokens = 0
        if self._attempt is not None and meter.produced:
            usage = meter.usage
            tokens = usage.total_tokens
            row.input_tokens, row.output_tokens = usage.input_tokens, usage.output_tokens
            row.cached_input_tokens = usage.cached_input_tokens
            rate = self.upstream.prices.of(self._attempt.deployment, row.time).rate
            row.cost_usd = rate.cost(usage) if rate is not None else None
            row.cost_source = "unknown" if rate is None else "estimated" if meter.estimated else rate.source
            row.price_version = rate.version if rate is not None else None
        if self._attempts is not None:
            self._attempts.settle(tokens)
        if self._ticket.settle(cost_usd=row.cost_usd or 0.0, tokens=tokens) and row.key_id:
            self._gateway.issuer.stop(row.key_id, "budget_overrun")
        row.latency_ms = (perf_counter() - self._began) * 1000

    async def _tell(self, error: WorkbenchError) -> None:
        """Tell the caller of an error: as an HTTP answer before the conversation, by a close code in it."""
        if self._closed:
            return
        if self._accepted:
            code = _POLICY if error.status < 500 else _GOING_AWAY if isinstance(error, Unavailable) else _INTERNAL
            await self._close(code, str(error))
            return
        dialect = self._errand.dialect
        body = dialect.error_body(error, self._row.request_id)
        headers = [
            (b"content-type", dialect.error_type), (b"content-length", str(len(body)).encode()),
            (names.REQUEST_ID.encode(), self._row.request_id.encode()), *dialect.error_headers(error),
        ]  # fmt: skip
        await self._send({"type": "websocket.http.response.start", "status": status_of(error), "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})


async def _pass_up(upstream: ClientWebSocketResponse, message: Message) -> None:
    text = message.get("text")
    await (upstream.send_str(text) if text is not None else upstream.send_bytes(message.get("bytes") or b""))
