"""Providers of another protocol, translated by litellm: OpenAI's shape in, OpenAI's shape out.

Only litellm's translation is used. The requests are made by the gateway's own client, so its time-outs, cancelling and
errors hold here too, and no host is spoken to but the configured one. Loaded with the first call that needs it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from yarl import URL

from workbench.errors import InvalidInput, ProviderError, WorkbenchError
from workbench.gateway.providers.http import HttpClient, HttpStream, read_whole, request_id_of
from workbench.gateway.providers.provider import Question, Whole
from workbench.gateway.providers.translated_stream import Parser, TranslatedStream
from workbench.settings import Timeouts

HARMLESS: Mapping[str, object] = {
    "n": 1, "logprobs": False, "store": False, "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {},
}  # fmt: skip
"""Fields that say, with this value, what holds anyway; with any other value they are refused by name."""
_NOT_FOR_TRANSLATION = ("model", "messages", "stream", "stream_options")
_NEVER = frozenset({"extra_headers"})
"""Fields that litellm takes from its own callers, and the gateway from nobody."""
_OF_THE_PROTOCOL = frozenset({"top_k", "thinking"})
"""Fields that are not OpenAI's and that the target knows as they are."""

_CREDENTIALS = frozenset({"x-api-key", "authorization"})
_PLACEHOLDER = "none"
"""Given to litellm in place of an empty key, for which it would take one from the environment; never sent."""


@dataclass(frozen=True, slots=True)
class Family:
    """What must be known of a protocol beside litellm's translation of it."""

    path: str
    """Where it answers, below the base URL."""
    terminal: str
    """The event that ends a good stream."""


FAMILIES = {"anthropic": Family(path="v1/messages", terminal="message_stop")}


@dataclass(frozen=True, slots=True)
class _Translated:
    """A request in the target's protocol, and what is needed to read its answer."""

    config: Any
    body: dict[str, Any]
    headers: dict[str, str] = field(repr=False)
    messages: list[Any]
    optional: dict[str, Any]
    context: dict[str, Any]
    json_mode: bool


class LitellmProvider:
    """A provider behind litellm's translation."""

    def __init__(
        self, name: str, *, family: str, client: HttpClient, base_url: str, secret: str | None, timeouts: Timeouts
    ) -> None:
        self.name = name
        self.timeouts = timeouts
        self._family_name = family
        self._family = FAMILIES[family]
        self._client = client
        self._url = URL(f"{base_url.rstrip('/').removesuffix('/v1')}/{self._family.path}")
        self._secret = (secret or "").strip() or None
        self.ready = False

    async def prepare(self) -> None:
        """Import litellm, in a thread, with the first call."""
        await asyncio.to_thread(_library)
        self.ready = True

    async def answer(self, question: Question, model: str) -> Whole:
        """Ask for a plain answer."""
        translated = self._translate(question, model)
        response = await self._client.post(
            self.name, self._url, msgspec.json.encode(translated.body), translated.headers
        )
        body = await read_whole(self.name, response)
        try:
            whole = _whole_answer(translated, model, body)
        except Exception as error:  # litellm raises whatever its parser meets
            raise ProviderError(f"Provider {self.name!r} answered what can't be translated.") from error
        return Whole(whole, request_id_of(response))

    async def stream(self, question: Question, model: str) -> TranslatedStream:
        """Ask for a stream and wait for its first event."""
        translated = self._translate(question, model)
        response = await self._client.post(
            self.name, self._url, msgspec.json.encode({**translated.body, "stream": True}), translated.headers
        )
        stream = await HttpStream(self.name, response).open()
        parser = _stream_parser(translated)
        return await TranslatedStream(stream, parser, terminal=self._family.terminal, name=self.name).open()

    async def close(self) -> None:
        """Nothing to let go of."""

    def _translate(self, question: Question, model: str) -> _Translated:
        fields = msgspec.json.decode(question.body_for(model))
        if question.operation != "chat/completions":
            raise InvalidInput(
                f"Provider {self.name!r} answers chat only.", hint="Name another model.", code="unsupported_operation"
            )
        _refuse_remote_media(fields["messages"])
        try:
            return _translated(self._family_name, model, fields, secret=self._secret, base_url=str(self._url))
        except WorkbenchError:
            raise
        except Exception as error:
            raise _refused(error, self.name) from error


# -- litellm -----------------------------------------------------------------------------------------------------------


def _library() -> None:
    """Import litellm, told to fetch nothing, to read no `.env`, and to write to nobody's terminal."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_BLOG_POSTS"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm  # noqa: PLC0415 - takes seconds, so the first call pays and not the start

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)


class _Silent:
    """Stands where litellm wants to log."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_options: None


