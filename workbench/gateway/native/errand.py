"""One native request as the life of a call sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import ClientResponse
from yarl import URL

from workbench.errors import (
    InvalidInput,
    NotFound,
    PermissionDenied,
    ProviderError,
    UnsupportedMedia,
    WorkbenchError,
)
from workbench.gateway.dialects.dialect import Dialect, Headers
from workbench.gateway.errand import Preparable
from workbench.gateway.native import header_table
from workbench.gateway.native.body import Incoming, Passing
from workbench.gateway.native.dialects import dialect_of
from workbench.gateway.native.model import NativeModels, model_of
from workbench.gateway.native.multipart import Fields
from workbench.gateway.native.paths import Place, find, names_collection, names_shared
from workbench.gateway.native.question import NativeQuestion, peek_json
from workbench.gateway.native.rule import Rule
from workbench.gateway.native.target import Target
from workbench.gateway.native.upstream import url_of
from workbench.gateway.native.vertex import check_place, completed
from workbench.gateway.providers.http import HttpStream, read_whole, request_id_of
from workbench.gateway.providers.provider import ConnectionDropped, Whole
from workbench.gateway.providers.refusal import refusal
from workbench.gateway.providers.signed import SignedClient
from workbench.gateway.routing.attempts import Attempts
from workbench.gateway.settlement.native import begins, note_begun
from workbench.gateway.unified import header_table as told_table

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.providers.provider import Provider, Stream
    from workbench.gateway.routing.attempts import Attempt

_OPEN_METHODS = frozenset({"GET", "HEAD", "DELETE"})
_JSON = "application/json"
_MODEL_FIELDS = frozenset({"model", "stream"})
_REFUSED_CREDENTIAL = (401, 402, 403)
_NOTHING = Rule("", frozenset())
_NO_CONTENT, _NOT_MODIFIED, _BAD_REQUEST = 204, 304, 400


class NativeErrand:
    """A request on a provider's own path; made for each request."""

    def __init__(
        self,
        gateway: Parts,
        models: NativeModels,
        target: Target,
        scope: Scope,
        *,
        refusal: WorkbenchError | None = None,
    ) -> None:
        kind = gateway.settings.providers[target.provider].kind
        self.path = f"/{target.provider}{target.path}"
        self._gateway = gateway
        self._models = models
        self._kind = kind
        self._question: NativeQuestion | None = None
        self._upstream = gateway.upstream
        self._key: Key | None = None
        self._target = target
        self._method: str = scope["method"]
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        found = refusal or find(kind, target.provider, self._method, target.path)
        self._place = found if isinstance(found, Place) else None
        self._refusal = found if isinstance(found, WorkbenchError) else None
        self._query_bytes: bytes = scope["query_string"]
        self.dialect: Dialect = dialect_of(kind, self._place, self._target)

    @property
    def rule(self) -> Rule:
        """The row of its path; an empty one where there is none."""
        return self._place.rule if self._place is not None else _NOTHING

    # -- the request -------------------------------------------------------------------------------------------------

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> NativeQuestion:
        """Read as much of the request as names its model; the body of a path that is refused is not read."""
        question = self._question = NativeQuestion(
            rule=self.rule, stream=self.rule.stream, only_looks=self._method in _OPEN_METHODS
        )
        if self._place is None:
            return question
        header_table.check(self._headers)
        _check_coding(headers)
        named = self._place.names.get("model") if self.rule.model == "path" else None
        incoming = Incoming(receive, headers, limit=limit)
        if self._has_body(headers):
            named = await self._read_body(question, incoming, headers) or named
        question.model = f"{self._target.provider}/{model_of(self.rule, named, self._target)}" if named else ""
        return question

    def _has_body(self, headers: Mapping[bytes, bytes]) -> bool:
        length = headers.get(b"content-length")
        return b"transfer-encoding" in headers or (length is not None and length.strip(b"0") != b"") or (
            length is None and self._method not in _OPEN_METHODS
        )  # fmt: skip

    async def _read_body(
        self, question: NativeQuestion, incoming: Incoming, headers: Mapping[bytes, bytes]
    ) -> str | None:
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        kind = content_type.partition(";")[0].strip().lower()
        in_body = self.rule.model == "body"
        if kind.endswith(("/json", "+json")) or (in_body and not kind):
            named = peek_json(question, await incoming.whole())
        elif kind == "multipart/form-data" and in_body:
            named = await _peek_multipart(question, incoming, content_type)
        elif in_body:
            raise UnsupportedMedia(
                f"The content type {kind[:100]!r} is not taken here.", hint=f"Send {_JSON}, as the SDK does."
            )
        else:
            named = None
            question.size = incoming.declared or 0
            held = self._kind == "bedrock"  # its signature needs the whole body
            question.body = await incoming.whole() if held else Passing(incoming)
        if in_body and named is None:
            raise InvalidInput("The request names no model.", hint="Send `model`.", param="model")
        return named if in_body else None

    def attempts(self, question: NativeQuestion, key: Key, gateway: Parts) -> Attempts:
        """Return the place that can answer; raises PermissionDenied, NotFound or MethodNotAllowed, in this order."""
        provider = self._target.provider
        self._upstream = gateway.upstream
        self._key = key
        if not key.scopes.allow_provider(provider):
            raise PermissionDenied(
                f"Key {key.id} may not use provider {provider!r}.", hint="`/me` tells what it may use."
            )
        if self._refusal is not None:
            raise self._refusal
        if provider not in gateway.settings.providers:
            raise NotFound(f"Provider {provider!r} is not configured any more.")
        self._check_shared(question, key)
        assert self._place is not None
        check_place(provider, gateway.settings.providers[provider], self._place.names)
        if question.model and not key.scopes.allow_model(question.model):
            raise PermissionDenied(
                f"Key {key.id} may not use model {question.model[:200]!r} at {self.path[:200]}.",
                hint="`/me` tells what it may use; models of a provider's own paths are named `provider/model`.",
            )
        name = question.model.partition("/")[2]
        model = self._models.of(provider, name, gateway)
        return Attempts(model, gateway.models, key.scopes, gateway.health, size=question.size, again=False)

    def _check_shared(self, question: NativeQuestion, key: Key) -> None:
        target, rule = self._target, self.rule
        if rule.shared is not None and not names_shared(key.scopes, target.provider, rule, target.path):
            raise self._not_spelt_out(key, rule.shared, self.path)
        for collection in question.reads_of_others:
            if not names_collection(key.scopes, target.provider, collection):
                version = target.path.split("/")[1]
                raise self._not_spelt_out(key, collection, f"/{target.provider}/{version}/{collection}")

    def _not_spelt_out(self, key: Key, what: str, path: str) -> PermissionDenied:
        return PermissionDenied(
            f"Key {key.id} may not reach {what} here: on a provider's own paths they are the whole account's.",
            hint=f"Use the unified API below /v1, where they are yours alone; or have the admin issue a key whose "
            f"scopes spell the path out, such as paths = ['*', '{path[:200]}*'].",
            code="shared_path",
        )  # fmt: skip

    def close(self) -> None:
        """Let go of what is held of the body."""
        body = self._question.body if self._question is not None else None
        if isinstance(body, Passing):
            body.close()

    # -- the provider ------------------------------------------------------------------------------------------------

    def needed(self, provider: Provider) -> Preparable:
        """Return what must be ready: the sign-in; of a server that the gateway itself starts, the server."""
        return provider if provider.kind == "local" else provider.signin

    async def ask(self, provider: Provider, question: NativeQuestion, attempt: Attempt) -> Whole | Stream:
        """Ask the provider; what it refuses comes back as it is, unless it is the gateway's credential."""
        key = self.dialect.presented(dict(self._headers), self._query_bytes)
        path = self._target.raw
        if provider.kind == "vertex":
            path = completed(self._upstream.settings.providers[provider.name], path)
        if key and key in self._target.raw:
            raise InvalidInput("The path holds the gateway key.", hint="Send it in a header.", code="bad_path")
        url = url_of(provider, path, self._target.without_key(key))
        headers = header_table.to_provider(self._headers, key=key)
        body = question.body
        if isinstance(body, Passing):
            if body.begun:
                raise ProviderError(f"Provider {provider.name!r} did not take the body.", code="body_not_taken")
            if body.declared is not None:
                headers["content-length"] = str(body.declared)
        try:
            client = SignedClient(provider.name, client=self._upstream.client, signin=provider.signin)
            response = await client.send(self._method, url, body, headers)
        except ProviderError as error:
            if isinstance(body, Passing) and body.error is not None:
                raise body.error from None  # the connection broke because the caller's side did
            if isinstance(error, ConnectionDropped) and self.rule.shared and self._method not in _OPEN_METHODS:
                raise ProviderError(error.message) from error  # it may have been made: not once more
            raise
        return await self._answer(provider, url, response)

    async def _answer(self, provider: Provider, url: URL, response: ClientResponse) -> Whole | Stream:
        question = self._question
        assert question is not None
        status, kind = response.status, response.content_type
        if status in _REFUSED_CREDENTIAL or (300 <= status < 400 and status != _NOT_MODIFIED):
            raise await self._upstream.client.meant(provider.name, response, refused=refusal)
        if status < 300 and kind == "text/html":
            response.close()
            raise ProviderError(
                f"Provider {provider.name!r} answered with a web page.",
                hint=f"The admin must check [providers.{provider.name}] base_url.",
            )
        headers = tuple(header_table.to_caller(response.headers, secrets=_secrets(provider, self._method, url)))
        is_json = kind == _JSON or kind.endswith("+json")
        framing = self.dialect.framing(kind) if status < 300 else None
        question.reading.expect(framed=framing is not None, is_json=is_json, headers=response.headers)
        if framing is None and (is_json or status >= 300 or _is_empty(self._method, response)):
            body = await read_whole(provider.name, response)
            told = response.headers.get("content-type", "").encode("latin-1", "replace")
            if status == _BAD_REQUEST and provider.kind == "gemini" and b"API key not valid" in body:
                raise refusal(provider.name, 401, response.headers, body)
            if status < 300 and self._key is not None and begins(self._method, self._target.path):
                await note_begun(self._gateway.objects.settlements, self._target, self._key, body)
            request_id = request_id_of(response)
            return Whole(body, request_id, status=status, content_type=told, headers=headers, limits=response.headers)
        question.stream = True  # or not, as the caller asked: it comes in pieces
        if framing is None:
            self.dialect = replace(self.dialect, error_event=_broken_off)
            if response.content_length is not None and "content-encoding" not in response.headers:  # else unpacked
                headers = (*headers, (b"content-length", str(response.content_length).encode()))
        return HttpStream(provider.name, response, framing=framing, headers=headers)

    def headers(self, answer: Whole | Stream, attempt: Attempt) -> Headers:
        """Return the provider's own headers, and where the answer came from."""
        ours = told_table.to_caller(attempt, upstream_id=answer.request_id)
        return [*answer.headers, *ours]


