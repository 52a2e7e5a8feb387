"""Whatever else litellm knows: its translator tells where a provider answers, with which body, and how it streams.

The destination is the configured `base_url`, else the one that litellm documents for the provider.
"""

from __future__ import annotations

from typing import Any

import msgspec
from yarl import URL

from workbench.errors import InvalidInput
from workbench.gateway.providers.embeddings import answer_of, texts_of
from workbench.gateway.providers.litellm_chat import Chat, Target, chat_lane, transformed, without_credentials
from workbench.gateway.providers.litellm_library import PLACEHOLDER, Silent
from workbench.gateway.providers.openai_chunks import ChunkReader
from workbench.gateway.providers.translation import (
    Asking,
    EventReader,
    Lanes,
    Request,
    Translated,
    refuse_unknown,
)


def _events(chat: Chat) -> EventReader:
    """Return what reads a stream by the parser of litellm's translator."""
    parser: Any = chat.config.get_model_response_iterator(
        streaming_response=iter(()), sync_stream=True, json_mode=chat.json_mode
    )
    if parser is None or not hasattr(parser, "chunk_parser"):
        raise InvalidInput(
            f"litellm can't translate streams of {chat.asking.provider!r}.",
            hint="Ask without `stream`.", code="unsupported_parameter", param="stream",
        )  # fmt: skip

    def parse(fields: dict[str, Any]) -> dict[str, Any]:
        chunk = parser.chunk_parser(fields)
        told = chunk.model_dump(exclude_none=True) if hasattr(chunk, "model_dump") else _from_generic(chunk)
        return dict(told)

    return ChunkReader(chat.asking.model, parse=parse)