def _translated(family: str, model: str, fields: dict[str, Any], *, secret: str | None, base_url: str) -> _Translated:
    from litellm.litellm_core_utils.get_supported_openai_params import get_supported_openai_params  # noqa: PLC0415
    from litellm.types.utils import LlmProviders  # noqa: PLC0415
    from litellm.utils import ProviderConfigManager, get_optional_params  # noqa: PLC0415

    messages = fields["messages"]
    wished = {
        name: value
        for name, value in fields.items()
        if name not in _NOT_FOR_TRANSLATION and value is not None and not (name in HARMLESS and value == HARMLESS[name])
    }
    supported = set(get_supported_openai_params(model=model, custom_llm_provider=family) or ()) - _NEVER
    for name in wished:
        if name not in supported and name not in _OF_THE_PROTOCOL:
            raise InvalidInput(
                f"The field {name!r} can't be honoured: {model!r} is answered by {family}, which has no such thing.",
                hint="Leave it out, or name another model.",
                code="unsupported_parameter",
                param=name,
            )
    config: Any = ProviderConfigManager.get_provider_chat_config(model=model, provider=LlmProviders(family))
    optional: dict[str, Any] = get_optional_params(
        model=model, custom_llm_provider=family, messages=messages, drop_params=False, **wished
    )
    json_mode = bool(optional.pop("json_mode", False))
    context: dict[str, Any] = {}
    headers = config.validate_environment(
        headers={}, model=model, messages=messages, optional_params=optional, litellm_params=context,
        api_key=secret or _PLACEHOLDER, api_base=base_url,
    )  # fmt: skip
    headers = _with_credential(headers, secret)
    body = config.transform_request(
        model=model, messages=messages, optional_params=optional, litellm_params=context, headers=headers
    )
    headers["accept-encoding"] = "identity"
    return _Translated(config, body, headers, messages, optional, context, json_mode)


def _with_credential(headers: dict[str, str], secret: str | None) -> dict[str, str]:
    """Return litellm's headers with the configured credential and no other; without one, with none."""
    bearer = any(name.lower() == "authorization" for name in headers)
    kept = {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}
    if secret:
        kept |= {"authorization": f"Bearer {secret}"} if bearer else {"x-api-key": secret}
    return kept


def _stream_parser(translated: _Translated) -> Parser:
    from litellm.llms.anthropic.chat.handler import ModelResponseIterator  # noqa: PLC0415
    from litellm.llms.anthropic.chat.transformation import ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY  # noqa: PLC0415

    parser: Parser = ModelResponseIterator(
        streaming_response=iter(()),
        sync_stream=True,
        json_mode=translated.json_mode,
        tool_name_reverse_map=translated.context.get(ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY),
    )
    return parser


def _whole_answer(translated: _Translated, model: str, body: bytes) -> bytes:
    import httpx  # noqa: PLC0415 - litellm has loaded it
    from litellm.types.utils import ModelResponse  # noqa: PLC0415

    response = translated.config.transform_response(
        model=model,
        raw_response=httpx.Response(200, content=body),
        model_response=ModelResponse(),
        logging_obj=_Silent(),
        request_data=translated.body,
        messages=translated.messages,
        optional_params=translated.optional,
        litellm_params=translated.context,
        encoding=None,
        json_mode=translated.json_mode,
    )
    fields = response.model_dump(exclude_none=True)
    for choice in fields.get("choices", ()):
        choice["message"].setdefault("content", None)
    return msgspec.json.encode(fields)


def _refused(error: Exception, provider: str) -> WorkbenchError:
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        text = str(getattr(error, "message", error)).removeprefix("litellm.").split("To drop these")[0].strip()
        return InvalidInput(f"The request can't be translated for provider {provider!r}: {text[:500]}")
    return InvalidInput(
        f"The request can't be translated for provider {provider!r} ({type(error).__name__}).",
        hint="Check messages and tools against OpenAI's reference.",
    )


def _refuse_remote_media(messages: list[Any]) -> None:
    """Refuse links in messages: translating them would make the gateway fetch what a caller names."""
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            for name in ("image_url", "file", "video_url"):
                value = part.get(name) if isinstance(part, dict) else None
                texts = value.values() if isinstance(value, dict) else [value]
                if any(isinstance(text, str) and "://" in text[:20] for text in texts):
                    raise InvalidInput(
                        "The gateway fetches no links, and this model's protocol takes none as they are.",
                        hint="Send the content itself, as a data: URL.",
                        code="remote_media",
                        param="messages",
                    )