def _check_coding(headers: Mapping[bytes, bytes]) -> None:
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding not in (b"", b"identity"):
        raise UnsupportedMedia(
            f"The content coding {coding.decode('latin-1')[:40]!r} is not taken here.", hint="Send the body plain."
        )


async def _peek_multipart(question: NativeQuestion, incoming: Incoming, content_type: str) -> str | None:
    """Take a form until its model is known; the rest of it goes on as it comes."""
    fields = Fields(content_type, _MODEL_FIELDS)

    def look(chunk: bytes) -> None:
        fields.feed(chunk)
        if incoming.ended:
            fields.end()

    question.body = body = Passing(incoming, look)
    question.size = incoming.declared or 0
    await body.peek(lambda: "model" in fields.found)
    question.stream = question.stream or fields.found.get("stream", "").lower() == "true"
    return fields.found.get("model")


def _is_empty(method: str, response: ClientResponse) -> bool:
    return method == "HEAD" or response.status == _NO_CONTENT or response.content_length == 0


def _secrets(provider: Provider, method: str, url: URL) -> list[str]:
    """Return what of the provider's credential could come back in a header, should its server show what it got."""
    signin = provider.signin
    if signin.signs_body:  # what was sent is good for that request only
        return []
    sent = signin.headers(method, url, None, {})
    return [value.rpartition(" ")[2] for value in sent.values()]


def _broken_off(_body: bytes) -> None:
    """Tell that the answer has no place for an error: its connection is broken instead."""
