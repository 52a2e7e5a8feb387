"""Vertex AI: Gemini and Claude by litellm, text embeddings and pictures, each at its place in a project."""

from __future__ import annotations

from typing import Any

from workbench.gateway.providers import imagen
from workbench.gateway.providers.embeddings import embeddings_lane
from workbench.gateway.providers.litellm_anthropic import OWN as OWN_OF_CLAUDE
from workbench.gateway.providers.litellm_anthropic import MessagesReader
from workbench.gateway.providers.litellm_chat import Chat, Target, chat_lane, transformed
from workbench.gateway.providers.litellm_gemini import OWN as OWN_OF_GEMINI
from workbench.gateway.providers.litellm_gemini import GenerateContentReader, generate_content
from workbench.gateway.providers.openai_chunks import ChunkReader
from workbench.gateway.providers.translation import Asking, Lanes, Request, Translated
from workbench.gateway.providers.vertex_place import open_models, place

_VERSION = "vertex-2023-10-16"
_TEXTS_AT_ONCE = {"gemini-embedding-001": 1}
"""How many texts a model takes in one request; others take `_TEXTS`."""
_TEXTS = 250


def _gemini(chat: Chat) -> Request:
    return generate_content(chat, family="vertex_ai", url=lambda asking, method: place(asking, "google", method))


def _claude(chat: Chat) -> Request:
    body = {**transformed(chat), "anthropic_version": _VERSION}
    headers = {}
    if betas := body.pop("anthropic_beta", None):
        headers["anthropic-beta"] = ",".join(betas)
    method = "streamRawPredict" if chat.asking.stream else "rawPredict"
    return Request(place(chat.asking, "anthropic", method), {**body, "stream": chat.asking.stream}, headers)


_CHAT_OF_GEMINI = chat_lane(
    Target(family=lambda _: "vertex_ai", request=_gemini, events=GenerateContentReader, own=OWN_OF_GEMINI)
)
_CHAT_OF_CLAUDE = chat_lane(
    Target(family=lambda _: "vertex_ai", request=_claude, events=MessagesReader, own=OWN_OF_CLAUDE, takes_blank=False)
)


def _chat_of_others(asking: Asking) -> Translated:
    """Relay chat with an open model, such as meta/llama-3.3-70b-instruct-maas: it speaks OpenAI's protocol."""
    return Translated(
        [Request(open_models(asking, "chat/completions"), {**asking.fields, "model": asking.model})],
        whole=lambda bodies: bodies[0],
        events=lambda: ChunkReader(asking.model),
    )


def _chat(asking: Asking) -> Translated:
    if "claude" in asking.model:
        return _CHAT_OF_CLAUDE(asking)
    named_by_maker = "/" in asking.model and not asking.model.startswith("endpoints/")
    return _chat_of_others(asking) if named_by_maker else _CHAT_OF_GEMINI(asking)


def _embeddings(asking: Asking, texts: list[str]) -> list[Request]:
    size = asking.fields.get("dimensions")
    parameters = {} if size is None else {"parameters": {"outputDimensionality": size}}
    url, step = place(asking, "google", "predict"), _TEXTS_AT_ONCE.get(asking.model, _TEXTS)
    return [
        Request(url, {"instances": [{"content": text} for text in texts[at : at + step]], **parameters})
        for at in range(0, len(texts), step)
    ]


def _vectors(answers: list[dict[str, Any]]) -> tuple[list[list[float]], int | None]:
    found = [one["embeddings"] for answer in answers for one in answer["predictions"]]
    counts = [int((one.get("statistics") or {}).get("token_count") or 0) for one in found]
    return [one["values"] for one in found], sum(counts) if all(counts) else None


LANES: Lanes = {
    "chat/completions": _chat,
    "embeddings": embeddings_lane(ask=_embeddings, vectors=_vectors),
    **imagen.LANES,
}
