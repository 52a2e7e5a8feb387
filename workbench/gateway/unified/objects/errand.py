"""One request about stored objects: ids are opened on the way in, for their owner only, and sealed on the way out."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import msgspec

from workbench.errors import (
    Conflict,
    InvalidInput,
    ProviderCredential,
    ProviderError,
    ProviderUnavailable,
    WorkbenchError,
)
from workbench.gateway.access.credentials import key_of
from workbench.gateway.admission.later import Later
from workbench.gateway.dialects.dialect import Dialect, Headers
from workbench.gateway.dialects.openai import OPENAI
from workbench.gateway.dialects.openai_events import FreeReader
from workbench.gateway.providers.provider import ConnectionDropped, ProviderFailed, Whole
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.routing.models import Deployment, Model
from workbench.gateway.unified import header_table
from workbench.gateway.unified.body import decode, read_body
from workbench.gateway.unified.form import Form, read_form
from workbench.gateway.unified.objects.kinds import BATCH, RESPONSE, check_ids, renamed
from workbench.gateway.unified.objects.lists import Listing
from workbench.gateway.unified.objects.owner import owner_of
from workbench.gateway.unified.objects.repeats import Wish
from workbench.gateway.unified.objects.signed_ids import unknown
from workbench.gateway.unified.objects.upload import check_upload
from workbench.gateway.unified.objects.wishes import WISHES, provider_name
from workbench.gateway.unified.question import Question
from workbench.settings import Price

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.providers.provider import Provider, Stream
    from workbench.gateway.unified.objects.actions import Action

_NOTHING = Price(input=0, output=0)
_LONGEST_KEY = 255
_OF_A_BATCH = frozenset({"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"})
"""Fields of a new batch by which it costs no more than its file's lines."""
_LONGEST_ID = 200
_STILL_SECONDS = 10.0
"""How long a provider is waited for that is beginning work, when nobody waits for the answer any more."""
_fields = msgspec.json.Decoder(dict[str, Any])
_REPEATED = (b"idempotency-replayed", b"true")


_NOT_DONE = (ProviderFailed, ProviderUnavailable, ProviderCredential)
"""Errors by which a provider did not do what it was asked."""


