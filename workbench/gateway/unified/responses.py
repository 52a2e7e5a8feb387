"""`POST /v1/responses`: a call whose answer stays at the provider, and whose id is bound to the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from workbench.errors import BilledLater
from workbench.gateway.access.credentials import key_of
from workbench.gateway.access.limits import NO_BUDGET
from workbench.gateway.dialects.dialect import Dialect, Headers
from workbench.gateway.dialects.openai import OPENAI
from workbench.gateway.providers.provider import Whole
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.settlement.store import Due
from workbench.gateway.unified import header_table
from workbench.gateway.unified.body import read_body
from workbench.gateway.unified.objects.kinds import RESPONSE
from workbench.gateway.unified.objects.owner import owner_of
from workbench.gateway.unified.objects.references import label_at, open_references
from workbench.gateway.unified.objects.signed_ids import unknown
from workbench.gateway.unified.objects.store import Stored
from workbench.gateway.unified.operation import ask, asked_model
from workbench.gateway.unified.operations.responses import PATH, TASK, Wish, read_response
from workbench.wire.sse import Event
from workbench.wire.usage import Usage

if TYPE_CHECKING:
    from starlette.types import Receive

    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.providers.provider import Provider, Stream
    from workbench.gateway.unified.question import Question

_T = TypeVar("_T")
_PAID_LATER = ("queued", "in_progress")
"""States of an answer that is made in the background."""
_LONGEST_ID = 200
_CONVERSATION_TOKENS = 100_000
"""Input tokens that a conversation which is kept at a provider may have, at most, where that is not known."""


class _Used(msgspec.Struct):
    total_tokens: int | None = None


class _Made(msgspec.Struct):
    id: str | None = None
    usage: _Used | None = None
    status: Any = None


class _Event(msgspec.Struct):
    response: _Made | None = None


_made = msgspec.json.Decoder(_Made)
_event = msgspec.json.Decoder(_Event)


class ResponsesErrand:
    """One request; made for it alone."""

    path = PATH

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._key: Key | None = None
        self._wish: Wish
        self._previous: Stored | None = None

    @property
    def dialect(self) -> Dialect:
        """Return OpenAI's protocol."""
        return OPENAI

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> Question:
        """Read the request, and find what it goes on from; raises NotFound where that is not the caller's."""
        body = await read_body(receive, headers, limit=limit)
        question, self._wish = read_response(body, header_table.to_provider(headers))
        previous = self._wish.previous_response_id
        if previous is None:
            return question
        owner = owner_of(key_of(headers, self._gateway.keys))
        self._previous = await asyncio.to_thread(self._gateway.objects.store.get, previous[:_LONGEST_ID], owner)
        if self._previous is None:
            raise unknown(previous)
        tokens = self._previous.seen.get("tokens", _CONVERSATION_TOKENS)
        return msgspec.structs.replace(question, pieces=Usage(input_tokens=tokens))

    def attempts(self, question: Question, key: Key, gateway: Parts) -> Attempts:
        """Return the deployments of the model; only that which has what the request goes on from, or names."""
        self._key = key
        if self._wish.background and key.budget != NO_BUDGET:
            raise BilledLater(
                "A key with a budget can't ask for answers in the background: what they cost is known too late.",
                hint="Leave `background` out.",
            )
        model = asked_model(question.model, key, gateway, path=PATH, task=TASK)
        opening = gateway.objects.opening(key)
        open_references(question, opening)
        only = None if opening.provider is None else label_at(model, opening.provider)
        if self._previous is not None:
            only = label_at(model, self._previous.provider, first=self._previous.seen.get("deployment"))
        return Attempts(
            model, gateway.models, key.scopes, gateway.health, size=question.size, only=only,
            again=not self._wish.background,
        )  # fmt: skip

    def needed(self, provider: Provider) -> Provider:
        """Return the provider itself."""
        return provider

    async def ask(self, provider: Provider, question: Question, attempt: Attempt) -> Whole | Stream:
        """Ask one provider; whose the answer is, is kept before its id goes out."""
        answer = await ask(provider, question, attempt)
        if self._wish.store is False:
            return answer
        if isinstance(answer, Whole):
            made = _read(_made, answer.body)
            await self._keep(made, attempt)
            if self._wish.background and made is not None and made.id and made.status in _PAID_LATER:
                await self._note_due(made.id, attempt)
            return answer
        return Noting(answer, lambda made: self._keep(made, attempt))

    def headers(self, answer: Whole | Stream, attempt: Attempt) -> Headers:
        """Return what an answer tells of where it came from."""
        return header_table.to_caller(attempt, upstream_id=answer.request_id)

    async def _keep(self, made: _Made | None, attempt: Attempt) -> None:
        assert self._key is not None
        if made is None or not made.id or len(made.id) > _LONGEST_ID:
            return
        seen: dict[str, Any] = {"deployment": attempt.deployment.label, "model": attempt.model.name}
        if made.usage is not None and made.usage.total_tokens is not None:
            seen["tokens"] = made.usage.total_tokens
        stored = Stored(
            id=made.id,
            kind=RESPONSE.name,
            owner=owner_of(self._key),
            provider=attempt.deployment.provider,
            upstream_id=made.id,
            created_at=time.time(),
            seen=seen,
        )
        await asyncio.to_thread(self._gateway.objects.store.keep, stored)

    async def _note_due(self, made_id: str, attempt: Attempt) -> None:
        """Note an answer that is made in the background: what it costs is known when it has ended."""
        key = self._key
        assert key is not None
        due = Due(
            kind=RESPONSE.name, provider=attempt.deployment.provider, upstream_id=made_id[:500], key_id=key.id,
            account=key.account, owner=key.owner, use_case=key.use_case, created_at=time.time(),
        )  # fmt: skip
        await asyncio.to_thread(self._gateway.objects.settlements.note, due)


class Noting:
    """A stream of which is noted what it makes: when that begins, and when it is whole."""

    def __init__(self, stream: Stream, note: Callable[[_Made], Awaitable[None]]) -> None:
        self.request_id = stream.request_id
        self.status = stream.status
        self.content_type = stream.content_type
        self.headers = stream.headers
        self.limits = getattr(stream, "limits", None)
        """What the provider tells of its own limits."""
        self._stream = stream
        self._note = note
        self._begun = False

    @property
    def cut(self) -> bool:
        """Whether the connection ended before the body did."""
        return self._stream.cut

    async def next(self) -> list[Event]:
        """Return the events that have come since."""
        events = await self._stream.next()
        for event in events:
            if self._begun and b'"total_tokens"' not in event.data:
                continue
            inner = _read(_event, event.data or b"{}")
            if inner is not None and inner.response is not None and inner.response.id:
                self._begun = True
                await self._note(inner.response)
        return events

    async def finish(self) -> None:
        """Let go of the connection."""
        await self._stream.finish()

    def abort(self) -> None:
        """Stop the provider."""
        self._stream.abort()


def _read(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T | None:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # whoever reads the answer tells what is wrong with it
