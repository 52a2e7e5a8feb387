"""Providers of another protocol, translated by litellm: OpenAI's shape in, OpenAI's shape out.

Only litellm's translation is used. The requests are made by the gateway's own client, so its time-outs, cancelling,
sign-in and errors hold here too, and no host is spoken to but the configured one. Loaded with the first call.
"""

from __future__ import annotations

import asyncio
import re

import msgspec
from aiohttp import ClientResponse
from yarl import URL

from workbench.errors import InvalidInput, ProviderError, WorkbenchError
from workbench.gateway.providers import (
    litellm_anthropic,
    litellm_bedrock,
    litellm_gemini,
    litellm_library,
    litellm_other,
    litellm_vertex,
)
from workbench.gateway.providers.http import HttpClient, HttpStream, read_whole, request_id_of
from workbench.gateway.providers.provider import Question, Whole
from workbench.gateway.providers.signed import SignedClient
from workbench.gateway.providers.signin.sign_in import SignIn
from workbench.gateway.providers.translated_stream import TranslatedStream
from workbench.gateway.providers.translation import Asking, Lanes, Request, Translated
from workbench.settings import Kind, ProviderSettings, Timeouts
from workbench.wire import event_stream

_LITELLMS_ADVICE = re.compile(r"To drop (?:these|it)|,? ?(?:or set|OR set|Either provide one, or set) `litellm\.")
"""Where litellm goes on to tell its own callers which of its switches to set."""
FAMILIES: dict[Kind, Lanes] = {
    "anthropic": litellm_anthropic.LANES,
    "gemini": litellm_gemini.LANES,
    "vertex": litellm_vertex.LANES,
    "bedrock": litellm_bedrock.LANES,
    "litellm": litellm_other.LANES,
}
"""The operations that each kind answers, and their translation; a new family is a file and a row."""

_AT_ONCE = 8
"""Requests of one call that are under way at a time."""


class LitellmProvider:
    """A provider behind litellm's translation."""

    def __init__(
        self,
        name: str,
        *,
        settings: ProviderSettings,
        client: HttpClient,
        base_url: URL,
        signin: SignIn,
        timeouts: Timeouts,
    ) -> None:
        self.name = name
        self.kind: Kind = settings.kind
        self.base_url = base_url
        self.signin = signin
        self.timeouts = timeouts
        self._settings = settings
        self._lanes = FAMILIES[settings.kind]
        self._client = SignedClient(name, client=client, signin=signin)
        self._loaded = False

    @property
    def ready(self) -> bool:
        """Whether litellm is loaded, and the provider signed in to."""
        return self._loaded and self.signin.ready

    async def prepare(self) -> None:
        """Sign in, and import litellm, in a thread, with the first call."""
        await self.signin.prepare()
        if not self._loaded:
            await asyncio.to_thread(litellm_library.load)
            self._loaded = True

    async def answer(self, question: Question, model: str) -> Whole:
        """Ask for a plain answer."""
        if question.form is None:
            translated = self._translate(question, model, stream=False)
        else:  # pictures are decoded
            translated = await asyncio.to_thread(self._translate, question, model, stream=False)
        places = asyncio.Semaphore(_AT_ONCE)

        async def fetch(request: Request) -> tuple[bytes, ClientResponse]:
            async with places:
                response = await self._post(request)
                return await read_whole(self.name, response), response

        if len(translated.requests) == 1:
            answers = [await fetch(translated.requests[0])]
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(fetch(request)) for request in translated.requests]
            except BaseExceptionGroup as failed:  # one refusal is what the caller is told; it has stopped the others
                raise failed.exceptions[0] from failed
            answers = [task.result() for task in tasks]
        try:
            whole = translated.whole([body for body, _ in answers])
        except WorkbenchError:
            raise
        except Exception as error:  # litellm raises whatever its parser meets
            raise ProviderError(f"Provider {self.name!r} answered what can't be translated.") from error
        return Whole(whole, request_id_of(answers[0][1]), limits=answers[-1][1].headers)

    async def stream(self, question: Question, model: str) -> TranslatedStream:
        """Ask for a stream and wait for its first chunk."""
        translated = self._translate(question, model, stream=True)
        assert translated.events is not None
        response = await self._post(translated.requests[0])
        framing = event_stream.Splitter() if translated.stream_type == event_stream.CONTENT_TYPE else None
        stream = await HttpStream(self.name, response, framing=framing).open(content_type=translated.stream_type)
        return await TranslatedStream(stream, translated.events(), name=self.name).open()

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _post(self, request: Request) -> ClientResponse:
        headers = {**request.headers, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        return await self._client.post(request.url, msgspec.json.encode(request.body), headers)

    def _translate(self, question: Question, model: str, *, stream: bool) -> Translated:
        lane = self._lanes.get(question.operation)
        if lane is None:
            known = ", ".join(self._lanes)
            raise InvalidInput(
                f"Provider {self.name!r} (kind {self.kind!r}) can't answer {question.operation!r}.",
                hint=f"Name another model; this one's provider answers {known}.",
                code="unsupported_operation",
                param="model",
            )
        fields = msgspec.json.decode(question.body_for(model))
        asking = Asking(self.name, self.base_url, self._settings, model, fields, stream, question.form)
        try:
            translated = lane(asking)
        except WorkbenchError:
            raise
        except Exception as error:
            raise _refused(error, asking) from error
        if stream and translated.events is None:
            raise InvalidInput(
                f"Provider {self.name!r} (kind {self.kind!r}) can't stream {question.operation!r}.",
                hint="Ask without `stream`.",
                code="unsupported_parameter",
                param="stream",
            )
        return translated


def _refused(error: Exception, asking: Asking) -> WorkbenchError:
    provider, status = asking.provider, getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        text = _LITELLMS_ADVICE.split(str(getattr(error, "message", error)).removeprefix("litellm."))[0]
        kind, _, said = text.strip().partition(": ")
        if kind != "UnsupportedParamsError":
            return InvalidInput(f"The request can't be translated for provider {provider!r}: {text.strip()[:500]}")
        return InvalidInput(
            f"A field can't be honoured by provider {provider!r}: {said[:500]}",
            hint="Leave it out, or name another model.",
            code="unsupported_parameter",
            param=next((name for name in asking.fields if name in said), None),
        )
    return InvalidInput(
        f"The request can't be translated for provider {provider!r} ({type(error).__name__}).",
        hint="Check messages and tools against OpenAI's reference.",
    )