class ObjectErrand:
    """One request; made for it alone."""

    def __init__(self, gateway: Parts, action: Action, scope: Scope) -> None:
        self.path: str = scope["path"]
        """Path of the request."""
        self._gateway = gateway
        self._action = action
        self._presented: str = scope.get("path_params", {}).get("id", "")
        self._query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self._key: Key
        self._provider = ""
        self._upstream_id = ""
        self._most_usd: float | None = None
        self._priced_at = 0.0
        self._later: Later | None = None
        self._wish: Wish | None = None
        self._begun = False
        self._replayed = False

    @property
    def dialect(self) -> Dialect:
        """Return OpenAI's protocol."""
        return OPENAI

    # -- what is asked -----------------------------------------------------------------------------------------------

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> Question:
        """Read the request; raises NotFound for what is not the caller's, and InvalidInput."""
        key = self._key = key_of(headers, self._gateway.keys)
        action = self._action
        form: Form | None = None
        fields: dict[str, Any] = {}
        size = 0
        if self._presented:
            await self._find()
        if action.does == "upload":
            form = await read_form(receive, headers, limit=limit)
        elif action.method == "POST":
            body = await read_body(receive, headers, limit=limit)
            size = len(body)
            fields = decode(body or b"{}", _fields)
        try:
            if form is not None:
                size = form.size
                self._provider = provider_name(self._gateway)
                self._priced_at = self._gateway.prices.read_at
                self._most_usd = await check_upload(form, self._provider, key, self._gateway)
            elif action.method == "POST":
                self._later = await self._work(fields)
                fields = self._opened(fields)
            self._provider = self._provider or provider_name(self._gateway)
            self._note_key(headers, form, fields)
            await self._look_for_answer()
        except BaseException:
            if form is not None:
                form.close()
            raise
        return Question(
            operation=action.upstream.replace("{id}", quote(self._upstream_id, safe="")),
            model="",
            size=size,
            fields={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()},
            forwarded=header_table.to_provider(headers),
            stream=action.kind is RESPONSE and self._query.get("stream") == "true",
            reader=FreeReader,
            binary=action.does == "download",
            method=action.method,
            query={name: self._query[name] for name in action.query if name in self._query},
            form=form,
            free=True,
            later=self._later,
        )

    async def _find(self) -> None:
        """Find where the object of the path is."""
        if self._action.kind is RESPONSE:
            owner = owner_of(self._key)
            stored = await asyncio.to_thread(self._gateway.objects.store.get, self._presented[:_LONGEST_ID], owner)
            if stored is None:
                raise unknown(self._presented)
            self._provider, self._upstream_id = stored.provider, stored.upstream_id
            return
        opening = self._gateway.objects.opening(self._key)
        self._upstream_id = opening(self._action.kind, self._presented)
        self._provider = opening.provider or ""

    async def _work(self, fields: dict[str, Any]) -> Later | None:
        """Return what is known of the work that begins and is paid when it has ended."""
        if not self._action.priced:
            return None
        if self._action.kind is not BATCH:
            return Later(None, "it trains a model.", "Use a key that no budget binds.")
        if more := fields.keys() - _OF_A_BATCH:
            return Later(None, f"it has a field {min(more)[:40]!r}.", f"Send {', '.join(sorted(_OF_A_BATCH))} only.")
        file = str(fields.get("input_file_id"))[:_LONGEST_ID]
        stored = await asyncio.to_thread(self._gateway.objects.store.get, file, owner_of(self._key))
        if stored is None or stored.created_at < self._gateway.prices.read_at:
            why = "its file was not uploaded here for a batch, or prices were read anew since."
            return Later(None, why, "Upload the file again.")
        why = "a model in its file has no price, or a line holds more than texts, functions and one limit of tokens."
        hint = "Send such calls one by one, give the models prices, or use a key that no budget binds."
        return Later(stored.most_usd, why, hint)

    async def _look_for_answer(self) -> None:
        """Look whether the request was answered before: then it begins nothing, and nothing is held for it."""
        if self._later is not None and self._wish is not None:
            self._replayed = await asyncio.to_thread(self._gateway.objects.repeats.is_answered, self._wish)
            self._later = None if self._replayed else self._later

    def _opened(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return a body with the provider's own ids and names, checked."""
        opening = self._gateway.objects.opening(self._key)
        opening.provider = self._provider or None
        check_ids(fields)
        opened: dict[str, Any] = renamed(fields, opening)
        self._provider = opening.provider or ""
        check = WISHES.get((self._action.kind.name, self._action.does))
        return opened if check is None else check(opened, self._provider, self._key, self._gateway)

    def _note_key(self, headers: Mapping[bytes, bytes], form: Form | None, fields: dict[str, Any]) -> None:
        """Note an `idempotency-key`."""
        sent = headers.get(b"idempotency-key")
        if not sent or self._action.does not in ("upload", "create"):
            return
        if len(sent) > _LONGEST_KEY:
            raise InvalidInput(f"idempotency-key is over {_LONGEST_KEY} characters.", hint="Shorten it.")
        told = (
            form.digest()
            if form is not None
            else hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
        )
        self._wish = Wish(owner_of(self._key), self._action.path, sent.decode("latin-1"), told)

    def attempts(self, question: Question, key: Key, gateway: Parts) -> Attempts:
        """Return the one place where the object is; what begins work that costs has no price that is known."""
        provider = self._provider
        settings = gateway.settings.providers.get(provider)
        if settings is None:
            raise unknown(self._presented)
        deployment = Deployment(
            provider=provider,
            kind=settings.kind,
            model=self._action.kind.path,
            price=None if self._action.priced and not self._replayed else _NOTHING,
        )
        model = Model(name=deployment.label, task="objects", deployments=(deployment,))
        looks = self._action.method == "GET"  # anything else may have been done although the answer is an error
        return Attempts(model, gateway.models, key.scopes, gateway.health, size=0, again=looks)

    # -- what is answered --------------------------------------------------------------------------------------------

    def needed(self, provider: Provider) -> Provider:
        """Return the provider itself."""
        return provider

    async def ask(self, provider: Provider, question: Question, attempt: Attempt) -> Whole | Stream:
        """Ask the provider, unless the answer is known."""
        if self._action.does == "list":
            listing = Listing(self._gateway, self._key, self._action.kind)
            return Whole(await listing.body(self._query), None, asked=False)
        if self._wish is not None and not self._begun:
            before = await asyncio.to_thread(self._gateway.objects.repeats.begin, self._wish)
            if before is not None:
                return Whole(before, None, headers=(_REPEATED,), asked=False)
            self._begun = True
            if self._replayed:  # a moment ago there was an answer, so nothing is held
                raise Conflict("The answer to this request is kept no longer.", hint="Send it again.")
        if self._later is not None:
            return await self._begin(provider, question, self._later)
        answer = await self._answer(provider, question)
        if not isinstance(answer, Whole) or (self._action.kind is RESPONSE and self._action.does != "delete"):
            return answer
        return await self._noted(answer)

    async def _begin(self, provider: Provider, question: Question, later: Later) -> Whole | Stream:
        """Begin work that is paid later, and note it, even if the caller leaves meanwhile.

        Where no answer tells whether it has begun, it counts as lost: its most is charged.
        """

        async def begun() -> Whole:
            later.lost = True  # until an answer tells
            try:
                answer = await self._answer(provider, question)
            except WorkbenchError as error:
                later.lost = _may_be_done(error)
                raise
            assert isinstance(answer, Whole)
            seen = await self._seen(answer)
            later.lost = False
            return seen

        work = asyncio.ensure_future(begun())
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, if nobody waits any more
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({work}, timeout=_STILL_SECONDS)
            finally:
                work.cancel()
            raise

    async def _answer(self, provider: Provider, question: Question) -> Whole | Stream:
        """Ask the provider."""
        try:
            if question.stream:
                return await provider.stream(question, "")
            return await provider.answer(question, "")
        except ConnectionDropped as error:
            if self._action.method == "POST":  # it may have been done: not again by itself
                raise ProviderError(error.message, hint="Look whether it was done before you send it again.") from error
            raise
        except ProviderError as error:
            if error.error_code == "provider_not_found" and self._presented:
                raise unknown(self._presented) from error
            raise

    async def _noted(self, answer: Whole) -> Whole:
        """Return an answer as its owner is to see it; what it tells is kept even if the caller leaves meanwhile."""
        noting = asyncio.ensure_future(self._seen(answer))
        try:
            return await asyncio.shield(noting)
        except asyncio.CancelledError:
            await asyncio.gather(noting, return_exceptions=True)
            raise

    async def _seen(self, answer: Whole) -> Whole:
        """Return an answer as its owner is to see it, after what it tells was kept."""
        objects, owner = self._gateway.objects, owner_of(self._key)
        try:
            told = _fields.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError(f"Provider {self._provider!r} answered what is no JSON object.") from error
        if self._action.does == "delete":
            await asyncio.to_thread(objects.store.forget, self._presented, owner)
        if self._action.kind is RESPONSE:
            return answer
        if self._priced_at != self._gateway.prices.read_at:
            self._most_usd = None  # summed at other prices than those that hold now
        if self._action.does in ("upload", "create", "show") and isinstance(told.get("id"), str):
            seen = await objects.keep(
                self._action.kind, self._provider, told, self._key, self._gateway,
                is_new=self._action.does == "upload", most_usd=self._most_usd, later=self._later,
            )  # fmt: skip
        else:
            seen = objects.told(told, self._provider, self._key)
        body = msgspec.json.encode(seen)
        if self._wish is not None and self._begun:
            await asyncio.to_thread(objects.repeats.keep, self._wish, body)
            self._begun = False
        return replace(answer, body=body)

    def headers(self, answer: Whole | Stream, attempt: Attempt) -> Headers:
        """Return what an answer tells of where it came from."""
        told = header_table.to_caller(attempt, upstream_id=answer.request_id)
        return [header for header in told if header[0] != b"x-workbench-model"] + list(answer.headers)

    async def close(self) -> None:
        """Let a request that has no answer be tried again."""
        if self._wish is not None and self._begun:
            await asyncio.to_thread(self._gateway.objects.repeats.forget, self._wish)


def _may_be_done(error: WorkbenchError) -> bool:
    """Tell whether a provider may have done what it was asked, though this is what came back."""
    told = isinstance(error, _NOT_DONE) or error.error_code == "provider_not_found"
    return isinstance(error, ProviderError) and not told
