"""The life of a call, from its head to its ledger row. Each step is one verb; the rooms do the work.

authenticate -> read -> authorise -> admit -> guard input -> look in cache -> redact
  -> route -> relay (restore, guard output) -> settle -> record
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

import msgspec
from starlette.types import Receive, Scope, Send

from workbench.errors import (
    BudgetExhausted,
    LimitExceeded,
    PriceUnknown,
    ProviderError,
    ProviderLimit,
    QueueRefused,
    StreamCut,
    Unavailable,
    WorkbenchError,
)
from workbench.gateway.access.credentials import checked
from workbench.gateway.access.features import check_features
from workbench.gateway.access.keys import DeadKey, Key, UnknownKey
from workbench.gateway.access.rights import check_rights
from workbench.gateway.admission.gauge import OVERRUN
from workbench.gateway.admission.measured import later
from workbench.gateway.admission.short import LeaseShort
from workbench.gateway.admission.ticket import FREE, Ticket
from workbench.gateway.audit.bodies import Tape
from workbench.gateway.deadline import Deadline
from workbench.gateway.dialects.dialect import Headers
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.gateway.errand import Errand, Question
from workbench.gateway.fairness.fairness import Turn
from workbench.gateway.fairness.rank import BATCH, is_batch
from workbench.gateway.ledger.charge import charge, may_have_made
from workbench.gateway.ledger.row import LedgerRow, Outcome
from workbench.gateway.ledger.spool import LEDGER_UNAVAILABLE
from workbench.gateway.ledger.tags import read_tags, with_tag
from workbench.gateway.parts import Parts
from workbench.gateway.privacy.restore import Vault, restore_body
from workbench.gateway.privacy.streams import StreamRestorer
from workbench.gateway.protocol import ABORT, ON_LEFT, WRITABLE
from workbench.gateway.providers.provider import AnswerBroken, CallerRefused, Provider, Stream, Whole
from workbench.gateway.providers.refusal import StreamFailed, refusal
from workbench.gateway.reply import Reply, request_id_of, status_of
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.times import utc_now
from workbench.gateway.unified import header_table
from workbench.gateway.unified.body import ClientLeft
from workbench.wire import headers as names
from workbench.wire.sse import Event

_log = logging.getLogger("workbench.gateway.call")

_TAGS = names.TAGS.encode()
_PRIORITY = names.PRIORITY.encode()
_LEFT = 499
_ON_ITS_WAY = 0.25
"""Seconds that a plain answer has to come in after its caller has left: what was made is paid for, so it is kept."""
_STATE_COSTS = frozenset({"openai", "openai_compatible", "litellm"})
"""Kinds of providers that may tell in a header what an answer costs, as servers do that stand before others."""


class Call:
    """One request on its way through the gateway."""

    key: Key | None = None
    """The key that makes the call, once it is known to be good."""
    question: Question
    """What is asked."""
    ticket: Ticket = FREE
    """What the call holds of the limits and the money of all its subjects."""
    attempts: Attempts
    """Who may answer."""
    attempt: Attempt | None = None
    """Where it is answered, or was tried last."""
    reader: Reader
    """Reads the answer of the last attempt."""
    vault: Vault | None = None
    """The tokens that stand for what was redacted from the question; None: there are none."""
    tape: Tape | None = None
    """What its bodies are recorded on; None: its data class leaves them out."""

    _waited = _queued = 0.0
    _interruption: WorkbenchError | ClientLeft | None = None
    _open = True
    _asking = False
    _asked_at = _lost_usd = _given_up_usd = 0.0
    _kind = _sifted = b""
    _restorer: StreamRestorer | None = None
    _end: Literal[True] | StreamFailed | None = None

    def __init__(self, gateway: Parts, errand: Errand[Any], scope: Scope, receive: Receive, send: Send) -> None:
        self._gateway = gateway
        self._errand = errand
        self._receive = receive
        self._on_left: Callable[[Callable[[], None]], None] | None = scope.get(ON_LEFT)
        self._began = perf_counter()
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._query: bytes = scope["query_string"]
        self._row = LedgerRow(
            request_id=request_id_of(scope), time=utc_now(), stage=gateway.stage, path=errand.path[:200]
        )
        self._reply = Reply(send, self._row.request_id, abort=scope.get(ABORT), writable=scope.get(WRITABLE))
        self._task = asyncio.current_task()
        self._deadline = Deadline(gateway.settings.gateway.timeouts.total, self._task)

    async def live(self) -> None:
        """Live it from end to end. Whatever happens, the caller gets an answer and the ledger a row."""
        self._gateway.in_flight.enter(self)
        try:
            await self._go()
        except (WorkbenchError, ClientLeft) as error:
            await self._end_with(error)
        except asyncio.CancelledError:
            await self._end_with(self._interruption or Unavailable("The gateway is stopping.", code="stopping"))
        except Exception:  # noqa: BLE001 - also what nobody foresaw ends in an answer and a row
            _log.exception("call %s failed in the gateway", self._row.request_id)
            await self._end_with(WorkbenchError("The gateway failed on this call.", hint="See the gateway's log."))
        finally:
            self.ticket.release()
            self._gateway.in_flight.leave(self)

    async def _go(self) -> None:
        try:
            self.authenticate()
        except UnknownKey:  # one that another process has issued just now is looked up
            await self._gateway.follower.look()
            self.authenticate()
        await self.read()
        self.authorise()
        await self.admit()
        self.guard_input()
        answer: Whole | Stream | None = self.look_in_cache()
        if answer is None:
            self.redact()
            answer = await self.route()
        await (self.relay_whole(answer) if isinstance(answer, Whole) else self.relay_stream(answer))

    def interrupt(self, error: WorkbenchError | ClientLeft) -> None:
        """End the call with an error, wherever it is; too late once it is being settled."""
        if self._open and self._interruption is None:
            self._interruption = error
            self._cancel()

    def _cancel(self) -> None:
        if self._open and self._task is not None:
            self._task.cancel()

    # -- before a provider is asked ----------------------------------------------------------------------------------

    def authenticate(self) -> None:
        """Find out whose key makes the call."""
        row = self._row
        try:
            key = self.key = checked(self._errand.dialect.presented(self._headers, self._query), self._gateway.keys)
        except DeadKey as error:
            _sign(row, error.key)
            raise
        _sign(row, key)
        recorder = self._gateway.recorder
        row.data_class = recorder.class_of(key)
        if not recorder.idle:
            self.tape = recorder.tape(row.data_class)
        use_case = self._gateway.use_cases.get(key.use_case)
        if is_batch(self._headers.get(_PRIORITY), use_case):
            row.priority = BATCH
        if tags := self._headers.get(_TAGS):
            row.tags = read_tags(tags)
        if trace := self._headers.get(b"traceparent"):
            row.trace_id = trace[3:35].decode("latin-1")
            if self._gateway.traces is not None:
                self._gateway.traces.continues(row.request_id, trace)

    async def read(self) -> None:
        """Read the question; from here on, a client that leaves ends the call."""
        limit = self._gateway.settings.gateway.max_body_bytes
        receive = self._receive if self.tape is None else self.tape.listening(self._receive, self._headers)
        self.question = await self._errand.read(receive, self._headers, limit=limit)
        self._watch_client()
        self._row.model, self._row.stream = self.question.model[:200] or None, int(self.question.stream)

    def _watch_client(self) -> None:
        if self._on_left is not None:
            self._on_left(self._client_left)
        else:  # another server than ours: a task waits for its word
            self._watch = asyncio.ensure_future(_left(self._receive))
            self._watch.add_done_callback(lambda _: self._client_left())

    def _client_left(self) -> None:
        """End the call; a provider that is at work on a plain answer has a moment to send it, but no other is asked."""
        if self._asking and self._open and not self.question.stream and self._interruption is None:
            self._interruption = ClientLeft()
            asyncio.get_running_loop().call_later(_ON_ITS_WAY, self._cancel)
        else:
            self.interrupt(ClientLeft())

    def authorise(self) -> None:
        """Check that the key may do this here."""
        key = self.key
        assert key is not None
        check_rights(key, self._gateway.settings.gateway, path=self._errand.path)
        check_features(key, path=self._errand.path, question=self.question)
        self.upstream = self._gateway.upstream
        self.attempts = self._errand.attempts(self.question, key, self._gateway)
        self.attempts.spare = self._gateway.fairness.spare(key, batch=self._row.priority is not None)

    async def admit(self) -> None:
        """Refuse what can't be written down, or is more than the key may make; money is held before each attempt."""
        key, desk = self.key, self._gateway.admission
        assert key is not None
        self._gateway.spool.check()
        try:
            self.ticket = desk.admit(key, self.question)
        except LeaseShort as short:
            self.ticket = await short.again(lambda: desk.admit(key, self.question))

    def guard_input(self) -> None:
        """Place of the input guards: none yet."""

    def look_in_cache(self) -> Whole | None:
        """Place of the cache: none yet, so there is never an answer."""
        return None

    def redact(self) -> None:
        """Place of redaction: none yet, and the settings refuse to promise it."""

    # -- the provider ------------------------------------------------------------------------------------------------

    async def route(self) -> Whole | Stream:
        """Ask who may answer; where the budget does not reach for the model, policy may name a cheaper one."""
        try:
            return await self._ask_each()
        except BudgetExhausted:
            if self._row.attempts or not await self.turn_to_cheaper():
                raise
        return await self._ask_each()

    async def turn_to_cheaper(self) -> bool:
        """Go on with the model that policy names for an exhausted budget; return whether there is one."""
        name = self.ticket.instead
        attempts = self.attempts.instead(name) if name else None
        if attempts is None:
            return False
        self._let_go(0)
        row = self._row
        row.tags = with_tag(row.tags, "asked_model", row.model or "")
        self.attempts, row.model = attempts, attempts.asked.name
        try:
            self.ticket.turn_to(attempts.asked.name)
        except LeaseShort as short:
            await short.again(lambda: self.ticket.turn_to(attempts.asked.name))
        return True

    async def _ask_each(self) -> Whole | Stream:
        """Ask one deployment after the other until one answers; after its first token there is no other."""
        for attempt in self.attempts:
            if not await self.take_turn(attempt):
                continue
            try:
                question = await self.hold(attempt)
            except (LimitExceeded, PriceUnknown) as error:
                if self._is_full(attempt, error):
                    continue
                break  # a fallback that can't be paid: the failure before it is what is told
            self._note(attempt)
            try:
                answer = await self._ask(attempt, question)
            except (ProviderError, ProviderLimit, Unavailable) as error:
                self._given_up(error)
                self.attempts.failed(attempt, error)
            except CallerRefused:
                self.attempts.succeeded(attempt)
                raise
            else:
                self._tell(attempt, answer)
                return answer
            if self._interruption is not None:
                raise self._interruption
            if self._deadline.spent:
                break
        raise self.attempts.failure()

    async def take_turn(self, attempt: Attempt) -> bool:
        """Wait where a deployment is short and others come first, or asked to wait; return whether it may be asked."""
        assert self.key is not None
        self.attempt = attempt  # what is held for it is let go even if the client leaves meanwhile
        wait = attempt.wait
        try:
            turn = self._gateway.fairness.enter(attempt.hold, self.key, batch=self._row.priority is not None)
            if turn is not None:
                wait -= await self._queue(turn)
        except QueueRefused as error:
            self.attempts.turned_away(attempt, error)
            return False
        if wait > 0:
            await asyncio.sleep(min(wait, max(0.0, self._deadline.left)))
        return True

    async def _queue(self, turn: Turn) -> float:
        """Wait for a turn; return for how many seconds. A queue is no work of the gateway's: not in the overhead."""
        began = perf_counter()
        try:
            await turn.wait(left=self._deadline.left)
        finally:
            queued = perf_counter() - began
            self._queued += queued
            self._waited += queued
        return queued

    def _is_full(self, attempt: Attempt, error: LimitExceeded | PriceUnknown) -> bool:
        """Tell whether only that place takes no more; raises the error where no provider was asked before."""
        if self.ticket.elsewhere:
            self.attempts.turned_away(attempt, error)
            return True
        if not self._row.attempts:
            raise error
        return False

    async def hold(self, attempt: Attempt) -> Question:
        """Hold what the question may cost there; return it, with an output limit where the budget demands one."""
        self.attempt = attempt
        if self.ticket is FREE:
            return self.question
        known = self.upstream.prices.of(attempt.deployment, self._row.time)
        if known.rate is not None and known.rate.grades and (grade := self.question.grade):
            known = replace(known, rate=known.rate.graded(grade))

        def covered() -> Question:
            question = self.ticket.cover(self.question, attempt.deployment, known, model=attempt.model.name)
            if lost := self._lost_usd + self._given_up_usd:
                self.ticket.keep_up(lost)
            return question

        try:
            return covered()
        except LeaseShort as short:
            return await short.again(covered)

    def _tell(self, attempt: Attempt, answer: Whole | Stream) -> None:
        """Note how a deployment answered; on a native path, what failed is an answer like any other."""
        if isinstance(answer, Whole) and not answer.asked:
            return
        if isinstance(answer, Whole) and (answer.status == ProviderLimit.status or answer.status >= 500):
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
            self.attempts.failed(attempt, refusal(attempt.deployment.provider, answer.status, headers, answer.body))
        else:
            self.attempts.succeeded(attempt, answer.limits)

    def _note(self, attempt: Attempt) -> None:
        self.attempt = attempt
        row, deployment = self._row, attempt.deployment
        row.attempts += 1
        row.deployment, row.provider, row.region = deployment.label, deployment.provider, deployment.region
        if self._gateway.traces is not None:
            self._gateway.traces.asks(row.request_id, deployment)

    async def _ask(self, attempt: Attempt, question: Question) -> Whole | Stream:
        provider = self.upstream.providers[attempt.deployment.provider]
        self._lost_usd += self._given_up_usd
        self._given_up_usd = 0.0
        reader = self.reader = self.question.reader()
        if self.vault is not None:
            self._restorer = StreamRestorer(self.vault, self._errand.dialect.name)
        began = perf_counter()
        try:
            needed = self._errand.needed(provider)
            if not needed.ready:
                self._deadline.begin(provider.name)
                with self._deadline:
                    await needed.prepare()
            if self.question.stream:
                self._deadline.expect(provider.timeouts.first_token, "sent no first token", provider.name)
            else:
                self._deadline.expect(provider.timeouts.plain_answer, "did not answer", provider.name)
            with self._deadline:
                self._asking, self._asked_at = True, perf_counter()
                answer = await self._errand.ask(provider, question, attempt)
                if not isinstance(answer, Whole):
                    self._take_cost(answer, provider)
                    if self.question.stream:
                        await self._await_first_token(answer, provider.name)
                    return answer
        finally:
            self._waited += perf_counter() - began
        self._take_cost(answer, provider)
        if answer.status < 300:
            try:
                reader.whole(answer.body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise ProviderError(f"Provider {provider.name!r} answered what is no JSON object.") from error
        return answer

    def _take_cost(self, answer: Whole | Stream, provider: Provider) -> None:
        if answer.limits is not None and provider.kind in _STATE_COSTS:
            self.reader.told.take_headers(answer.limits)

    async def _await_first_token(self, answer: Stream, provider: str) -> None:
        """Hold back what comes before the first token: until then another provider may still take the call."""
        pieces = []
        try:
            while not (self.reader.started or self._end):
                events = await answer.next()
                if not events:
                    if answer.cut or not self.reader.ends_well():
                        raise StreamCut(f"Provider {provider!r} ended its stream before its first token.")
                    self._end = True
                    break
                piece, self._end = self._sift(events)
                pieces.append(piece)
                if isinstance(self._end, StreamFailed) and not self.reader.started:
                    failure, self._end = self._end, None
                    raise failure
        except BaseException:
            answer.abort()
            raise
        self._sifted = b"".join(pieces)

    # -- the answer --------------------------------------------------------------------------------------------------

    async def relay_whole(self, answer: Whole) -> None:
        """Send a plain answer, after its row is durable."""
        answer = self.restore_whole(answer)
        self.guard_output_whole(answer)
        if self.tape is not None:
            self.tape.said(answer.body, answer.content_type)
        self._settle_answered(answer.status)
        await self.record()
        cost = header_table.cost(self._row.cost_usd)
        await self._reply.whole(
            answer.status, answer.body, [*self._answer_headers(answer), *cost], kind=answer.content_type
        )

    async def relay_stream(self, answer: Stream) -> None:
        """Pass a stream on, event by event as it came; its last event waits until the row is durable."""
        try:
            last = await self._pass_on(answer)
            self._settle_answered(answer.status)
            await self.record()
        except BaseException:
            answer.abort()
            raise
        await self._reply.last(last)
        await answer.finish()

    async def _pass_on(self, answer: Stream) -> bytes:
        """Send all events but those of the last piece; return that piece. Raises StreamCut if there is none."""
        assert self.attempt is not None
        name = self.attempt.deployment.provider
        provider = self.upstream.providers[name]
        piece, end = self._sifted, self._end
        with self._deadline:
            while True:
                if piece or end or self._reply.begun:
                    if not self._reply.begun:
                        self._row.first_token_ms = (perf_counter() - self._began) * 1000
                        self._kind = answer.content_type
                        await self._reply.begin_stream(
                            self._answer_headers(answer), kind=answer.content_type, status=answer.status
                        )
                    if self.tape is not None:
                        self.tape.said(piece, self._kind)
                    if end is True:
                        self._open = False
                        return piece
                    if piece:
                        await self._reply.piece(piece)
                    if end is not None:
                        raise end
                began = perf_counter()
                self._deadline.expect(provider.timeouts.idle, "sent nothing in the middle of its stream", name)
                events = await answer.next()
                self._deadline.rest()
                self._waited += perf_counter() - began
                if events:
                    piece, end = self._sift(events)
                elif self.reader.ends_well() and not answer.cut:
                    piece, end = b"", True
                else:
                    raise StreamCut(f"Provider {name!r} ended its stream before the answer was whole.")

    def _sift(self, events: list[Event]) -> tuple[bytes, Literal[True] | StreamFailed | None]:
        """Return what of the events goes to the caller, and how they end: the terminal one, a failure, or neither."""
        passing: list[bytes] = []
        for event in events:
            restored = self.restore(event)
            self.guard_output(restored)
            sign = self.reader.event(restored)
            if sign is Sign.FAILED:
                return b"".join(passing), StreamFailed(self._row.provider or "", restored)
            if sign is not Sign.USAGE_ONLY or self.question.wants_usage:
                passing.append(restored.raw)
            if sign is Sign.LAST:
                return b"".join(passing), True
        return b"".join(passing), None

    def restore_whole(self, answer: Whole) -> Whole:
        """Put back what was redacted into a plain answer."""
        if self.vault is None:
            return answer
        return replace(answer, body=restore_body(self.vault, answer.body, answer.content_type))

    def restore(self, event: Event) -> Event:
        """Put back what was redacted into a stream."""
        return event if self._restorer is None else self._restorer.event(event)

    def guard_output_whole(self, answer: Whole) -> None:
        """Place of the output guards on a plain answer: none yet."""

    def guard_output(self, event: Event) -> None:
        """Place of the output guards on a stream: none yet."""

    def _answer_headers(self, answer: Whole | Stream) -> Headers:
        assert self.attempt is not None
        headers = [*self._errand.headers(answer, self.attempt), *header_table.queued(self._queued)]
        notice = self.upstream.catalogue.deprecations.of(self.question.model)
        return self._with_limits([*headers, *header_table.notice(notice)])

    def _with_limits(self, headers: Headers) -> Headers:
        """Return the headers with what is left of the limits here, in the place of what is left of the provider's."""
        if self.ticket is not FREE:
            ours = self.ticket.headers()
        else:  # held to nothing, or not let in
            ours = self._gateway.admission.headers(self.key, self._row.model) if self.key is not None else []
        if not ours:
            return headers
        names = {name for name, _ in ours}
        return [*(header for header in headers if header[0] not in names), *ours]

    # -- the end -----------------------------------------------------------------------------------------------------

    def settle(self, outcome: Outcome, *, status: int, error_code: str | None = None) -> None:
        """Book what the call used and cost. From here on nothing interrupts it."""
        self._open = False
        row = self._row
        row.outcome, row.status, row.error_code = outcome, status, error_code
        if self.attempt is None or not row.attempts or not self.reader.produced:
            row.cost_usd = self._lost_usd + self._begun_unseen()
            row.cost_source = "estimated" if row.cost_usd else None
            self.ticket.settle(cost_usd=row.cost_usd, tokens=0)
            self._let_go(None if outcome == "client_left" else 0)
            return
        usage = self.reader.usage(question_bytes=self.question.size)
        self._let_go(usage.input_tokens + usage.output_tokens or None)
        charge(row, self.reader, self.upstream.prices.of(self.attempt.deployment, row.time).rate, usage)
        if self._lost_usd:
            row.cost_usd, row.cost_source = (row.cost_usd or 0.0) + self._lost_usd, "estimated"
        if self.ticket.settle(cost_usd=row.cost_usd or 0.0, tokens=usage.total_tokens):
            self._gateway.issuer.stop(str(row.key_id), OVERRUN)

    def _begun_unseen(self) -> float:
        """Return what work may cost that was begun, if it was, though no answer told of it."""
        work = later(self.question) if self._row.attempts else None
        return 0.0 if work is None else work.lost_usd

    def _given_up(self, error: WorkbenchError) -> None:
        """Note that an attempt failed; one that was given up may have been worked on."""
        if self._deadline.fired or isinstance(error, AnswerBroken):
            self._give_up()
        self._asking = False
        if self._gateway.traces is not None:
            self._gateway.traces.failed(self._row.request_id, error.error_code)

    def _give_up(self) -> None:
        """Charge an answer that the provider was at work on: it bills it, whoever waits for it."""
        if not self._asking or self.attempt is None:
            return
        known = self.upstream.prices.of(self.attempt.deployment, self._row.time)
        seconds = perf_counter() - self._asked_at
        made = 0 if self.reader.produced else may_have_made(known, limit=self.question.output_limit, seconds=seconds)
        self.reader.left(made)
        if known.rate is not None and self.reader.produced:
            self._given_up_usd = known.rate.cost(self.reader.usage(question_bytes=self.question.size))

    def _let_go(self, tokens: int | None) -> None:
        """Tell the deployment's health what the call used; None where nobody can know."""
        if self.attempt is not None:
            self.attempts.settle(tokens)

    def _settle_answered(self, status: int) -> None:
        """Settle a call whose provider answered: on a native path it may have refused, too."""
        if status < 400:
            self.settle("ok", status=status)
        else:
            self.settle("failed", status=status, error_code="refused_by_provider")

    async def record(self) -> None:
        """Write the row and wait until it is durable; raises Unavailable if it can't be."""
        row = self._row
        latency = perf_counter() - self._began
        row.latency_ms = latency * 1000
        row.overhead_ms = (latency - self._waited) * 1000
        await self._gateway.spool.write(row, self.tape)

    async def _end_with(self, error: WorkbenchError | ClientLeft) -> None:
        """Settle and record a call that did not go well, and tell the caller, if there still is one."""
        if isinstance(error, ClientLeft):
            self._give_up()
            self.settle("client_left", status=200 if self._reply.begun else _LEFT, error_code="client_left")
            await self._record_anyway()
            return
        if self._interruption is not None:
            self._give_up()
        if self.attempt is not None and self.attempt.hold.answered and isinstance(error, ProviderError):
            self.attempts.failed(self.attempt, error)  # in the middle of its answer
        if self._row.latency_ms is None:  # else it was the ledger that failed, and the row is with it
            outcome: Outcome = "failed" if self._row.attempts else "refused"
            status = 200 if self._reply.begun else status_of(error)
            self.settle(outcome, status=status, error_code=error.error_code)
            if error.error_code == LEDGER_UNAVAILABLE:
                self._gateway.spool.leave_out()
            else:
                await self._record_anyway()
        elif error.error_code == LEDGER_UNAVAILABLE:  # the row that waits tells what the caller is told
            self.settle("failed", status=200 if self._reply.begun else status_of(error), error_code=error.error_code)
        if self._reply.ended:
            return
        dialect = self._errand.dialect
        body = dialect.error_body(self._with_notice(error), self._row.request_id)
        if self._reply.begun:
            told = error.event.raw if isinstance(error, StreamFailed) else dialect.error_event(body)
            kind = self._kind.partition(b";")[0].strip().lower().decode("latin-1")
            if told is None or dialect.framing(kind) is None:
                self._reply.break_off()
            else:
                await self._reply.last(told)
        else:
            headers = self._with_limits(dialect.error_headers(error))
            await self._reply.whole(status_of(error), body, headers, kind=dialect.error_type)

    def _with_notice(self, error: WorkbenchError) -> WorkbenchError:
        """Return an error that names the successor of a model past its day, which may be why."""
        if notice := self._gateway.catalogue.deprecations.of(self._row.model):
            error.hint = f"{error.hint} {notice}" if error.hint else notice
        return error

    async def _record_anyway(self) -> None:
        try:
            await self.record()
        except Unavailable:
            _log.warning("the row of call %s waits for the ledger", self._row.request_id)


def _sign(row: LedgerRow, key: Key) -> None:
    """Write into a row whose call it is."""
    row.key_id, row.account, row.owner, row.use_case = key.id, key.account, key.owner, key.use_case


async def _left(receive: Receive) -> None:
    """Return when the client is gone, or has its whole answer."""
    await receive()