def _from_generic(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return a chunk of litellm's older shape, of one choice, in OpenAI's."""
    delta = {"content": chunk.get("text"), "tool_calls": [tool] if (tool := chunk.get("tool_use")) else None}
    finish = chunk.get("finish_reason") if chunk.get("is_finished") else None
    usage = chunk.get("usage")
    return {
        "choices": [{"index": chunk.get("index", 0), "delta": delta, "finish_reason": finish}],
        "usage": dict(usage) if usage else None,
    }


def family(asking: Asking) -> str:
    """Return litellm's name of the provider; raises InvalidInput where it has none of that name."""
    from litellm.types.utils import LlmProviders  # noqa: PLC0415

    named = asking.settings.litellm_provider or asking.model.partition("/")[0]
    if named not in {provider.value for provider in LlmProviders}:
        raise InvalidInput(
            f"litellm knows no provider {named!r}.",
            hint=f"The admin must check [providers.{asking.provider}] litellm_provider, or the deployment's model.",
        )
    return named


def model_of(asking: Asking) -> str:
    """Return the model without the provider before it."""
    return asking.model if asking.settings.litellm_provider else asking.model.partition("/")[2]


def _config(asking: Asking) -> Any:
    from litellm.types.utils import LlmProviders  # noqa: PLC0415
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415

    config = ProviderConfigManager.get_provider_chat_config(
        model=model_of(asking), provider=LlmProviders(family(asking))
    )
    if config is None:
        raise InvalidInput(f"litellm has no translation of chat for {family(asking)!r}.", code="unsupported_operation")
    return config


def _base_url(asking: Asking) -> str | None:
    from litellm import get_llm_provider  # noqa: PLC0415

    if str(asking.root):
        return str(asking.root)
    *_, base = get_llm_provider(model=model_of(asking), custom_llm_provider=family(asking), api_key=PLACEHOLDER)
    return str(base) if base else None


def _request(chat: Chat) -> Request:
    asking, base = chat.asking, _base_url(chat.asking)
    chat.headers.update(
        chat.config.validate_environment(
            headers={}, model=chat.model, messages=chat.messages, optional_params=chat.optional,
            litellm_params=chat.context, api_key=PLACEHOLDER, api_base=base,
        )
    )  # fmt: skip
    url = chat.config.get_complete_url(
        api_base=base, api_key=PLACEHOLDER, model=chat.model, optional_params=chat.optional,
        litellm_params=chat.context, stream=asking.stream,
    )  # fmt: skip
    chat.optional.pop("stream", None)
    body = transformed(chat)
    body |= body.pop("extra_body", None) or {}
    if asking.stream:
        body |= {"stream": True}
        if "stream_options" in (chat.config.get_supported_openai_params(chat.model) or ()):
            body |= {"stream_options": {"include_usage": True}}
    return Request(URL(url), body, without_credentials(chat.headers))


def _embeddings(asking: Asking) -> Translated:
    import httpx  # noqa: PLC0415 - litellm has loaded it
    from litellm.types.utils import EmbeddingResponse, LlmProviders  # noqa: PLC0415
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415

    model, base = model_of(asking), _base_url(asking)
    config: Any = ProviderConfigManager.get_provider_embedding_config(
        model=model, provider=LlmProviders(family(asking))
    )
    if config is None:  # it speaks OpenAI's protocol, or nothing that litellm can translate
        body = {**asking.fields, "model": model}
        return Translated([Request(URL(f"{base}/embeddings"), body)], whole=lambda bodies: bodies[0])
    known = frozenset(config.get_supported_openai_params(model)) - {"extra_headers"}
    texts = texts_of(asking, takes=known)
    wished = {name: asking.fields[name] for name in known & asking.fields.keys() if name != "encoding_format"}
    optional = config.map_openai_params(
        non_default_params=wished, optional_params={}, model=model, drop_params=False
    )  # fmt: skip
    headers = config.validate_environment(
        headers={}, model=model, messages=[], optional_params=optional, litellm_params={}, api_key=PLACEHOLDER,
        api_base=base,
    )  # fmt: skip
    url = config.get_complete_url(
        api_base=base, api_key=PLACEHOLDER, model=model, optional_params=optional, litellm_params={}
    )
    sent = config.transform_embedding_request(model=model, input=texts, optional_params=optional, headers=headers)

    def whole(bodies: list[bytes]) -> bytes:
        told = config.transform_embedding_response(
            model=model, raw_response=httpx.Response(200, content=bodies[0]), model_response=EmbeddingResponse(),
            logging_obj=Silent(optional), api_key=PLACEHOLDER, request_data=sent, optional_params=optional,
            litellm_params={},
        ).model_dump()  # fmt: skip
        vectors = [one["embedding"] for one in sorted(told["data"], key=lambda one: int(one["index"]))]
        return answer_of(asking, vectors, int((told.get("usage") or {}).get("prompt_tokens") or 0))

    return Translated([Request(URL(url), sent, without_credentials(headers))], whole)


def _rerank(asking: Asking) -> Translated:
    import httpx  # noqa: PLC0415 - litellm has loaded it
    from litellm.types.rerank import RerankResponse  # noqa: PLC0415
    from litellm.types.utils import LlmProviders  # noqa: PLC0415
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415

    model, fields = model_of(asking), asking.fields
    config: Any = ProviderConfigManager.get_provider_rerank_config(
        model=model, provider=LlmProviders(family(asking)), api_base=None, present_version_params=[]
    )
    known = frozenset(config.get_supported_cohere_rerank_params(model))
    refuse_unknown(asking, known | {"model", "query", "documents"}, harmless={})
    wished = {name: fields[name] for name in known & fields.keys() - {"query", "documents"}}
    optional = config.map_cohere_rerank_params(
        non_default_params=wished, model=model, drop_params=False, query=fields["query"],
        documents=fields["documents"], **wished,
    )  # fmt: skip
    headers = config.validate_environment(headers={}, model=model, api_key=PLACEHOLDER, optional_params=optional)
    url = config.get_complete_url(
        api_base=str(asking.root) or None, model=model, optional_params=optional
    )  # fmt: skip
    sent = config.transform_rerank_request(model=model, optional_rerank_params=optional, headers=headers)

    def whole(bodies: list[bytes]) -> bytes:
        told = config.transform_rerank_response(
            model=model, raw_response=httpx.Response(200, content=bodies[0]), model_response=RerankResponse(),
            logging_obj=Silent(optional), api_key=PLACEHOLDER, request_data=sent, optional_params=optional,
        )  # fmt: skip
        return msgspec.json.encode({"model": asking.model, **told.model_dump(exclude_none=True)})

    return Translated([Request(URL(url), sent, without_credentials(headers))], whole)


LANES: Lanes = {
    "chat/completions": chat_lane(
        Target(family=family, model=model_of, config=_config, request=_request, events=_events)
    ),
    "embeddings": _embeddings,
    "rerank": _rerank,
}
