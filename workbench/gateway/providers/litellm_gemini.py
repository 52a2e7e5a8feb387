"""Gemini's generateContent, at Google AI and at Vertex: litellm's translation, embeddings, and what reads its streams.

Source: Google, Gemini API reference. A stream has no event that ends it: it is whole once every candidate has told a
`finishReason`, or the prompt was blocked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from workbench.gateway.providers.embeddings import embeddings_lane
from workbench.gateway.providers.endings import Endings
from workbench.gateway.providers.litellm_chat import Chat, Target, chat_lane
from workbench.gateway.providers.litellm_library import Silent
from workbench.gateway.providers.translation import Asking, Lanes, Request, Step
from workbench.wire.sse import Event

OWN = frozenset({"top_k", "thinking", "safety_settings"})
"""Fields that are not OpenAI's and that Gemini knows."""


class GenerateContentReader:
    """Reads a stream of generateContent."""

    def __init__(self, chat: Chat) -> None:
        from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import (  # noqa: PLC0415
            ModelResponseIterator,
        )

        self._parser: Any = ModelResponseIterator(iter(()), sync_stream=True, logging_obj=Silent(chat.optional))
        self.id = ""
        self.model = chat.asking.model
        self._endings = Endings()

    @property
    def whole(self) -> bool:
        """Whether every candidate has finished."""
        return self._endings.whole

    def read(self, event: Event) -> Step | None:
        """Read one event."""
        if not event.data:
            return None
        fields = msgspec.json.decode(event.data)
        if "error" in fields:
            said = fields["error"]
            return Step(error={"message": str(said.get("message")), "type": said.get("status")})
        self._note(fields)
        chunk = self._parser.chunk_parser(fields)
        self.id, self.model = self.id or chunk.id or "", chunk.model or self.model
        told = chunk.model_dump(exclude_none=True)
        if (usage := getattr(chunk, "usage", None)) is not None:
            told["usage"] = usage.model_dump(exclude_none=True)
        return Step(chunk=told)

    def _note(self, fields: dict[str, Any]) -> None:
        if (fields.get("promptFeedback") or {}).get("blockReason"):
            self._endings.end()
        for candidate in fields.get("candidates") or ():
            self._endings.note(candidate.get("index", 0), ended=bool(candidate.get("finishReason")))


def generate_content(chat: Chat, *, family: str, url: Callable[[Asking, str], Any]) -> Request:
    """Return the request for a chat; `url` puts the method behind the model's place."""
    from litellm.llms.vertex_ai.gemini.transformation import transform_request_body  # noqa: PLC0415

    body = transform_request_body(
        messages=chat.messages,
        model=chat.model,
        optional_params=dict(chat.optional),
        custom_llm_provider=family,
        litellm_params=chat.context,
        cached_content=None,
    )
    method = "streamGenerateContent?alt=sse" if chat.asking.stream else "generateContent"
    return Request(url(chat.asking, method), body)


def _url(asking: Asking, method: str) -> Any:
    return asking.url("v1beta/models/{model}:" + method, model=asking.model.removeprefix("models/"))


def _embeddings(asking: Asking, texts: list[str]) -> list[Request]:
    model = f"models/{asking.model.removeprefix('models/')}"
    size = asking.fields.get("dimensions")
    more = {} if size is None else {"outputDimensionality": size}
    asked = [{"model": model, "content": {"parts": [{"text": text}]}, **more} for text in texts]
    return [Request(_url(asking, "batchEmbedContents"), {"requests": asked})]


def _vectors(answers: list[dict[str, Any]]) -> tuple[list[list[float]], int | None]:
    return [one["values"] for answer in answers for one in answer["embeddings"]], None


LANES: Lanes = {
    "chat/completions": chat_lane(
        Target(
            family=lambda _: "gemini",
            request=lambda chat: generate_content(chat, family="gemini", url=_url),
            events=GenerateContentReader,
            own=OWN,
        )
    ),
    "embeddings": embeddings_lane(ask=_embeddings, vectors=_vectors),
}
